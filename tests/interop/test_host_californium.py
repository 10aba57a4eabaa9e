"""The host's CoAP engine against Californium's own blocks and observations, both ways: a device on
nothing but Californium's newest library (leshan/newest/src/CaliforniumDevice.java).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Clock, Device, Limits, Server, SqliteRegistry, Timing
from lwm2m_host.errors import (
    DeviceReset,
    RequestEntityIncomplete,
    RequestEntityTooLarge,
)
from lwm2m_host.faults import Faults, Relay

from tests.interop.leshan.programs import NEWEST, NEWEST_PLACE, JavaProgram, leshan
from tests.interop.managing import BYTES, MANY_LINKS, PLACE, managing, server
from tests.interop.peers import body
from tests.ports import free_port
from tests.waiting import PATIENCE_S, until

# Java takes seconds to start: `make interop` runs them.
pytestmark = pytest.mark.slow

LINKS = 40
COUNT = "/26241/0/12"


class CaliforniumDevice(JavaProgram):
    """Californium on two ports: the server's, which it asks, and its own."""

    def __init__(self, folder: Path, server_port: int, size: int, limit: int) -> None:
        self.port = free_port()
        words = [str(server_port), str(self.port), str(size), str(limit)]
        command = [*leshan(NEWEST, NEWEST_PLACE), "CaliforniumDevice", *words]
        super().__init__(command, folder)

    async def obey(self, line: str) -> None:
        """Tell it, and wait until it has done so."""
        count = self.output.count("obeyed\n")
        await self.tell(line)
        await until(lambda: self.output.count("obeyed\n") > count)

    async def line(self, start: str, after: int) -> str:
        """The rest of the next line that begins with a word, printed after `after` characters."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for line in self.output[after:].splitlines(keepends=True):
                    if line.startswith(f"{start} ") and line.endswith("\n"):
                        return line.removeprefix(start).strip()
                assert self.process.returncode is None, self.output
                await asyncio.sleep(0.01)

    async def ask(
        self, method: str, uri: str, payload: bytes | int = b"", format: int = LINKS, *more: str
    ) -> tuple[str, str]:
        """Ask the server: code and location of the answer."""
        after = len(self.output)
        text = str(payload) if isinstance(payload, int) else payload.decode().replace(" ", "~")
        await self.tell(" ".join(["ask", method, uri, str(format if text else -1), text, *more]))
        code, _, location = (await self.line("answer", after)).partition(" ")
        return code, location.strip("/")

    async def register(self, endpoint: str, links: bytes | int, *more: str) -> tuple[str, str]:
        uri = f"/rd?lwm2m=1.1&ep={endpoint}&lt=300"
        return await self.ask("POST", uri, links, LINKS, *more)

    async def observers(self) -> int:
        after = len(self.output)
        await self.tell("observers")
        return int(await self.line("observers", after))


# --- Californium as a client ----------------------------------------------------------------


@pytest.fixture
async def host() -> AsyncIterator[Server]:
    async with server(limits=Limits(links=1000, link_bytes=20_000)) as running:
        yield running


def peer(folder: Path, running: Server, size: int = 512, limit: int = 400_000) -> Any:
    return CaliforniumDevice(folder, running.port, size, limit)


@pytest.mark.parametrize("size", [64, 1024])
async def test_rfc7959_2_5_californium_registers_in_blocks(
    host: Server, tmp_path: Path, size: int
) -> None:
    async with peer(tmp_path, host, size) as device:
        await device.says("ready")
        code, location = await device.register("blocks", MANY_LINKS)
        assert code == "CREATED"
        found = await host.registration("blocks")
        assert (found.location, found.links.text) == (f"/{location}", MANY_LINKS)
        assert found.address == f"127.0.0.1:{device.port}"
        code, _ = await device.ask("POST", f"/{location}?lt=60", b"</3/0>")
        assert (code, (await host.registration("blocks")).lifetime_s) == ("CHANGED", 60)
        code, _ = await device.ask("DELETE", f"/{location}")
        assert (code, await host.registrations()) == ("DELETED", [])
        assert (await host.status()).coap.uploads == 0


async def test_rfc7959_2_9_3_californium_is_told_that_it_is_too_large(
    host: Server, tmp_path: Path
) -> None:
    async with peer(tmp_path, host, 1024) as device:
        await device.says("ready")
        assert (await device.register("large", 30_000))[0] == "REQUEST_ENTITY_TOO_LARGE"
        assert (await device.register("huge", 300_000))[0] == "REQUEST_ENTITY_TOO_LARGE"
        assert (await device.register("small", b"</3/0>"))[0] == "CREATED"
        assert [item.endpoint for item in await host.registrations()] == ["small"]


async def test_rfc7252_5_8_what_californium_may_not_ask(host: Server, tmp_path: Path) -> None:
    async with peer(tmp_path, host) as device:
        await device.says("ready")
        assert (await device.ask("FETCH", "/rd", 3000))[0] == "METHOD_NOT_ALLOWED"
        assert (await device.ask("GET", "/nothing"))[0] == "NOT_FOUND"
        assert (await device.register("text", b"</3/0>", "NON"))[0] == "CREATED"
        assert (await device.ask("POST", "/rd?ep=x", b"<a>", 0))[0] == (
            "UNSUPPORTED_CONTENT_FORMAT"
        )


# --- Californium as a device ----------------------------------------------------------------

Theirs = tuple[Device, CaliforniumDevice, Server]


@pytest.fixture
async def theirs(host: Server, tmp_path: Path) -> AsyncIterator[Theirs]:
    async with peer(tmp_path, host) as device:
        await device.says("ready")
        links = b'</>;rt="oma.lwm2m";ct="0 42 110",</3303/0>,</26241/0>'
        assert (await device.register("theirs", links))[0] == "CREATED"
        yield host.device("theirs"), device, host


@pytest.mark.parametrize("size", [512, 513, 20_000])
async def test_rfc7959_2_4_and_2_5_we_write_and_read_californium_in_blocks(
    theirs: Theirs, size: int
) -> None:
    found, device, host = theirs
    await found.write(BYTES, body(size), format="opaque")
    await device.says(f"stored {size}\n")
    assert await found.read(BYTES, format="opaque") == body(size)
    assert (await host.status()).coap.under_way == 0


@pytest.mark.parametrize("paths", [["/26241/0/8"], [f"/26241/0/8/{at}" for at in range(100)]])
async def test_rfc8132_2_answer_of_californium_to_a_fetch_comes_in_blocks(
    theirs: Theirs, paths: list[str]
) -> None:
    """A few paths travel with each block that is asked for, many of them once."""
    found, device, _ = theirs
    for _ in "12":
        values = await found.read_composite(paths, format="senml-json")
        assert len(values) == len(paths)
        assert "text number 2" in (values.get("/26241/0/8/2"), values.get("/26241/0/8", {}).get(2))
    await found.execute(COUNT)
    await device.says("counted 1\n")
    assert device.output.count("fetched ") == 2


async def test_rfc7959_2_9_3_californium_takes_no_more_than_it_can(
    host: Server, tmp_path: Path
) -> None:
    async with peer(tmp_path, host, 64, 1000) as device:
        await device.says("ready")
        await device.register("theirs", b"</26241/0>")
        found = host.device("theirs")
        await found.write(BYTES, body(900), format="opaque")
        with pytest.raises(RequestEntityTooLarge):
            await found.write(BYTES, body(2000), format="opaque")
        assert await found.read(BYTES, format="opaque") == body(900)


async def test_rfc7959_2_9_2_californium_has_lost_the_first_blocks(theirs: Theirs) -> None:
    found, device, _ = theirs
    await device.obey("answer REQUEST_ENTITY_INCOMPLETE")
    with pytest.raises(RequestEntityIncomplete):
        await found.write(BYTES, body(2000), format="opaque")
    await found.write(BYTES, body(2000), format="opaque")


@pytest.mark.parametrize("kind", ["", " CON"])
async def test_rfc7641_3_we_observe_californium_and_take_our_leave(
    theirs: Theirs, kind: str
) -> None:
    found, device, _ = theirs
    async with found.observe(PLACE, format="text") as observation:
        assert observation.first.value == 21.5
        assert await device.observers() == 1
        for value in ("22.5", "23.5", "24.5"):
            await device.tell(f"set {value}{kind}")
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(observation)).value == float(value)
    assert await device.observers() == 0


async def test_rfc7959_2_6_a_large_notification_of_californium_is_fetched_whole(
    theirs: Theirs,
) -> None:
    found, device, _ = theirs
    async with found.observe("/26241/0/0", format="text") as observation:
        for size in (3000, 5000):
            await device.tell(f"set {'x' * size}")
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(observation)).value == "x" * size


@pytest.mark.parametrize("kind", ["", " CON"])
async def test_rfc7641_3_6_what_we_have_forgotten_is_reset_and_californium_believes_it(
    theirs: Theirs, kind: str
) -> None:
    found, device, _ = theirs
    observation = await found.observe(PLACE, format="text")
    assert await device.observers() == 1
    observation.forget()
    await device.tell(f"set 1.5{kind}")
    async with asyncio.timeout(PATIENCE_S):
        while await device.observers():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_rfc7252_4_2_californium_rejects_by_reset_and_is_asked_again(
    theirs: Theirs,
) -> None:
    found, device, host = theirs
    for _ in range(3):
        await device.obey("reject 1")
        with pytest.raises(DeviceReset):
            await found.execute(COUNT)
        await found.execute(COUNT)
    assert (await host.status()).coap.under_way == 0


async def test_rfc7252_5_2_2_separate_responses_of_californium(theirs: Theirs) -> None:
    found, device, _ = theirs
    await device.obey("slow 300")
    for count in (1, 2):
        await found.execute(COUNT)
        await device.says(f"counted {count}\n")
    assert await found.read(PLACE, format="text") == 21.5


async def test_observations_of_californium_go_on_after_a_restart_of_ours(
    tmp_path: Path,
) -> None:
    """Its notifications are taken under the token of before; without a registry they are reset."""

    def stored() -> SqliteRegistry:
        return SqliteRegistry(tmp_path / "registry.sqlite", Clock())

    async with server(registry=stored()) as first, peer(tmp_path, first) as device:
        await device.says("ready")
        await device.register("theirs", b"</3303/0>")
        await first.device("theirs").observe(PLACE, format="text")
        await first.close()
        async with Server(port=first.port, registry=stored()) as second:
            (again,) = second.device("theirs").observations
            await device.tell("set 30.5")
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(again)).value == 30.5
            assert await device.observers() == 1
        async with Server(port=first.port):
            await device.tell("set 31.5")
            async with asyncio.timeout(PATIENCE_S):
                while await device.observers():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def test_nothing_is_done_twice_to_californium_over_a_lossy_way(
    tmp_path: Path,
) -> None:
    """30 % of all datagrams are lost, in both directions."""
    async with server() as unused, peer(tmp_path, unused) as device:
        await device.says("ready")
        async with Relay(("127.0.0.1", device.port), faults=Faults(loss=0.3), seed=13) as relay:
            timing = Timing(ack_timeout_s=0.05, max_retransmit=8)
            async with managing(relay.port, timing=timing) as (_, found):
                for _ in range(30):
                    await found.execute(COUNT)
                await found.write(BYTES, body(10_000), format="opaque")
                assert await found.read(BYTES, format="opaque") == body(10_000)
        await until(lambda: "counted 30\n" in device.output)
        assert device.output.count("counted ") == 30
        assert device.output.count("stored ") == 1
