"""Heap that importing each of the named modules takes: `modules.py NAME...`, those below first."""

import gc
import sys


def main():
    for name in sys.argv[1:]:
        gc.collect()
        before = gc.mem_alloc()
        __import__(name)
        gc.collect()
        print(name, gc.mem_alloc() - before)


main()
