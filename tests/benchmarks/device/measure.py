"""Heap and time of a call, for benchmarks inside MicroPython."""

import gc
import time


def heap_bytes(fn):
    """Bytes that a call takes from the heap, its second call."""
    fn()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    fn()
    taken = gc.mem_alloc() - before
    gc.enable()
    return taken


def loop_us(fn, count):
    """Microseconds of a call, the mean of `count` calls."""
    loops = range(count)
    gc.collect()
    start = time.ticks_us()
    for _ in loops:
        fn()
    return time.ticks_diff(time.ticks_us(), start) / count
