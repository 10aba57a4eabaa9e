# matrix
"""The harness itself: what testing.py promises, at both widths."""

import asyncio
import gc
import sys

from testing import SkipTest, allocated, eq, heap_locked, raises


def test_runs_inside_micropython():
    eq(sys.implementation.name, "micropython")


def test_firmware_is_importable():
    from lwm2m import codes

    folders = ("firmware/", "build/mpy/", "build/packed/", "build/rom/")
    assert codes.__file__.startswith(folders), codes.__file__


async def test_async_test_is_awaited():
    await asyncio.sleep(0)


def test_eq_shows_both_values():
    e = raises(AssertionError, eq, 1, 2)
    assert "got      1" in str(e) and "expected 2" in str(e), str(e)


def test_eq_shows_where_bytes_differ():
    e = raises(AssertionError, eq, b"\x01\x02\x03", b"\x01\x02\x04\x05")
    assert "010203 (3 bytes)" in str(e) and "differ at byte 2" in str(e), str(e)


def test_raises_returns_the_exception():
    eq(raises(ValueError, int, "x").__class__, ValueError)


def test_raises_fails_when_nothing_is_raised():
    e = raises(AssertionError, raises, ValueError, int, "1")
    eq(str(e), "ValueError was not raised; returned 1")


def test_heap_locked_passes_what_does_not_allocate():
    eq(heap_locked(max, 1, 2), 2)


def _allocates():
    return [1, 2, 3]


def test_heap_locked_names_the_line_that_allocates():
    e = raises(AssertionError, heap_locked, _allocates)
    assert "allocates where it must not" in str(e) and "_allocates" in str(e), str(e)


def _divides(x):
    return 1 // x


def test_heap_is_unlocked_after_any_exception():
    raises(ZeroDivisionError, heap_locked, _divides, 0)
    eq(len(bytearray(1000)), 1000)


def test_allocated_counts_bytes():
    eq(allocated(max, 1, 2), 0)
    assert 1000 <= allocated(bytearray, 1000) <= 1100
    assert gc.isenabled()


def test_skip_is_an_exception():
    eq(str(raises(SkipTest, _skips)), "because")


def _skips():
    raise SkipTest("because")
