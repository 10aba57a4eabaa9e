"""OMA's enabler tests of information reporting, LightweightM2M-1.1-int-301 to 311 and 1.2-int-312
and 313, and those of the objects that say: observe this one.

OMA's times are scaled down (pmin 30 s is one second here). They are measured on the device's own
clock, which a busy machine cannot hurry: nothing comes before pmin; that it comes at all is enough
for pmax, whose exactness is proven in tests/firmware on a clock that is set by hand.
"""

from __future__ import annotations

import asyncio
from typing import Any

import cbor2
import pytest
from lwm2m_host import Device, Server
from lwm2m_host.reporting.events import Sent
from lwm2m_host.reporting.observation import Observation
from lwm2m_host.reporting.report import Notification

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.integration.oma_reporting import (
    COLLECT,
    COMPOSITE,
    CURRENT,
    MOVE,
    SEND,
    SENML_CBOR,
    SENML_JSON,
    SIGNAL,
    STOP,
    TEMPERATURE,
    VOLTAGE,
    Fleet,
    gaps,
    heard,
    sent,
    silent,
    stored,
    widths,
)
from tests.integration.peer import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    EMPTY,
    GET,
    NON,
    POST,
    PUT,
    RST,
    Datagram,
    Peer,
    datagram,
    options,
    path,
)


@pytest.fixture
def fleet(launch: Start, server: Server) -> Fleet:
    """OMA's configuration C.1: no default periods."""
    if not widths():
        pytest.skip("no MicroPython")
    return Fleet(launch, server)


@pytest.fixture
async def station(launch: Start, server: Server, width: int) -> Station:
    """OMA's configuration C.1: no default periods."""
    started = await launch("reporting.py", servers=[server.uri], width=width, mtu=1088)
    await started.registered_with(server)
    return started


# 301 to 303: one value


async def test_int_301_observation_and_notification_of_values(fleet: Fleet) -> None:
    async def observed(station: Station, device: Device) -> None:
        assert await device.read("/3/0/6") == {0: 1, 1: 5}
        await device.write_attributes("/3/0/7", pmin=1, pmax=2)
        await device.write_attributes("/3/0/8", pmin=1, pmax=2)
        voltage = await device.observe("/3/0/7")
        current = await device.observe("/3/0/8")
        assert voltage.first.value == {0: 3800, 1: 5000}
        assert current.first.value == {0: 125, 1: 900}
        # Changes are told, no sooner than pmin …
        for number in range(2):
            await device.execute(VOLTAGE, f"0='{3000 + number}',1='5000'")
            assert (await heard(voltage)).value == {0: 3000 + number, 1: 5000}
        # … and what does not change is told again when pmax is over.
        assert (await heard(current)).value == {0: 125, 1: 900}
        again = await heard(voltage)
        assert again.value == {0: 3001, 1: 5000}
        changes, periods = await gaps(station, "(3, 0, 7)", 2)
        assert changes >= 1000
        assert periods >= 2000
        assert voltage.first.sequence is not None
        assert again.sequence is not None
        assert voltage.first.sequence < again.sequence

    await fleet.run(observed)


async def test_int_302_observations_are_cancelled_by_reset(
    station: Station, server: Server
) -> None:
    device = server.device(station.endpoint)
    voltage = await device.observe("/3/0/7")
    current = await device.observe("/3/0/8")
    voltage.forget()
    await device.execute(VOLTAGE, "0='3000'")
    await station.says("status cancelled (3, 0, 7) to 1")
    await device.execute(CURRENT, "0='100'")
    assert (await heard(current)).value == {0: 100}
    current.forget()
    await device.execute(CURRENT, "0='200'")
    await station.says("status cancelled (3, 0, 8) to 1")
    before = station.output.count("status sent")
    await device.execute(VOLTAGE, "0='3001'")
    await device.execute(CURRENT, "0='201'")
    await device.read("/3/0/0")
    assert station.output.count("status sent") == before


