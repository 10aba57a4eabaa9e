"""The relay between plain UDP sockets on loopback."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host.coap.udp import ipv6_works
from lwm2m_host.errors import ServerError
from lwm2m_host.faults import Entry, FaultError, Faults, Relay
from lwm2m_host.faults import relay as relay_module
from lwm2m_host.testing.plugin import RelayFactory

from tests.waiting import PATIENCE_S

LATER_MS = 1e6  # no test lasts until then

needs_ipv6 = pytest.mark.skipif(not ipv6_works(), reason="the kernel has no IPv6")


class Peer(asyncio.DatagramProtocol):
    """A UDP socket that keeps what it gets, and sends it back when it is an echo."""

    def __init__(self, echo: bool = False) -> None:
        self.echo = echo
        self.got: list[bytes] = []
        self.times: list[float] = []
        self.senders: list[tuple[str, int]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, sender: Any) -> None:
        self.got.append(data)
        self.times.append(time.monotonic())
        self.senders.append(sender[:2])
        if self.echo:
            self.transport.sendto(data, sender)

    def send(self, data: bytes) -> None:
        self.transport.sendto(data)


@asynccontextmanager
async def peer(
    towards: tuple[str, int] | None = None, *, echo: bool = False, host: str = "127.0.0.1"
) -> AsyncIterator[Peer]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(
        lambda: Peer(echo), None if towards else (host, 0), towards
    )
    try:
        yield made
    finally:
        transport.close()
        await asyncio.sleep(0)


@pytest.fixture
async def echo() -> AsyncIterator[Peer]:
    async with peer(echo=True) as made:
        yield made


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def numbers(count: int) -> list[bytes]:
    return [b"%04d" % i for i in range(count)]


async def quiet(relay: Relay, echo: Peer, client: Peer) -> None:
    """Wait until nothing is under way: what the relay has sent on is there, and each echo too."""
    await until(
        lambda: (
            len(echo.got) == relay.up.passed
            and len([data for data in echo.got if data]) == relay.down.received  # none is empty
            and len(client.got) == relay.down.passed
        )
    )


async def send_all(client: Peer, relay: Relay, echo: Peer, count: int = 400) -> None:
    """Send numbered datagrams, and never more at a time than a socket's buffer holds."""
    before = relay.up.received
    for number, data in enumerate(numbers(count), 1):
        client.send(data)
        if number % 20 == 0 or number == count:
            await until(lambda: relay.up.received == before + number)  # noqa: B023
            await quiet(relay, echo, client)


async def test_without_faults_everything_passes_in_order_both_ways(echo: Peer) -> None:
    async with between(echo.address, seed=1) as (relay, client):
        await send_all(client, relay, echo)
        assert echo.got == client.got == numbers(400)
        assert relay.up == relay.down
        assert relay.up.received == relay.up.passed == 400
        assert {entry.decision for entry in relay.log} == {"passed"}


@asynccontextmanager
async def between(target: tuple[str, int], **options: Any) -> AsyncIterator[tuple[Relay, Peer]]:
    """A relay, and a client of it."""
    async with Relay(target, **options) as relay, peer(relay_address(relay)) as client:
        yield relay, client


def relay_address(relay: Relay) -> tuple[str, int]:
    return relay.host, relay.port


async def test_the_lost_are_those_that_the_seed_names(echo: Peer) -> None:
    seen = []
    for _ in range(2):
        echo.got.clear()
        async with between(echo.address, uplink=Faults(loss=0.3), seed=5) as (relay, client):
            await send_all(client, relay, echo)
            assert client.got == echo.got  # the downlink is good
        seen.append(list(echo.got))
        assert relay.up.lost == 400 - len(echo.got)
        assert 85 <= relay.up.lost <= 155
        assert sum(entry.decision == "lost" for entry in relay.log) == relay.up.lost
    assert seen[0] == seen[1]
    async with between(echo.address, uplink=Faults(loss=0.3), seed=6) as (relay, client):
        echo.got.clear()
        await send_all(client, relay, echo)
    assert echo.got != seen[0]


