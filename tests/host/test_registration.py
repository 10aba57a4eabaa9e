"""The registration interface over real UDP (LwM2M 1.1 core §6.2)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import Server
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.coap.udp import ipv6_works
from lwm2m_host.errors import DeviceTimeout, NotRegistered, ServerError
from lwm2m_host.events import Event, EventStream
from lwm2m_host.registration.events import Deregistered, Expired, Registered, Updated

from tests.host.fake_device import LINKS, FakeDevice
from tests.waiting import PATIENCE_S


async def test_int_101_register(server: Server, clock: FakeClock) -> None:
    async with FakeDevice(server.uri, "dev") as device:
        answer = await device.register("lt=300", "b=U", "Q")
        assert answer.code == Code.CREATED
        assert answer.opt.location_path[0] == "rd"
        registration = await server.registration("dev")
        assert registration.location == "/" + "/".join(answer.opt.location_path)
        assert registration.address == f"127.0.0.1:{device.port}"
        assert registration.lifetime_s == 300
        assert registration.version == "1.1"
        assert registration.binding == "U"
        assert registration.queue_mode
        assert registration.registered_at == clock.now()
        assert registration.expires_at == clock.now() + 300
        assert {oid: item.instances for oid, item in registration.objects.items()} == {
            1: (0,),
            3: (0,),
            3303: (0, 1),
        }


async def test_what_a_register_leaves_out_has_defaults(server: Server) -> None:
    async with FakeDevice(server.uri) as device:
        answer = await device.send(Code.POST, ("rd",), ("ep=old",))
        assert answer.code == Code.CREATED
        registration = await server.registration("old")
        assert registration.version == "1.0"
        assert registration.lifetime_s == 86400
        assert registration.binding == "U"
        assert not registration.queue_mode
        assert registration.objects == {}


async def test_queue_mode_of_lwm2m_1_0_is_in_the_binding(server: Server) -> None:
    async with FakeDevice(server.uri, "q") as device:
        await device.register("b=UQ", version="1.0")
        assert (await server.registration("q")).queue_mode


async def test_unknown_queries_are_kept(server: Server) -> None:
    async with FakeDevice(server.uri, "x") as device:
        assert (await device.register("site=attic")).code == Code.CREATED
        assert (await server.registration("x")).parameters == {"site": "attic"}


@pytest.mark.parametrize(
    ("query", "payload", "code"),
    [
        (("lwm2m=1.1",), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep="), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a", "ep=b"), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a\nb"), LINKS, Code.BAD_REQUEST),
        (("lwm2m=9.0", "ep=a"), LINKS, Code.PRECONDITION_FAILED),
        (("lwm2m=1.3", "ep=a"), LINKS, Code.PRECONDITION_FAILED),
        (("lwm2m=", "ep=a"), LINKS, Code.PRECONDITION_FAILED),
        (("lwm2m=1.1", "ep=a", "lt=soon"), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a", "lt=-1"), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a", "lt="), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a", "lt=4294967296"), LINKS, Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a"), b"</3/0", Code.BAD_REQUEST),
        (("lwm2m=1.1", "ep=a"), b"\xff\xfe", Code.BAD_REQUEST),
    ],
)
async def test_a_register_that_is_wrong_is_refused_and_leaves_no_trace(
    server: Server, query: tuple[str, ...], payload: bytes, code: Code
) -> None:
    async with FakeDevice(server.uri) as device:
        answer = await device.send(Code.POST, ("rd",), query, payload)
        assert answer.code == code
        assert await server.registrations() == []


async def test_links_in_another_format_are_4_15(server: Server) -> None:
    async with FakeDevice(server.uri) as device:
        answer = await device.send(Code.POST, ("rd",), ("ep=a",), LINKS, content_format=0)
        assert answer.code == Code.UNSUPPORTED_CONTENT_FORMAT


@pytest.mark.parametrize(
    ("code", "path", "expected"),
    [
        (Code.GET, ("rd",), Code.METHOD_NOT_ALLOWED),
        (Code.DELETE, ("rd",), Code.METHOD_NOT_ALLOWED),
        (Code.POST, ("rd", "nobody"), Code.NOT_FOUND),
        (Code.DELETE, ("rd", "nobody"), Code.NOT_FOUND),
        (Code.POST, ("rd", "a", "b"), Code.NOT_FOUND),
        (Code.GET, ("3", "0"), Code.NOT_FOUND),
        (Code.POST, (), Code.NOT_FOUND),
    ],
)
async def test_other_requests_are_refused(
    server: Server, code: Code, path: tuple[str, ...], expected: Code
) -> None:
    async with FakeDevice(server.uri) as device:
        assert (await device.send(code, path)).code == expected


async def test_a_get_on_a_location_is_4_05(server: Server, fake: FakeDevice) -> None:
    assert (await fake.send(Code.GET, fake.location)).code == Code.METHOD_NOT_ALLOWED


async def test_int_102_registration_update(
    server: Server, fake: FakeDevice, clock: FakeClock
) -> None:
    before = await server.registration("fake")
    clock.advance(30)
    assert (await fake.update("lt=600", "b=UQ", links=b"</3/0>,</4/0>")).code == Code.CHANGED
    after = await server.registration("fake")
    assert after.location == before.location
    assert after.registered_at == before.registered_at
    assert after.updated_at == clock.now()
    assert after.expires_at == clock.now() + 600
    assert list(after.objects) == [3, 4]
    assert after.queue_mode


async def test_an_update_without_anything_keeps_everything_but_the_time(
    server: Server, fake: FakeDevice, clock: FakeClock
) -> None:
    before = await server.registration("fake")
    clock.advance(59)
    assert (await fake.update()).code == Code.CHANGED
    after = await server.registration("fake")
    assert (after.lifetime_s, after.binding, after.links) == (60, "U", before.links)
    clock.advance(59)
    assert await server.expire_due() == []


async def test_an_update_from_another_address_moves_the_device(
    server: Server, fake: FakeDevice
) -> None:
    async with FakeDevice(server.uri, "fake") as moved:
        moved.location = fake.location
        moved.answers["POST", "/3/0/4"] = (Code.CHANGED, b"", None)
        assert (await moved.update()).code == Code.CHANGED
        assert (await server.registration("fake")).address == f"127.0.0.1:{moved.port}"
        await server.device("fake").execute("/3/0/4")
        assert [seen.path for seen in moved.seen] == ["/3/0/4"]
        assert fake.seen == []


@pytest.mark.parametrize("query", ["lt=x", "lt="])
async def test_a_wrong_update_changes_nothing(
    server: Server, fake: FakeDevice, query: str
) -> None:
    before = await server.registration("fake")
    assert (await fake.update(query)).code == Code.BAD_REQUEST
    assert (await fake.update("lt=5", links=b"</3")).code == Code.BAD_REQUEST
    assert await server.registration("fake") is before


async def test_int_103_deregistration(server: Server, fake: FakeDevice) -> None:
    assert (await fake.deregister()).code == Code.DELETED
    assert await server.registrations() == []
    with pytest.raises(NotRegistered):
        await server.registration("fake")
    with pytest.raises(NotRegistered):
        await server.device("fake").read("/3/0")
    assert (await fake.update()).code == Code.NOT_FOUND
    assert (await fake.deregister()).code == Code.NOT_FOUND


async def test_registering_again_replaces_the_old_registration(
    server: Server, fake: FakeDevice
) -> None:
    old = fake.location
    with server.events() as events:
        await fake.register("lt=10")
        event = await anext(events)
    assert isinstance(event, Registered)
    assert event.replaced == "/" + "/".join(old)
    assert fake.location != old
    assert len(await server.registrations()) == 1
    assert (await fake.send(Code.POST, old)).code == Code.NOT_FOUND
    assert (await fake.update()).code == Code.CHANGED


async def test_a_repeated_confirmable_register_is_answered_and_done_once(server: Server) -> None:
    """RFC 7252 §4.5: the duplicate gets the same answer."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, server.events() as events:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        message = bytes.fromhex("42021234abcdb27264") + b"\x47ep=twin"
        answers = []
        for _ in range(2):
            await loop.sock_sendto(sock, message, ("127.0.0.1", server.port))
            answers.append(await asyncio.wait_for(loop.sock_recv(sock, 2000), PATIENCE_S))
        assert answers[0] == answers[1]
        assert answers[0][1] == 0x41
        assert (await anext(events)).endpoint == "twin"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.05)


