"""CBOR (RFC 8949) for tests: a second encoder, and items that are malformed."""

from format_model import hexed

MALFORMED = [
    hexed(raw)
    for raw in (
        "",
        "18",
        "19 00",
        "1a 000000",
        "1b 00000000000000",
        "1c",
        "1d",
        "1e",
        "1f",
        "3f",
        "61",
        "41",
        "62 61",
        "5f 41 61 ff",
        "7f 61 61 ff",
        "78 ff 61",
        "79 ffff",
        "7a ffffffff 61",
        "7b ffffffffffffffff 61",
        "5b 7fffffffffffffff",
        "9b ffffffffffffffff",
        "bb ffffffffffffffff",
        "9f",
        "bf",
        "bf 01 ff",
        "ff",
        "f8 14",
        "f8 15",
        "f8",
        "f9 00",
        "fa 000000",
        "fb 00000000000000",
        "fc",
        "c1",
        "c1 c1 01",
        "81 01",
        "a1 01 01",
        "01 01",
        "f6",
        "f7",
        "61 ff",
        "62 c3 28",
    )
]


def cbor(value):
    """A plain CBOR encoder: a dict or a list of pairs is a map, a list an array."""

    def head(major, n):
        if n < 24:
            return bytes((major << 5 | n,))
        for i in range(4):
            if n < 1 << (8 << i):
                return bytes((major << 5 | 24 + i,)) + n.to_bytes(1 << i, "big")

    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        import struct

        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, tuple):  # pairs, in this order
        return head(5, len(value)) + b"".join([cbor(k) + cbor(v) for k, v in value])
    return head(4, len(value)) + b"".join([cbor(v) for v in value])
