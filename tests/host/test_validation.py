"""What definitions allow, checked before anything leaves; `force` lets it leave all the same."""

from __future__ import annotations

from typing import Any

import pytest
from lwm2m_host import Server, errors
from lwm2m_host.device import Device
from lwm2m_host.model.ranges import parse_range
from lwm2m_host.model.values import DataType
from lwm2m_host.model.xml import parse_xml

from tests.host.fake_device import FakeDevice, changed, content
from tests.host.object_files import definition, item

INTEGER, FLOAT, STRING = DataType.INTEGER, DataType.FLOAT, DataType.STRING
OPAQUE, UNSIGNED = DataType.OPAQUE, DataType.UNSIGNED


@pytest.mark.parametrize(
    ("text", "kind", "good", "bad"),
    [
        ("0..100", INTEGER, [0, 50, 100], [-1, 101]),
        ("1..65534", UNSIGNED, [1, 65534], [0, 65535]),
        ("0..18446744073709551614", UNSIGNED, [(1 << 64) - 2], [(1 << 64) - 1]),
        ("0-50", INTEGER, [0, 50], [51]),
        ("-10..30", INTEGER, [-10, 30], [-11, 31]),
        ("-30..-120", INTEGER, [-30, -120], [-29]),
        ("1...15", INTEGER, [1, 15], [0, 16]),
        ("0,1,2", INTEGER, [0, 1, 2], [3]),
        ("5, 10, 15, 20", INTEGER, [5, 20], [6]),
        ("0..3, 99", INTEGER, [3, 99], [4]),
        ("0; 3.8..20.5", FLOAT, [0.0, 3.8], [1.0, 21.0, float("nan")]),
        ("0.0..1.0", FLOAT, [0.5], [1.5]),
        ("0: RELEASED 1: PRESSED 2: FAULT", UNSIGNED, [0, 2], [3]),
        ("0: disabled 255: non_responsive", INTEGER, [255], [1]),
        ("0..255 bytes", STRING, ["", "x" * 255], ["x" * 256]),
        ("0-255 bytes", STRING, ["x" * 255], ["x" * 256]),
        ("1..4", STRING, ["x", "ääää"], ["", "xxxxx"]),
        ("0 or 26 Bytes", STRING, ["", "x" * 26], ["x"]),
        ("32 bytes", STRING, ["", "x" * 32], ["x" * 33]),
        ("16,32,48", OPAQUE, [b"x" * 32], [b"", b"x" * 33]),
        ("0..3", OPAQUE, [b"", b"123"], [b"1234"]),
        ('"U","UQ"', STRING, ["U", "UQ"], ["Q", ""]),
    ],
)
def test_ranges_that_say_something(
    text: str, kind: DataType, good: list[Any], bad: list[Any]
) -> None:
    allowed = parse_range(text, kind)
    assert allowed is not None
    assert [value for value in good if allowed.problem(value)] == []
    assert [value for value in bad if not allowed.problem(value)] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", INTEGER),
        ("-", INTEGER),
        ("255", INTEGER),
        ("8 bit", INTEGER),
        ("2 Instances", INTEGER),
        ("<7 to >12.5", INTEGER),
        ("0..", INTEGER),
        ("ON;OFF", FLOAT),
        ("64", STRING),
        ("10..-5", STRING),
        ("16-32-48 bytes", OPAQUE),
        ("The possible values are those listed elsewhere", STRING),
        ("0..65535", DataType.BOOLEAN),
        ("0..65535", DataType.TIME),
    ],
)
def test_prose_allows_anything(text: str, kind: DataType) -> None:
    assert parse_range(text, kind) is None


PUMP = definition(
    items=item(0, "Flow", "R", must="Mandatory")
    + item(1, "Speed", "RW", range="0..100", must="Mandatory")
    + item(2, "Mode", "RW", "String", '"slow","fast"', must="Mandatory")
    + item(3, "Key", "W", "Opaque", "16,32")
    + item(4, "Stop", "E", "")
    + item(5, "Limits", "RW", range="0..9", multi="Multiple")
    + item(6, "Hidden", "", "String")
)


@pytest.fixture
def device(server: Server, fake: FakeDevice) -> Device:
    for model in parse_xml(PUMP):
        server.models.add(model)
    return server.device("fake")


