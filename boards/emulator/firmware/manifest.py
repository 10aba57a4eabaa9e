# What MicroPython itself needs in the image; the client comes with `lwm2m-host board deploy`.
freeze("$(PORT_DIR)/modules")  # noqa: F821 - a word of MicroPython's manifests
include("$(MPY_DIR)/extmod/asyncio")  # noqa: F821
