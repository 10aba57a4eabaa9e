"""The message format of CoAP (RFC 7252 §3): bytes to messages and back.

A message here is what one datagram holds. It knows no sockets and no exchanges.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# Types of messages (RFC 7252 §3)
CON = 0
NON = 1
ACK = 2
RST = 3

EMPTY = 0
CONTINUE = 0x5F
METHODS = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE", 5: "FETCH", 6: "PATCH", 7: "iPATCH"}
METHOD_CODES = {name: code for code, name in METHODS.items()}

# Option numbers (RFC 7252 §5.10, RFC 7641 §2, RFC 7959 §2 and §4, RFC 9175 §3)
URI_HOST = 3
ETAG = 4
OBSERVE = 6
URI_PORT = 7
LOCATION_PATH = 8
URI_PATH = 11
CONTENT_FORMAT = 12
URI_QUERY = 15
ACCEPT = 17
BLOCK2 = 23
BLOCK1 = 27
SIZE2 = 28
PROXY_URI = 35
PROXY_SCHEME = 39
SIZE1 = 60
REQUEST_TAG = 292

_VERSION = 1
_MARKER = 0xFF
_MAX_TOKEN = 8
_MAX_NUMBER = 0xFFFF
_MAX_BLOCK = 6  # the size exponent 7 is reserved (RFC 7959 §2.2)
# A length of 14 in an option's first byte: two bytes follow, and count from here.
_LONG = 269


class MalformedMessage(ValueError):
    """Bytes that are no CoAP message. The text says why."""


class UnknownVersion(MalformedMessage):
    """A version other than 1: to be passed over in silence (RFC 7252 §3)."""


class Block(NamedTuple):
    """A Block1 or Block2 option (RFC 7959 §2.2). `exponent` is SZX."""

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """Bytes of a block."""
        return 16 << self.exponent

    @property
    def start(self) -> int:
        """Bytes in front of this block."""
        return self.number << (self.exponent + 4)

    def encode(self) -> bytes:
        """The value of the option."""
        return encode_uint(self.number << 4 | self.more << 3 | self.exponent)


def decode_block(value: bytes) -> Block:
    """The value of a block option. Raises MalformedMessage."""
    if len(value) > 3:
        raise MalformedMessage("a block option has more than three bytes")
    number = int.from_bytes(value, "big")
    if number & 7 > _MAX_BLOCK:
        raise MalformedMessage("the block size is reserved")
    return Block(number >> 4, bool(number & 8), number & 7)


def exponent_of(size: int) -> int:
    """The exponent of a block size in bytes, 16 to 1024."""
    return size.bit_length() - 5


class Message:
    """One message. Options are pairs of number and value, in the order of their numbers.

    kind: CON, NON, ACK or RST. code: a byte, 0x45 is 2.05. mid: the message id.
    """

    __slots__ = ("code", "kind", "mid", "options", "payload", "token")

    def __init__(
        self,
        kind: int,
        code: int,
        mid: int,
        token: bytes = b"",
        options: Iterable[tuple[int, bytes]] = (),
        payload: bytes = b"",
    ) -> None:
        self.kind = kind
        self.code = code
        self.mid = mid
        self.token = token
        self.options = list(options)
        self.payload = payload

    def __repr__(self) -> str:
        kind = ("CON", "NON", "ACK", "RST")[self.kind]
        return f"<{kind} {dotted(self.code)} mid {self.mid} {len(self.payload)} bytes>"

    def option(self, number: int) -> bytes | None:
        """The value of an option, the first where there are several."""
        for found, value in self.options:
            if found == number:
                return value
        return None

    def uint(self, number: int) -> int | None:
        """The value of an option that is a number; None also for one that is too long for it."""
        value = self.option(number)
        return None if value is None or len(value) > 4 else int.from_bytes(value, "big")

    def block(self, number: int) -> Block | None:
        """A block option. Raises MalformedMessage."""
        value = self.option(number)
        return None if value is None else decode_block(value)

    def encode(self) -> bytes:
        """The datagram."""
        return encode(self.kind, self.code, self.mid, self.token, self.options, self.payload)


def dotted(code: int) -> str:
    """A code as text: "2.05"."""
    return _DOTTED[code]


_DOTTED = tuple(f"{code >> 5}.{code & 31:02}" for code in range(256))
_CODES = {text: code for code, text in enumerate(_DOTTED)}


def code_of(text: str) -> int:
    """The byte of a code as text."""
    return _CODES[text]


def successful(code: int) -> bool:
    """True for the codes 2.xx."""
    return code >> 5 == 2


def encode_uint(value: int) -> bytes:
    """A number in as few bytes as hold it; none for 0 (RFC 7252 §3.2)."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def decode(data: bytes) -> Message:
    """The message in a datagram. Raises MalformedMessage."""
    size = len(data)
    if size < 4:
        raise MalformedMessage("shorter than a header")
    first = data[0]
    if first >> 6 != _VERSION:
        raise UnknownVersion("another version")
    at = 4 + (first & 15)
    if at > 4 + _MAX_TOKEN or at > size:
        raise MalformedMessage("the token is too long")
    code = data[1]
    if code == EMPTY and size > 4:
        raise MalformedMessage("an empty message has content")
    message = Message(first >> 4 & 3, code, data[2] << 8 | data[3], data[4:at])
    if at < size:
        _decode_options(message, data, at)
    return message


def _decode_options(message: Message, data: bytes, at: int) -> None:
    size = len(data)
    options = message.options
    number = 0
    try:
        while at < size:
            byte = data[at]
            at += 1
            delta = byte >> 4
            length = byte & 15
            if delta > 12:
                if byte == _MARKER:
                    if at == size:
                        raise MalformedMessage("nothing behind the payload marker")
                    message.payload = data[at:]
                    return
                if delta == 13:
                    delta += data[at]
                    at += 1
                elif delta == 14:
                    delta = (data[at] << 8 | data[at + 1]) + _LONG
                    at += 2
                else:
                    raise MalformedMessage("an option number is reserved")
            if length > 12:
                if length == 13:
                    length += data[at]
                    at += 1
                elif length == 14:
                    length = (data[at] << 8 | data[at + 1]) + _LONG
                    at += 2
                else:
                    raise MalformedMessage("an option length is reserved")
            number += delta
            end = at + length
            if end > size:
                raise MalformedMessage("an option is cut off")
            options.append((number, data[at:end]))
            at = end
    except IndexError:
        raise MalformedMessage("an option is cut off") from None
    if number > _MAX_NUMBER:
        raise MalformedMessage("an option number is too large")


def encode(
    kind: int,
    code: int,
    mid: int,
    token: bytes = b"",
    options: Iterable[tuple[int, bytes]] = (),
    payload: bytes = b"",
) -> bytes:
    """The datagram of a message. `options` are in the order of their numbers."""
    out = bytearray((_VERSION << 6 | kind << 4 | len(token), code, mid >> 8, mid & 255))
    out += token
    last = 0
    for number, value in options:
        delta = number - last
        length = len(value)
        if delta < 13 and length < 13:
            out.append(delta << 4 | length)
        else:
            _encode_head(out, delta, length)
        out += value
        last = number
    if payload:
        out.append(_MARKER)
        out += payload
    return bytes(out)


def _encode_head(out: bytearray, delta: int, length: int) -> None:
    at = len(out)
    out.append(0)
    for shift, value in ((4, delta), (0, length)):
        if value < 13:
            out[at] |= value << shift
        elif value < _LONG:
            out[at] |= 13 << shift
            out.append(value - 13)
        else:
            out[at] |= 14 << shift
            out += (value - _LONG).to_bytes(2, "big")
