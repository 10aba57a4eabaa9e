"""CBOR, JSON 1.0, LwM2M CBOR; and every format of trees against random trees and random bytes."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lwm2m_host import formats
from lwm2m_host.errors import FormatError, ValueTypeError
from lwm2m_host.formats import CBOR, JSON, LWM2M_CBOR, SENML_CBOR, TLV, Entry, Format, cborio
from lwm2m_host.formats.base import PathListFormat
from lwm2m_host.formats.cborio import Pairs, Tagged
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.path import Path
from lwm2m_host.model.tree import shape
from lwm2m_host.model.values import DataType, ObjLink, Value, seconds_to_time

HERE = Path((1, 0, 0))
ROOT = Path()
TYPE_OF = Models.default().type_of

TREES = [item for item in formats.supported() if item.carries_trees]


def at(path: str, value: Value | None, time_s: float | None = None) -> Entry:
    return Entry(Path.parse(path), value, time_s)


# ---------------------------------------------------------------------------------- CBOR (60)

CBOR_VALUES: list[tuple[DataType, Any, str]] = [
    (DataType.STRING, "grün", "656772c3bc6e"),
    (DataType.CORELNK, "</3/0>", "663c2f332f303e"),
    (DataType.INTEGER, 0, "00"),
    (DataType.INTEGER, 100, "1864"),
    (DataType.INTEGER, -1, "20"),
    (DataType.INTEGER, -(1 << 63), "3b7fffffffffffffff"),
    (DataType.UNSIGNED, (1 << 64) - 1, "1bffffffffffffffff"),
    (DataType.FLOAT, 21.5, "fa41ac0000"),
    (DataType.FLOAT, 0.1, "fb3fb999999999999a"),
    (DataType.FLOAT, math.inf, "fa7f800000"),
    (DataType.BOOLEAN, True, "f5"),
    (DataType.BOOLEAN, False, "f4"),
    (DataType.OPAQUE, b"\x00\xff", "4200ff"),
    (DataType.TIME, seconds_to_time(1367491215), "c11a5182428f"),
    (DataType.OBJLNK, ObjLink(3, 65535), "67333a3635353335"),
]


@pytest.mark.parametrize(("kind", "value", "data"), CBOR_VALUES)
def test_cbor_of_every_type(kind: DataType, value: Any, data: str) -> None:
    payload = CBOR.encode([Entry(HERE, value)], HERE, lambda _: kind)
    assert payload.hex() == data
    [entry] = CBOR.decode(payload, HERE, lambda _: kind)
    assert (entry.path, entry.value, type(entry.value)) == (HERE, value, type(value))


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (DataType.FLOAT, "f94d60", 21.5),  # a half float
        (DataType.FLOAT, "15", 21.0),  # an integer does for a float
        (DataType.INTEGER, "fa42c80000", 100),  # and a whole float for an integer
        (DataType.INTEGER, "1b0000000000000005", 5),  # longer than needed
        (DataType.STRING, "7f61616162ff", "ab"),  # in pieces
        (DataType.OPAQUE, "5f4101420203ff", b"\1\2\3"),
        (DataType.TIME, "1a5182428f", seconds_to_time(1367491215)),  # no tag
        (None, "1864", 100),
        (None, "c100", seconds_to_time(0)),
        (None, "4101", b"\1"),
    ],
)
def test_cbor_as_others_write_it(kind: DataType | None, data: str, value: object) -> None:
    [entry] = CBOR.decode(bytes.fromhex(data), HERE, lambda _: kind)
    assert entry.value == value


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (DataType.INTEGER, ""),
        (DataType.INTEGER, "18"),
        (DataType.INTEGER, "1c"),
        (DataType.INTEGER, "1f"),
        (DataType.INTEGER, "0000"),
        (DataType.INTEGER, "1bffffffffffffffff"),
        (DataType.INTEGER, "fa3fc00000"),
        (DataType.INTEGER, "f97e00"),
        (DataType.INTEGER, "f5"),
        (DataType.INTEGER, "f6"),
        (DataType.INTEGER, "f7"),
        (DataType.INTEGER, "f8ff"),
        (DataType.INTEGER, "ff"),
        (DataType.INTEGER, "6135"),
        (DataType.INTEGER, "80"),
        (DataType.INTEGER, "a0"),
        (DataType.INTEGER, "c100"),
        (DataType.INTEGER, "c2420100"),
        (DataType.UNSIGNED, "20"),
        (DataType.BOOLEAN, "01"),
        (DataType.STRING, "4161"),
        (DataType.STRING, "61ff"),
        (DataType.STRING, "7f41 61ff"),
        (DataType.STRING, "7f7f6161ffff"),
        (DataType.STRING, "7f6161"),
        (DataType.STRING, "5b7fffffffffffffff"),
        (DataType.OPAQUE, "6161"),
        (DataType.OBJLNK, "6133"),
        (DataType.OBJLNK, "820300"),
        (DataType.TIME, "c0743230"),
        (DataType.TIME, "fa3fc00000"),
        (DataType.STRING, "81" * 5000),
        (DataType.STRING, "c1" * 5000),
        (DataType.STRING, "9bffffffffffffffff"),
        (DataType.STRING, "bf0001" * 3),
        (DataType.STRING, "bf00ff"),
    ],
)
def test_cbor_that_is_no_value_of_the_type_is_refused(kind: DataType, data: str) -> None:
    with pytest.raises(FormatError):
        CBOR.decode(bytes.fromhex(data), HERE, lambda _: kind)


def test_cbor_carries_one_value() -> None:
    with pytest.raises(FormatError):
        CBOR.decode(b"\0", Path((1, 0)), TYPE_OF)
    with pytest.raises(FormatError):
        CBOR.encode([Entry(HERE, 1)], Path((1, 0)), TYPE_OF)
    with pytest.raises(FormatError):
        CBOR.encode([Entry(HERE, None)], HERE, TYPE_OF)
    with pytest.raises(ValueTypeError):
        CBOR.encode([Entry(HERE, "x")], HERE, lambda _: DataType.INTEGER)


def _as_cbor2(item: Any) -> Any:
    if isinstance(item, Pairs):
        return {_key(key): _as_cbor2(value) for key, value in item}
    if isinstance(item, Tagged):
        return cbor2.CBORTag(item.tag, _as_cbor2(item.item))
    return [_as_cbor2(part) for part in item] if isinstance(item, list) else item


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)


@given(ITEMS)
def test_our_cbor_is_what_cbor2_reads_and_writes(item: Any) -> None:
    assert cbor2.loads(cborio.dumps(item)) == item
    assert _as_cbor2(cborio.loads(cbor2.dumps(item))) == item
    assert _as_cbor2(cborio.loads(cbor2.dumps(item, canonical=True))) == item


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_an_item_or_a_format_error(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        cborio.loads(data)


# ----------------------------------------------------------------------------- LwM2M CBOR

TREE = {3: {0: {0: "Acme", 9: 100, 7: {0: 3800, 1: 5000}}}}


@pytest.mark.parametrize(
    "item",
    [
        TREE,
        {(3, 0): TREE[3][0]},
        {3: {(0, 0): "Acme", (0, 9): 100, (0, 7, 0): 3800, (0, 7, 1): 5000}},
        {(3, 0, 0): "Acme", (3, 0, 9): 100, (3, 0, 7): {0: 3800, 1: 5000}},
        {(3,): {(0,): {0: "Acme", 9: 100, (7, 0): 3800, (7, 1): 5000}}},
    ],
)
def test_lwm2m_cbor_keys_are_ids_or_arrays_of_them(item: object) -> None:
    entries = LWM2M_CBOR.decode(cbor2.dumps(item), Path((3, 0)), TYPE_OF)
    told = {str(entry.path): entry.value for entry in entries}
    assert told == {"/3/0/0": "Acme", "/3/0/9": 100, "/3/0/7/0": 3800, "/3/0/7/1": 5000}


def test_lwm2m_cbor_writes_maps_in_maps() -> None:
    entries = [at("/3/0/0", "Acme"), at("/3/0/9", 100), at("/3/0/7/0", 3800), at("/3/0/7/1", 5000)]
    payload = LWM2M_CBOR.encode(entries, Path((3, 0)), TYPE_OF)
    assert cbor2.loads(payload) == TREE
    assert payload[:5] == bytes.fromhex("a103a100a3")


@pytest.mark.parametrize(
    "item",
    [
        [],
        5,
        {3: 5},
        {3: {0: 5}},
        {3: {}},
        {3: {0: {9: None}}},
        {3: {0: {9: "x"}}},
        {3: {0: {9: [1]}}},
        {3: {0: {7: {0: {}}}}},
        {3: {0: {7: {0: {0: 1}}}}},
        {3: {65535: {9: 1}}},
        {3: {0: {70000: 1}}},
        {3: {0: {-1: 1}}},
        {"3": {0: {9: 1}}},
        {3.0: {0: {9: 1}}},
        {(): {0: {9: 1}}},
        {(3, "0"): {9: 1}},
        {(3, 0, 9): 1, 3: {0: {9: 1}}},
        {(3, 0, 7): 1, (3, 0, 7, 0): 1},
        {1: {0: {1: 60}}},
    ],
)
def test_lwm2m_cbor_that_is_no_tree_is_refused(item: object) -> None:
    with pytest.raises(FormatError):
        LWM2M_CBOR.decode(cbor2.dumps(item), Path((3,)), TYPE_OF)


def test_lwm2m_cbor_with_an_id_twice_is_refused() -> None:
    with pytest.raises(FormatError, match="occurs twice"):
        LWM2M_CBOR.decode(bytes.fromhex("a103a100a209010902"), Path((3,)), TYPE_OF)


# ------------------------------------------------------------------------------- JSON 1.0


def test_json_of_the_device_object() -> None:
    """Shape and names of the example in LwM2M 1.0.2 §6.4.4."""
    payload = b"""{"bn":"/3/0/","e":[
        {"n":"0","sv":"Open Mobile Alliance"},
        {"n":"6/0","v":1},{"n":"6/1","v":5},
        {"n":"9","v":100},
        {"n":"13","v":1367491215},
        {"n":"22/0","ov":"3:1"}]}"""
    entries = JSON.decode(payload, Path((3, 0)), TYPE_OF)
    assert {str(entry.path): entry.value for entry in entries} == {
        "/3/0/0": "Open Mobile Alliance",
        "/3/0/6/0": 1,
        "/3/0/6/1": 5,
        "/3/0/9": 100,
        "/3/0/13": seconds_to_time(1367491215),
        "/3/0/22/0": ObjLink(3, 1),
    }
    assert JSON.encode(entries, Path((3, 0)), TYPE_OF) == (
        b'{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"6/0","v":1},'
        b'{"n":"6/1","v":5},{"n":"9","v":100},{"n":"13","v":1367491215},{"n":"22/0","ov":"3:1"}]}'
    )


@pytest.mark.parametrize(
    "payload",
    [
        b'{"bn":"/3303/0/5700","e":[{"v":21.5}]}',
        b'{"bn":"/3303/0/5700","e":[{"n":"","v":21.5}]}',
        b'{"bn":"/3303/0/","e":[{"n":"5700","v":21.5}]}',
        b'{"bn":"/3303/0","e":[{"n":"5700","v":21.5}]}',
        b'{"bn":"/3303/0","e":[{"n":"/5700","v":21.5}]}',
        b'{"bn":"/","e":[{"n":"3303/0/5700","v":21.5}]}',
        b'{"e":[{"v":21.5}]}',
        b'{"bn":"","e":[{"n":"/3303/0/5700","v":21.5}]}',
    ],
)
def test_json_names_as_devices_write_them(payload: bytes) -> None:
    here = Path((3303, 0, 5700))
    assert JSON.decode(payload, here, TYPE_OF) == [Entry(here, 21.5)]


def test_json_without_a_base_name_is_below_what_was_asked_for() -> None:
    [entry] = JSON.decode(b'{"e":[{"n":"0/9","v":5}]}', Path((3,)), TYPE_OF)
    assert entry == at("/3/0/9", 5)


def test_json_has_no_form_for_what_is_empty() -> None:
    for path, base in (("/3303/1", "/3303"), ("/3/0/7", "/3/0"), ("/3/0/7", "/3/0/7")):
        with pytest.raises(FormatError, match="empty"):
            JSON.encode([at(path, None)], Path.parse(base), TYPE_OF)
    assert JSON.encode([at("/3/0", None)], Path((3, 0)), TYPE_OF) == b'{"bn":"/3/0/","e":[]}'


def test_json_times_are_kept() -> None:
    payload = b'{"bn":"/3303/0/","bt":25462634,"e":[{"n":"5700","v":1,"t":-5},{"n":"5700","v":2}]}'
    entries = JSON.decode(payload, Path((3303, 0)), TYPE_OF)
    assert [entry.time_s for entry in entries] == [25462629, 25462634]
    assert JSON.decode(JSON.encode(entries, Path((3303,)), TYPE_OF), ROOT, TYPE_OF) == entries


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"e":5}',
        b'{"e":[5]}',
        b'{"e":[{"n":"9"}]}',
        b'{"e":[{"n":"9","v":1,"sv":"x"}]}',
        b'{"e":[{"n":"9","v":"1"}]}',
        b'{"e":[{"n":"9","v":true}]}',
        b'{"e":[{"n":"9","bv":1}]}',
        b'{"e":[{"n":"9","sv":"1"}]}',
        b'{"e":[{"n":"0","sv":null}]}',
        b'{"e":[{"n":"0","sv":"x"},{"n":"0","sv":"x"}]}',
        b'{"e":[{"n":9,"v":1}]}',
        b'{"e":[{"n":"x","v":1}]}',
        b'{"e":[{"v":1}]}',
        b'{"bn":5,"e":[]}',
        b'{"bt":"5","e":[]}',
        b'{"bn":"/1/0/","e":[{"n":"1","v":1}]}',
        b'{"e":[{"n":"9","v":1,"t":"1"}]}',
        b'{"e":[{"n":"22/0","ov":"x"}]}',
        b'{"bt":' + b"9" * 400 + b',"e":[{"n":"9","v":1}]}',
    ],
)
def test_json_that_is_malformed_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError):
        JSON.decode(payload, Path((3, 0)), TYPE_OF)


# ---------------------------------------------------------------- all of them, random trees

NUMBERS = {
    DataType.INTEGER: st.integers(-(1 << 63), (1 << 63) - 1),
    DataType.UNSIGNED: st.integers(0, (1 << 64) - 1),
    DataType.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.STRING: st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    DataType.CORELNK: st.sampled_from(["</3/0>", "</1>;pmin=5,</3303/0>"]),
    DataType.OPAQUE: st.binary(max_size=300),
    DataType.TIME: st.integers(-(1 << 63), (1 << 63) - 1).map(seconds_to_time),
    DataType.OBJLNK: st.builds(ObjLink, st.integers(0, 65535), st.integers(0, 65535)),
}
KINDS = list(NUMBERS)


def kind_of(path: Path) -> DataType | None:
    """Resource n has the n-th type; odd tens are multiple."""
    return None if path.rid is None else KINDS[path.rid % len(KINDS)]


def multiple(path: Path) -> bool:
    return path.rid is not None and path.rid >= 100


def values(rid: int) -> st.SearchStrategy[Any]:
    one = NUMBERS[KINDS[rid % len(KINDS)]]
    many = st.dictionaries(st.integers(0, 65535), one, min_size=1, max_size=3)
    return many if rid >= 100 else one


@st.composite
def instances(draw: st.DrawFn) -> dict[int, Any]:
    rids = draw(st.lists(st.integers(0, 200), unique=True, min_size=1, max_size=5))
    return {rid: draw(values(rid)) for rid in rids}


OBJECTS = st.dictionaries(st.integers(0, 65534), instances(), min_size=1, max_size=3)


def entries_of(path: Path, value: Any) -> list[Entry]:
    if isinstance(value, dict):
        return [e for key, item in value.items() for e in entries_of(path / key, item)]
    return [Entry(path, value)]


@pytest.mark.parametrize("item", TREES, ids=str)
@settings(max_examples=60, deadline=None)
@given(tree=OBJECTS)
def test_random_objects_survive(item: Format, tree: dict[int, Any]) -> None:
    base = Path((26241,))
    payload = item.encode(entries_of(base, tree), base, kind_of)
    assert shape(item.decode(payload, base, kind_of), base, multiple) == tree


@pytest.mark.parametrize("item", [f for f in TREES if f.carries_root], ids=str)
@settings(max_examples=60, deadline=None)
@given(several=st.dictionaries(st.integers(0, 65535), OBJECTS, min_size=1, max_size=3))
def test_random_trees_of_several_objects_survive(item: Format, several: dict[int, Any]) -> None:
    entries = entries_of(ROOT, several)
    back = item.decode(item.encode(entries, ROOT, kind_of), ROOT, kind_of)
    assert {entry.path: entry.value for entry in back} == {e.path: e.value for e in entries}


@pytest.mark.parametrize("item", formats.supported(), ids=str)
@given(rid=st.integers(0, 99), data=st.data())
def test_random_single_values_survive(item: Format, rid: int, data: st.DataObject) -> None:
    here = Path((26241, 0, rid))
    value = data.draw(values(rid))
    if item.name == "opaque" and kind_of(here) is not DataType.OPAQUE:
        return
    back = item.decode(item.encode([Entry(here, value)], here, kind_of), here, kind_of)
    assert back == [Entry(here, value)]
    # Four-byte floats are a float of their own kind, which prints shorter.
    assert isinstance(back[0].value, type(value))


@pytest.mark.parametrize("item", formats.supported(), ids=str)
@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=60), base=st.sampled_from(["/", "/3", "/3/0", "/3/0/9"]))
@example(payload=b'[{"n":"/3/0/9","v":1}]', base="/3/0/9")
def test_any_bytes_decode_or_are_a_format_error(item: Format, payload: bytes, base: str) -> None:
    with contextlib.suppress(FormatError):
        item.decode(payload, Path.parse(base), TYPE_OF)


@pytest.mark.parametrize("item", TREES, ids=str)
@settings(max_examples=60, deadline=None)
@given(tree=OBJECTS, data=st.data())
def test_damaged_payloads_decode_or_are_a_format_error(
    item: Format, tree: dict[int, Any], data: st.DataObject
) -> None:
    base = Path((26241,))
    payload = bytearray(item.encode(entries_of(base, tree), base, kind_of))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    for damaged in (bytes(payload), bytes(payload[:cut])):
        with contextlib.suppress(FormatError):
            shape(item.decode(damaged, base, kind_of), base, multiple)
        if isinstance(item, PathListFormat):
            with contextlib.suppress(FormatError):
                item.decode_paths(damaged)


# --------------------------------------------------------------------------------- choosing


@pytest.mark.parametrize(
    ("declared", "chosen"),
    [([112, 110], "senml-cbor"), ([110], "senml-json"), ([11543, 60], "json"), ([322], "tlv")],
)
def test_the_format_follows_what_the_device_declares(declared: list[int], chosen: str) -> None:
    assert formats.choose(declared).name == chosen
    assert formats.choose([*declared, 11542]) is TLV


def test_composite_operations_need_senml() -> None:
    assert formats.choose_composite([110, 11542]).name == "senml-json"
    assert formats.choose_composite([11544]) is SENML_CBOR
    assert formats.choose_composite([320]).name == "senml-etch-json"


def test_the_numbers_are_those_of_the_registry() -> None:
    assert {item.name: item.number for item in formats.supported()} == {
        "tlv": 11542,
        "text": 0,
        "opaque": 42,
        "cbor": 60,
        "senml-json": 110,
        "senml-cbor": 112,
        "senml-etch-json": 320,
        "senml-etch-cbor": 322,
        "json": 11543,
        "lwm2m-cbor": 11544,
    }
