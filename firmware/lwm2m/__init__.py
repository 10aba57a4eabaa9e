"""LwM2M client for MicroPython. Import what you use: `from lwm2m.client import Client`."""

__version__ = "0.1.0"
