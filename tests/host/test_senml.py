"""SenML: the vectors of RFC 8428 and RFC 8790, LwM2M's own fields, and what must be refused."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from lwm2m_host.errors import FormatError, ValueTypeError
from lwm2m_host.formats import (
    SENML_CBOR,
    SENML_ETCH_CBOR,
    SENML_ETCH_JSON,
    SENML_JSON,
    Entry,
    PathListFormat,
)
from lwm2m_host.formats.senml import NUMBERS, Record, SenmlCborFormat, SenmlJsonFormat, resolve
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, ObjLink, Value

ROOT = Path()
TYPE_OF = Models.default().type_of
BOTH = pytest.mark.parametrize("item", [SENML_JSON, SENML_CBOR], ids=str)


def at(path: str, value: Value | None, time_s: float | None = None) -> Entry:
    return Entry(Path.parse(path), value, time_s)


# RFC 8428 §5.1: (the pack, what it resolves to as §5.1.4 writes it)
VECTORS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "5.1.1 single data point": (
        '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]',
        [{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}],
    ),
    "5.1.2 multiple data points": (
        """[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
            {"n":"current","u":"A","v":1.2}]""",
        [
            {"n": "urn:dev:ow:10e2073a01080063:voltage", "u": "V", "v": 120.1},
            {"n": "urn:dev:ow:10e2073a01080063:current", "u": "A", "v": 1.2},
        ],
    ),
    "5.1.2 with times": (
        """[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
             "n":"voltage","u":"V","v":120.1},
            {"n":"current","t":-5,"v":1.2},
            {"n":"current","t":-4,"v":1.3},
            {"n":"current","t":-3,"v":1.4},
            {"n":"current","t":-2,"v":1.5},
            {"n":"current","t":-1,"v":1.6},
            {"n":"current","v":1.7}]""",
        [
            {"n": "urn:dev:ow:10e2073a0108006:voltage", "u": "V", "t": 1276020076.001, "v": 120.1},
            *(
                {
                    "n": "urn:dev:ow:10e2073a0108006:current",
                    "u": "A",
                    "t": 1276020076.001 - ago,
                    "v": value,
                }
                for ago, value in [(5, 1.2), (4, 1.3), (3, 1.4), (2, 1.5), (1, 1.6), (0, 1.7)]
            ),
        ],
    ),
    "5.1.3 multiple measurements": (
        """[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
            {"u":"lon","v":24.30621},
            {"u":"lat","v":60.07965},
            {"t":60,"v":20.3},
            {"u":"lon","t":60,"v":24.30622},
            {"u":"lat","t":60,"v":60.07965}]""",
        [
            {"n": "urn:dev:ow:10e2073a01080063", "u": unit, "t": moment, "v": value}
            for unit, moment, value in [
                ("%RH", 1320067464, 20),
                ("lon", 1320067464, 24.30621),
                ("lat", 1320067464, 60.07965),
                ("%RH", 1320067524, 20.3),
                ("lon", 1320067524, 24.30622),
                ("lat", 1320067524, 60.07965),
            ]
        ],
    ),
    "5.1.5 multiple data types": (
        """[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
            {"n":"label","vs":"Machine Room"},
            {"n":"open","vb":false},
            {"n":"nfc-reader","vd":"aGkgCg"}]""",
        [
            {"n": "urn:dev:ow:10e2073a01080063:temp", "u": "Cel", "v": 23.1},
            {"n": "urn:dev:ow:10e2073a01080063:label", "vs": "Machine Room"},
            {"n": "urn:dev:ow:10e2073a01080063:open", "vb": False},
            {"n": "urn:dev:ow:10e2073a01080063:nfc-reader", "vd": b"hi \n"},
        ],
    ),
    "5.1.6 collection of resources": (
        """[{"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},
            {"n":"humidity","u":"%RH","v":30},
            {"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},
            {"n":"humidity","u":"%RH","v":67}]""",
        [
            {"n": f"2001:db8::{host}/{name}", "u": unit, "t": 1320078429, "v": value}
            for host, name, unit, value in [
                (2, "temperature", "Cel", 25.2),
                (2, "humidity", "%RH", 30),
                (1, "temperature", "Cel", 12.3),
                (1, "humidity", "%RH", 67),
            ]
        ],
    ),
    "5.1.7 setting an actuator": (
        """[{"bn":"urn:dev:ow:10e2073a01080063:"},
            {"n":"temp","u":"Cel","v":23.1},
            {"n":"heat","u":"/","v":1},
            {"n":"fan","u":"/","v":0}]""",
        [
            {"n": "urn:dev:ow:10e2073a01080063:temp", "u": "Cel", "v": 23.1},
            {"n": "urn:dev:ow:10e2073a01080063:heat", "u": "/", "v": 1},
            {"n": "urn:dev:ow:10e2073a01080063:fan", "u": "/", "v": 0},
        ],
    ),
}


def plain(record: Record) -> dict[str, Any]:
    out: dict[str, Any] = {"n": record.name}
    if record.unit:
        out["u"] = record.unit
    if record.time_s is not None:
        out["t"] = record.time_s
    if record.label:
        out[record.label] = record.value
    return out


@pytest.mark.parametrize("name", VECTORS)
def test_rfc_8428_vectors_resolve_in_json(name: str) -> None:
    text, wanted = VECTORS[name]
    assert [plain(item) for item in resolve(SenmlJsonFormat()._load(text.encode()))] == wanted


@pytest.mark.parametrize("name", VECTORS)
def test_rfc_8428_vectors_resolve_in_cbor(name: str) -> None:
    text, wanted = VECTORS[name]
    pack = []
    for item in json.loads(text):
        if "vd" in item:
            item["vd"] = b"hi \n"
        pack.append({NUMBERS[label]: value for label, value in item.items()})
    assert [plain(r) for r in resolve(SenmlCborFormat()._load(cbor2.dumps(pack)))] == wanted


def test_rfc_8428_cbor_example_byte_by_byte() -> None:
    """RFC 8428 §6: the pack of §5.1.2, with a time, as bytes."""
    payload = bytes.fromhex(
        "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a"
        "22fb41d303a15b00106223614120050067766f6c746167650161560 2fb405e066666666666".replace(
            " ", ""
        )
        + "a3006763757272656e740624 02fb3ff3333333333333".replace(" ", "")
        + "a3006763757272656e74062302fb3ff4cccccccccccd"
        "a3006763757272656e74062202fb3ff6666666666666"
        "a3006763757272656e74062102f93e00"
        "a3006763757272656e74062002fb3ff999999999999a"
        "a3006763757272656e74060002fb3ffb333333333333"
    )
    records = resolve(SenmlCborFormat()._load(payload))
    _text, wanted = VECTORS["5.1.2 with times"]
    assert [record.value for record in records] == [item["v"] for item in wanted]
    assert [record.name for record in records] == [item["n"] for item in wanted]
    assert [record.time_s for record in records] == [item["t"] for item in wanted]


def test_sums_and_base_sums_are_kept() -> None:
    pack = [{"bn": "a", "bs": 10, "s": 5, "v": 1}, {"n": "b", "s": 1.5}]
    assert [(r.sum, r.value) for r in resolve(pack)] == [(15, 1), (11.5, None)]


def test_base_values_are_added_and_stand_alone() -> None:
    pack = [{"bn": "/3303/0/", "bv": 20.5, "n": "5700", "v": 1}, {"n": "5601"}]
    assert [(r.name, r.value) for r in resolve(pack)] == [
        ("/3303/0/5700", 21.5),
        ("/3303/0/5601", 20.5),
    ]


def test_times_are_absolute_relative_or_not_there() -> None:
    pack = [{"n": "a", "v": 1}, {"n": "b", "v": 1, "t": -10}, {"n": "c", "v": 1, "t": 1e9}]
    assert [r.time_s for r in resolve(pack, lambda: 5e8)] == [None, 499999990, 1e9]


EVERY_TYPE: list[tuple[DataType, Value, str, bytes]] = [
    (DataType.STRING, "grün", '"vs":"grün"', bytes.fromhex("03656772c3bc6e")),
    (DataType.INTEGER, -(1 << 63), '"v":-9223372036854775808', b"\x02\x3b\x7f" + b"\xff" * 7),
    (DataType.UNSIGNED, (1 << 64) - 1, '"v":18446744073709551615', b"\x02\x1b" + b"\xff" * 8),
    (DataType.FLOAT, 21.5, '"v":21.5', bytes.fromhex("02fa41ac0000")),
    (DataType.FLOAT, 0.1, '"v":0.1', bytes.fromhex("02fb3fb999999999999a")),
    (DataType.BOOLEAN, True, '"vb":true', b"\x04\xf5"),
    (DataType.OPAQUE, b"\xfb\xff\x00", '"vd":"-_8A"', bytes.fromhex("0843fbff00")),
    (DataType.OPAQUE, b"\xff", '"vd":"_w"', bytes.fromhex("0841ff")),
    (DataType.OBJLNK, ObjLink(3, 65535), '"vlo":"3:65535"', b"\x63vlo\x673:65535"),
    (DataType.CORELNK, "</3/0>", '"vs":"</3/0>"', b"\x03\x66</3/0>"),
    (DataType.TIME, 1367491215, '"v":1367491215', bytes.fromhex("021a5182428f")),
]


@pytest.mark.parametrize(("kind", "value", "text", "data"), EVERY_TYPE)
def test_every_type_on_the_wire(kind: DataType, value: Value, text: str, data: bytes) -> None:
    here = Path((9, 0, 1))
    entries = [Entry(here, value)]
    as_json = SENML_JSON.encode(entries, here, lambda _: kind)
    assert as_json.decode() == f'[{{"bn":"/9/0/","n":"1",{text}}}]'
    as_cbor = SENML_CBOR.encode(entries, here, lambda _: kind)
    assert as_cbor == b"\x81\xa3\x21\x65/9/0/\x00\x611" + data
    for item, payload in ((SENML_JSON, as_json), (SENML_CBOR, as_cbor)):
        [back] = item.decode(payload, here, lambda _: kind)
        if kind is DataType.TIME:
            assert back.value.timestamp() == value  # type: ignore[union-attr]
        else:
            assert back == entries[0]
            assert isinstance(back.value, type(value))


@BOTH
def test_an_instance_has_one_base_name(item: PathListFormat) -> None:
    entries = [at("/3/0/0", "Acme"), at("/3/0/7/0", 3800), at("/3/0/7/1", 5000)]
    payload = item.encode(entries, Path((3, 0)), TYPE_OF)
    assert payload.count(b"/3/0/") == 1
    assert item.decode(payload, Path((3, 0)), TYPE_OF) == entries


@BOTH
def test_several_objects_at_once(item: PathListFormat) -> None:
    entries = [at("/3303/0/5700", 21.5), at("/3/0/9", 100), at("/3303/1/5700", -1.0)]
    payload = item.encode(entries, ROOT, TYPE_OF)
    assert item.decode(payload, ROOT, TYPE_OF) == entries


@BOTH
def test_an_empty_instance_survives(item: PathListFormat) -> None:
    for entries in ([at("/3303/2", None)], [at("/3303/2", None), at("/3303/3/5750", "x")]):
        payload = item.encode(entries, Path((3303,)), TYPE_OF)
        assert item.decode(payload, Path((3303,)), TYPE_OF) == entries


@BOTH
def test_time_stamps_are_kept_and_a_path_may_occur_at_several_times(item: PathListFormat) -> None:
    entries = [at("/3303/0/5700", 20.0, 1.7e9), at("/3303/0/5700", 21.5, 1.7e9 + 0.5)]
    payload = item.encode(entries, ROOT, TYPE_OF)
    assert item.decode(payload, ROOT, TYPE_OF) == entries


@pytest.mark.parametrize(
    "payload",
    [
        '[{"bn":"/3303/0/5700","v":21.5}]',
        '[{"bn":"/3303/0/","n":"5700","v":21.5}]',
        '[{"bn":"/"},{"n":"3303/0/5700","v":21.5}]',
        '[{"bn":"/3303/0","bver":10},{"n":"/5700","v":215e-1,"u":"Cel","x":{}}]',
        '[{"n":"/3303/0/5700","v":21.5}]',
        ' [ {"n":"3303/0/5700","v":21.5} ] ',
    ],
)
def test_names_as_devices_write_them(payload: str) -> None:
    here = Path((3303, 0, 5700))
    assert SENML_JSON.decode(payload.encode(), here, TYPE_OF) == [Entry(here, 21.5)]


def test_a_whole_float_does_for_an_integer_and_a_decimal_fraction_for_a_number() -> None:
    here = Path((3, 0, 9))
    assert SENML_JSON.decode(b'[{"n":"/3/0/9","v":1e2}]', here, TYPE_OF) == [Entry(here, 100)]
    payload = cbor2.dumps([{0: "/3303/0/5700", 2: cbor2.CBORTag(4, [-1, 215])}])
    assert SENML_CBOR.decode(payload, Path((3303, 0, 5700)), TYPE_OF)[0].value == 21.5


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{}",
        "[1]",
        '[{"n":"/3/0/0","vs":"x"}',
        '[{"n":"/3/0/0","vs":"x"}] x',
        '[{"n":"/3/0/0","vs":5}]',
        '[{"n":"/3/0/0","v":"5"}]',
        '[{"n":"/3/0/0","v":5}]',
        '[{"n":"/3/0/0","vs":null}]',
        '[{"n":"/3/0/0","vs":"x","v":5}]',
        '[{"n":"/3/0/0","vs":"x","vs":"y"}]',
        '[{"n":"/3/0/0","vs":"\\ud800"}]',
        '[{"n":"/3/0/0","vs":"x"},{"n":"/3/0/0","vs":"y"}]',
        '[{"n":"/3/0/0","vs":"x","b_":1}]',
        '[{"bver":11,"n":"/3/0/0","vs":"x"}]',
        '[{"bver":"10","n":"/3/0/0","vs":"x"}]',
        '[{"n":5,"vs":"x"}]',
        '[{"n":"/3/0/x","vs":"x"}]',
        '[{"n":"/3/0//0","vs":"x"}]',
        '[{"n":"/3/0/0/","vs":"x"}]',
        '[{"n":" /3/0/0","vs":"x"}]',
        '[{"n":"/3/00/0","vs":"x"}]',
        '[{"n":"/3/0/00","vs":"x"}]',
        '[{"n":"/3/0/99999","vs":"x"}]',
        '[{"n":"/3/65535/0","vs":"x"}]',
        '[{"n":"/3/0/0/0/0","vs":"x"}]',
        '[{"n":"/3/0","vs":"x"}]',
        '[{"n":"/3","t":0}]',
        '[{"n":"/1/0/0","v":1}]',
        '[{"n":"/3/0/9","v":1.5}]',
        '[{"n":"/3/0/9","v":1e400}]',
        '[{"n":"/3/0/9","v":NaN}]',
        '[{"n":"/3/0/9","v":9223372036854775808}]',
        '[{"n":"/3/0/9","v":true}]',
        '[{"n":"/3/0/9","vb":1}]',
        '[{"n":"/3/0/9","v":%s}]' % ("9" * 5000),
        '[{"n":"/3/0/9","v":1,"t":%s}]' % ("9" * 400),
        '[{"n":"/3/0/9","v":1,"bv":%s},{"n":"/3/0/20","v":0.5}]' % ("9" * 400),
        '[{"n":"/3/0/9","v":1,"t":"now"}]',
        '[{"n":"/3/0/9","s":1}]',
        '[{"n":"/3/0/22/0","vs":"3"}]',
        '[{"n":"/3/0/22/0","vlo":"3"}]',
        '[{"n":"/3/0/22/0","vlo":"3:70000"}]',
        '[{"n":"/3/0/7/0","v":1},{"n":"/3/0/7","v":1}]',
        "[" * 100000,
        '[{"n":"/3/0/0","vs":"x","y":' + "[" * 5000 + "]" * 5000 + "}]",
    ],
)
def test_what_is_malformed_is_a_format_error(payload: str) -> None:
    with pytest.raises(FormatError):
        SENML_JSON.decode(payload.encode(), Path((3,)), TYPE_OF)


@pytest.mark.parametrize("text", ["A", "AP8Q=", "AP8===", "a b", "ä", "####", 5])
def test_opaque_must_be_base64url(text: object) -> None:
    payload = json.dumps([{"n": "/5/0/0", "vd": text}]).encode()
    with pytest.raises(FormatError):
        SENML_JSON.decode(payload, ROOT, TYPE_OF)


def test_padded_base64url_is_read() -> None:
    payload = b'[{"n":"/5/0/0","vd":"_w=="}]'
    assert SENML_JSON.decode(payload, ROOT, TYPE_OF)[0].value == b"\xff"


@pytest.mark.parametrize(
    "pack",
    [
        {},
        [[]],
        [{0: "/3/0/0", 3: 5}],
        [{0: "/3/0/0", 3: b"x"}],
        [{0: "/3/0/0", "vs": "x"}],
        [{"n": "/3/0/0", 3: "x"}],
        [{0: "/3/0/0", 3: "x", True: 1}],
        [{0: "/3/0/9", 2: True}],
        [{0: "/3/0/9", 2: float("nan")}],
        [{0: "/3/0/9", 2: cbor2.CBORTag(4, [10000, 1])}],
        [{0: "/3/0/9", 2: cbor2.CBORTag(4, [1])}],
        [{0: "/3/0/9", 2: cbor2.CBORTag(1, 5)}],
        [{0: "/3/0/9", 2: 5, 6: float("inf")}],
        [{0: "/5/0/0", 8: "aGk"}],
    ],
)
def test_malformed_cbor_packs_are_format_errors(pack: object) -> None:
    with pytest.raises(FormatError):
        SENML_CBOR.decode(cbor2.dumps(pack), ROOT, TYPE_OF)


def test_a_label_that_occurs_twice_is_refused_in_cbor() -> None:
    payload = b"\x81\xa3\x00\x66/3/0/0\x03\x61x\x03\x61y"
    with pytest.raises(FormatError, match="occurs twice"):
        SENML_CBOR.decode(payload, ROOT, TYPE_OF)


def test_an_answer_for_another_path_is_refused() -> None:
    with pytest.raises(FormatError, match="asked for /3/0, got /1/0/1"):
        SENML_JSON.decode(b'[{"n":"/1/0/1","v":60}]', Path((3, 0)), TYPE_OF)


def test_an_unknown_resource_comes_as_the_format_has_it() -> None:
    payload = b'[{"bn":"/9999/0/","n":"0","v":5},{"n":"1","vd":"_w"},{"n":"2","vlo":"3:0"}]'
    values = [entry.value for entry in SENML_JSON.decode(payload, ROOT, TYPE_OF)]
    assert values == [5, b"\xff", ObjLink(3, 0)]


def test_a_wrong_value_names_its_resource() -> None:
    with pytest.raises(ValueTypeError, match="/1/0/1 expects an unsigned integer, got 'x'"):
        SENML_JSON.encode([at("/1/0/1", "x")], ROOT, TYPE_OF)
    with pytest.raises(FormatError, match="nan or inf"):
        SENML_JSON.encode([at("/3303/0/5700", float("nan"))], ROOT, TYPE_OF)
    with pytest.raises(ValueTypeError, match="surrogate"):
        SENML_CBOR.encode([at("/3/0/0", "\ud800")], ROOT, TYPE_OF)


PATHS = [Path((3, 0)), Path((3303, 0, 5700)), Path((3, 0, 7, 1)), Path((1,)), Path()]


@pytest.mark.parametrize("item", [SENML_JSON, SENML_CBOR, SENML_ETCH_JSON, SENML_ETCH_CBOR])
def test_lists_of_paths(item: PathListFormat) -> None:
    assert item.decode_paths(item.encode_paths(PATHS)) == PATHS


def test_lists_of_paths_as_others_write_them() -> None:
    text = b'[{"bn":"/3/0/","n":"0"},{"n":"9"},{"bn":"/1","n":""},{"bn":"/3303/0/5700"}]'
    told = [str(path) for path in SENML_ETCH_JSON.decode_paths(text)]
    assert told == ["/3/0/0", "/3/0/9", "/1", "/3303/0/5700"]
    assert SENML_JSON.encode_paths(PATHS[:2]) == b'[{"n":"/3/0"},{"n":"/3303/0/5700"}]'
    for bad in (b'[{"n":"/3/0/0","vs":"x"}]', b'[{"n":"/x"}]', b"{}", b'[{"n":"/3","s":1}]'):
        with pytest.raises(FormatError):
            SENML_JSON.decode_paths(bad)
