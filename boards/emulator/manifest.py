# The image with the packed client in flash, where its code takes no RAM; `make pack` makes it.
include("firmware/manifest.py")  # noqa: F821 - a word of MicroPython's manifests
freeze("../../build/packed/source", opt=2)  # noqa: F821
