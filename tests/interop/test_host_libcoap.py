"""The host's CoAP engine against libcoap, both ways: coap-client registers with it, and it manages
coap-server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Device, Limits, Server, Timing
from lwm2m_host.errors import NotFound
from lwm2m_host.events import Event
from lwm2m_host.reporting.events import Sent

from tests.interop.managing import BYTES, MANY_LINKS, PLACE, managing, server
from tests.interop.peers import Program, body, libcoap, listening, run
from tests.ports import free_port
from tests.waiting import PATIENCE_S, until

SENML_JSON = 110

# --- coap-client as a device ----------------------------------------------------------------


class CoapClient:
    """`coap-client`, always from the same port."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.program = libcoap("coap-client")
        self.uri = uri
        self.port = free_port()
        self.file = folder / f"payload-{self.port}"

    async def __call__(self, method: str, path: str, payload: bytes, *options: object) -> str:
        """What it prints: the code of a refusal, and with ``-v 7`` each message."""
        self.file.write_bytes(payload)
        words = ["-m", method, "-B", 60, "-p", self.port, *options]
        if payload:
            words += ["-f", self.file]
        code, out, err = await run(
            [self.program, *map(str, words), f"{self.uri}/{path}"], patience_s=PATIENCE_S
        )
        assert code == 0
        return (out + err.encode()).decode("utf-8", "replace")

    async def register(self, endpoint: str, links: bytes, *options: object) -> str:
        return await self("post", f"rd?lwm2m=1.1&ep={endpoint}&lt=300", links, "-t", 40, *options)


@pytest.fixture
async def host() -> AsyncIterator[Server]:
    async with server(limits=Limits(links=1000, link_bytes=20_000)) as running:
        yield running


@pytest.fixture
def client(host: Server, tmp_path: Path) -> CoapClient:
    return CoapClient(host.uri, tmp_path)


@pytest.mark.parametrize("size", [16, 64, 512, 1024])
async def test_rfc7959_2_5_libcoap_registers_in_blocks(
    host: Server, client: CoapClient, size: int
) -> None:
    await client.register("blocks", MANY_LINKS, "-b", size)
    found = await host.registration("blocks")
    assert found.links.text == MANY_LINKS
    assert found.address == f"127.0.0.1:{client.port}"
    assert (await host.status()).coap.uploads == 0


async def test_libcoap_registers_updates_and_deregisters(host: Server, client: CoapClient) -> None:
    await client.register("short", b"</3/0>")
    location = (await host.registration("short")).location.strip("/")
    await client("post", f"{location}?lt=60", b"")
    assert (await host.registration("short")).lifetime_s == 60
    await client("post", location, MANY_LINKS, "-t", 40, "-b", 256)
    assert (await host.registration("short")).links.text == MANY_LINKS
    await client("delete", location, b"")
    assert await host.registrations() == []
    assert "4.04" in await client("delete", location, b"")


async def test_rfc7252_5_2_3_libcoap_registers_without_confirmation(
    host: Server, client: CoapClient
) -> None:
    await client.register("nonconfirmable", b"</3/0>", "-N")
    assert (await host.registration("nonconfirmable")).links.text == b"</3/0>"


async def test_rfc7959_2_9_3_libcoap_is_told_that_it_is_too_large(
    host: Server, client: CoapClient
) -> None:
    assert "4.13" in await client.register("large", b"<" + b"x" * 30_000, "-b", 1024)
    assert "4.13" in await client.register("huge", b"<" + b"x" * 300_000, "-b", 1024)
    assert await host.registrations() == []
    assert (await host.status()).coap.uploads == 0


async def test_rfc7959_2_9_2_libcoap_is_told_that_blocks_are_missing(
    host: Server, client: CoapClient
) -> None:
    assert "4.08" in await client.register("middle", MANY_LINKS, "-b", "3,64")
    assert await host.registrations() == []


async def test_rfc7252_5_8_and_5_4_1_what_libcoap_may_not_ask(
    host: Server, client: CoapClient
) -> None:
    assert "4.05" in await client("get", "rd", b"")
    assert "4.05" in await client("fetch", "rd", b"x", "-t", 0)
    assert "4.04" in await client("get", "nothing/here", b"")
    assert "4.02" in await client("get", "rd", b"", "-O", "65001,text")
    assert "4.15" in await client("post", "rd?ep=x", b"<a>", "-t", 0)
    assert (await host.status()).coap.malformed == 0


@pytest.mark.parametrize("token", ["a", "1234567"])
async def test_rfc7252_5_3_1_token_of_libcoap_comes_back(client: CoapClient, token: str) -> None:
    assert "4.05" in await client("get", "rd", b"", "-T", token)


