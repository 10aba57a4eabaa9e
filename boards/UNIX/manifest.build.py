# What build.sh freezes into the unix port: what Debian's build has of it and our programs use.
include("$(MPY_DIR)/extmod/asyncio")  # noqa: F821 - a word of MicroPython's manifests
