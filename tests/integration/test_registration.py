"""The registration interface (LwM2M 1.1 core §6.2), a real client against a real server."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from lwm2m_host import Device, Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import NotRegistered
from lwm2m_host.events import EventStream
from lwm2m_host.registration.events import Deregistered, Expired, Registered, Updated

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.ports import free_port


async def test_int_101_initial_registration(station: Station, server: Server) -> None:
    registration = await server.registration(station.endpoint)
    assert registration.endpoint == "urn:dev:os:it"
    assert registration.version == "1.2"
    assert registration.lifetime_s == 60
    assert registration.binding == "U"
    assert registration.queue_mode is False
    assert registration.parameters == {}
    objects = {oid: (item.version, item.instances) for oid, item in registration.objects.items()}
    assert objects == {1: ("1.1", (0,)), 3: ("1.1", (0,)), 3303: (None, (0,))}
    assert station.events() == ["registered"]


async def test_queue_mode_is_told_as_the_version_wants(launch: Start) -> None:
    for versions, binding in (("1.1",), "U"), (("1.0",), "UQ"):
        async with Server(port=0, versions=versions) as server:
            station = await launch(servers=[server.uri], terms={"binding": "UQ"})
            device = await station.registered_with(server)
            registration = await device.registration()
            assert (registration.binding, registration.queue_mode) == (binding, True)


async def test_a_server_of_version_1_0_only_is_met_with_1_0(launch: Start) -> None:
    async with Server(port=0, versions=["1.0"]) as server:
        station = await launch(servers=[server.uri])
        device = await station.registered_with(server)
        assert (await device.registration()).version == "1.0"
        assert station.events() == ["registered"]  # no failure, no back-off in between
        assert await device.read("/3/0/0") == "Open Mobile Alliance"


async def test_a_server_that_is_brought_up_to_date_is_met_with_the_version_that_is_wanted(
    launch: Start,
) -> None:
    port = 0
    for versions in (("1.0", "1.1"), ("1.0",), ("1.0", "1.1", "1.2")):
        async with Server(port=port, versions=versions) as server:
            if not port:
                port = server.port
                station = await launch(servers=[server.uri], lifetime_s=2)
            device = await station.registered_with(server)
            assert (await device.registration()).version == versions[-1]
    # The server has restarted twice: an Update that was refused, and what came after it.
    assert station.events().count("register_failed") == 0


async def test_int_102_registration_update_comes_before_the_lifetime_ends(
    launch: Start, server: Server, width: int
) -> None:
    station = await launch(servers=[server.uri], lifetime_s=2, width=width)
    await station.registered_with(server)
    with server.events() as stream:
        events = [await _next(stream) for _ in range(2)]
    assert [type(event) for event in events] == [Updated] * 2
    # An Update of nothing new says nothing: neither lifetime nor links.
    assert {event.registration.location for event in events} == {events[0].registration.location}
    assert {event.registration.lifetime_s for event in events} == {2}


async def test_int_102_a_written_lifetime_is_told_at_once(device: Device, server: Server) -> None:
    update = asyncio.create_task(server.wait_event(Updated, timeout_s=PATIENCE_S))
    await asyncio.sleep(0)
    await device.write("/1/0/1", 20)
    assert (await update).registration.lifetime_s == 20
    assert (await device.registration()).lifetime_s == 20
    assert await device.read("/1/0/1") == 20


async def test_a_lifetime_of_years_and_one_without_end(device: Device, server: Server) -> None:
    for lifetime_s in (10 * 365 * 86400, 0):
        update = asyncio.create_task(server.wait_event(Updated, timeout_s=PATIENCE_S))
        await asyncio.sleep(0)
        await device.write("/1/0/1", lifetime_s)
        assert (await update).registration.lifetime_s == lifetime_s
    assert (await device.registration()).expires_at is None


async def test_int_103_deregistration_when_the_device_stops(
    station: Station, server: Server
) -> None:
    with server.events() as stream:
        assert await station.interrupt() == 0
        assert isinstance(await _next(stream), Deregistered)
    assert await server.devices() == []
    assert station.events() == ["registered", "deregistered"]
    assert station.output.rstrip().endswith("stopped")


async def test_int_103_disable_deregisters_and_comes_back_after_the_disable_timeout(
    station: Station, device: Device, server: Server
) -> None:
    await device.write("/1/0/5", 1)
    with server.events() as stream:
        await device.execute("/1/0/4")
        gone, back = await _next(stream), await _next(stream)
    assert isinstance(gone, Deregistered)
    assert isinstance(back, Registered)
    assert back.replaced is None
    await station.happened("registered", "deregistered", "registered")
    (_, left_ms), (_, back_ms) = station.timeline()[1:]
    assert 900 <= back_ms - left_ms < 10000
    assert await device.read("/1/0/5") == 1


async def test_int_104_registration_update_trigger(device: Device, server: Server) -> None:
    before = await device.registration()
    with server.events() as stream:
        await device.execute("/1/0/8")
        event = await _next(stream)
    assert isinstance(event, Updated)
    assert event.registration.location == before.location
    assert event.registration.lifetime_s == before.lifetime_s
    assert event.registration.objects == before.objects


async def test_int_105_a_discarded_update_is_answered_by_a_new_registration_at_once(
    launch: Start, width: int
) -> None:
    """The server restarts and has forgotten everybody: the Update gets 4.04."""
    async with Server(port=0) as first:
        station = await launch(servers=[first.uri], lifetime_s=3, width=width)
        await station.registered_with(first)
        port = first.port
    async with Server(port=port) as second:
        assert await second.devices() == []
        device = await station.registered_with(second)
        await station.happened("update_failed", "registered")
        assert await device.read("/3/0/2") == "345000123"
    (name, failed_ms), (last, registered_ms) = station.timeline()[-2:]
    assert (name, last) == ("update_failed", "registered")
    assert registered_ms - failed_ms < 1000


async def test_a_registration_that_the_server_let_expire_is_made_anew(
    launch: Start, server: Server
) -> None:
    # Retransmission is slower than the lifetime here: the server gives up first.
    station = await launch(servers=[server.uri], lifetime_s=60)
    device = await station.registered_with(server)
    gone = await server.registry.deregister((await device.registration()).location)
    assert gone is not None
    with pytest.raises(NotRegistered):
        await device.read("/3/0/0")
    # Only the server has forgotten; the trigger reaches the device on the old way.
    await server.registry.register(gone)
    with server.events() as stream:
        trigger = asyncio.create_task(device.execute("/1/0/8"))
        await asyncio.sleep(0)
        await server.registry.deregister(gone.location)
        await trigger
        event = await _next(stream)
    assert isinstance(event, Registered)
    assert event.registration.location != gone.location


async def test_a_device_that_dies_is_expired_by_the_server(launch: Start, server: Server) -> None:
    station = await launch(servers=[server.uri], lifetime_s=2)
    await station.registered_with(server)
    with server.events() as stream:
        await station.stop()
        while isinstance(event := await _next(stream), Updated):
            pass
    assert isinstance(event, Expired)
    assert await server.devices() == []


async def test_a_server_that_comes_later_gets_the_device_after_a_bounded_pause(
    launch: Start, width: int
) -> None:
    port = free_port()
    station = await launch(
        servers=[f"coap://127.0.0.1:{port}"],
        exchange={"ack_timeout_ms": 50, "max_retransmit": 1},
        width=width,
    )
    await station.says("register_failed")
    async with Server(port=port) as server:
        device = await station.registered_with(server)
        assert await device.read("/3/0/0") == "Open Mobile Alliance"
    failures = station.events()[:-1]
    assert failures == ["register_failed"] * len(failures)
    moments = [ms for _, ms in station.timeline()]
    # The first pause is 2 to 4 s, the one after it at most 8.
    assert len(failures) <= 2
    assert 1900 <= moments[1] - moments[0] < 6000


async def test_a_server_that_comes_up_within_the_retransmissions_costs_no_back_off(
    launch: Start,
) -> None:
    port = free_port()
    station = await launch(servers=[f"coap://127.0.0.1:{port}"], exchange={"ack_timeout_ms": 200})
    await station.says("started")
    async with Server(port=port) as server:
        await station.registered_with(server)
    assert station.events() == ["registered"]


async def test_the_retry_resources_of_the_server_object_are_obeyed(launch: Start) -> None:
    port = free_port()
    station = await launch(
        servers=[f"coap://127.0.0.1:{port}"],
        exchange={"ack_timeout_ms": 20, "max_retransmit": 0},
        terms={"retry_timer_s": 1, "retry_count": 3, "sequence_delay_s": 2},
    )
    await station.happened(*["register_failed"] * 4)
    moments = [ms for _, ms in station.timeline()]
    pauses = [round((b - a) / 1000) for a, b in pairwise(moments)]
    # 1 s, doubled, and after three attempts the pause between sequences (LwM2M 1.1 §6.2.1.2)
    assert pauses[:3] == [1, 2, 2]


async def test_one_client_and_several_servers(launch: Start, width: int) -> None:
    timing = Timing(timeout_s=PATIENCE_S)
    async with Server(port=0, timing=timing) as one, Server(port=0, timing=timing) as two:
        station = await launch(servers=[one.uri, two.uri], width=width)
        first = await station.registered_with(one)
        second = await station.registered_with(two, 2)
        for registration in (await first.registration(), await second.registration()):
            assert registration.objects[1].instances == (0, 1)
        assert await first.read("/1") == await second.read("/1")
        assert {iid: item[0] for iid, item in (await first.read("/1")).items()} == {0: 1, 1: 2}
        # Each instance of the Server object acts on its own registration.
        with one.events() as heard_by_one, two.events() as heard_by_two:
            await first.write("/1/1/1", 77)
            event = await _next(heard_by_two)
            assert isinstance(event, Updated)
            assert event.registration.lifetime_s == 77
            await first.execute("/1/0/8")
            event = await _next(heard_by_one)
            assert isinstance(event, Updated)
            assert event.registration.lifetime_s == 60
        with one.events() as heard_by_one, two.events() as heard_by_two:
            await second.execute("/1/0/4")
            assert isinstance(await _next(heard_by_one), Deregistered)
            assert await second.read("/3/0/0") == "Open Mobile Alliance"
            assert await station.interrupt() == 0
            assert isinstance(await _next(heard_by_two), Deregistered)
    assert station.events(1) == ["registered", "updated", "deregistered"]
    assert station.events(2) == ["registered", "updated", "deregistered"]


async def test_a_silent_server_does_not_hold_up_the_other(launch: Start, server: Server) -> None:
    port = free_port()
    station = await launch(servers=[f"coap://127.0.0.1:{port}", server.uri])
    device = await station.registered_with(server, 2)
    for _ in range(20):
        assert await device.read("/3/0/1", timeout_s=PATIENCE_S) == "Lightweight M2M Client"
    assert "registered" not in station.events(1)


async def _next(stream: EventStream):
    async with asyncio.timeout(PATIENCE_S):
        return await anext(stream)
