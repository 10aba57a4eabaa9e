"""A device whose network misbehaves as a whole: NAT, outages, damaged datagrams, long ways."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import DeviceTimeout, Lwm2mError
from lwm2m_host.faults import Faults, Relay
from lwm2m_host.registration.events import Deregistered, Registered, Updated
from lwm2m_host.testing.plugin import RelayFactory

from tests.integration.conftest import PATIENCE_S, Start, Station

pytestmark = pytest.mark.parametrize("width", [32], indirect=True)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(ack_timeout_s=0.02)) as running:
        yield running


async def begin(launch: Start, relay: Relay, width: int, lifetime_s: int = 60) -> Station:
    return await launch(
        servers=[relay.uri],
        width=width,
        lifetime_s=lifetime_s,
        terms={"retry_timer_s": 1, "retry_count": 1000},
        exchange={"ack_timeout_ms": 30},
    )


async def test_after_a_nat_rebinding_the_next_update_tells_the_new_address(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    """LwM2M 1.1 Transport §6.3: the server answers to where the last registration message came
    from. The device cannot know that its address has changed."""
    relay = await lwm2m_relay(server)
    station = await begin(launch, relay, width, lifetime_s=2)
    device = await station.registered_with(server)
    for _ in range(3):
        before = await device.registration()
        async with asyncio.timeout(PATIENCE_S):
            waiting = asyncio.create_task(server.wait_event(Updated))
            await asyncio.sleep(0)
            relay.rebind()
            with pytest.raises(DeviceTimeout):
                await device.read("/3/0/0", timeout_s=0.05)
            await waiting
        assert (await device.registration()).location == before.location
        assert (await device.registration()).address != before.address
        assert await device.read("/3/0/0") == "Open Mobile Alliance"
    assert station.events().count("registered") == 1
    assert len(relay.clients) == 1


async def test_a_nat_that_forgets_all_the_time_loses_nobody(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    relay = await lwm2m_relay(server, rebind_every_s=0.3)
    station = await begin(launch, relay, width, lifetime_s=2)
    device = await station.registered_with(server)
    addresses = {(await device.registration()).address}
    reads = 0
    async with asyncio.timeout(PATIENCE_S):
        while reads < 3 or len(addresses) < 3:
            updated = asyncio.create_task(server.wait_event(Updated))
            await asyncio.sleep(0)
            await updated
            rebinds = relay.rebinds
            addresses.add((await device.registration()).address)
            try:
                assert await device.read("/3303/0/5700", timeout_s=0.5) == 21.5
                reads += 1
            except DeviceTimeout:
                assert relay.rebinds > rebinds  # forgotten again before the answer was here
    assert station.events().count("registered") == 1


async def test_after_an_outage_the_device_registers_again_by_itself(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    """LwM2M 1.1 Core §6.2.2: an Update that nobody answers is followed by a Register, and that
    again and again until one arrives."""
    relay = await lwm2m_relay(server)
    station = await begin(launch, relay, width, lifetime_s=2)
    device = await station.registered_with(server)
    before = (await device.registration()).location
    relay.blackout()
    await station.says("event register_failed")
    assert await server.registrations() == []
    back = asyncio.create_task(server.wait_event(Registered, timeout_s=PATIENCE_S))
    await asyncio.sleep(0)
    relay.resume()
    await back
    assert (await device.registration()).location != before
    assert await device.read("/3/0/0") == "Open Mobile Alliance"
    assert station.events()[:3] == ["registered", "update_failed", "register_failed"]
    assert relay.up.blackout >= 10  # five transmissions of each


async def test_short_outages_are_bridged_by_retransmission(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    """RFC 7252 §4.2: what falls into an outage of 0.1 s is sent again after it."""
    relay = await lwm2m_relay(server)
    station = await begin(launch, relay, width)
    device = await station.registered_with(server)
    relay.change(blackout_s=(0.1, 0.3))
    for _ in range(60):
        assert await device.read("/3/0/0") == "Open Mobile Alliance"
        await asyncio.sleep(0.01)
    assert relay.up.blackout + relay.down.blackout > 0


async def test_damaged_datagrams_end_nothing(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    """Bytes that nobody sent: each operation ends, the device lives, and afterwards all is well.

    What a damaged datagram says may be anything, another request included; UDP's checksum keeps
    such datagrams away from real devices, so only survival is asked for.
    """
    relay = await lwm2m_relay(server, seed=11)
    station = await begin(launch, relay, width, lifetime_s=2)
    device = await station.registered_with(server)
    relay.change(corrupt=0.3, duplicate=0.2)
    ended = failed = 0
    for number in range(100):
        try:
            if number % 3:
                await device.read("/3/0/0" if number % 2 else "/3303/0", timeout_s=0.1)
            else:
                await device.write("/1/0/3", number, timeout_s=0.1)
            ended += 1
        except Lwm2mError:
            failed += 1
    relay.change(corrupt=0.0, duplicate=0.0)
    await station.during(registered_again(server, station))
    # Something that was damaged may have removed what is read here: but an answer there is.
    assert await device.discover("/3") != []
    print(f"{ended} ended well, {failed} did not; up {relay.up}; down {relay.down}")
    assert relay.up.corrupted > 30
    assert relay.down.corrupted > 30
    assert ended > failed
    assert "Traceback" not in station.output


async def registered_again(server: Server, station: Station) -> None:
    """Wait until an Update or a Register has passed on the mended network."""
    with server.events() as stream:
        async for event in stream:
            if isinstance(event, Updated | Registered) and event.endpoint == station.endpoint:
                return


async def test_a_long_way_only_takes_longer(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    """RFC 7252 §4.5 and §5.3.2: with a round trip above ACK_TIMEOUT each request arrives more than
    once, and is answered from memory."""
    relay = await lwm2m_relay(server)
    station = await begin(launch, relay, width)
    device = await station.registered_with(server)
    relay.uplink = relay.downlink = Faults(delay_ms=(30, 60))
    for number in range(5):
        await device.write("/1/0/3", number + 1)
        assert await device.read("/1/0/3") == number + 1
    assert relay.down.received > 15
    assert station.events().count("registered") == 1


async def test_a_good_bye_through_a_bad_network_arrives(
    server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int
) -> None:
    """LwM2M 1.1 Core §6.2.3: De-register is confirmable too."""
    relay = await lwm2m_relay(server)
    station = await begin(launch, relay, width)
    await station.registered_with(server)
    gone = asyncio.create_task(server.wait_event(Deregistered, timeout_s=PATIENCE_S))
    await asyncio.sleep(0)
    relay.uplink = Faults(loss=1)
    station.process_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE_S):
        while relay.up.lost < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    relay.uplink = Faults(duplicate=1)
    await gone
    await station.happened("registered", "deregistered")
    assert await server.registrations() == []
