"""The endpoint on real sockets: addresses, sizes, ICMP errors, bursts."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from lwm2m_host.coap import udp
from lwm2m_host.coap.codec import ACK, CON, NON, Message, decode
from lwm2m_host.coap.endpoint import CoapEndpoint, open_endpoint
from lwm2m_host.coap.messages import DeviceRequest, Request, Response
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import DeviceTimeout, DeviceUnreachable, ServerError

from tests.waiting import PATIENCE_S, until

needs_ipv6 = pytest.mark.skipif(not udp.ipv6_works(), reason="the kernel has no IPv6")
READ = DeviceRequest("GET", ("3", "0"))


class Probe:
    """A UDP socket of a test."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.address = "[{}]:{}".format(*self.sock.getsockname()[:2])
        if family == socket.AF_INET:
            self.address = "{}:{}".format(*self.sock.getsockname())
        self.sender: tuple[str, int] | None = None  # of the last message

    async def receive(self) -> Message:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            data, address = await loop.sock_recvfrom(self.sock, 65536)
        self.sender = address[:2]
        return decode(data)

    def send(self, message: Message | bytes, host: str, port: int) -> None:
        data = message if isinstance(message, bytes) else message.encode()
        self.sock.sendto(data, (host, port))

    async def ask(self, message: Message, host: str, port: int) -> Message:
        self.send(message, host, port)
        return await self.receive()


@contextlib.contextmanager
def probe(host: str = "127.0.0.1"):  # type: ignore[no-untyped-def]
    found = Probe(host)
    with found.sock:
        yield found


async def echo(request: Request) -> Response:
    return Response("2.05", request.payload or request.peer.address.encode())


async def opened(host: str = "127.0.0.1", ipv4_only: bool | None = None) -> CoapEndpoint:
    return await open_endpoint(
        echo, host, 0, timing=Timing(timeout_s=PATIENCE_S), ipv4_only=ipv4_only
    )


def post(mid: int, payload: bytes = b"") -> Message:
    return Message(CON, 2, mid, b"\x01", [(11, b"rd")], payload)


@pytest.mark.parametrize("ipv4_only", [False, True])
async def test_an_answer_leaves_from_the_address_that_was_asked(ipv4_only: bool) -> None:
    endpoint = await opened("::", ipv4_only)
    with probe() as device:
        for index, host in enumerate(("127.0.0.7", "127.0.0.8", "127.0.0.1", "127.0.0.7")):
            answer = await device.ask(post(index), host, endpoint.port)
            assert answer.payload.decode() == device.address
            assert device.sender == (host, endpoint.port)
    await endpoint.close()


@pytest.mark.parametrize("ipv4_only", [False, True])
async def test_a_request_leaves_from_the_address_that_the_device_asked(ipv4_only: bool) -> None:
    endpoint = await opened("::", ipv4_only)
    with probe() as device:
        await device.ask(post(1), "127.0.0.9", endpoint.port)
        asking = asyncio.create_task(
            endpoint.request(endpoint.peer_at(device.address), READ, None, endpoint="dev")
        )
        request = await device.receive()
        assert device.sender == ("127.0.0.9", endpoint.port)
        answer = Message(ACK, 0x45, request.mid, request.token, (), b"v")
        device.send(answer, "127.0.0.9", endpoint.port)
        assert (await asking).payload == b"v"
    await endpoint.close()


@needs_ipv6
async def test_one_port_serves_ipv4_and_ipv6() -> None:
    endpoint = await opened("::")
    for host in ("127.0.0.1", "::1"):
        with probe(host) as device:
            answer = await device.ask(post(1), host, endpoint.port)
            assert answer.payload.decode() == device.address
            assert device.sender == (host, endpoint.port)
    await endpoint.close()


async def test_a_peer_is_found_by_its_address() -> None:
    endpoint = await opened("::")
    hosts = ["127.0.0.1", "::1"] if udp.ipv6_works() else ["127.0.0.1"]
    for host in hosts:
        with probe(host) as device:
            peer = endpoint.peer_at(device.address)
            assert peer.address == device.address
            asking = asyncio.create_task(endpoint.request(peer, READ, None, endpoint="dev"))
            request = await device.receive()
            assert device.sender is not None
            device.send(Message(ACK, 0x44, request.mid, request.token), *device.sender)
            assert (await asking).code == "2.04"
    for text in ("", "127.0.0.1", "example.com:1", "[::1]", "[::g]:1", "127.0.0.1:x"):
        with pytest.raises(ValueError, match="address"):
            endpoint.peer_at(text)
    await endpoint.close()


async def test_a_datagram_of_60_kb_is_taken_whole() -> None:
    endpoint = await opened()
    payload = bytes(index % 251 for index in range(60_000))
    with probe() as device:
        answer = await device.ask(post(1, payload), "127.0.0.1", endpoint.port)
        assert answer.payload == payload[:1024]  # the first block of the same
    await endpoint.close()


async def test_a_datagram_that_is_cut_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "_DATAGRAM_BYTES", 1000)
    endpoint = await opened()
    with probe() as device:
        device.send(post(1, bytes(1500)), "127.0.0.1", endpoint.port)
        await until(lambda: endpoint.status.malformed == 1)
        assert (await device.ask(post(2), "127.0.0.1", endpoint.port)).mid == 2
    await endpoint.close()


async def test_an_icmp_error_ends_a_request_at_once() -> None:
    endpoint = await opened()
    with probe() as gone:
        address = gone.address
    with pytest.raises(DeviceUnreachable):
        await endpoint.request(endpoint.peer_at(address), READ, None, endpoint="dev")
    with probe() as device:
        assert (await device.ask(post(2), "127.0.0.1", endpoint.port)).mid == 2
    await endpoint.close()


