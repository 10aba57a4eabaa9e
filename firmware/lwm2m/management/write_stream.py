"""Writes to a resource that takes a stream: each block is handed on as it arrives, and nothing is
collected (LwM2M 1.1 Core §6.3.3 over RFC 7959).

Loaded when there is such a write.
"""

import sys
from micropython import const

from lwm2m.errors import Lwm2mError

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_ALLOWED = const(0x85)
_INTERNAL = const(0xA0)
_UNSUPPORTED_FORMAT = const(0x8F)

_TLV = const(11542)
_OCTETS = const(42)
_W = const(0x20)
_PUT = const(3)
_DISCOVER = const(0)
_WRITE = const(2)


class Stream:
    """The sink of one write of `peer` to `instance`, resource at `index` of its table, in
    octet-stream or TLV (whose header is taken off)."""

    def __init__(self, peer, instance, index, format):
        self.peer = peer
        self.instance = instance
        self.index = index
        self.format = format
        self.header = 0

    def receive(self, message, offset):
        """Hand on the payload of `message`, which stands at `offset` of the body.

        Returns the response code, 0 when more blocks are wanted.
        """
        table = self.instance.RESOURCES
        more = message.block1 >= 0 and message.block1 & 8 != 0
        if not self.peer.allowed(self.instance.OID, self.instance.iid, _WRITE):
            return _UNAUTHORIZED
        if not table[self.index + 1] & _W:
            return _NOT_ALLOWED
        if self.format != _OCTETS and self.format != _TLV:
            return _UNSUPPORTED_FORMAT
        start = message.payload
        if self.format == _TLV and not offset:
            self.header = self._tlv_header(message.body, start, message.end)
            if not self.header:
                return _BAD_REQUEST
            start += self.header
        data = memoryview(message.body)[start : message.end]
        at = offset - self.header if offset else 0
        rid = table[self.index]
        try:
            self.instance.receive(rid, table[self.index + 2], at, data, more)
        except Lwm2mError as e:
            return e.args[0] if e.args else _BAD_REQUEST
        except MemoryError:
            raise  # coap.answer
        except Exception as e:
            sys.print_exception(e)
            return _INTERNAL
        return 0 if more else _CHANGED

    def _tlv_header(self, buf, start, end):
        # The length of the header of the one resource that must stand there, 0 if it does not.
        if end - start < 2 or buf[start] & 0xC0 != 0xC0:
            return 0
        wide = buf[start] >> 5 & 1
        n = 2 + wide + (buf[start] >> 3 & 3)
        if end - start < n:
            return 0
        rid = buf[start + 1]
        if wide:
            rid = rid << 8 | buf[start + 2]
        return n if rid == self.instance.RESOURCES[self.index] else 0


def open_stream(peer, message):
    """The sink for a write to a resource in `STREAMS`, None for every other request."""
    path = message.path
    if message.code == _PUT and message.depth == 3 and peer.allowed(path[0], path[1], _DISCOVER):
        instance = peer.client.find(path[0], path[1])
        if instance and path[2] in instance.STREAMS:
            index = instance.index_of(path[2])
            if index >= 0:
                return Stream(peer, instance, index, message.format)
    return None
