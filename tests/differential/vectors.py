"""Vectors that others have published, as cases: written to the firmware, and decoded by the host.

TLV and JSON are the examples of LwM2M 1.1 Core §7.4; SenML is the same, and RFC 8428 §5.1 with
paths for names; the CBOR values are those of RFC 8949, Appendix A.
"""

from __future__ import annotations

import json
import math
from typing import Any

import cbor2
from lwm2m_host import formats
from lwm2m_host.formats import Format
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, ObjLink

from tests.differential.cases import BAD_REQUEST, CHANGED, POST, PUT, Case, Write, _hold, datagram
from tests.differential.trees import MULTI, READ, WRITE, Resource, Thing, Values

S, I, U, F = DataType.STRING, DataType.INTEGER, DataType.UNSIGNED, DataType.FLOAT  # noqa: E741
B, O, T, L = DataType.BOOLEAN, DataType.OPAQUE, DataType.TIME, DataType.OBJLNK  # noqa: E741

DEVICE: Values = {
    0: "Open Mobile Alliance",
    1: "Lightweight M2M Client",
    2: "345000123",
    3: "1.0",
    6: {0: 1, 1: 5},
    7: {0: 0x0ED8, 1: 0x1388},
    8: {0: 125, 1: 900},
    9: 100,
    10: 15,
    11: {0: 0},
    13: 1367491215,
    14: "+02:00",
    16: "U",
}
DEVICE_KINDS = {0: S, 1: S, 2: S, 3: S, 6: I, 7: I, 8: I, 9: I, 10: I, 11: I, 13: T, 14: S, 16: S}
DEVICE_TLV = (
    "C800144F70656E204D6F62696C6520416C6C69616E6365C801164C69676874776569676874204D324D20436C6965"
    "6E74C80209333435303030313233C303312E30860641000141010588070842000ED842011388870841007D420103"
    "84C10964C10A0F830B410000C40D5182428FC60E2B30323A3030C11055"
)
RIGHTS_KINDS = {0: I, 1: I, 2: I, 3: I}
RIGHTS = {0: {0: 1, 1: 0, 2: {127: 7}, 3: 127}, 2: {0: 3, 1: 0, 2: {127: 7, 310: 1}, 3: 127}}
LINKS_KINDS = {0: L, 1: S, 2: I}
LINKS = {0: {0: ObjLink(66, 0), 1: ObjLink(66, 1)}, 1: "8613800755500", 2: 0x12345678}
SERVICE_KINDS = {0: S, 1: S, 2: L}
SERVICE = {0: "myService 1", 1: "Internet.15.234", 2: ObjLink(67, 0)}

TABLES = {3: DEVICE_KINDS, 2: RIGHTS_KINDS, 65: LINKS_KINDS, 66: SERVICE_KINDS}

# (oid, iid, what it holds, TLV of the instance)
TLV = (
    (3, 0, DEVICE, DEVICE_TLV),
    (2, 0, RIGHTS[0], "C10001C101008302417F07C1037F"),
    (2, 2, RIGHTS[2], "C10003C101008702417F0761013601C1037F"),
    (65, 0, LINKS, "88000C440000420000440100420001C8010D38363133383030373535353030C40212345678"),
    (
        66,
        0,
        SERVICE,
        "C8000B6D79536572766963652031C8010F496E7465726E65742E31352E323334C40200430000",
    ),
)

# RFC 8949, Appendix A: what can be a value here
NUMBERS: tuple[tuple[DataType, Any, str], ...] = (
    (I, 0, "00"),
    (I, 1, "01"),
    (I, 10, "0a"),
    (I, 23, "17"),
    (I, 24, "1818"),
    (I, 25, "1819"),
    (I, 100, "1864"),
    (I, 1000, "1903e8"),
    (I, 1000000, "1a000f4240"),
    (I, 1000000000000, "1b000000e8d4a51000"),
    (U, 18446744073709551615, "1bffffffffffffffff"),
    (I, -1, "20"),
    (I, -10, "29"),
    (I, -100, "3863"),
    (I, -1000, "3903e7"),
    (F, 0.0, "f90000"),
    (F, -0.0, "f98000"),
    (F, 1.0, "f93c00"),
    (F, 1.1, "fb3ff199999999999a"),
    (F, 1.5, "f93e00"),
    (F, 65504.0, "f97bff"),
    (F, 100000.0, "fa47c35000"),
    (F, 3.4028234663852886e38, "fa7f7fffff"),
    (F, 1.0e300, "fb7e37e43c8800759c"),
    (F, 5.960464477539063e-8, "f90001"),
    (F, 0.00006103515625, "f90400"),
    (F, -4.0, "f9c400"),
    (F, -4.1, "fbc010666666666666"),
    (F, math.inf, "f97c00"),
    (F, math.nan, "f97e00"),
    (F, -math.inf, "f9fc00"),
    (F, math.inf, "fa7f800000"),
    (F, math.nan, "fa7fc00000"),
    (F, -math.inf, "fbfff0000000000000"),
    (B, False, "f4"),
    (B, True, "f5"),
    (T, 1363896240, "c11a514b67b0"),
    (O, b"", "40"),
    (O, b"\1\2\3\4", "4401020304"),
    (S, "", "60"),
    (S, "a", "6161"),
    (S, "IETF", "6449455446"),
    (S, '"\\', "62225c"),
    (S, "\u00fc", "62c3bc"),
    (S, "\u6c34", "63e6b0b4"),
    (S, "\U00010151", "64f0908591"),
)

