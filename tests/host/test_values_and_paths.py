"""Values as people type them and as JSON holds them; paths."""

from __future__ import annotations

import contextlib
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.errors import ModelError, PathError, ValueTypeError
from lwm2m_host.model.definitions import parse_version
from lwm2m_host.model.path import Path
from lwm2m_host.model.tree import flatten
from lwm2m_host.model.values import (
    DataType,
    ObjLink,
    check,
    from_json,
    parse,
    time_to_seconds,
    to_json,
    whole_number,
)
from lwm2m_host.model.xml import parse_xml

NOON = datetime(2025, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", DataType.INTEGER, 5),
        ("-5", DataType.INTEGER, -5),
        ("18446744073709551615", DataType.UNSIGNED, (1 << 64) - 1),
        ("1.5", DataType.FLOAT, 1.5),
        ("5", DataType.FLOAT, 5.0),
        ("true", DataType.BOOLEAN, True),
        ("Off", DataType.BOOLEAN, False),
        ("0", DataType.BOOLEAN, False),
        ("5", DataType.STRING, "5"),
        ("hex:0aFF", DataType.OPAQUE, b"\x0a\xff"),
        ("0a ff", DataType.OPAQUE, b"\x0a\xff"),
        ("", DataType.OPAQUE, b""),
        ("1738324800", DataType.TIME, NOON),
        ("2025-01-31T12:00:00Z", DataType.TIME, NOON),
        ("2025-01-31T14:00:00+02:00", DataType.TIME, NOON),
        ("2025-01-31 12:00", DataType.TIME, NOON),
        ("3:0", DataType.OBJLNK, ObjLink(3, 0)),
    ],
)
def test_values_as_typed(text: str, kind: DataType, value: Any) -> None:
    parsed = parse(text, kind)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("abc", DataType.FLOAT, "expects a float, got 'abc'"),
        ("1.5", DataType.INTEGER, "expects an integer, got '1.5'"),
        ("-1", DataType.UNSIGNED, "out of range for unsigned"),
        ("9223372036854775808", DataType.INTEGER, "out of range for integer"),
        ("yes", DataType.BOOLEAN, "expects a boolean, got 'yes'"),
        ("hex:0", DataType.OPAQUE, "expects hexadecimal"),
        ("today", DataType.TIME, "expects a time"),
        ("3", DataType.OBJLNK, "expects an object link"),
        ("3:65536", DataType.OBJLNK, "expects an object link"),
        ("x", DataType.NONE, "can only be executed"),
    ],
)
def test_what_is_wrong_with_a_value_is_said(text: str, kind: DataType, message: str) -> None:
    with pytest.raises(ValueTypeError, match=message):
        parse(text, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, DataType.BOOLEAN),
        (True, DataType.INTEGER),
        (True, DataType.FLOAT),
        (1.0, DataType.INTEGER),
        ("1", DataType.INTEGER),
        ("x", DataType.OPAQUE),
        (b"x", DataType.STRING),
        ((3, 65536), DataType.OBJLNK),
        ((True, 0), DataType.OBJLNK),
        (10**400, DataType.FLOAT),
        (None, DataType.STRING),
        (-1, DataType.UNSIGNED),
    ],
)
def test_nothing_is_converted_behind_the_callers_back(value: Any, kind: DataType) -> None:
    with pytest.raises(ValueTypeError):
        check(value, kind)


def test_an_int_does_for_a_float_and_for_a_time() -> None:
    assert check(5, DataType.FLOAT) == 5.0
    assert check(1738324800, DataType.TIME) == NOON


def test_times_are_whole_seconds_in_any_zone_and_before_1970() -> None:
    assert time_to_seconds(datetime(2025, 1, 31, 12, 0, 0, 999999)) == 1738324800
    assert time_to_seconds(NOON.astimezone(timezone(timedelta(hours=9)))) == 1738324800
    assert time_to_seconds(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (b"\x0a\xff", DataType.OPAQUE, "0aff"),
        (NOON, DataType.TIME, "2025-01-31T12:00:00Z"),
        (ObjLink(3, 0), DataType.OBJLNK, "3:0"),
        (math.inf, DataType.FLOAT, "inf"),
        (True, DataType.BOOLEAN, True),
        (1 << 62, DataType.INTEGER, 1 << 62),
        ("5", DataType.STRING, "5"),
    ],
)
def test_values_survive_json(value: Any, kind: DataType, expected: Any) -> None:
    data = json.loads(json.dumps(to_json(value)))
    assert data == expected
    assert from_json(data, kind) == value


def test_trees_become_json_with_text_keys() -> None:
    assert to_json({0: {5: b"\x01", 6: {0: ObjLink(1, 2)}}}) == {
        "0": {"5": "01", "6": {"0": "1:2"}}
    }


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("/", ()),
        ("", ()),
        ("/3", (3,)),
        ("3/0", (3, 0)),
        ("/3/0/1/", (3, 0, 1)),
        ("/65535/65534/65535/65535", (65535, 65534, 65535, 65535)),
    ],
)
def test_paths(text: str, ids: tuple[int, ...]) -> None:
    path = Path.parse(text)
    assert path.ids == ids
    assert Path.parse(str(path)) == path


@pytest.mark.parametrize(
    "text",
    ["/3/x", "/-1", "//3", "/3//0", "/65536", "/3/65535", "/1/2/3/4/5", "/³", "/1 /2", "/+1"],
)
def test_bad_paths_are_refused_and_named(text: str) -> None:
    with pytest.raises(PathError) as caught:
        Path.parse(text)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_a_path_error(text: str) -> None:
    with contextlib.suppress(PathError):
        Path.parse(text)


@given(st.text(max_size=30), st.sampled_from(list(DataType)))
def test_any_text_is_a_value_or_a_value_error(text: str, kind: DataType) -> None:
    with contextlib.suppress(ValueTypeError):
        parse(text, kind)


@pytest.mark.parametrize("digits", ["¹", "٣", "1_0", "9" * 5000])
def test_digits_that_are_no_ascii_number_are_refused(digits: str) -> None:
    assert whole_number(digits, 65535) is None
    for kind in (DataType.INTEGER, DataType.UNSIGNED, DataType.TIME):
        with pytest.raises(ValueTypeError):
            parse(digits, kind)
    with pytest.raises(ValueTypeError):
        parse(f"3:{digits}", DataType.OBJLNK)
    with pytest.raises(ModelError):
        parse_version(f"1.{digits}")
    file = f"<LWM2M><Object><Name>x</Name><ObjectID>{digits}</ObjectID></Object></LWM2M>"
    with pytest.raises(ModelError):
        parse_xml(file.encode(), "file")


def test_digits_are_a_number_up_to_the_largest() -> None:
    assert whole_number("65535", 65535) == 65535
    assert whole_number("0000065535", 65535) == 65535
    assert whole_number("65536", 65535) is None
    assert whole_number("", 65535) is None
    assert whole_number("+1", 65535) is None


@pytest.mark.parametrize("digits", ["¹", "٣", "1_0", "9" * 5000])
def test_keys_that_are_no_ascii_number_are_refused(digits: str) -> None:
    with pytest.raises(ValueTypeError):
        flatten(Path.parse("/3/0"), {digits: 1})
    with pytest.raises(PathError):
        Path.parse(f"/3/{digits}")
