"""Runs inside any MicroPython with a small heap: `full_heap.py K...`.

For each K, a round of cycle.py in which every step of the client finds its heap filled up to the
last K blocks, all in one piece. What finds no memory may fail; then, with the memory there again,
a round of the same client has to pass. Prints what went wrong, and in the end one line of JSON.
"""

import gc
import json
import sys

from cycle import Lost, Round, Server

# Bytes of a block of the heap: four words
BLOCK = 32 if sys.maxsize > 1 << 32 else 16


class Filler:
    """Fills the heap, and gives it back."""

    def __init__(self):
        self.pieces = [None] * 400
        self.blocks = -1
        self.died = False

    def around(self, step):
        if self.blocks < 0:
            return step()
        gc.collect()
        gc.disable()
        pieces = self.pieces
        pieces[-1] = bytearray(self.blocks * BLOCK)
        size = 1 << 16
        n = 0
        while size and n < len(pieces) - 1:
            try:
                pieces[n] = bytearray(size)
                n += 1
            except MemoryError:
                size >>= 1
        gc.enable()
        pieces[-1] = None
        self.died = True
        try:
            due = step()
            self.died = False
            return due
        finally:
            for i in range(n):
                pieces[i] = None


def main(all_blocks):
    server = Server()
    filler = Filler()
    found = {"rounds": 0, "ended": 0, "lost_registrations": 0, "inconsistent": 0, "lost": 0}
    parts = Round.BASIC + Round.FURTHER
    for blocks in all_blocks:
        filler.blocks = -1
        filler.died = False
        cycle = Round(server, filler.around)
        found["rounds"] += 1
        try:
            cycle.register()
            filler.blocks = blocks
            cycle.asked = cycle.repeated = 1
            cycle.patience_s = 5
            for part in parts:
                if part is Round.leave:
                    continue
                try:
                    part(cycle)
                except Exception:
                    # What is refused is not there for the next part, and what the application
                    # itself asks for has no memory either. Only a step may not fail.
                    if filler.died:
                        raise
                    found["lost"] += 1
            filler.blocks = -1
            cycle.asked = 5
            cycle.repeated = 6
            cycle.patience_s = 7200
            cycle.register()
            cycle.forget()
            cycle.run(parts)
            cycle.consistent()
        except Lost as e:
            print("%d blocks: %s" % (blocks, e))
            sys.print_exception(e, sys.stdout)
            found["lost_registrations" if "registered" in str(e) else "inconsistent"] += 1
        except Exception as e:
            print("%d blocks: it ends" % blocks)
            sys.print_exception(e, sys.stdout)
            found["ended"] += 1
        filler.blocks = -1
        cycle.client.deregister(False)
        cycle.client.step()
    print(json.dumps(found))


main([int(arg) for arg in sys.argv[1:]])