# RFC 8428 §5.1.1 to §5.1.5, with a path for each name
SENML_KINDS = {1: F, 2: F, 3: S, 4: B, 5: O, 6: F}
SENML: tuple[tuple[list[dict[str, Any]], Values], ...] = (
    ([{"n": "/9998/0/1", "u": "Cel", "v": 23.1}], {1: 23.1}),
    (
        [
            {"bn": "/9998/0/", "n": "1", "u": "V", "v": 120.1},
            {"n": "2", "u": "A", "v": 1.2},
        ],
        {1: 120.1, 2: 1.2},
    ),
    (
        [
            {"bn": "/9998/0/", "bt": 1.276020076001e09, "bu": "A", "bver": 5},
            {"n": "1", "u": "V", "v": 120.1},
            {"n": "2", "t": -5, "v": 1.2},
        ],
        {1: 120.1, 2: 1.2},
    ),
    (
        [
            {"bn": "/9998/0/", "n": "6", "v": 23.5, "t": 0, "ut": 10},
            {"n": "3", "vs": "Machine Room"},
            {"n": "4", "vb": False},
            {"n": "5", "vd": "aGkgCg"},
        ],
        {6: 23.5, 3: "Machine Room", 4: False, 5: b"hi \n"},
    ),
)
# As they are there: names that are no paths here, so both sides refuse them
NOT_OURS: tuple[list[dict[str, Any]], ...] = (
    [{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}],
    [
        {"bn": "urn:dev:ow:10e2073a01080063:", "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "u": "A", "v": 1.2},
    ],
)


def thing_of(oid: int, iid: int, kinds: dict[int, DataType], held: Values) -> Thing:
    multiple = {rid for rid, one in held.items() if isinstance(one, dict)}
    thing = Thing(
        oid,
        [
            Resource(rid, kind, READ | WRITE | (MULTI if rid in multiple else 0))
            for rid, kind in kinds.items()
        ],
    )
    thing.before = {iid: {}}
    thing.after = {iid: held}
    return thing


def _case(
    thing: Thing, format: Format, base: Path, payload: bytes, code: int, answer: int = CHANGED
) -> Case:
    case = Case(0, [thing])
    right: Any = {}
    if answer == CHANGED:
        for iid, held in thing.after.items():
            _hold(right, thing, iid, held)
    sent = datagram(code, base, format.number, payload)
    case.writes.append(Write(f"vector {base}", format, payload, sent, answer, right))
    return case


def _labels(pack: list[dict[str, Any]]) -> bytes:
    """SenML JSON as SenML CBOR, by an encoder that is neither of ours."""
    numbers = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "n": 0, "u": 1, "v": 2, "vs": 3}
    numbers |= {"vb": 4, "t": 6, "ut": 7, "vd": 8}
    out = []
    for record in pack:
        if "vd" in record:
            record = {**record, "vd": b"hi \n"}
        out.append({numbers.get(label, label): value for label, value in record.items()})
    return cbor2.dumps(out)


def _pack(oid: int, iid: int, held: Values, kinds: dict[int, DataType]) -> list[dict[str, Any]]:
    """As the examples of LwM2M 1.1 Core §7.4.5: a base name in the first record."""
    found: list[dict[str, Any]] = []
    for rid, one in held.items():
        for name, item in (
            [(f"{rid}/{riid}", item) for riid, item in one.items()]
            if isinstance(one, dict)
            else [(str(rid), one)]
        ):
            label = "vs" if kinds[rid] is S else "vlo" if kinds[rid] is L else "v"
            found.append({"n": name, label: str(item) if kinds[rid] is L else item})
    found[0] = {"bn": f"/{oid}/{iid}/", **found[0]}
    return found


def cases() -> list[Case]:
    """A case for each vector."""
    found = []
    for oid, iid, held, raw in TLV:
        kinds = TABLES[oid]
        thing = thing_of(oid, iid, kinds, held)
        base = Path((oid, iid))
        found.append(_case(thing, formats.TLV, base, bytes.fromhex(raw), PUT))
        pack = _pack(oid, iid, held, kinds)
        found.append(_case(thing, formats.SENML_JSON, base, json.dumps(pack).encode(), PUT))
        found.append(_case(thing, formats.SENML_CBOR, base, _labels(pack), PUT))
        elements = [
            {
                {"vs": "sv", "vlo": "ov"}.get(label, label): value
                for label, value in record.items()
                if label != "bn"
            }
            for record in pack
        ]
        body = json.dumps({"bn": f"{base}/", "e": elements}).encode()
        found.append(_case(thing, formats.JSON, base, body, PUT))
        tree = {oid: {iid: held}}
        plain = cbor2.dumps(tree, default=lambda encoder, value: encoder.encode(str(value)))
        if not any(kind is L for kind in kinds.values()):
            found.append(_case(thing, formats.LWM2M_CBOR, base, plain, PUT))
    for kind, value, raw in NUMBERS:
        thing = thing_of(9998, 0, {7: kind}, {7: value})
        found.append(_case(thing, formats.CBOR, Path((9998, 0, 7)), bytes.fromhex(raw), PUT))
    for pack, held in SENML:
        thing = thing_of(9998, 0, SENML_KINDS, held)
        base = Path((9998, 0))
        found.append(_case(thing, formats.SENML_JSON, base, json.dumps(pack).encode(), POST))
        found.append(_case(thing, formats.SENML_CBOR, base, _labels(pack), POST))
    for pack in NOT_OURS:
        thing = thing_of(9998, 0, SENML_KINDS, {})
        base = Path((9998, 0))
        raw = json.dumps(pack).encode()
        found.append(_case(thing, formats.SENML_JSON, base, raw, POST, BAD_REQUEST))
        found.append(_case(thing, formats.SENML_CBOR, base, _labels(pack), POST, BAD_REQUEST))
    for number, case in enumerate(found):
        case.number = number
    return found
