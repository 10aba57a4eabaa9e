"""A plain CoAP codec (RFC 7252 §3) for tests inside MicroPython, which shares nothing with the
firmware."""

CON, NON, ACK, RST = 0, 1, 2, 3
GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = 1, 2, 3, 4, 5, 6, 7
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45

OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT, URI_QUERY, ACCEPT = 6, 8, 11, 12, 15, 17
BLOCK2, BLOCK1, SIZE2, SIZE1 = 23, 27, 28, 60
TEXT, LINK, OCTETS, TLV = 0, 40, 42, 11542
SENML_JSON, SENML_CBOR, ETCH_CBOR = 110, 112, 322


class Packet:
    """A decoded datagram: `options` is a list of (number, bytes)."""

    def __init__(self, kind, code, mid, token, options, payload):
        self.type = kind
        self.code = code
        self.mid = mid
        self.token = token
        self.options = options
        self.payload = payload

    def all(self, number):
        return [value for n, value in self.options if n == number]

    def one(self, number):
        values = self.all(number)
        assert len(values) == 1, values
        return values[0]

    def uint(self, number):
        """The value of an integer option, or -1 without it."""
        values = self.all(number)
        return int.from_bytes(values[0], "big") if values else -1

    def path(self):
        return b"/" + b"/".join(self.all(URI_PATH))

    def __repr__(self):
        kind = ("CON", "NON", "ACK", "RST")[self.type]
        code = f"{self.code >> 5}.{self.code & 31:02d}"
        return f"<{kind} {code} mid={self.mid} {self.options!r} {self.payload!r}>"


def uint_bytes(value):
    """An unsigned integer as an option has it: without leading zeros (§3.2)."""
    out = b""
    while value:
        out = bytes((value & 255,)) + out
        value >>= 8
    return out


def _nibble(n):
    if n < 13:
        return n, b""
    if n < 269:
        return 13, bytes((n - 13,))
    return 14, bytes((n - 269 >> 8, n - 269 & 255))


def _in_order(options):
    for i in range(1, len(options)):
        if options[i - 1][0] > options[i][0]:
            # sorted() is not stable here: sort by place as well.
            order = sorted((options[i][0], i) for i in range(len(options)))
            return [options[i] for _, i in order]
    return options


def encode(kind, code, mid, token=b"", options=(), payload=b""):
    """A datagram; `options` are (number, bytes or int) in any order."""
    out = bytes((0x40 | kind << 4 | len(token), code, mid >> 8, mid & 255)) + token
    last = 0
    for number, value in _in_order(options):
        if isinstance(value, int):
            value = uint_bytes(value)
        delta, more_delta = _nibble(number - last)
        length, more_length = _nibble(len(value))
        out += bytes((delta << 4 | length,)) + more_delta + more_length + value
        last = number
    if payload:
        out += b"\xff" + payload
    return out


def decode(b):
    """The Packet in `b`. Raises ValueError: "ignore" or "reject", as RFC 7252 §3 wants it."""
    if len(b) < 4 or b[0] >> 6 != 1:
        raise ValueError("ignore")
    kind, token_length, code = b[0] >> 4 & 3, b[0] & 15, b[1]
    mid = b[2] << 8 | b[3]
    if code == 0:
        if len(b) != 4 or token_length:
            raise ValueError("reject")
        return Packet(kind, code, mid, b"", [], b"")
    if token_length > 8 or len(b) < 4 + token_length or code >> 5 in (1, 6, 7):
        raise ValueError("reject")
    token = b[4 : 4 + token_length]
    rest = b[4 + token_length :]
    options = []
    number = 0
    payload = b""
    while rest:
        if rest[0] == 0xFF:
            payload = rest[1:]
            if not payload:
                raise ValueError("reject")
            break
        fields = [rest[0] >> 4, rest[0] & 15]
        rest = rest[1:]
        for i in (0, 1):
            if fields[i] == 15:
                raise ValueError("reject")
            if fields[i] > 12:
                size = fields[i] - 12
                if len(rest) < size:
                    raise ValueError("reject")
                fields[i] = int.from_bytes(rest[:size], "big") + (13, 269)[size - 1]
                rest = rest[size:]
        number += fields[0]
        if len(rest) < fields[1] or number > 65535:
            raise ValueError("reject")
        options.append((number, rest[: fields[1]]))
        rest = rest[fields[1] :]
    return Packet(kind, code, mid, token, options, payload)


def segments(path):
    """The Uri-Path options of "/3/0/1"."""
    return [(URI_PATH, part.encode()) for part in path.split("/") if part]