@pytest.mark.parametrize(
    ("path", "value", "kind", "message"),
    [
        ("/30000/0/0", 5, errors.OperationRefused, "/30000/0/0 Flow may only be read"),
        ("/30000/0/4", "", errors.OperationRefused, "/30000/0/4 Stop may only be executed"),
        ("/30000/0/6", "x", errors.OperationRefused, "Hidden may not be touched by a server"),
        ("/30000/0/1", 101, errors.OutOfRange, "/30000/0/1 Speed allows 0..100, got 101"),
        ("/30000/0/1", "9", errors.ValueTypeError, "/30000/0/1 Speed expects an integer, got '9'"),
        ("/30000/0/2", "x", errors.OutOfRange, '/30000/0/2 Mode allows "slow","fast", got \'x\''),
        ("/30000/0/3", b"12", errors.OutOfRange, "/30000/0/3 Key allows 16,32 bytes, got 2"),
        ("/30000/0/5", 5, errors.ValueTypeError, "Limits has instances: expects {riid: value}"),
        ("/30000/0/5", {0: 5, 7: 10}, errors.OutOfRange, "/30000/0/5/7 Limits allows 0..9, got"),
        ("/30000/0/1", {0: 5}, errors.ValueTypeError, "/30000/0/1/0 Speed has no instances"),
        ("/30000/0/1", {}, errors.ValueTypeError, "/30000/0/1 Speed expects a value"),
        ("/30000/0", {1: 5, 0: 5}, errors.OperationRefused, "/30000/0/0 Flow may only be read"),
        ("/30000/0", {1: 5, 2: "no"}, errors.OutOfRange, "/30000/0/2 Mode allows"),
    ],
)
async def test_a_write_that_the_definition_does_not_allow(
    device: Device, fake: FakeDevice, path: str, value: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        await device.write(path, value)
    assert message in str(caught.value)
    assert fake.seen == []
    fake.answers["PUT", path] = changed()
    await device.write(path, value, force=True)
    assert len(fake.seen) == 1


async def test_reads_and_executes_follow_the_operations(device: Device, fake: FakeDevice) -> None:
    with pytest.raises(errors.OperationRefused, match="/30000/0/3 Key may only be written"):
        await device.read("/30000/0/3")
    with pytest.raises(errors.OperationRefused, match="/30000/0/4 Stop may only be executed"):
        await device.read_composite(["/3", "/30000/0/4"])
    with pytest.raises(errors.OperationRefused, match="Speed may be read and written, but not"):
        await device.execute("/30000/0/1")
    assert fake.seen == []
    fake.answers["POST", "/30000/0/1"] = changed()
    await device.execute("/30000/0/1", "no such ärgument", force=True)
    assert fake.seen[-1].payload == "no such ärgument".encode()
    fake.answers["GET", "/30000/0/3"] = content(b"\xc2\x03\x41\x42")
    assert await device.read("/30000/0/3", force=True) == b"AB"


async def test_create_needs_what_is_mandatory_and_writable(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["POST", "/30000"] = lambda _: content(b"")
    for path, values in (("/30000/1", {1: 5}), ("/30000", {1: 5, 0: 3})):
        with pytest.raises(errors.MissingResources, match=f"^{path} needs 2 Mode to be created"):
            await device.create(path, values)
    with pytest.raises(errors.MissingResources, match="needs 1 Speed, 2 Mode to be created"):
        await device.create("/30000")
    with pytest.raises(errors.OperationRefused, match="/30000/1/4 Stop may only be executed"):
        await device.create("/30000/1", {1: 5, 2: "slow", 4: ""})
    with pytest.raises(errors.OutOfRange, match="/30000/1/1 Speed allows"):
        await device.create("/30000/1", {1: 500, 2: "slow"})
    assert fake.seen == []
    await device.create("/30000/1", {0: 5, 1: 5, 2: "slow"})  # a value to start from may be given
    await device.create("/30000/1", {1: 500}, force=True)
    assert len(fake.seen) == 2


async def test_a_forced_value_of_another_type_goes_as_what_it_is(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["PUT", "/30000/0/1"] = changed()
    await device.write("/30000/0/1", "fast", force=True)
    assert fake.seen[-1].payload == b"\xc4\x01fast"


async def test_what_has_no_definition_is_let_through(device: Device, fake: FakeDevice) -> None:
    fake.answers["PUT", "/30000/0/77"] = changed()
    fake.answers["PUT", "/9999/0/0"] = changed()
    await device.write("/30000/0/77", 5)
    await device.write("/9999/0/0", {0: b"x"})
    assert len(fake.seen) == 2
