"""Runs inside MicroPython: does what each line of a file says, and prints what came of it.

A line is JSON: `objects`, `style`, `reads`, `writes` (see `cases.py`). The answer is one line of
JSON: the payload of each read in hexadecimal, or why there is none; and for each write the
response code and what is different now.
"""

import binascii
import json
import struct
import sys

from lwm2m.client import Client
from lwm2m.coap.builder import Builder
from lwm2m.coap.message import Message
from lwm2m.dispatch import Peer
from lwm2m.errors import Lwm2mError
from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson
from lwm2m.formats.text import Text
from lwm2m.management import transaction
from lwm2m.management.walk import represent
from lwm2m.objects.base import Object

STR, FLOAT, BOOL, OPAQUE, OBJLNK, CORELNK, MULTI = 1, 4, 5, 6, 8, 9, 0x80
TEXTS = (STR, CORELNK)
TEXT_AS_BYTES, LARGE, TUPLES = 1, 2, 4


class Large:
    """An opaque value that is read piece by piece."""

    def __init__(self, raw):
        self.raw = raw

    def __len__(self):
        return len(self.raw)

    def readinto_at(self, offset, buf):
        buf[:] = self.raw[offset : offset + len(buf)]


def value_of(kind, text, style):
    if kind == FLOAT:
        return struct.unpack(">d", binascii.unhexlify(text))[0]
    if kind == BOOL:
        return text == "1"
    if kind == OBJLNK:
        oid, iid = text.split(":")
        return int(oid), int(iid)
    if kind == OPAQUE:
        raw = binascii.unhexlify(text)
        return Large(raw) if style & LARGE else raw
    if kind in TEXTS:
        raw = binascii.unhexlify(text)
        return raw if style & TEXT_AS_BYTES else str(raw, "utf-8")
    return int(text)


def hexed(raw):
    return str(binascii.hexlify(raw), "ascii") if len(raw) else ""


def literal(kind, value):
    """The inverse of `value_of`; a value of a wrong type is not taken for a right one."""
    wanted = int
    if kind == FLOAT:
        wanted = float
    elif kind == BOOL:
        wanted = bool
    elif kind == OBJLNK:
        wanted = tuple
    elif kind == OPAQUE:
        wanted = bytes
    elif kind in TEXTS:
        wanted = str
    if type(value) is not wanted:
        return "a " + type(value).__name__
    if kind == FLOAT:
        return hexed(struct.pack(">d", value))
    if kind == BOOL:
        return "1" if value else "0"
    if kind == OBJLNK:
        return str(value[0]) + ":" + str(value[1])
    if kind == OPAQUE:
        return hexed(value)
    if kind in TEXTS:
        return hexed(value.encode())
    return str(value)


def build(case):
    """The classes of a case, and what their instances hold: [(instance, {rid: value})]."""
    style = case["style"]
    held = []
    client.classes.clear()
    client.objects.clear()
    for oid, table, instances in case["objects"]:
        cls = type("Thing", (Object,), {"OID": oid, "RESOURCES": tuple(table)})
        client.classes[oid] = cls
        for iid, values in instances:
            here = {}
            for rid, value in values:
                i = 0
                while table[i] != rid:
                    i += 3
                kind = table[i + 1] & 15
                if isinstance(value, list):
                    items = {}
                    for riid, item in value:
                        items[riid] = value_of(kind, item, style)
                    if style & TUPLES and sorted(items) == list(range(len(items))):
                        items = tuple([items[k] for k in range(len(items))])
                    here[rid] = items
                else:
                    here[rid] = value_of(kind, value, style)
            instance = cls(iid=iid)
            client.add(instance)
            held.append((instance, here))
    return held


def restore(held, objects):
    client.objects[:] = objects
    for instance, values in held:
        instance.more = None
        table = instance.RESOURCES
        for i in range(0, len(table), 3):
            instance.write(table[i], table[i + 2], values.get(table[i]))


def differences(held):
    """[oid, iid, rid, literal] of all that is another object than before; None: gone."""
    found = []
    for instance in client.objects:
        before = {}
        for other, values in held:
            if other is instance:
                before = values
        table = instance.RESOURCES
        for i in range(0, len(table), 3):
            rid = table[i]
            kind = table[i + 1] & 15
            value = instance.value_at(i)
            if value is before.get(rid):
                continue
            if value is not None:
                if table[i + 1] & MULTI:
                    # What was there already may be text as bytes, or large.
                    value = [
                        [riid, literal(kind, plain(kind, value[riid]))]
                        for riid in (value if isinstance(value, dict) else range(len(value)))
                    ]
                else:
                    value = literal(kind, value)
            found.append([instance.OID, instance.iid, rid, value])
    return found


def plain(kind, value):
    if isinstance(value, Large):
        return value.raw
    return str(value, "utf-8") if kind != OPAQUE and isinstance(value, bytes) else value


def shown(codec, path, depth, flags, value, skip=0, count=-1):
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload(skip, count)
    represent(peer, codec, out, path, depth, flags, value)
    if out.broken or (count < 0 and out.more):
        raise RuntimeError("broken")
    more = out.more
    return bytes(out.buf[5 : max(out.finish(), 5)]), more


def read(number, path, depth, window):
    codec = client.codec(number)
    flags = 0
    value = None
    path = path + [0] * (4 - len(path)) if depth else [tuple(one) for one in path]
    if depth > 2:
        instance = client.find(path[0], path[1])
        index = instance.locate(path, depth)
        flags = instance.RESOURCES[index + 1]
        value = instance.value_at(index)
    if not codec.fits(depth, flags, value):
        return "does not fit"
    try:
        whole = shown(codec, path, depth, flags, value)[0]
        if window:
            parts = b""
            more = True
            while more:
                part, more = shown(codec, path, depth, flags, value, len(parts), window)
                parts += part
                if more and len(part) != window:
                    return "a block that is not full"
            if parts != whole:
                return "blocks: " + hexed(parts)
    except ValueError:
        return "ValueError"
    return hexed(whole)


def dumps(value):
    """JSON of lists, integers and plain text; the module's own goes letter by letter."""
    if isinstance(value, list):
        return "[" + ",".join([dumps(item) for item in value]) + "]"
    if value is None:
        return "null"
    return '"' + value + '"' if isinstance(value, str) else str(value)


def write(datagram, held, objects):
    restore(held, objects)
    raw = binascii.unhexlify(datagram)
    if message.parse(raw, len(raw)):
        return [-1, []]
    out.begin(2, 0, 1, b"", 0, 0)
    try:
        code = peer.on_request(message, out)
    except Lwm2mError as e:
        code = e.args[0] if e.args else 0x80
    return [code, differences(held)]


# The random object links name nothing that is there: whether they may is no matter of a codec.
transaction._linked = lambda client, flags, value: True
client = Client("differential")
peer = Peer(client, None)
peer.version = "1.2"
for codec in (
    Text(),
    Opaque(),
    Cbor(),
    SenmlJson(),
    SenmlCbor(),
    SenmlEtchJson(),
    SenmlEtchCbor(),
    Json(),
    Lwm2mCbor(),
):
    client.add_format(codec)
message = Message()
out = Builder(1 << 20)

with open(sys.argv[1]) as file:
    for line in file:
        case = json.loads(line)
        held = build(case)
        objects = list(client.objects)
        restore(held, objects)
        answer = [read(*what) for what in case["reads"]]
        print(dumps([answer, [write(what, held, objects) for what in case["writes"]]]))