async def test_a_register_that_comes_in_blocks_is_put_together(server: Server) -> None:
    links = b",".join(b"</3303/%d>" % iid for iid in range(400))
    async with FakeDevice(server.uri, "big") as device:
        assert (await device.register(links=links)).code == Code.CREATED
        assert len((await server.registration("big")).objects[3303].instances) == 400


async def test_a_lifetime_ends_on_the_second(
    server: Server, fake: FakeDevice, clock: FakeClock
) -> None:
    with server.events() as events:
        clock.advance(59.9)
        assert await server.expire_due() == []
        clock.advance(0.1)
        assert [item.endpoint for item in await server.expire_due()] == ["fake"]
        event = await anext(events)
    assert isinstance(event, Expired)
    assert event.time_s == clock.now()
    assert await server.registrations() == []
    assert (await fake.update()).code == Code.NOT_FOUND


async def test_a_lifetime_of_zero_never_ends(server: Server, clock: FakeClock) -> None:
    async with FakeDevice(server.uri, "ever") as device:
        await device.register("lt=0")
        clock.advance(1e10)
        assert await server.expire_due() == []
        assert (await server.registration("ever")).expires_at is None


async def test_the_server_notices_the_end_by_itself() -> None:
    async with Server(port=0) as server, FakeDevice(server.uri, "short") as device:
        await device.register("lt=100")
        with server.events() as events:
            await device.update("lt=1")
            kinds = [(await asyncio.wait_for(anext(events), PATIENCE_S)).kind for _ in range(2)]
    assert kinds == ["updated", "expired"]


