"""Runs inside MicroPython: `runner.py FILE TEST...` runs those tests of one file.

Every record for conftest.py starts with the separator 0x1E, wherever on a line it stands, and
reaches to the next one: `START name`, then what the test prints, then `PASS name`,
`SKIP name reason`, or `FAIL name` and a traceback; `ALL …` instead when the file does not import.
"""

import gc
import sys

from testing import SkipTest


def _finish(result):
    # An async test returns the coroutine that is to be run.
    if hasattr(result, "send"):
        import asyncio

        asyncio.new_event_loop()
        asyncio.run(result)


def _run(name, fn):
    print("\x1eSTART", name)
    try:
        _finish(fn())
        print("\x1ePASS", name)
    except SkipTest as e:
        print("\x1eSKIP", name, e)
    except BaseException as e:
        gc.enable()
        print("\x1eFAIL", name)
        sys.print_exception(e, sys.stdout)


def main():
    folder, name = sys.argv[1].rsplit("/", 1)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = __import__(name[:-3])
    except SkipTest as e:
        print("\x1eSKIP ALL", e)
        return
    except BaseException as e:
        print("\x1eFAIL ALL")
        sys.print_exception(e, sys.stdout)
        return
    for name in sys.argv[2:]:
        gc.collect()
        _run(name, getattr(module, name))


main()
