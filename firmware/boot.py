"""Runs before main.py, and ends at once: what can go wrong here leaves no way in."""

import micropython

# An error inside of an interrupt handler can then be told.
micropython.alloc_emergency_exception_buf(100)