async def test_events_tell_the_whole_story_in_order(server: Server, clock: FakeClock) -> None:
    told: list[Event] = []
    stop = server.on_event(told.append)
    async with FakeDevice(server.uri, "dev") as device:
        await device.register("lt=10")
        await device.update()
        await device.deregister()
        stop()
        await device.register("lt=10")
    assert [type(event) for event in told] == [Registered, Updated, Deregistered]
    assert {event.endpoint for event in told} == {"dev"}
    assert told[0].registration.lifetime_s == 10


async def test_a_callback_that_fails_harms_nobody(server: Server) -> None:
    told: list[str] = []

    def broken(_: Event) -> None:
        raise RuntimeError("no")

    server.on_event(broken)
    server.on_event(lambda event: told.append(event.kind))
    async with FakeDevice(server.uri, "dev") as device:
        assert (await device.register()).code == Code.CREATED
    assert told == ["registered"]


async def test_a_stream_that_nobody_reads_drops_the_oldest(
    server: Server, fake: FakeDevice
) -> None:
    stream = EventStream(server._bus, limit=2)
    for lifetime_s in (1, 2, 3):
        await fake.update(f"lt={lifetime_s}")
    stream.close()
    assert [event.registration.lifetime_s async for event in stream] == [2, 3]
    assert stream.dropped == 1


async def test_wait_for_returns_at_once_later_or_never(server: Server, fake: FakeDevice) -> None:
    assert (await server.wait_for("fake", PATIENCE_S)).endpoint == "fake"
    waiting = asyncio.create_task(server.wait_for("late", timeout_s=PATIENCE_S))
    async with FakeDevice(server.uri, "late") as late:
        await late.register()
        assert (await waiting).endpoint == "late"
    with pytest.raises(DeviceTimeout, match=r"never did not register in 0\.05 s"):
        await server.wait_for("never", timeout_s=0.05)


async def test_wait_event_finds_the_kind_and_the_endpoint(
    server: Server, fake: FakeDevice
) -> None:
    waiting = asyncio.create_task(server.wait_event(Updated, "fake", timeout_s=PATIENCE_S))
    async with FakeDevice(server.uri, "other") as other:
        await other.register()
        await other.update()
        await fake.update("lt=77")
    assert (await waiting).registration.lifetime_s == 77
    with pytest.raises(DeviceTimeout, match="not expired in"):
        await server.wait_event(Expired, timeout_s=0.05)


