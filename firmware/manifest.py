# Freezes the package into a firmware: in the manifest of a board,
#     include("path/to/firmware/manifest.py")
# From flash, its code takes no RAM; main.py and config.json stay files that can be changed.
package("lwm2m", opt=3)  # noqa: F821 - a word of MicroPython's manifests
