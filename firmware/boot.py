"""Runs before main.py, and ends at once: what can go wrong here leaves no way in."""

import micropython
import os

# An error inside of an interrupt handler can then be told; a process has no interrupts.
if hasattr(micropython, "alloc_emergency_exception_buf"):
    micropython.alloc_emergency_exception_buf(100)

# A board that has been given an update in a file starts what its turn it is.
if "slots.bin" in os.listdir():
    from lwm2m.ports.update.file import boot

    print("slot: %s" % boot())
    del boot
