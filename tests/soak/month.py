"""`micropython month.py DAYS SEED WRAP`: simulates and prints what came of it, as JSON.

WRAP is 1 for the real clock on ticks that wrap, 0 for one that is moved by hand.
"""

import json
import sys
import time

from simulation import Simulation


def main():
    days, seed, wrap = [int(word) for word in sys.argv[1:4]]
    start = time.ticks_ms()
    simulation = Simulation(days, seed, bool(wrap))
    simulation.run()
    found = {
        "failures": simulation.failures,
        "heap_growth_bytes": simulation.growth,
        "wraps": simulation.wraps,
        "numbers": simulation.numbers(),
        "s": time.ticks_diff(time.ticks_ms(), start) / 1000,
    }
    print(json.dumps(found))
    sys.exit(1 if simulation.failures or simulation.growth else 0)


main()
