"""Payloads in SenML CBOR: a whole instance, malformed ones, and a writer of records."""

from format_model import DEVICE_VALUES
from vectors_cbor import cbor

from lwm2m.types import BOOL, MULTI, OBJLNK, OPAQUE, STR


def field(flags, value):
    """The pair of label and value of a record."""
    kind = flags & 15
    if kind == OBJLNK:
        return ("vlo", "%d:%d" % value)
    return ({STR: 3, 9: 3, BOOL: 4, OPAQUE: 8}.get(kind, 2), value)


def records(values, base="/9999/0/"):
    out = []
    for rid, flags, value in values:
        if flags & MULTI:
            for riid in sorted(value):
                out.append(((0, "%d/%d" % (rid, riid)), field(flags, value[riid])))
        else:
            out.append(((0, "%d" % rid), field(flags, value)))
    out[0] = ((-2, base),) + out[0]
    return cbor(out)


DEVICE = []
for rid, flags, value in DEVICE_VALUES:
    DEVICE.append((rid, flags, dict(enumerate(value)) if flags & MULTI else value))
WHOLE = records(DEVICE)

PATH5 = (0, "/9999/0/5")


def one(*pairs):
    return cbor([pairs])


BAD = [
    one(PATH5, (2, 7), (2, 8)),  # twice
    one(PATH5, PATH5, (2, 7)),
    one(PATH5, (2, 7), (3, "x")),  # two values
    one(PATH5, (2, 7), ("vlo", "1:1")),
    one(PATH5, (2, 7), ("foo_", 1)),  # must be understood
    one(PATH5, (2, 7), (-5, 1)),  # base value, base sum
    one(PATH5, (2, 7), (-6, 1)),
    one(PATH5, (2, 7), (6, "now")),
    one(PATH5, (2, 7), (-3, None)),
    one((0, 5), (2, 7)),
    one((0, b"/9999/0/5"), (2, 7)),
    one((-2, None), PATH5, (2, 7)),
    one(PATH5),  # without a value
    one(PATH5, (5, 1)),  # a sum alone
    one((2, 7)),  # without a name
    one(),
    one((0, ""), (2, 7)),
    one((0, "/"), (2, 7)),
    one((0, "5"), (2, 7)),
    one((0, "9999/0/5"), (2, 7)),
    one((0, "/9999/0"), (2, 7)),
    one((0, "/9999/0/"), (2, 7)),
    one((0, "/9999/0//5"), (2, 7)),
    one((0, "//9999/0/5"), (2, 7)),
    one((0, "/9999/0/5//"), (2, 7)),
    one((0, "/9999/0/05"), (2, 7)),
    one((0, "/9999/0/+5"), (2, 7)),
    one((0, "/9999/0/ 5"), (2, 7)),
    one((0, "/9999/0/5x"), (2, 7)),
    one((0, "/9999/0/65536"), (2, 7)),
    one((0, "/9999/0/" + "1" * 99), (2, 7)),
    one((0, "/9999/0/5/0/0"), (2, 7)),
    one((0, "/9998/0/5"), (2, 7)),
    one((0, "/9999/1/5"), (2, 7)),
    one((0, "urn:dev:1/9999/0/5"), (2, 7)),
    one(PATH5, (None, 1), (2, 7)),
    one(PATH5, ((), 1), (2, 7)),
    cbor([PATH5[1]]),
    cbor([7]),
    cbor(((0, "/9999/0/5"), (2, 7))),
    cbor(7),
    b"",
    one(PATH5, (2, 7)) + b"\x00",
    one(PATH5, (2, 7)) + b"\xff",
    b"\x82" + one(PATH5, (2, 7))[1:],
    b"\x9f" + one(PATH5, (2, 7))[1:],
    b"\x81\xa3" + one(PATH5, (2, 7))[2:],
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\xa2\x00\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81" * 500,
    b"\x81\xa1\x18\x63" + b"\x81" * 500,
    b"\x81\xa1\x18\x63" + b"\x9f" * 500,
]
