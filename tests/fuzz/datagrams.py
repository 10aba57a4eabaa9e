"""Datagrams of fuzzing and soaking: read and judged without a line of the firmware."""

import json
import struct

from wire import (
    ACK,
    BLOCK1,
    DELETE,
    LOCATION_PATH,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
)


def malformed(data):
    """Why this is not a well-formed CoAP message (RFC 7252 §3), or None."""
    n = len(data)
    if n < 4:
        return "shorter than a header"
    if data[0] >> 6 != 1:
        return "wrong version"
    pos = 4 + (data[0] & 15)
    code = data[1]
    if not code:
        return None if n == 4 and pos == 4 else "an empty message with content"
    if code >> 5 not in (0, 2, 4, 5):
        return "a code of a reserved class"
    if pos > 12 or pos > n:
        return "a token that is too long"
    number = 0
    while pos < n:
        first = data[pos]
        pos += 1
        if first == 0xFF:
            return "a payload marker without a payload" if pos == n else None
        delta = first >> 4
        length = first & 15
        if delta == 15 or length == 15:
            return "a reserved option nibble"
        if delta > 12:
            if pos + delta - 12 > n:
                return "an option delta that is cut off"
            if delta == 14:
                delta = 269 + (data[pos] << 8 | data[pos + 1])
                pos += 2
            else:
                delta += data[pos]
                pos += 1
        if length > 12:
            if pos + length - 12 > n:
                return "an option length that is cut off"
            if length == 14:
                length = 269 + (data[pos] << 8 | data[pos + 1])
                pos += 2
            else:
                length += data[pos]
                pos += 1
        number += delta
        pos += length
        if pos > n or number > 65535:
            return "an option beyond the end"
    return None


def parse(data):
    """(list of (number, value), payload) of a well-formed message."""
    n = len(data)
    pos = 4 + (data[0] & 15)
    number = 0
    options = []
    while pos < n:
        first = data[pos]
        pos += 1
        if first == 0xFF:
            return options, data[pos:]
        sizes = [first >> 4, first & 15]
        for i in range(2):
            if sizes[i] == 13:
                sizes[i] += data[pos]
                pos += 1
            elif sizes[i] == 14:
                sizes[i] = 269 + (data[pos] << 8 | data[pos + 1])
                pos += 2
        number += sizes[0]
        options.append((number, data[pos : pos + sizes[1]]))
        pos += sizes[1]
    return options, b""


def option(data, wanted):
    """The value of the first such option of a well-formed message, or None."""
    for number, value in parse(data)[0]:
        if number == wanted:
            return value
    return None


def token_of(data):
    """The token of a well-formed message."""
    return bytes(data[4 : 4 + (data[0] & 15)])


def mid_of(data):
    """The message id of a message."""
    return data[2] << 8 | data[3]


def number_of(data, wanted, longest=3):
    """The unsigned integer in such an option of a well-formed message; None if there is none, or
    one that is longer than it may be."""
    value = option(data, wanted)
    return None if value is None or len(value) > longest else int.from_bytes(value, "big")


def fresher(new, old):
    """Whether a notification numbered `new` is newer than `old` (RFC 7641 §3.4)."""
    return 0 < (new - old & 0xFFFFFF) < 1 << 23


def records(form, payload):
    """How many records a payload in that content format has; -1 if it is none. A text is one."""
    try:
        if form == TLV:
            return _tlv(payload, 0, len(payload))
        if form == SENML_CBOR:
            first = payload[0]
            pos, count = _head(payload, 0)
            for _ in range(count):
                if payload[pos] >> 5 != 5:
                    return -1
                pos = _skip(payload, pos)
            return count if first >> 5 == 4 and pos == len(payload) else -1
        if form == SENML_JSON:
            pack = json.loads(payload)
            if not isinstance(pack, list):
                return -1
            return len(pack) if all(isinstance(record, dict) for record in pack) else -1
        if form == TEXT:
            str(payload, "utf-8")
    except (IndexError, ValueError):  # UnicodeError is one
        return -1
    return 1


def _tlv(data, pos, end):
    # LwM2M 1.1 Core §7.4.4, with what is nested
    count = 0
    while pos < end:
        kind = data[pos]
        pos += 3 if kind & 0x20 else 2
        size = kind >> 3 & 3
        n = kind & 7
        if size:
            n = int.from_bytes(data[pos : pos + size], "big")
            pos += size
        if pos + n > end or (kind >> 6 in (0, 2) and _tlv(data, pos, pos + n) < 0):
            return -1
        pos += n
        count += 1
    return count if pos == end else -1


def _head(data, pos):
    # The head of an item in CBOR (RFC 8949 §3): where it ends, and its argument
    info = data[pos] & 31
    pos += 1
    if info < 24:
        return pos, info
    if info > 27:
        raise ValueError("indefinite or reserved")
    n = 1 << info - 24
    if pos + n > len(data):
        raise IndexError
    return pos + n, int.from_bytes(data[pos : pos + n], "big")


def _skip(data, pos):
    # The end of an item in CBOR
    kind = data[pos] >> 5
    pos, value = _head(data, pos)
    if kind in (2, 3):
        if pos + value > len(data):
            raise IndexError
        return pos + value
    for _ in range(value if kind == 4 else 2 * value if kind == 5 else kind == 6):
        pos = _skip(data, pos)
    return pos


def senml(payload):
    """[(seconds since 1970 or None, path, value)] of a well-formed pack in SenML CBOR (RFC 8428):
    numbers and texts only."""
    found = []
    base = ""
    base_s = None
    pos, count = _head(payload, 0)
    for _ in range(count):
        pos, fields = _head(payload, pos)
        name = ""
        value = None
        for _ in range(fields):
            label, pos = _item(payload, pos)
            item, pos = _item(payload, pos)
            if label == -2:
                base = item
            elif label == -3:
                base_s = item
            elif label == 0:
                name = item
            elif label in (2, 3):
                value = item
        found.append((base_s, base + name, value))
    return found


def _item(data, pos):
    # An item in CBOR: (its value, where it ends)
    first = data[pos]
    if first == 0xFA or first == 0xFB:
        size = 4 if first == 0xFA else 8
        code = ">f" if first == 0xFA else ">d"
        return struct.unpack(code, data[pos + 1 : pos + 1 + size])[0], pos + 1 + size
    kind = first >> 5
    pos, value = _head(data, pos)
    if kind == 0:
        return value, pos
    if kind == 1:
        return -1 - value, pos
    if kind == 3:
        return str(data[pos : pos + value], "utf-8"), pos + value
    return None, _skip(data, pos) if kind > 3 else pos + value


def good_answer(request, location=(b"rd", b"5a3f")):
    """What a content server answers to Register, Update and De-register, in blocks or not."""
    method = request[1]
    token = request[4 : 4 + (request[0] & 15)]
    mid = request[2] << 8 | request[3]
    options, _ = parse(request)
    block = None
    queries = b""
    for number, value in options:
        if number == BLOCK1:
            block = int.from_bytes(value, "big")
        elif number == URI_QUERY:
            queries += value + b"&"
    reply = []
    if method == DELETE:
        code = 0x42
    elif block is not None and block & 8:
        code = 0x5F
    elif queries.find(b"ep=") >= 0:
        code = 0x41
        reply = [(LOCATION_PATH, segment) for segment in location]
    else:
        code = 0x44
    if block is not None:
        reply.append((BLOCK1, block))
    return encode(ACK, code, mid, token, reply)
