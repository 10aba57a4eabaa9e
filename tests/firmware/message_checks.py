"""Messages built and parsed for the tests of CoAP's wire format."""

from wire import ACCEPT, BLOCK1, BLOCK2, CONTENT_FORMAT, OBSERVE

OK, IGNORE, REJECT = 0, -1, -2
SIZE2, SIZE1 = 28, 60


def found(m, number, index=0):
    return bytes(m.buf[m.start : m.stop]) if m.option(number, index) else None


UINTS = (
    # number, attribute, longest length
    (OBSERVE, "observe", 3),
    (CONTENT_FORMAT, "format", 2),
    (ACCEPT, "accept", 2),
    (BLOCK2, "block2", 3),
    (BLOCK1, "block1", 3),
    (SIZE2, "size2", 4),
    (SIZE1, "size1", 4),
)
