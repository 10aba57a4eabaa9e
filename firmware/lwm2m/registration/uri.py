"""URIs of servers that are more than a name or an IPv4 address: IPv6, and path and query, which go
into each Register and Send (RFC 7252 §6.4). Loaded with the first of them, or that is wrong.
"""

from micropython import const

_PERCENT = const(37)
# Bytes of an option at most (RFC 7252 §5.10)
_LONGEST_OPTION = const(255)
_DIGITS = b"0123456789abcdef"


def split(place):
    """(host, colon, port, path, queries) of "host:port/path?query", where IPv6 stands in brackets:
    the first three as text, the others as tuples of bytes. Raises ValueError."""
    place, _, query = place.partition("?")
    place, _, path = place.partition("/")
    path = path.rstrip("/")
    if place[:1] == "[":
        host, bracket, port = place[1:].partition("]")
        colon = port[:1]
        port = port[1:]
        if not bracket or colon not in ("", ":"):
            host = ""
    else:
        host, colon, port = place.partition(":")
    for c in "#@[":
        if c in host or c in path or c in query:
            fail(False)
    path = _decode(path.split("/") if path else ())
    return host, colon, port, path, _decode(query.split("&") if query else ())


def fail(secure):
    """Raise the ValueError of a URI that cannot be used, or for which a `secure` transport is
    missing."""
    if secure:
        raise ValueError("uri: coaps:// needs a secure transport")
    raise ValueError("uri: coap://host[:port] is needed")


def _decode(parts):
    found = []
    for part in parts:
        text = part.encode()
        decoded = bytearray()
        i = 0
        while i < len(text):
            c = text[i]
            i += 1
            if c == _PERCENT:
                high = _DIGITS.find(text[i : i + 1].lower())
                low = _DIGITS.find(text[i + 1 : i + 2].lower())
                if i + 2 > len(text) or high < 0 or low < 0:
                    raise ValueError("uri: two hexadecimal digits are needed behind %")
                c = high * 16 + low
                i += 2
            decoded.append(c)
        if not 0 < len(decoded) <= _LONGEST_OPTION:
            raise ValueError("uri: 1 to 255 bytes are needed in each part of path and query")
        found.append(bytes(decoded))
    return tuple(found)
