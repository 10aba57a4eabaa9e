# What a firmware of your own freezes: see README.md beside this.
include("$(BOARD_DIR)/manifest.py")  # noqa: F821 - a word of MicroPython's manifests
include("../../firmware/manifest.py")  # noqa: F821
