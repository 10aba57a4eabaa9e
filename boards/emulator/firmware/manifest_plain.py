# What MicroPython itself needs in the image; the client comes with `lwm2m-host board deploy`.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
