# The image with the client in flash, where its code takes no RAM.
include("firmware/manifest.py")  # noqa: F821 - a word of MicroPython's manifests
include("../../firmware/manifest.py")  # noqa: F821
