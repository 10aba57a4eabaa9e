# What a firmware of your own freezes: see README.md beside this.
include("$(PORT_DIR)/boards/manifest.py")  # noqa: F821 - a word of MicroPython's manifests
include("../../firmware/manifest.py")  # noqa: F821
