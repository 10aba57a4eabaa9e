"""What a test inside MicroPython needs besides `assert`, which cannot explain itself there."""

import gc
import io
import os
import sys

import micropython


# A folder for files, for this interpreter alone, from the root of the checkout, where it runs.
FOLDER = os.getenv("TEST_FOLDER")


class SkipTest(Exception):
    """Raised, with the reason, by a test that cannot run here, or at import for a whole file."""


def eq(got, expected):
    """Fail unless both are equal, showing both, and for bytes where they part."""
    if got == expected:
        return
    text = "\n  got      %r\n  expected %r" % (got, expected)
    if isinstance(expected, (bytes, bytearray)) and isinstance(got, (bytes, bytearray)):
        at = 0
        while at < len(got) and at < len(expected) and got[at] == expected[at]:
            at += 1
        text = "\n  got      %s (%d bytes)\n  expected %s (%d bytes)\n  differ at byte %d" % (
            got.hex(),
            len(got),
            expected.hex(),
            len(expected),
            at,
        )
    raise AssertionError(text)


def raises(exception, fn, *args, **kwargs):
    """Call `fn`, which must raise `exception`; returns what was raised."""
    try:
        result = fn(*args, **kwargs)
    except exception as e:
        return e
    raise AssertionError("%s was not raised; returned %r" % (exception.__name__, result))


def heap_locked(fn, *args):
    """Call `fn` with a locked heap and return its result: fails if it allocates one byte."""
    failure = None
    result = None
    micropython.heap_lock()
    try:
        result = _call(fn, args)
    except MemoryError as e:
        failure = e
    finally:
        micropython.heap_unlock()
    if failure is not None:
        text = io.StringIO()
        sys.print_exception(failure, text)
        raise AssertionError("allocates where it must not:\n" + text.getvalue())
    return result


def allocated(fn, *args):
    """The bytes of heap that one call takes, garbage included.

    What only a first call takes (imports, growing tables) counts too: call once before to leave
    it out.
    """
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        _call(fn, args)
        return gc.mem_alloc() - before
    finally:
        if enabled:
            gc.enable()


def _call(fn, args):
    # fn(*args) would allocate.
    n = len(args)
    if n == 0:
        return fn()
    if n == 1:
        return fn(args[0])
    if n == 2:
        return fn(args[0], args[1])
    if n == 3:
        return fn(args[0], args[1], args[2])
    if n == 4:
        return fn(args[0], args[1], args[2], args[3])
    if n == 5:
        return fn(args[0], args[1], args[2], args[3], args[4])
    raise TypeError("at most 5 arguments")
