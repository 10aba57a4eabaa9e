"""Heap that modules take beside a client that is there: `format_modules.py NAME...` prints each
name and the bytes that importing it takes, with what it brings along."""

import gc
import sys

import lwm2m.client
import lwm2m.objects.device  # noqa: F401 - every device has it


def main():
    for name in sys.argv[1:]:
        gc.collect()
        before = gc.mem_alloc()
        __import__(name)
        gc.collect()
        print(name, gc.mem_alloc() - before)


main()