async def test_the_directions_decide_apart(echo: Peer) -> None:
    async with between(echo.address, downlink=Faults(loss=1), seed=1) as (relay, client):
        await send_all(client, relay, echo, 20)
        assert len(echo.got) == 20
        assert client.got == []
        with pytest.raises(FaultError):
            _ = relay.faults
        relay.faults = Faults()
        await send_all(client, relay, echo, 20)
        assert len(client.got) == 20
    echo.got.clear()
    async with between(echo.address, faults=Faults(loss=0.5), seed=1) as (relay, client):
        await send_all(client, relay, echo)
    lost = {
        side: [entry.decision for entry in relay.log if entry.direction == side][:50]
        for side in ("up", "down")
    }
    assert lost["up"] != lost["down"]


async def test_a_duplicate_is_the_same_datagram_again(echo: Peer) -> None:
    async with between(echo.address, uplink=Faults(duplicate=0.2), seed=2) as (relay, client):
        await send_all(client, relay, echo)
    twice = [data for data in numbers(400) if echo.got.count(data) == 2]
    assert len(twice) == relay.up.duplicated == len(echo.got) - 400
    assert 50 <= len(twice) <= 110
    assert relay.up.passed == 400 + len(twice)


async def test_the_held_back_are_overtaken_by_the_next(echo: Peer) -> None:
    async with between(echo.address, uplink=Faults(reorder=0.1, reorder_ms=LATER_MS), seed=3) as (
        relay,
        client,
    ):
        await send_all(client, relay, echo, 200)
        held = [e.decision == "held back" for e in relay.log if e.direction == "up"]
    expected: list[bytes] = []
    waiting: list[bytes] = []
    for data, is_held in zip(numbers(200), held, strict=True):
        if is_held:
            waiting.append(data)
        else:
            expected += [data, *waiting]
            waiting = []
    assert 10 <= sum(held) == relay.up.reordered <= 35
    assert echo.got == expected != numbers(200)


async def test_the_last_one_is_not_held_back_for_ever(echo: Peer) -> None:
    async with between(echo.address, uplink=Faults(reorder=1, reorder_ms=60)) as (_, client):
        start = time.monotonic()
        client.send(b"alone")
        await until(lambda: echo.got)
    assert echo.times[0] - start >= 0.055


async def test_a_copy_does_not_overtake_itself(echo: Peer) -> None:
    faults = Faults(reorder=1, duplicate=1, reorder_ms=LATER_MS)
    async with between(echo.address, uplink=faults, seed=3) as (relay, client):
        client.send(b"a")
        await until(lambda: echo.got)
        client.send(b"b")
        await until(lambda: len(echo.got) == 3)
        await quiet(relay, echo, client)
    assert echo.got == [b"a", b"b", b"a"]


async def test_clients_do_not_overtake_each_other(echo: Peer) -> None:
    faults = Faults(reorder=1, reorder_ms=LATER_MS)
    async with (
        between(echo.address, uplink=faults) as (relay, one),
        peer(relay_address(relay)) as other,
    ):
        one.send(b"one")
        await until(lambda: relay.up.received == 1)
        relay.change(reorder=0)
        other.send(b"other")
        await until(lambda: other.got)
        assert one.got == []
        one.send(b"next")
        await until(lambda: len(one.got) == 2)
    assert echo.got == [b"other", b"next", b"one"]


