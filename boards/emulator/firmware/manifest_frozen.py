# The same with the client in flash, where its code takes no RAM.
include("manifest_plain.py")
include("../../../firmware/manifest.py")
