# What an interpreter of your own freezes: see README.md beside this.
include("$(VARIANT_DIR)/manifest.py")  # noqa: F821 - a word of MicroPython's manifests
include("../../firmware/manifest.py")  # noqa: F821