@pytest.mark.parametrize("kind", [NON, CON], ids=["non", "con"])
async def test_int_302_a_reset_ends_just_that_observation(
    launch: Start, width: int, kind: int
) -> None:
    """Byte by byte: each notification has the token of its request, and after RST none comes."""
    async with Peer() as peer:
        await launch("reporting.py", servers=[peer.uri], width=width)
        await peer.register()
        if kind == CON:
            answer = await peer.ask(PUT, "/3/0", b"", 0)
            assert answer.code != CHANGED  # no query: nothing is written
            (answer,) = await peer.answers(
                datagram(
                    CON,
                    PUT,
                    peer.fresh_mid(),
                    b"wa",
                    options(*path("/3/0"), (15, b"con=1")),
                )
            )
            assert answer.code == CHANGED
        for token, where in ((b"v", "/3/0/7"), (b"c", "/3/0/8")):
            answer = await observe(peer, where, token)
            assert answer.code == CONTENT
        notes = []
        for _ in range(2):
            note = await changed(peer, VOLTAGE, b"0='3000'" if not notes else b"0='3001'")
            assert (note.kind, note.code, note.token) == (kind, CONTENT, b"v")
            notes.append(note)
            peer.send(datagram(ACK if note is notes[0] else RST, EMPTY, note.mid))
        first, second = (observe_option(note) for note in notes)
        assert first < second
        note = await changed(peer, CURRENT, b"0='200'")
        assert (note.kind, note.token) == (kind, b"c")
        peer.send(datagram(RST, EMPTY, note.mid))
        for where in (VOLTAGE, CURRENT):
            answer = await peer.ask(POST, where, b"0='9'")
            assert answer.code == CHANGED
        assert await peer.answers(b"\x00") == []


async def observe(peer: Peer, where: str, token: bytes, value: bytes = b"") -> Datagram:
    """The answer to an Observe (`value` empty: 0) with this token."""
    data = datagram(
        CON, GET, peer.fresh_mid(), token, options((6, value), *path(where), (17, b"\x2d\x16"))
    )
    (answer,) = await peer.answers(data)
    return answer


async def changed(peer: Peer, where: str, args: bytes) -> Datagram:
    """What the device sends beside its answer when it is told to change a value."""
    mid = peer.fresh_mid()
    peer.send(datagram(CON, POST, mid, b"x", options(*path(where)), args))
    answer = await peer.receive()
    assert (answer.kind, answer.code, answer.mid) == (ACK, CHANGED, mid)
    return await peer.receive()


def observe_option(note: Datagram) -> int:
    """The value of the option Observe, the first of a notification."""
    assert note.rest[0] >> 4 == 6
    length = note.rest[0] & 15
    return int.from_bytes(note.rest[1 : 1 + length], "big")


async def test_int_303_observations_are_cancelled_with_observe_1(
    station: Station, server: Server
) -> None:
    device = server.device(station.endpoint)
    voltage = await device.observe("/3/0/7")
    current = await device.observe("/3/0/8")
    await device.execute(VOLTAGE, "0='3000'")
    assert (await heard(voltage)).value == {0: 3000}
    await voltage.cancel()
    await station.says("status cancelled (3, 0, 7) to 1")
    await device.execute(CURRENT, "0='100'")
    assert (await heard(current)).value == {0: 100}
    await current.cancel()
    await station.says("status cancelled (3, 0, 8) to 1")
    before = station.output.count("status sent")
    await device.execute(VOLTAGE, "0='3001'")
    await device.execute(CURRENT, "0='101'")
    await silent(device, voltage, current)
    assert station.output.count("status sent") == before
    assert [voltage.reason, current.reason] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("token", [b"v", b"other"], ids=["its_token", "another_token"])
async def test_int_303_a_cancel_is_answered_with_the_value_and_ends_it(
    launch: Start, width: int, token: bytes
) -> None:
    """RFC 7641 §3.6 wants the token of the observation; LwM2M 1.0 servers cancel by the path."""
    async with Peer() as peer:
        await launch("reporting.py", servers=[peer.uri], width=width)
        await peer.register()
        for own, where in ((b"v", "/3/0/7"), (b"c", "/3/0/8")):
            assert (await observe(peer, where, own)).code == CONTENT
        before = await changed(peer, VOLTAGE, b"0='3000'")
        assert (before.code, before.token) == (CONTENT, b"v")
        answer = await observe(peer, "/3/0/7", token, b"\x01")
        assert (answer.code, answer.token) == (CONTENT, token)
        assert answer.payload == before.payload
        assert answer.rest[0] >> 4 != 6  # no option Observe
        assert (await peer.ask(POST, VOLTAGE, b"0='3001'")).code == CHANGED
        note = await changed(peer, CURRENT, b"0='100'")
        assert note.token == b"c"


