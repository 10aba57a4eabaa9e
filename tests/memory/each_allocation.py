"""Runs inside a MicroPython whose allocator can be made to fail (boards/UNIX/failing_alloc.patch):

    each_allocation.py basic|all N FIRST STEP [LAST]

lets N allocations in a row fail in a round of cycle.py, the first of them number FIRST, in the
next round number FIRST + STEP, and so on, until none is left to fail; then a round of the same
client has to pass. Prints what went wrong, and in the end one line of JSON.
"""

import gc
import json
import sys

from cycle import Lost, Round, Server


def around(step):
    gc.count(True)
    try:
        return step()
    finally:
        gc.count(False)


def main(what, burst, first, stride, last=1 << 30):
    server = Server()
    parts = Round.BASIC if what == "basic" else Round.BASIC + Round.FURTHER
    at = first
    found = {"failed": 0, "rounds": 0, "ended": 0, "lost_registrations": 0, "inconsistent": 0}
    while at <= last:
        gc.fail(1, 0)
        cycle = Round(server, around)
        gc.collect()
        gc.fail(at, burst)
        try:
            cycle.run(parts)
            failed = gc.failed()
            gc.fail(1, 0)
            if not failed:
                break
            found["rounds"] += 1
            found["failed"] += failed
            cycle.consistent()
            cycle.run(parts)
            cycle.consistent()
        except Lost as e:
            gc.fail(1, 0)
            print("%d: %s" % (at, e))
            sys.print_exception(e, sys.stdout)
            if "registered" in str(e):
                found["lost_registrations"] += 1
            else:
                found["inconsistent"] += 1
        except Exception as e:
            gc.fail(1, 0)
            print("%d: it ends" % at)
            sys.print_exception(e, sys.stdout)
            found["ended"] += 1
        cycle.client.deregister(False)
        cycle.client.step()
        at += stride
    found["last"] = at
    print(json.dumps(found))


main(sys.argv[1], *[int(arg) for arg in sys.argv[2:]])
