"""Time and heap of every content format: `format_codec.py NAME...` prints a line of JSON each.

Encoded and decoded are the Device instance with the values of LwM2M 1.1 Core §7.4, and one of its
scalars, 3/0/9, or 3/0/17 as bytes in the formats that carry only those.
"""

import json
import sys

from lwm2m.coap.builder import Builder
from lwm2m.management.walk import represent
from lwm2m.objects.base import Object
from measure import heap_bytes, loop_us

STR = 0x31
INT = 0x32
OPAQUE = 0x36
TIME = 0x37
MULTI = 0x80

_LOOPS = 40
_ROUNDS = 9


class Device(Object):
    OID = 3
    # fmt: off
    RESOURCES = (
        0, STR, "maker",
        1, STR, "model",
        2, STR, "serial",
        3, STR, "version",
        6, INT | MULTI, "sources",
        7, INT | MULTI, "voltages",
        8, INT | MULTI, "currents",
        9, INT, "level",
        10, INT, "free",
        11, INT | MULTI, "errors",
        13, TIME, "now",
        14, STR, "offset",
        16, STR, "binding",
    )
    # fmt: on
    maker = "Open Mobile Alliance"
    model = "Lightweight M2M Client"
    serial = "345000123"
    version = "1.0"
    sources = (1, 5)
    voltages = (3800, 5000)
    currents = (125, 900)
    level = 100
    free = 15
    errors = (0,)
    now = 1367491215
    offset = "+02:00"
    binding = "U"


CLASSES = {
    "tlv": "Tlv",
    "text": "Text",
    "opaque": "Opaque",
    "cbor": "Cbor",
    "senml_json": "SenmlJson",
    "senml_cbor": "SenmlCbor",
    "json": "Json",
    "lwm2m_cbor": "Lwm2mCbor",
}

RAW = b"twenty bytes of data"
TABLE = Device.RESOURCES


class Model:
    """A peer that may read everything, and as much of its client as a read wants to see."""

    objects = [Device(iid=0)]  # noqa: RUF012

    @staticmethod
    def allowed(oid, iid, right):
        return True


Model.client = Model


class Task:
    """A read of `path[:depth]`, and the write of what it has given."""

    def __init__(self, codec, path, depth, flags, value):
        self.codec = codec
        self.path = path
        self.depth = depth
        self.flags = flags
        self.value = value
        self.out = Builder(1152)
        self.out.begin(2, 0x45, 1, b"", 0, 0)
        self.encode()
        self.end = self.out.finish()
        self.reader = codec.reader()

    def encode(self):
        out = self.out
        out.rewind()
        out.payload()
        represent(Model, self.codec, out, self.path, self.depth, self.flags, self.value)

    def decode(self):
        reader = self.reader
        reader.open(self.out.buf, 5, self.end, self.path, self.depth)
        count = 0
        while reader.next():
            flags = self.flags
            if not flags:
                rid = reader.rid
                for i in range(0, len(TABLE), 3):
                    if TABLE[i] == rid:
                        flags = TABLE[i + 1]
                        break
            reader.value(flags)
            count += 1
        if reader.error or count != (16 if self.depth == 2 else 1):
            raise ValueError("what was written is not read")


def main():
    tasks = []
    for name in sys.argv[1:]:
        module = __import__("lwm2m.formats." + name, None, None, ("*",))
        codec = getattr(module, CLASSES[name])()
        if name == "opaque":
            scalar = Task(codec, (3, 0, 17, 0), 3, OPAQUE, RAW)
        else:
            scalar = Task(codec, (3, 0, 9, 0), 3, INT, 100)
        tasks.append((name + ".scalar", scalar))
        if codec.fits(2, 0):
            tasks.append((name, Task(codec, (3, 0, 0, 0), 2, 0, None)))
    # Bound methods cost heap: they are made once.
    tasks = [(name, task.encode, task.decode) for name, task in tasks]
    best = [[1e9, 1e9] for _ in tasks]
    for _ in range(_ROUNDS):
        for i in range(len(tasks)):
            for j in (0, 1):
                best[i][j] = min(best[i][j], loop_us(tasks[i][j + 1], _LOOPS))
    for i in range(len(tasks)):
        for j in (0, 1):
            name = "format." + tasks[i][0] + (".decode" if j else ".encode")
            print(
                json.dumps(
                    {name + ".us": best[i][j], name + ".heap_bytes": heap_bytes(tasks[i][j + 1])}
                )
            )


main()