# 304, 305, 308 to 310: several paths together


async def test_int_304_and_305_observe_composite_and_its_cancellation(fleet: Fleet) -> None:
    paths = ["/1/0/1", "/3/0/11/0", "/3/0/16"]
    value = {"/1/0/1": 60, "/3/0/11/0": 0, "/3/0/16": "U"}

    async def observed(station: Station, device: Device, form: str) -> None:
        await device.write_attributes("/1/0/1", pmin=1, pmax=2)
        observation = await device.observe_composite(paths, format=form)
        assert observation.first.value == value
        note = await heard(observation)
        assert note.value == value
        assert note.format == {"senml-json": SENML_JSON, "senml-cbor": SENML_CBOR}[form]
        assert {str(sample.path) for sample in note.samples} == set(paths)
        # What changes is told with all the rest.
        await device.write("/1/0/1", 70)
        assert (await heard(observation)).value == value | {"/1/0/1": 70}
        await observation.cancel()
        place = "[(1, 0, 1), (3, 0, 11, 0), (3, 0, 16)]"
        await station.says(f"status cancelled {place} to 1")
        assert min(await gaps(station, place, 1)) >= 1000
        await device.write("/1/0/1", 60)
        await silent(device, observation)

    await fleet.run(observed, *((form,) for form in COMPOSITE))


async def test_int_308_and_309_observe_composite_while_instances_come_and_go(
    fleet: Fleet,
) -> None:
    """OMA creates /16/0 too, and waits for one period before each step; here it is there."""
    names = {0: "aa", 1: "bb", 2: "cc", 3: "dd"}
    more = {0: "11", 1: "22", 2: "33", 3: "44"}

    async def observed(station: Station, device: Device, form: str) -> None:
        await device.create("/16/0", {0: names})
        await device.write_attributes("/16/0", pmin=1, pmax=2)
        observation = await device.observe_composite(["/16/0", "/16/1"], format=form)
        assert tree(observation.first) == {"/16/0": {0: names}}
        assert tree(await heard(observation)) == {"/16/0": {0: names}}
        await device.create("/16/1", {0: more})
        assert tree(await heard(observation)) == {"/16/0": {0: names}, "/16/1": {0: more}}
        await device.delete("/16/1")
        assert tree(await heard(observation)) == {"/16/0": {0: names}}
        assert min(await gaps(station, "[(16, 0), (16, 1)]", 2)) >= 1000

    await fleet.run(observed, *((form,) for form in COMPOSITE))


def tree(notification: Notification) -> dict[str, Any]:
    """What a notification of instances says, without the multiple resources that are empty."""
    return {
        place: {rid: value for rid, value in instance.items() if value != {}}
        for place, instance in notification.value.items()
    }


async def test_int_310_attributes_are_written_while_several_paths_are_observed(
    fleet: Fleet,
) -> None:
    async def observed(station: Station, device: Device, form: str) -> None:
        observation = await device.observe_composite(["/1/0/3", "/3/0"], format=form)
        assert observation.first.value["/3/0"][0] == "Open Mobile Alliance"
        assert set(observation.first.value) == {"/3/0"}  # there is no /1/0/3
        await device.write("/1/0/3", 9)
        assert (await heard(observation)).value["/1/0/3"] == 9
        await device.write_attributes("/3", pmax=1)
        for _ in range(2):
            note = await heard(observation)
            assert note.value["/1/0/3"] == 9
            assert note.value["/3/0"][0] == "Open Mobile Alliance"
        assert (await gaps(station, "[(1, 0, 3), (3, 0)]", 2))[-1] >= 1000

    await fleet.run(observed, *((form,) for form in COMPOSITE))


# 306, 307, 311: Send


