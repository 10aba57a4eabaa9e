"""`micropython client_fuzz.py COUNT SEED MTU`: fuzzes the client and prints what came of it.

The last line is JSON; every failure stands above it, with its datagram.
"""

import json
import sys
import time

from fuzzer import Fuzzer

MARK = 100000


def report(fuzzer):
    if fuzzer.done and not fuzzer.done % MARK:
        print(f"{fuzzer.done} datagrams", file=sys.stderr)


def main():
    count, seed, mtu = [int(word) for word in sys.argv[1:4]]
    start = time.ticks_ms()
    fuzzer = Fuzzer(seed, mtu, report)
    fuzzer.run(count)
    found = {
        "datagrams": fuzzer.done,
        "failures": fuzzer.failures,
        "heap_growth_bytes": fuzzer.growth,
        "answers": fuzzer.answers,
        "codes": {f"{code >> 5}.{code & 31:02d}": n for code, n in enumerate(fuzzer.codes) if n},
        "repeats": fuzzer.repeats,
        "recoveries": fuzzer.recoveries,
        "deliberate": fuzzer.subject.witness.deliberate,
        "changes": fuzzer.subject.effects,
        "reboots": fuzzer.subject.reboots,
        "s": time.ticks_diff(time.ticks_ms(), start) / 1000,
    }
    print(json.dumps(found))
    sys.exit(1 if fuzzer.failures or (count > 1000 and fuzzer.growth != 0) else 0)


main()
