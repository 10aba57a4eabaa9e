# The same with the client in flash, where its code takes no RAM.
include("manifest_plain.py")  # noqa: F821 - a word of MicroPython's manifests
include("../../../firmware/manifest.py")  # noqa: F821