@pytest.mark.parametrize("form", COMPOSITE)
async def test_int_306_and_311_send(launch: Start, server: Server, width: int, form: str) -> None:
    station = await launch(
        "reporting.py", servers=[server.uri], width=width, mtu=1280, senml=[form]
    )
    device = await station.registered_with(server)
    report = await sent(server, device, SEND, "0='/1/0/1,/3/0/11'")
    assert report.values == {"/1/0/1": 60, "/3/0/11": {0: 0}}
    assert report.format == {"senml-json": SENML_JSON, "senml-cbor": SENML_CBOR}[form]
    await station.says("report {1: True}")
    whole = await sent(server, device, SEND, "0='/1,/3,/4'")
    assert whole.unknown == ()
    assert {"/1/0/1", "/3/0/0", "/3/0/7", "/4/0/2"} <= set(whole.values)
    assert whole.values["/3/0/0"] == await device.read("/3/0/0")
    assert whole.values["/3/0/7"] == await device.read("/3/0/7")
    assert station.output.count("report {1: True}") == 2


async def test_int_306_a_send_is_a_post_to_dp_in_senml(launch: Start, width: int) -> None:
    """Byte by byte; and the server's answer is what the report says of itself."""
    async with Peer() as peer:
        station = await launch("reporting.py", servers=[peer.uri], width=width)
        await peer.register()
        for code, result in ((CHANGED, "True"), (0x84, "132"), (0x8F, "143")):
            note = await changed(peer, SEND, b"0='/3/0/0,/3303/0/5700'")
            assert (note.kind, note.code) == (CON, POST)
            assert note.rest.startswith(options((11, b"dp"), (12, b"\x70")))
            assert by_name(cbor2.loads(note.payload)) == {
                "/3/0/0": "Open Mobile Alliance",
                "/3303/0/5700": 0,
            }
            peer.send(datagram(ACK, code, note.mid, note.token))
            await station.says(f"report {{1: {result}}}")
        note = await changed(peer, SEND, b"0='/3/0/0'")
        peer.send(datagram(RST, EMPTY, note.mid))
        await station.says("report {1: 'rejected'}")


def by_name(records: list[dict[int, Any]]) -> dict[str, Any]:
    """The values of a SenML pack by their whole names."""
    base, found = "", {}
    for record in records:
        base = record.get(-2, base)
        name = base + record.get(0, "")
        (found[name],) = (record[label] for label in (2, 3, 4, 8) if label in record)
    return found


async def test_int_307_muting_send(station: Station, server: Server) -> None:
    device = server.device(station.endpoint)
    await sent(server, device, SEND, "0='/3/0/0'")
    await device.write("/1/0/23", True)
    with server.events(Sent) as stream:
        await device.execute(SEND, "0='/3/0/1,/3/0/0'")
        await station.says("report {1: 'muted'}")
        await device.write("/1/0/23", False)
        await device.execute(SEND, "0='/3/0/16'")
        async with asyncio.timeout(PATIENCE_S):
            event = await anext(stream)
    assert event.report.values == {"/3/0/16": "U"}


async def test_int_311_what_was_collected_is_sent_with_its_times(
    station: Station, server: Server
) -> None:
    """OMA's 311 sends two values; here besides three of the same one, taken at three times."""
    report = await sent(server, server.device(station.endpoint), COLLECT, "")
    assert [sample.value for sample in report.samples] == [1, 2, 3]
    assert {str(sample.path) for sample in report.samples} == {"/3303/0/5700"}
    assert all(sample.timed for sample in report.samples)
    moments = [sample.time_s for sample in report.samples]
    assert moments == sorted(set(moments))
    assert moments[2] - moments[0] > 0.05
    assert abs(moments[2] - report.received_at) < PATIENCE_S
    assert report.values == {"/3303/0/5700": 3}


# 312, 313 (of the edition for 1.2): attributes in the request


async def test_int_312_and_313_attributes_in_the_observe_go_before_those_written(
    fleet: Fleet,
) -> None:
    async def observed(station: Station, device: Device) -> None:
        await device.write_attributes("/3/0/8", pmin=1, pmax=600)
        voltage = await device.observe("/3/0/7", attributes={"pmin": 1, "pmax": 2})
        current = await device.observe("/3/0/8", attributes={"pmin": 1, "pmax": 2})
        assert voltage.first.value == {0: 3800, 1: 5000}
        assert current.first.value == {0: 125, 1: 900}
        assert (await heard(voltage)).value == {0: 3800, 1: 5000}
        await device.execute(VOLTAGE, "0='3000'")
        assert (await heard(voltage)).value == {0: 3000}
        assert (await heard(current)).value == {0: 125, 1: 900}
        assert (await gaps(station, "(3, 0, 7)", 1))[0] >= 1000
        # They are the observation's own: Discover shows what was written.
        found = {link.target: link.attributes for link in await device.discover("/3/0")}
        assert found["/3/0/7"] == {"dim": "1"}
        assert found["/3/0/8"] == {"dim": "2", "pmin": "1", "pmax": "600"}

    await fleet.run(observed)