async def test_delays_are_kept(echo: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    call_later, asked_ms = loop.call_later, []

    def spy(delay_s: float, action: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        if action.__module__ == relay_module.__name__:
            asked_ms.append(round(delay_s * 1000))
        return call_later(delay_s, action, *arguments)

    monkeypatch.setattr(loop, "call_later", spy)
    async with between(echo.address, uplink=Faults(delay_ms=(40, 120)), seed=4) as (relay, client):
        sent = {}
        for data in numbers(60):
            sent[data] = time.monotonic()
            client.send(data)
        await until(lambda: len(echo.got) == 60)
    took = {data: at - sent[data] for data, at in zip(echo.got, echo.times, strict=True)}
    told = [entry.decision for entry in relay.log if entry.direction == "up"]
    for data, decision in zip(numbers(60), told, strict=True):
        words = decision.split()
        assert (words[0], words[2]) == ("delayed", "ms")
        assert took[data] >= int(words[1]) / 1000 - 0.002
    assert [int(decision.split()[1]) for decision in told] == asked_ms
    assert echo.got != numbers(60)  # they overtake each other
    assert relay.up.delayed == 60


async def test_what_is_corrupted_arrives_damaged(echo: Peer) -> None:
    async with between(echo.address, uplink=Faults(corrupt=0.2), seed=4) as (relay, client):
        await send_all(client, relay, echo)
    damaged = [got for got, sent in zip(echo.got, numbers(400), strict=True) if got != sent]
    assert len(damaged) == relay.up.corrupted
    assert 50 <= len(damaged) <= 110
    assert any(len(data) < 4 for data in damaged)
    decisions = {entry.decision for entry in relay.log}
    assert {"corrupted 1 B", "cut to 2 B"} <= decisions


async def test_a_rebind_switches_the_source_port_and_deafens_the_old_one(echo: Peer) -> None:
    async with between(echo.address, seed=1) as (relay, client):
        client.send(b"before")
        await until(lambda: client.got)
        relay.rebind()
        echo.transport.sendto(b"to the old port", echo.senders[0])
        await until(lambda: relay.down.dropped == 1)
        client.send(b"after")
        await until(lambda: len(client.got) == 2)
        assert client.got == [b"before", b"after"]
        assert echo.senders[0] != echo.senders[1]
        assert relay.rebinds == 1
        assert any(e.decision.startswith("rebound to port") for e in relay.log)
        assert relay.log[-3].decision == "dropped: sent to a port of before"


async def test_one_client_can_be_rebound(echo: Peer) -> None:
    async with between(echo.address) as (relay, one), peer(relay_address(relay)) as other:
        for turn, client in enumerate((one, other, one, other), 1):
            client.send(b"%d" % client.address[1])
            await until(lambda: len(one.got) + len(other.got) == turn)  # noqa: B023
            relay.rebind(f"127.0.0.1:{one.address[1]}")
        ports = [port for _, port in echo.senders]
        assert ports[0] != ports[2]
        assert ports[1] == ports[3]
        assert len(relay.clients) == 2
        with pytest.raises(KeyError):
            relay.rebind("127.0.0.1:1")


async def test_rebinding_again_and_again(echo: Peer) -> None:
    async with between(echo.address, faults=Faults(rebind_every_s=0.05)) as (relay, client):
        for count in range(4):
            client.send(b"x")
            await until(lambda: len(echo.got) > count)  # noqa: B023
            before = relay.rebinds
            await until(lambda: relay.rebinds > before)  # noqa: B023
        assert len(set(echo.senders)) == 4
        relay.change(rebind_every_s=None)
        before = relay.rebinds
        await asyncio.sleep(0.15)
        assert relay.rebinds == before


async def test_ports_of_before_do_not_pile_up(echo: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "MAX_DEAF", 3)
    async with between(echo.address) as (relay, client):
        client.send(b"x")
        await until(lambda: client.got)
        before = open_files()
        for _ in range(20):
            relay.rebind()
        assert open_files() == before + 3


async def test_each_client_has_its_answers_and_the_oldest_makes_room(
    echo: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "MAX_CLIENTS", 2)
    async with (
        Relay(echo.address) as relay,
        peer(relay_address(relay)) as a,
        peer(relay_address(relay)) as b,
        peer(relay_address(relay)) as c,
    ):
        for client, text in ((a, b"a"), (b, b"b"), (a, b"aa"), (c, b"c")):
            client.send(text)
            await until(lambda: client.got[-1:] == [text])  # noqa: B023
        assert (a.got, b.got, c.got) == ([b"a", b"aa"], [b"b"], [b"c"])
        assert relay.clients == [f"127.0.0.1:{client.address[1]}" for client in (a, c)]


async def test_nothing_passes_in_a_blackout_not_even_what_is_under_way(echo: Peer) -> None:
    def darken(entry: Entry) -> None:
        if entry.decision.startswith("delayed"):
            relay.blackout()

    async with between(echo.address, uplink=Faults(delay_ms=(50, 50)), on_entry=darken) as (
        relay,
        client,
    ):
        client.send(b"under way")
        await until(lambda: relay.up.blackout == 1)
        client.send(b"in the dark")
        await until(lambda: relay.up.blackout == 2)
        relay.on_entry = None
        relay.resume()
        client.send(b"after")
        await until(lambda: client.got)
        assert client.got == [b"after"]
        relay.blackout(0.05)
        client.send(b"again")  # it is there before the loop looks at the clock
        await until(lambda: relay.up.blackout == 3)
        await until(lambda: relay.log[-1].decision == "blackout over")
        client.send(b"and on")
        await until(lambda: len(client.got) == 2)


async def test_a_periodic_blackout_darkens_the_end_of_each_period(echo: Peer) -> None:
    async with between(echo.address, faults=Faults(blackout_s=(0.1, 0.2))) as (relay, client):

        def runs() -> list[str]:
            return [entry.decision for entry in relay.log if entry.direction == "up"]

        async with asyncio.timeout(PATIENCE_S):
            while sum(a != b for a, b in pairwise(runs())) < 5:
                client.send(b"x")
                await asyncio.sleep(0.01)
    assert {"passed", "lost in the blackout"} == set(runs())
    assert relay.up.blackout == runs().count("lost in the blackout")


async def test_the_log_is_bounded_and_a_callback_sees_all(echo: Peer) -> None:
    told: list[Entry] = []
    async with between(echo.address, log_size=5, on_entry=told.append) as (relay, client):
        client.send(bytes.fromhex("42011234abcd"))
        await until(lambda: client.got)
        await send_all(client, relay, echo, 20)
    assert len(relay.log) == 5
    assert len(told) == 42
    assert list(relay.log) == told[-5:]
    assert str(told[0].coap) == "CON GET mid 4660 token abcd"
    assert (told[0].direction, told[1].direction) == ("up", "down")
    assert told[0].client == f"127.0.0.1:{client.address[1]}"
    assert [entry.time_s for entry in told] == sorted(entry.time_s for entry in told)


async def test_a_target_that_is_not_there_is_no_error_and_may_come_back() -> None:
    async with peer() as gone:
        place = gone.address
    async with Relay(place) as relay, peer(relay_address(relay)) as client:
        async with asyncio.timeout(PATIENCE_S):
            while not relay.up.dropped:
                client.send(b"anybody?")
                await asyncio.sleep(0.01)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: Peer(True), place)
            while not client.got:
                client.send(b"now")
                await asyncio.sleep(0.01)
        transport.close()


async def test_empty_and_large_datagrams_pass(echo: Peer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:  # asyncio sends no empty one
        async with Relay(echo.address) as relay:
            client.sendto(b"", relay_address(relay))
            client.sendto(bytes(9000), relay_address(relay))
            await until(lambda: relay.up.passed == 2 and relay.down.passed)
        assert echo.got == [b"", bytes(9000)]
        assert len(client.recv(65535)) == 9000


async def test_too_many_under_way_are_dropped(echo: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "MAX_WAITING", 10)
    async with between(echo.address, uplink=Faults(delay_ms=(100, 100))) as (relay, client):
        for data in numbers(30):
            client.send(data)
        await until(lambda: len(echo.got) == 10)
    assert (relay.up.dropped, relay.up.delayed) == (20, 10)


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
async def test_closing_leaves_no_socket_no_task_and_no_timer(echo: Peer) -> None:
    before, tasks = open_files(), len(asyncio.all_tasks())
    faults = Faults(delay_ms=(LATER_MS, LATER_MS), rebind_every_s=0.02, reorder=0.5)
    relay = Relay(echo.address, faults=faults)
    async with relay, peer(relay_address(relay)) as client:
        for data in numbers(20):
            client.send(data)
        await until(lambda: relay.up.delayed == 20 and relay.rebinds > 3)
        relay.blackout(5)
        with pytest.raises(ServerError, match="running already"):
            await relay.start()
    assert (open_files(), len(asyncio.all_tasks())) == (before, tasks)
    loop: Any = asyncio.get_running_loop()
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]
    await relay.close()
    assert echo.got == []


async def test_it_starts_again_on_its_port(echo: Peer) -> None:
    relay = Relay(echo.address)
    async with relay:
        port = relay.port
    async with relay, peer(("127.0.0.1", port)) as client:
        client.send(b"x")
        await until(lambda: client.got)


@needs_ipv6
async def test_ipv6_on_either_side() -> None:
    async with peer(echo=True, host="::1") as echo:
        async with Relay(echo.address, ("::1", 0)) as relay, peer(("::1", relay.port)) as client:
            client.send(b"six")
            await until(lambda: client.got)
            assert relay.uri == f"coap://[::1]:{relay.port}"
            assert relay.clients == [f"[::1]:{client.address[1]}"]
        relay = Relay(echo.address, ("::", 0))
        async with relay, peer(("127.0.0.1", relay.port)) as client:
            client.send(b"four to six")
            await until(lambda: client.got)
            assert relay.uri == f"coap://127.0.0.1:{relay.port}"
            assert relay.clients == [f"127.0.0.1:{client.address[1]}"]


async def test_names_are_resolved_and_what_cannot_be_is_told(echo: Peer) -> None:
    async with Relay(("localhost", echo.address[1]), ("localhost", 0)) as relay:
        async with peer(("127.0.0.1", relay.port)) as client:
            client.send(b"x")
            await until(lambda: client.got)
        with pytest.raises(ServerError, match="cannot listen on UDP"):
            await Relay(echo.address, ("127.0.0.1", relay.port)).start()
    for target, listen in (
        (("no.such.host.invalid", 1), ("127.0.0.1", 0)),
        (("127.0.0.1", 70000), ("127.0.0.1", 0)),
        (("127.0.0.1", 1), ("192.0.2.1", 0)),
        (("127.0.0.1", 1), ("no.such.host.invalid", 0)),
    ):
        with pytest.raises(ServerError, match=r"no such target|listen on"):
            await Relay(target, listen).start()


async def test_a_seed_is_drawn_when_none_is_given() -> None:
    assert len({Relay(("127.0.0.1", 1)).seed for _ in range(5)}) > 1


async def test_the_fixture_starts_relays_and_tells_the_seed(
    lwm2m_relay: RelayFactory, echo: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    relay = await lwm2m_relay(echo.address, loss=1.0, seed=77)
    other = await lwm2m_relay(echo.address, downlink=Faults(loss=1.0))
    assert capsys.readouterr().out == f"lwm2m_relay: seed=77\nlwm2m_relay: seed={other.seed}\n"
    assert (relay.faults, other.uplink) == (Faults(loss=1.0), Faults())
    async with peer(relay_address(relay)) as client:
        client.send(b"x")
        await until(lambda: relay.up.lost)
    with pytest.raises(TypeError):
        await lwm2m_relay(echo.address, lost=0.3)
