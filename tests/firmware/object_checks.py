"""Requests to an instance of any object, in a TLV codec that shares nothing with the firmware."""

import struct

from bench import Bench
from testing import eq
from wire import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    DELETE,
    GET,
    POST,
    PUT,
    TLV,
    encode,
    segments,
)

from lwm2m.objects.device import Device
from lwm2m.types import BOOL, CORELNK, FLOAT, MULTI, OBJLNK, OPAQUE, STR, UINT


def number(value):
    """A signed integer in the shortest of 1, 2, 4, 8 bytes."""
    for n, code in ((1, ">b"), (2, ">h"), (4, ">i")):
        if -(1 << (8 * n - 1)) <= value < 1 << (8 * n - 1):
            return struct.pack(code, value)
    return struct.pack(">q" if value < 1 << 63 else ">Q", value)


def payload_of(flags, value):
    """The bytes of a value."""
    kind = flags & 15
    if kind in (STR, CORELNK):
        return value.encode()
    if kind == OPAQUE:
        return value
    if kind == FLOAT:
        return struct.pack(">d", value)
    if kind == BOOL:
        return bytes((value,))
    if kind == OBJLNK:
        return struct.pack(">HH", *value)
    return number(value)


def tlv(kind, rid, content):
    n = len(content)
    kind |= 0x20 if rid > 255 else 0
    kind |= n if n < 8 else 8 if n < 256 else 16
    head = bytes((kind, rid >> 8, rid & 255)) if rid > 255 else bytes((kind, rid))
    return head + (b"" if n < 8 else bytes((n,)) if n < 256 else struct.pack(">H", n)) + content


def record(rid, flags, value):
    """The TLV of a resource."""
    if flags & MULTI:
        return tlv(0x80, rid, b"".join(tlv(0x40, i, payload_of(flags, value[i])) for i in value))
    return tlv(0xC0, rid, payload_of(flags, value))


def records(b):
    """[(kind, id, content)] of the TLV in `b`, flat."""
    found = []
    while b:
        kind = b[0]
        wide = kind >> 5 & 1
        extra = kind >> 3 & 3
        rid = int.from_bytes(b[1 : 2 + wide], "big")
        n = int.from_bytes(b[2 + wide : 2 + wide + extra], "big") if extra else kind & 7
        b = b[2 + wide + extra :]
        assert n <= len(b), "TLV is cut off"
        found.append((kind & 0xC0, rid, b[:n]))
        b = b[n:]
    return found


def value_of(flags, content):
    """The value in the bytes of a TLV."""
    kind = flags & 15
    if kind in (STR, CORELNK):
        return str(content, "utf-8")
    if kind == OPAQUE:
        return content
    if kind == FLOAT:
        return struct.unpack(">f" if len(content) == 4 else ">d", content)[0]
    if kind == OBJLNK:
        return struct.unpack(">HH", content)
    assert len(content) in (1, 2, 4, 8), content
    value = int.from_bytes(content, "big")
    if kind != UINT and content[0] > 127:
        value -= 1 << 8 * len(content)
    return bool(value) if kind == BOOL else value


def decoded(flags, item):
    """The value of a record."""
    if flags & MULTI:
        eq(item[0], 0x80)
        return {riid: value_of(flags, content) for _, riid, content in records(item[2])}
    eq(item[0], 0xC0)
    return value_of(flags, item[2])


def bench_of(instance):
    bench = Bench()
    bench.it = bench.client.add(instance)
    if instance.OID != Device.OID:
        bench.client.add(Device())  # what object links name
    return bench.registered()


def rows(cls):
    """(rid, flags, name) of a table."""
    table = cls.RESOURCES
    return [table[i : i + 3] for i in range(0, len(table), 3)]


def parsed(bench, path):
    """The ids in the path of a resource, and its flags."""
    parts = [int(part) for part in path.split("/")[1:]]
    instance = bench.client.find(parts[0], parts[1])
    return parts, instance.RESOURCES[instance.index_of(parts[2]) + 1]


def get(bench, path):
    """Read a resource in TLV: its value, or the response code above 0x80."""
    answer = bench.ask(GET, path, accept=TLV)
    if answer.code != CONTENT:
        return answer.code
    parts, flags = parsed(bench, path)
    items = records(answer.payload)
    eq(len(items), 1)
    if len(parts) == 4:
        eq(items[0][:2], (0x40, parts[3]))
        return value_of(flags, items[0][2])
    eq(items[0][1], parts[2])
    return decoded(flags, items[0])


def put(bench, path, value, method=PUT):
    """Write a resource in TLV: the response code."""
    parts, flags = parsed(bench, path)
    return bench.ask(method, path, record(parts[2], flags, value), format=TLV).code


def creation(bench, payload, iid=-1, oid=19):
    """Create, and the code of the answer; Updates upon that are not looked at."""
    body = bytes((0x08, iid, len(payload))) + payload if iid >= 0 else payload
    bench.far.mid += 1
    options = segments("/%d" % oid) + [(CONTENT_FORMAT, TLV)]
    found = [
        packet.code
        for packet in bench.far.send(encode(CON, POST, bench.far.mid, b"c", options, body))
        if packet.type == ACK
    ]
    settle(bench)
    return found[0]


def settle(bench):
    for _ in range(3):
        bench.client.step()
        for packet in bench.far.take():
            bench.far.reply(packet, CHANGED)


def deletion(bench, path):
    """Delete: the codes of the answer."""
    bench.far.mid += 1
    packets = bench.far.send(encode(CON, DELETE, bench.far.mid, b"d", segments(path)))
    settle(bench)
    return [packet.code for packet in packets if packet.type == ACK]