# 560, and the observations of objects 3 to 7 and 16: OMA's 1.0 edition has titles for them


async def test_int_560_notifications_are_stored_while_the_server_is_disabled(
    launch: Start, server: Server, width: int
) -> None:
    station = await launch(
        "reporting.py",
        servers=[server.uri],
        width=width,
        mtu=1088,
        terms={"storing": True, "disable_timeout_s": 1},
        sample_ms=50,
    )
    device = await station.registered_with(server)
    async with device.observe("/3303/0/5700", format="senml-cbor") as observation:
        with server.events() as stream:
            await device.execute("/1/0/4")
            async for event in stream:
                if event.kind == "registered":
                    break
        await device.execute(STOP)
        await station.says("sampled all")
        arrived = await everything(station, observation)
    assert len(arrived) > 10
    assert arrived == stored(station)
    assert station.events()[:3] == ["registered", "deregistered", "registered"]


async def everything(station: Station, observation: Observation) -> list[tuple[float, float]]:
    """All samples with a time that arrive until nothing that is stored is missing."""
    arrived: list[tuple[float, float]] = []
    async with asyncio.timeout(PATIENCE_S):
        while not set(stored(station)) <= set(arrived):
            note = await anext(observation)
            arrived += [(it.value, round(it.time_s, 3)) for it in note.samples if it.timed]
    return arrived


async def test_int_660_710_and_810_observation_of_an_instance(fleet: Fleet) -> None:
    async def observed(
        station: Station, device: Device, oid: int, act: str, args: str, rid: int, value: Any
    ) -> None:
        await device.write_attributes(f"/{oid}/0", pmin=1, pmax=2)
        observation = await device.observe(f"/{oid}/0")
        assert observation.first.value.keys() == (await device.read(f"/{oid}/0")).keys()
        assert observation.first.value[rid] != value
        await device.execute(act, args)
        for _ in range(2):
            note = await heard(observation)
            assert note.value.keys() == observation.first.value.keys()
            assert note.value[rid] == value
        assert min(await gaps(station, f"({oid}, 0)", 1)) >= 1000

    await fleet.run(
        observed,
        (3, VOLTAGE, "0='3000'", 7, {0: 3000}),
        (4, SIGNAL, "0='-90'", 2, -90),
        (6, MOVE, "0='1.5',1='2.5',2='1'", 0, 1.5),
    )


@pytest.mark.parametrize("place", ["/3303", "/3303/0", "/3303/0/5700"])
async def test_int_661_extended_observation_with_thresholds(
    station: Station, server: Server, place: str
) -> None:
    """OMA has no more than the title: here gt, lt and st together (LwM2M 1.1 Core §5.1.2), on a
    resource. An object or an instance that is observed is told of every change."""
    device = server.device(station.endpoint)
    await device.write_attributes("/3303/0/5700", gt=30, lt=10, st=5)
    observation = await device.observe(place)
    values = [4, 11, 13, 29, 31, 32, 38, 9]
    await device.execute(TEMPERATURE, "0='" + ",".join(map(str, values)) + "'")
    await station.says("temperatures set")
    await silent_but(device, observation, values if place != "/3303/0/5700" else TOLD)


# From 0: 4 is neither 5 away nor over a limit; 11 is over lt, 29 is 5 away, 31 is over gt, 38 is
# 5 away, 9 below lt.
TOLD = [11, 29, 31, 38, 9]


async def silent_but(device: Device, observation: Observation, values: list[int]) -> None:
    """Exactly these values have been notified: the rest would have come before this answer."""
    await device.read("/3/0/0")
    found = []
    for _ in range(observation.count):
        value = (await heard(observation)).value
        while isinstance(value, dict):
            value = value[5700 if 5700 in value else 0]
        found.append(value)
    assert found == values
