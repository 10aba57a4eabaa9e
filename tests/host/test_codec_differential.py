"""The firmware's codecs against the host's, which share no line: on random values, both ways.

One MicroPython per width reads a file of cases, encodes and decodes them with the firmware's TLV
and text codecs, and prints what it made of them.
"""

from __future__ import annotations

import math
import os
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest
from lwm2m_host.formats.base import Entry
from lwm2m_host.formats.text import TextFormat
from lwm2m_host.formats.tlv import Kind, Node, TlvFormat, build, decode_value, encode_value, parse
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, ObjLink, seconds_to_time, time_to_seconds

from tests.waiting import PATIENCE_S

ROOT = FilePath(__file__).resolve().parents[2]
SEED = 0x1201
COUNT = 2400

# Runs inside MicroPython. A case is "KIND VALUE TLV TEXT": the value as `literal` writes it, and
# what the host makes of it in both formats. The answer is the same line, by the firmware.
PROGRAM = r"""
import struct
import sys
from lwm2m.coap.builder import Builder
from lwm2m.formats.text import Text
from lwm2m.formats.tlv import Tlv
from lwm2m.management.walk import represent
from lwm2m.objects.base import Object

KINDS = {"string": 1, "integer": 2, "unsigned": 3, "float": 4, "boolean": 5, "opaque": 6,
         "time": 7, "objlnk": 8, "corelnk": 9}
PATH = (9999, 0, RID, 0)


class Model:
    pass


def hexed(b):
    return "".join(["%02x" % byte for byte in b])  # b"".hex() is b"" here


def value_of(kind, text):
    if kind == "float":
        return struct.unpack(">d", bytes.fromhex(text))[0]
    if kind == "boolean":
        return text == "1"
    if kind == "objlnk":
        a, b = text.split(":")
        return int(a), int(b)
    if kind == "opaque":
        return bytes.fromhex(text)
    if kind in ("string", "corelnk"):
        return str(bytes.fromhex(text), "utf-8")
    return int(text)


def literal(kind, value):
    if kind == "float":
        return hexed(struct.pack(">d", value))
    if kind == "boolean":
        return "1" if value is True else "0" if value is False else "?"
    if kind == "objlnk":
        return "%d:%d" % value
    if kind == "opaque":
        return hexed(value)
    if kind in ("string", "corelnk"):
        return hexed(value.encode())
    return str(value)


def written(codec, kind, value):
    class Thing(Object):
        OID = 9999
        RESOURCES = (RID, KINDS[kind] | 0x10, "value")

    thing = Thing(iid=0)
    thing.value = value
    peer = Model()
    peer.client = model = Model()
    model.objects = [thing]
    peer.allowed = lambda oid, iid, right: True
    out = Builder(2048)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload()
    represent(peer, codec, out, PATH, 2, 0, None)
    return hexed(out.buf[5 : max(out.finish(), 5)])


def read(codec, kind, raw):
    reader = codec.reader()
    reader.open(raw, 0, len(raw), PATH, 3)
    if not reader.next() or reader.rid != RID:
        return "error"
    value = reader.value(KINDS[kind])
    if reader.error or reader.next():
        return "error"
    return literal(kind, value)


tlv, text = Tlv(), Text()
with open(sys.argv[1]) as file:
    for line in file:
        kind, value, raw_tlv, raw_text = line.rstrip("\n").split(",")
        value = value_of(kind, value)
        print(
            kind,
            written(tlv, kind, value),
            written(text, kind, value),
            read(tlv, kind, bytes.fromhex(raw_tlv)),
            read(text, kind, bytes.fromhex(raw_text)),
            sep=",",
        )
"""

RID = 5700


def _integer(chance: random.Random, low: int, high: int) -> int:
    edge = 1 << chance.choice((0, 7, 8, 15, 16, 23, 24, 30, 31, 32, 40, 48, 56, 62, 63, 64))
    near = chance.choice((-1, 1)) * edge + chance.randint(-2, 2)
    wide = chance.randint(-1, 1) * chance.getrandbits(chance.randint(1, 63))
    return min(max(chance.choice((near, wide)), low), high)