async def test_an_icmp_error_of_one_device_does_not_disturb_another() -> None:
    endpoint = await opened()
    with probe() as gone, probe() as device:
        answer = asyncio.create_task(
            endpoint.request(endpoint.peer_at(device.address), READ, None, endpoint="dev")
        )
        request = await device.receive()
        gone.sock.close()
        with pytest.raises(DeviceUnreachable):
            await endpoint.request(endpoint.peer_at(gone.address), READ, None, endpoint="gone")
        device.send(Message(ACK, 0x44, request.mid, request.token), "127.0.0.1", endpoint.port)
        assert (await answer).code == "2.04"
    await endpoint.close()


async def test_a_second_server_on_the_port_fails_at_once() -> None:
    endpoint = await opened()
    with pytest.raises(ServerError, match="is in use"):
        await open_endpoint(echo, "127.0.0.1", endpoint.port, timing=Timing())
    with pytest.raises(ServerError, match="no such address"):
        await open_endpoint(echo, "no.such.host.invalid", 0, timing=Timing())
    await endpoint.close()


async def test_a_burst_waits_in_the_socket() -> None:
    endpoint = await opened()
    with probe() as device:
        for mid in range(300):
            device.send(post(mid), "127.0.0.1", endpoint.port)
        await until(lambda: endpoint.status.received + endpoint.status.dropped >= 300)
        assert endpoint.status.remembered == endpoint.status.received
    await endpoint.close()


async def test_what_the_kernel_drops_is_counted() -> None:
    endpoint = await opened()
    transport = endpoint._transport
    transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # type: ignore[attr-defined]
    with probe() as device:
        for mid in range(500):
            device.send(post(mid), "127.0.0.1", endpoint.port)
        await until(lambda: endpoint.status.received)
        await device.receive()
        # The count comes with the next datagram.
        device.send(post(600), "127.0.0.1", endpoint.port)
        await until(lambda: endpoint.status.dropped)
    await endpoint.close()


async def test_a_deadline_that_was_missed_waits_for_what_is_in_the_socket() -> None:
    endpoint = await opened()
    with probe() as device:
        asking = asyncio.create_task(
            endpoint.request(endpoint.peer_at(device.address), READ, 3, endpoint="dev")
        )
        request = await device.receive()
        device.send(Message(ACK, 0x44, request.mid, request.token), "127.0.0.1", endpoint.port)
        # The process stands still, and wakes up by its timers before it looks at the socket.
        clock = endpoint._engine._clock
        endpoint._loop.remove_reader(endpoint._transport._sock)  # type: ignore[attr-defined]
        for part in (endpoint._engine, endpoint._engine.layer):
            part._clock = lambda: clock() + 60
        endpoint._loop.time = lambda: clock() + 60  # type: ignore[method-assign]
        try:
            endpoint._on_wake()
        finally:
            endpoint._loop.time = clock  # type: ignore[method-assign]
        assert (await asking).code == "2.04"
    await endpoint.close()


async def test_a_request_ends_with_the_endpoint() -> None:
    endpoint = await opened()
    with probe() as device:
        peer = endpoint.peer_at(device.address)
        asking = asyncio.create_task(endpoint.request(peer, READ, None, endpoint="dev"))
        await device.receive()
        await endpoint.close()
        with pytest.raises(ServerError):
            await asking
        with pytest.raises(ServerError):
            await endpoint.request(peer, READ, None, endpoint="dev")


async def test_a_request_that_is_cancelled_is_not_repeated() -> None:
    endpoint = await opened()
    with probe() as device:
        peer = endpoint.peer_at(device.address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await endpoint.request(peer, READ, None, endpoint="dev")
        assert endpoint.status.under_way == 0
        with pytest.raises(DeviceTimeout):
            await endpoint.request(peer, READ, 0.01, endpoint="dev")
        assert endpoint.status.under_way == 0
    await endpoint.close()


async def test_a_handler_that_fails_is_a_5_00_and_one_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = asyncio.Event()

    async def fail(request: Request) -> Response:
        if request.payload:
            await slow.wait()
            async with asyncio.timeout(PATIENCE_S):  # there is a task after the first wait
                await asyncio.sleep(0)
                raise ValueError("slow")
        raise ValueError("at once")

    endpoint = await open_endpoint(fail, "127.0.0.1", 0, timing=Timing())
    with probe() as device:
        for mid in range(5):
            answer = await device.ask(post(mid), "127.0.0.1", endpoint.port)
            assert answer.code == 0xA0
        device.send(post(9, b"slow"), "127.0.0.1", endpoint.port)
        await until(lambda: endpoint._tasks)
        slow.set()
        while (answer := await device.receive()).code == 0:
            pass
        assert answer.code == 0xA0
    await endpoint.close()
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_requests_of_one_burst_may_wait_for_the_same_thing() -> None:
    shared: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    async def wait(request: Request) -> Response:
        return await shared

    endpoint = await open_endpoint(wait, "127.0.0.1", 0, timing=Timing())
    with probe() as device:
        for mid in range(20):
            request = Message(NON, 2, mid, bytes([mid]), [(11, b"rd")])
            device.send(request, "127.0.0.1", endpoint.port)
        await until(lambda: len(endpoint._tasks) == 20)
        shared.set_result(Response("2.04"))
        answers = [await device.receive() for _ in range(20)]
        assert {answer.code for answer in answers} == {0x44}
        assert {answer.token for answer in answers} == {bytes([mid]) for mid in range(20)}
    await endpoint.close()
