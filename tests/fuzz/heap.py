"""What is taken on the heap, measured so that two measurements can be compared."""

import gc

DEPTH = 60  # of the stack that is overwritten before


def overwrite(depth, a, b, c, d, e, f):
    """Cover the stack below with zeros."""
    return overwrite(depth - 1, a, b, c, d, e, f) if depth else a


def taken():
    """Bytes on the heap, garbage aside."""
    # The collector takes whatever looks like a pointer for one, and what lies about on the stack
    # may be one: it is overwritten.
    for _ in range(2):
        overwrite(DEPTH, 0, 0, 0, 0, 0, 0)
        gc.collect()
    return gc.mem_alloc()


def fill(*instances):
    """Give instances all attributes of their own that their classes have values for: the table in
    which they are grows with what has happened to an instance, up to this."""
    for instance in instances:
        cls = type(instance)
        own = instance.__dict__
        for name in dir(cls):
            if name[:2] == "__" or name in own:
                continue
            value = getattr(cls, name)
            if not callable(value) and not isinstance(value, property):
                setattr(instance, name, value)
