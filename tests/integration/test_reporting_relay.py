"""What is reported through a network that loses much and at times everything.

The device samples by itself and prints what it stores, with the time that it will tell: that list
is compared with what the observation of the host yields. Times of RFC 7252 §4.8 are scaled down,
so that seconds of darkness are more than a whole course of retransmissions; the same with ten
minutes is in `make slow`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.faults import Faults
from lwm2m_host.reporting.observation import Observation
from lwm2m_host.testing.plugin import RelayFactory

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.integration.oma_reporting import STOP, stored

pytestmark = pytest.mark.parametrize("width", [32], indirect=True)

TEMPERATURE = "/3303/0/5700"
DARK_S = 1.2
TEN_MINUTES_S = 600.0


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(ack_timeout_s=0.02)) as running:
        yield running


class Rig:
    """What each test has: a server, and devices behind a relay."""

    def __init__(self, server: Server, relays: RelayFactory, launch: Start, width: int) -> None:
        self.server = server
        self.relays = relays
        self.launch = launch
        self.width = width

    async def begin(self, seed: int | None = None, **config: Any) -> None:
        """Start a relay and a device that registers through it. `patience_s` is how long what it
        says may take."""
        self.patience_s = config.pop("patience_s", PATIENCE_S)
        self.relay = await self.relays(self.server, seed=seed)
        config.setdefault("exchange", {"ack_timeout_ms": 10})
        terms = {"retry_timer_s": 1, "retry_count": 1000, **config.pop("terms", {})}
        self.station = await self.launch(
            "reporting.py", servers=[self.relay.uri], width=self.width, terms=terms, **config
        )
        self.device = await self.station.registered_with(self.server)

    async def observe(self, **how: Any) -> Listener:
        return Listener(await self.device.observe(TEMPERATURE, timeout_s=PATIENCE_S, **how))

    async def darken(self) -> None:
        """From now on nothing arrives, and what has passed before is there."""
        self.relay.blackout()
        await asyncio.sleep(0.05)

    async def stop(self, listener: Listener) -> None:
        """End the samples, and wait for those that are stored."""
        await self.device.execute(STOP, timeout_s=PATIENCE_S)
        await self.station.says("sampled all")
        await listener.until(
            lambda: set(stored(self.station)) <= set(listener.timed), self.patience_s
        )
        await self.device.read("/3/0/0")  # what has been sent before this answer is here


@pytest.fixture
def rig(server: Server, lwm2m_relay: RelayFactory, launch: Start, width: int) -> Rig:
    return Rig(server, lwm2m_relay, launch, width)


class Listener:
    """Everything that an observation yields, as it comes."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.timed: list[tuple[float, float]] = []
        self.values: list[float] = []
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for note in self.observation:
            self.values.append(note.value)
            self.timed += [(it.value, round(it.time_s, 3)) for it in note.samples if it.timed]

    async def until(self, condition: Any, patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not condition():
                assert not self.task.done(), self.observation
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def sampled(station: Station) -> list[float]:
    """The values that the device has taken, in order."""
    found = re.findall(r"^sampled ([0-9.]+)\n", station.output, re.MULTILINE)
    return [float(text) for text in found]


def told_twice(timed: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [item for item in sorted(set(timed)) if timed.count(item) > 1]


async def all_arrived(rig: Rig, form: str, dark_s: float) -> None:
    """30 % loss, then darkness, then 30 % loss: the account of it."""
    station, relay = rig.station, rig.relay
    await rig.device.write_attributes(TEMPERATURE, hqmax=2000, force=True)
    listener = await rig.observe(format=form)
    relay.change(loss=0.3)
    await listener.until(lambda: len(listener.timed) > 10, rig.patience_s)
    await rig.darken()
    before = len(stored(station))
    await asyncio.sleep(dark_s)
    dark = len(stored(station)) - before
    relay.resume()
    await listener.until(lambda: len(set(listener.timed)) >= before + dark, rig.patience_s)
    relay.change(loss=0)
    await rig.stop(listener)
    kept = stored(station)
    print(f"{len(kept)} stored, {dark} in the dark; {station.events()}; up {relay.up}")
    assert told_twice(listener.timed) == []
    assert listener.timed == kept
    assert "status dropped" not in station.output
    assert dark > 10
    assert relay.up.lost > 3
    assert relay.up.blackout > 3
    # What was sampled and not stored, was sampled while nothing was observed: between a Register
    # and the Observe that follows it.
    missing = len(sampled(station)) - sampled(station).index(kept[0][0]) - len(kept)
    assert missing <= dark // 2 * (station.events().count("registered") - 1)
    await listener.close()


@pytest.mark.parametrize(
    ("seed", "form"), [(1, "senml-json"), (2, "senml-cbor"), (3, "senml-cbor")]
)
async def test_every_stored_sample_arrives_once_and_in_order(
    rig: Rig, seed: int, form: str
) -> None:
    await rig.begin(seed, terms={"storing": True}, sample_ms=20)
    await all_arrived(rig, form, DARK_S)


async def test_what_arrived_unacknowledged_is_not_told_twice_after_a_register(rig: Rig) -> None:
    """Only the answers of the server are lost, until the device has given up and registers anew:
    it cannot know that its samples have arrived."""
    await rig.begin(terms={"storing": True}, sample_ms=50)
    await rig.device.write_attributes(TEMPERATURE, hqmax=2000, force=True)
    listener = await rig.observe(format="senml-cbor")
    await listener.until(lambda: len(listener.timed) > 3)
    rig.relay.downlink = Faults(loss=1)
    await rig.station.says("event register_failed")
    arrived = len(listener.timed)
    rig.relay.downlink = Faults()
    await rig.station.happened("registered")
    await listener.until(lambda: len(listener.timed) > arrived + 10)
    await rig.stop(listener)
    assert told_twice(listener.timed) == []
    assert listener.timed == stored(rig.station)
    await listener.close()


async def only_the_newest(rig: Rig, con: bool) -> None:
    """30 % loss, then darkness in which the last value is taken, then 30 % loss."""
    station, relay = rig.station, rig.relay
    if con:
        await rig.device.write_attributes(TEMPERATURE, con=1, force=True)
    listener = await rig.observe()
    relay.change(loss=0.3)
    await listener.until(lambda: len(listener.values) > 5, rig.patience_s)
    await rig.darken()
    before = list(listener.values)
    seen = len(sampled(station))
    await station.wait_output("sampled all", 2 * rig.patience_s)
    await station.wait_output("event update_failed", rig.patience_s)
    last = sampled(station)[-1]
    assert listener.values == before
    assert len(sampled(station)) - seen > 20
    relay.resume()
    await listener.until(lambda: last in listener.values, rig.patience_s)
    relay.change(loss=0)
    await rig.device.read("/3/0/0", timeout_s=PATIENCE_S)
    # It may be told twice: as the answer to the new Observe, and as what was not acknowledged.
    assert set(listener.values[len(before) :]) == {last}
    assert listener.timed == []
    await listener.close()


@pytest.mark.parametrize(
    ("seed", "con"), [(1, False), (2, True), (3, False)], ids=["1", "2-confirmable", "3"]
)
async def test_without_storing_exactly_the_newest_arrives(rig: Rig, seed: int, con: bool) -> None:
    """LwM2M 1.1 Core §5.1.2, 1/x/6 false: of what changes in the dark, the last value is told, and
    nothing of what was before. The darkness is longer than the lifetime: so the device learns of
    it, though nobody acknowledges what it reports."""
    await rig.begin(seed, lifetime_s=2, sample_ms=25, sample_count=90)
    await only_the_newest(rig, con)


async def test_a_short_darkness_is_bridged_and_the_newest_value_arrives(rig: Rig) -> None:
    """RFC 7641 §4.5.2: the retransmission of a confirmable notification carries the newest value;
    the registration goes on."""
    await rig.begin(sample_ms=10, sample_count=60, exchange={"ack_timeout_ms": 60})
    await rig.device.write_attributes(TEMPERATURE, con=1, force=True)
    listener = await rig.observe()
    await listener.until(lambda: len(listener.values) > 3)
    await rig.darken()
    before = list(listener.values)
    await rig.station.says("sampled all")
    assert listener.values == before
    rig.relay.resume()
    await listener.until(lambda: len(listener.values) > len(before))
    await rig.device.read("/3/0/0")
    assert listener.values[len(before) :] == [60]
    assert rig.station.events() == ["registered"]
    await listener.close()


# With the times of RFC 7252 §4.8: nothing is scaled down. With so much loss a message takes seven
# seconds on the average, one after the other: more samples than fit into one would never be told.
REAL: dict[str, Any] = {
    "sample_ms": 2000,
    "mtu": 1088,
    "exchange": {"ack_timeout_ms": 2000},
    "patience_s": TEN_MINUTES_S,
}


@pytest.mark.slow
async def test_every_stored_sample_arrives_once_and_in_order_after_ten_minutes(rig: Rig) -> None:
    await rig.begin(1, terms={"storing": True}, **REAL)
    await all_arrived(rig, "senml-cbor", TEN_MINUTES_S)


@pytest.mark.slow
async def test_without_storing_exactly_the_newest_arrives_after_ten_minutes(rig: Rig) -> None:
    await rig.begin(1, sample_count=320, **REAL)
    await only_the_newest(rig, con=False)