def _float(chance: random.Random) -> float:
    match chance.randint(0, 4):
        case 0:
            return round(chance.uniform(-200, 200), chance.randint(0, 3))
        case 1:
            return float(struct.unpack(">f", struct.pack(">f", chance.uniform(-1e6, 1e6)))[0])
        case 2:
            return chance.choice((0.0, -0.0, 1.0, 5e-324, 2.0**-126, 2.0**127, 1.7e308, 1e22))
        case 3:
            return math.ldexp(chance.random(), chance.randint(-300, 300))
    return float(chance.randint(-(1 << 40), 1 << 40))


def _string(chance: random.Random) -> str:
    length = chance.choice((0, 1, 2, 7, 8, 30, 31, 32, 33, 62, 63, 64, 65, 255, 256, 300))
    alphabet = chance.choice(('ab c/<>;=,"', "äöü€", "𝄞x", "\n\tz", "0123456789"))
    return "".join(chance.choice(alphabet) for _ in range(length))


RANDOM: dict[DataType, Callable[[random.Random], Any]] = {
    DataType.INTEGER: lambda chance: _integer(chance, -(1 << 63), (1 << 63) - 1),
    DataType.UNSIGNED: lambda chance: _integer(chance, 0, (1 << 64) - 1),
    DataType.TIME: lambda chance: _integer(chance, -(1 << 33), 1 << 34),
    DataType.FLOAT: _float,
    DataType.BOOLEAN: lambda chance: chance.random() < 0.5,
    DataType.OPAQUE: lambda chance: chance.randbytes(
        chance.choice((0, 1, 7, 8, 57, 255, 256, 400))
    ),
    DataType.OBJLNK: lambda chance: ObjLink(chance.randint(0, 65535), chance.randint(0, 65535)),
    DataType.STRING: _string,
    DataType.CORELNK: _string,
}


def literal(kind: DataType, value: Any) -> str:
    """A value on one line; floats bit by bit, so that nothing is lost between the two."""
    match kind:
        case DataType.FLOAT:
            return struct.pack(">d", value).hex()
        case DataType.BOOLEAN:
            return str(int(value))
        case DataType.OPAQUE:
            return bytes(value).hex()
        case DataType.STRING | DataType.CORELNK:
            return str(value).encode().hex()
        case DataType.TIME:
            return str(time_to_seconds(value))
    return str(value)


def same(kind: DataType, got: str, expected: str, digits: float = 0.0) -> bool:
    """Whether two literals mean the same value; floats may differ by that fraction."""
    if kind is DataType.FLOAT and digits and "error" not in (got, expected):
        a, b = (struct.unpack(">d", bytes.fromhex(text))[0] for text in (got, expected))
        return math.isclose(a, b, rel_tol=digits, abs_tol=1e-307)
    return got == expected


def cases(seed: int) -> list[tuple[DataType, Any]]:
    chance = random.Random(seed)
    kinds = list(RANDOM)
    return [(kind, RANDOM[kind](chance)) for kind in (kinds[i % len(kinds)] for i in range(COUNT))]


def as_host_writes(kind: DataType, value: Any, chance: random.Random) -> bytes:
    """The value as the host's TLV, now and then in another legal spelling of the length."""
    raw = encode_value(value, kind)
    whole = build([Node(Kind.RESOURCE, RID, raw)])
    if chance.random() < 0.1:
        whole = b"\xf0" + RID.to_bytes(2) + len(raw).to_bytes(2) + raw
    return whole


