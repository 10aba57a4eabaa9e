"""Payloads in LwM2M CBOR: a whole instance, malformed ones, and a writer of trees."""

from format_model import DEVICE_VALUES, hexed
from vectors_cbor import cbor

from lwm2m.types import MULTI, OBJLNK


def plain(flags, value):
    return "%d:%d" % value if flags & 15 == OBJLNK else value


def tree(values):
    """The map of an instance, by pairs."""
    out = []
    for rid, flags, value in values:
        if flags & MULTI:
            if not isinstance(value, dict):
                value = dict(enumerate(value))
            value = tuple((riid, plain(flags, value[riid])) for riid in value)
        else:
            value = plain(flags, value)
        out.append((rid, value))
    return tuple(out)


WHOLE = cbor(((9999, ((0, tree(DEVICE_VALUES)),)),))

BAD = [
    b"",
    b"\x80",
    b"\x07",
    b"\xa1",
    b"\xbf",
    b"\xf6",
    hexed("a1 19270f 07"),
    hexed("a1 19270f a1 00 07"),
    hexed("a1 19270f a1 00 f6"),
    hexed("a1 19270f a1 00 a1 05 f6"),  # no value
    hexed("a1 19270f a1 00 a1 05 f7"),
    hexed("a1 19270f a1 00 a1 05 81 07"),
    hexed("a1 19270f a1 00 a1 05 a1 00 a1 00 07"),
    hexed("a1 84 19270f 00 05 00 a1 00 07"),
    hexed("a1 84 19270f 00 05 00 a0"),
    hexed("a1 85 19270f 00 05 00 00 07"),
    hexed("a1 83 19270f 00 05"),
    hexed("a1 80 07"),
    hexed("a1 9f 19270f 00 05 ff 07"),
    hexed("a1 83 19270f 00 61 35 07"),
    hexed("a1 83 19270f 20 05 07"),
    hexed("a1 83 19270f 00 f5 07"),
    hexed("a1 64 39393939 a1 00 a1 05 07"),
    hexed("a1 1a0001270f a1 00 a1 05 07"),
    hexed("a1 19270e a1 00 a1 05 07"),
    hexed("a1 83 19270f 00 05 07 00"),
    hexed("a2 83 19270f 00 05 07"),
    hexed("bf 83 19270f 00 05 07"),
    hexed("bf 83 19270f 00 05 ff"),
    hexed("a1 83 19270f 00 1b8000000000000005 07"),
    hexed("bb ffffffffffffffff 83 19270f 00 05 07"),
    b"\xa1\x83\x19\x27\x0f\x00\x05" + b"\x81" * 300,
    b"\xa1\x83\x19\x27\x0f\x00\x05" + b"\xbf\x00" * 300,
    b"\xbf\x00" * 300,
    b"\xa1\x81" * 300,
]