async def test_devices_are_listed_by_name(server: Server, fake: FakeDevice) -> None:
    async with FakeDevice(server.uri, "able") as able:
        await able.register()
        assert [device.endpoint for device in await server.devices()] == ["able", "fake"]
        assert server.device("able") is server.device("able")


async def test_a_port_that_is_taken_is_an_error_not_half_of_the_traffic() -> None:
    async with Server(port=0) as first:
        with pytest.raises(ServerError, match=f"127.0.0.1:{first.port} is in use"):
            await Server(port=first.port).start()
        with pytest.raises(ServerError, match="is in use"):
            await Server("::", first.port).start()


async def test_a_port_shared_by_another_program_is_an_error() -> None:
    """A server that opens its socket with SO_REUSEPORT, as aiocoap does, must not be joined."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stale:
        stale.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stale.bind(("127.0.0.1", 0))
        with pytest.raises(ServerError, match="is in use"):
            await Server(port=stale.getsockname()[1]).start()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
async def test_an_address_that_is_not_ours_is_an_error(host: str) -> None:
    with pytest.raises(ServerError):
        await Server(host, 0).start()


@pytest.mark.skipif(not ipv6_works(), reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "::"])
async def test_devices_register_over_ipv6(host: str) -> None:
    async with (
        Server(host, 0) as server,
        FakeDevice(f"coap://[::1]:{server.port}", "six") as device,
    ):
        device.answers["POST", "/3/0/4"] = (Code.CHANGED, b"", None)
        assert (await device.register()).code == Code.CREATED
        assert (await server.registration("six")).address == f"[::1]:{device.port}"
        await server.device("six").execute("/3/0/4")


async def test_every_address_means_ipv4_too() -> None:
    async with Server("::", 0) as server, FakeDevice(server.uri, "four") as device:
        assert (await device.register()).code == Code.CREATED
        assert (await server.registration("four")).address == f"127.0.0.1:{device.port}"


async def test_without_ipv6_in_the_kernel_ipv4_does() -> None:
    async with (
        Server(port=0, ipv4_only=True) as server,
        FakeDevice(server.uri, "four") as device,
    ):
        device.answers["POST", "/3/0/4"] = (Code.CHANGED, b"", None)
        assert (await device.register()).code == Code.CREATED
        await server.device("four").execute("/3/0/4", timeout_s=PATIENCE_S)
        with pytest.raises(ServerError, match="is in use"):
            await Server(port=server.port, ipv4_only=True).start()
    for everywhere in ("0.0.0.0", "::"):
        async with (
            Server(everywhere, 0, ipv4_only=True) as server,
            FakeDevice(server.uri, "four") as device,
        ):
            assert (await device.register()).code == Code.CREATED


async def test_many_servers_in_one_process_do_not_mix() -> None:
    async with Server(port=0) as one, Server(port=0) as two:
        assert one.port != two.port
        async with FakeDevice(one.uri, "dev") as device:
            await device.register()
            assert [d.endpoint for d in await one.devices()] == ["dev"]
            assert await two.devices() == []


async def test_closing_ends_event_streams_and_waits() -> None:
    server = Server(port=0)
    await server.start()
    stream = server.events()
    waiting = asyncio.create_task(server.wait_for("never"))
    await asyncio.sleep(0)
    await server.close()
    async with asyncio.timeout(PATIENCE_S):
        assert [event async for event in stream] == []
        with pytest.raises(ServerError):
            await waiting
    await server.close()


PROGRAM = """
import asyncio, sys
sys.path.insert(0, ".")
from lwm2m_host import Server
from tests.host.fake_device import FakeDevice

async def main():
    # What -X dev tells of a busy machine is no fault of the program.
    asyncio.get_running_loop().slow_callback_duration = 600
    async with Server(port=0) as server, FakeDevice(server.uri) as device:
        await device.register()
        waiting = asyncio.create_task(server.device("fake").read("/3/0", timeout_s=600))
        await asyncio.sleep(0.05)
        waiting.cancel()

asyncio.run(main())
"""


def test_a_program_with_a_server_ends_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