@pytest.fixture(scope="module", params=[64, 32])
def answers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[DataType, Any, list[str]]]:
    """What the firmware at that width says to every case."""
    folder = tmp_path_factory.mktemp("differential")
    interpreters = ROOT / "build" / "micropython"
    missing = interpreters / f"mp{request.param}.missing"
    if missing.exists():
        pytest.skip(f"no MicroPython at {request.param} bits: {missing.read_text().strip()}")
    program = folder / "program.py"
    program.write_text(PROGRAM.replace("RID", str(RID)))
    values = cases(SEED)
    chance = random.Random(SEED + 1)
    lines = []
    for kind, value in values:
        text = TextFormat().encode(
            [entry(kind, value)], Path((9999, 0, RID)), lambda _, kind=kind: kind
        )
        tlv = as_host_writes(kind, value, chance)
        lines.append(f"{kind},{literal(kind, value)},{tlv.hex()},{text.hex()}")
    (folder / "cases").write_text("\n".join(lines) + "\n")
    source = "build/mpy" if os.environ.get("MP_SOURCE") == "mpy" else "firmware"
    result = subprocess.run(
        [interpreters / f"mp{request.param}", "-X", "heapsize=8m", program, folder / "cases"],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": f"{source}:.frozen"},
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    rows = [line.split(",") for line in result.stdout.splitlines()]
    assert len(rows) == len(values)
    return [(kind, value, row) for (kind, value), row in zip(values, rows, strict=True)]


def entry(kind: DataType, value: Any) -> Entry:
    if kind is DataType.TIME:
        value = seconds_to_time(value)
    return Entry(Path((9999, 0, RID)), value)


Answers = list[tuple[DataType, Any, list[str]]]


def differences(answers: Answers, column: int, see: Callable[..., tuple[str, str]]) -> list[str]:
    wrong = []
    for kind, value, row in answers:
        digits = 1e-14 if column in (2, 4) else 0.0
        got, expected = see(kind, value, row[column])
        if not same(kind, got, expected, digits):
            wrong.append(f"{kind} {value!r}: {row[column]}: {got} is not {expected}")
    return wrong


def test_host_reads_the_tlv_that_the_firmware_writes(answers: Answers) -> None:
    def see(kind: DataType, value: Any, raw: str) -> tuple[str, str]:
        nodes = parse(bytes.fromhex(raw))
        assert [(node.kind, node.id) for node in nodes] == [(Kind.RESOURCE, RID)], raw
        got = TlvFormat().decode(bytes.fromhex(raw), Path((9999, 0, RID)), lambda _: kind)
        return literal(kind, got[0].value), literal(kind, value)

    assert not differences(answers, 1, see)


def test_integers_leave_in_the_widths_of_the_format(answers: Answers) -> None:
    for kind, value, row in answers:
        if kind in (DataType.INTEGER, DataType.UNSIGNED, DataType.TIME):
            raw = parse(bytes.fromhex(row[1]))[0].value
            assert len(raw) in (1, 2, 4, 8), (value, row[1])
            if value < 1 << 63:
                assert raw == encode_value(value, DataType.INTEGER), (value, row[1])
            assert decode_value(raw, DataType.UNSIGNED) == value % (1 << len(raw) * 8)


def test_host_reads_the_text_that_the_firmware_writes(answers: Answers) -> None:
    def see(kind: DataType, value: Any, raw: str) -> tuple[str, str]:
        base = Path((9999, 0, RID))
        got = TextFormat().decode(bytes.fromhex(raw), base, lambda _: kind)
        return literal(kind, got[0].value), literal(kind, value)

    assert not differences(answers, 2, see)


def test_firmware_reads_the_tlv_that_the_host_writes(answers: Answers) -> None:
    def see(kind: DataType, value: Any, got: str) -> tuple[str, str]:
        return got, literal(kind, value)

    assert not differences(answers, 3, see)


def test_firmware_reads_the_text_that_the_host_writes(answers: Answers) -> None:
    def see(kind: DataType, value: Any, got: str) -> tuple[str, str]:
        return got, literal(kind, value)

    assert not differences(answers, 4, see)


def test_there_are_enough_cases_of_each_type() -> None:
    values = cases(SEED)
    assert len(values) >= 2000
    for kind in RANDOM:
        assert sum(1 for k, _ in values if k is kind) >= 200