@pytest.mark.slow  # libcoap retransmits after 2 to 3 s
async def test_rfc7252_4_5_sends_of_libcoap_over_a_lossy_way_are_done_once(
    host: Server, tmp_path: Path
) -> None:
    """A third of what libcoap sends is lost, its blocks too."""
    sends: list[str] = []

    def count(event: Event) -> None:
        if isinstance(event, Sent):
            sends.append(event.endpoint)

    host.on_event(count)
    pack = b'[{"n":"/26241/0/0","vs":"' + b"x" * 300 + b'"}]'

    async def one(number: int) -> str:
        client = CoapClient(host.uri, tmp_path)
        await client.register(f"lossy-{number}", b"</26241/0>")
        return await client("post", "dp", pack, "-t", SENML_JSON, "-b", 128, "-l", "30%")

    for _ in range(2):
        await asyncio.gather(*(one(number) for number in range(6)))
    assert sorted(sends) == sorted([f"lossy-{number}" for number in range(6)] * 2)


# --- coap-server as a device ----------------------------------------------------------------


class CoapServer:
    """`coap-server` with resources that a PUT makes, all of them observable."""

    def __init__(self) -> None:
        self.port = free_port()

    def start(self, *options: str) -> Program:
        place = ["-A", "127.0.0.1", "-p", str(self.port), "-d", "10"]
        return Program([libcoap("coap-server"), *place, *options])


@pytest.fixture
async def device() -> AsyncIterator[tuple[Device, Server]]:
    made = CoapServer()
    async with made.start(), managing(made.port) as (running, found):
        await listening(made.port)
        yield found, running


Theirs = tuple[Device, Server]


async def put(device: Device, path: str, payload: bytes, number: int = 0) -> None:
    await device.request("PUT", path, payload, number)


async def test_we_read_and_write_libcoap(device: Theirs) -> None:
    found, _ = device
    with pytest.raises(NotFound):
        await found.read(PLACE)
    await put(found, PLACE, b"21.5")
    assert await found.read(PLACE, format="text") == 21.5


@pytest.mark.parametrize("size", [1024, 1025, 20_000])
async def test_rfc7959_2_4_and_2_5_we_write_and_read_libcoap_in_blocks(
    device: Theirs, size: int
) -> None:
    found, running = device
    await put(found, BYTES, body(size), 42)
    assert await found.read(BYTES, format="opaque") == body(size)
    assert (await running.status()).coap.under_way == 0


@pytest.mark.parametrize("asked", [3, 3000])
async def test_rfc8132_2_answer_of_libcoap_to_a_fetch_comes_in_blocks(
    device: Theirs, asked: int
) -> None:
    """A short question travels with each block that is asked for, a long one once."""
    found, _ = device
    await put(found, BYTES, body(5000), 42)
    answer = await found.request("FETCH", BYTES, body(asked), 42)
    assert answer.payload == body(5000)


async def test_rfc7641_3_we_observe_libcoap_and_take_our_leave(device: Theirs) -> None:
    found, running = device
    await put(found, PLACE, b"1")
    async with found.observe(PLACE, format="text") as observation:
        assert observation.first.value == 1
        for value in (2, 3, 4):
            await put(found, PLACE, str(value).encode())
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(observation)).value == value
    assert (await running.status()).coap.observations == 0
    await put(found, PLACE, b"5")
    assert await found.read(PLACE, format="text") == 5


async def test_rfc7959_2_6_a_large_notification_of_libcoap_is_fetched_whole(
    device: Theirs,
) -> None:
    found, _ = device
    await put(found, BYTES, body(3000), 42)
    async with found.observe(BYTES, format="opaque") as observation:
        assert observation.first.value == body(3000)
        for size in (4000, 5000):
            await put(found, BYTES, body(size), 42)
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(observation)).value == body(size)


async def test_rfc7641_3_6_what_we_have_forgotten_is_reset_and_libcoap_believes_it(
    device: Theirs,
) -> None:
    found, running = device
    await put(found, PLACE, b"1")
    observation = await found.observe(PLACE, format="text")
    observation.forget()
    await put(found, PLACE, b"2")

    async def received() -> int:
        return (await running.status()).coap.received

    before = await received()
    for value in (3, 4, 5):
        await put(found, PLACE, str(value).encode())
    # Three answers, and at most the notification that was on its way.
    assert await received() - before in (3, 4)


@pytest.mark.slow
async def test_rfc7252_4_2_we_go_on_asking_libcoap_over_a_lossy_way() -> None:
    """A third of what libcoap sends is lost.

    In one datagram each: libcoap takes a last block that comes again, because its answer was lost,
    for a body of its own.
    """
    made = CoapServer()
    timing: Any = Timing(ack_timeout_s=0.1, max_retransmit=8)
    async with made.start("-l", "30%"), managing(made.port, timing=timing) as (running, found):
        await listening(made.port)
        for value in range(30):
            await put(found, PLACE, str(value).encode())
            assert await found.read(PLACE, format="text") == value
        assert (await running.status()).coap.retransmissions > 10
        await until(lambda: running.sender.endpoint.status.under_way == 0)
