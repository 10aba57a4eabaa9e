"""Observations against a device that aiocoap plays, message by message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path as FilePath

import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import Server, errors
from lwm2m_host.coap.timing import FakeClock, Timing
from lwm2m_host.device import Device
from lwm2m_host.events import Event
from lwm2m_host.model.path import Path
from lwm2m_host.reporting.events import Notified, ObservationChanged, Unreadable
from lwm2m_host.reporting.history import History
from lwm2m_host.reporting.observation import Observation
from lwm2m_host.reporting.ordering import REORDERED_S
from lwm2m_host.reporting.report import Notification

from tests.host.fake_device import LINKS, FakeDevice
from tests.host.observing import PACK, TEMPERATURE, degrees, timed
from tests.waiting import PATIENCE_S, until


async def fetched(observation: Observation) -> Notification:
    """The next one. One that does not come fails the test instead of stopping it."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(observation)


@pytest.fixture
def device(server: Server, fake: FakeDevice) -> Device:
    fake.answers["GET", TEMPERATURE] = degrees(21.5)
    return server.device("fake")


@pytest.fixture
async def observation(device: Device) -> Observation:
    return await device.observe(TEMPERATURE, format="text")


async def following(observation: Observation) -> list[float]:
    """The values that are waiting, after everything that is under way has arrived."""
    await asyncio.sleep(0.05)
    found = []
    while observation._waiting:
        found.append((await fetched(observation)).value)
    return found


async def test_the_first_value_is_the_answer_and_the_rest_comes_by_itself(
    observation: Observation, fake: FakeDevice
) -> None:
    assert fake.seen[-1].observe == 0
    assert observation.first.value == 21.5
    assert observation.first.first
    fake.notify(TEMPERATURE, degrees(22.0), con=True)
    note = await fetched(observation)
    assert note.value == 22.0
    assert note.confirmable
    assert note.sequence == 2
    assert note.path == Path.parse(TEMPERATURE)
    assert note.code == "2.05"
    [sample] = note.samples
    assert (sample.value, sample.timed, sample.time_s) == (22.0, False, note.received_at)
    fake.notify(TEMPERATURE, degrees(22.5))
    note = await fetched(observation)
    assert not note.confirmable
    assert observation.value == 22.5
    assert len(fake.acknowledged) == 1
    assert fake.resets == []


async def test_a_context_manager_cancels_with_the_token_it_observed_with(
    device: Device, fake: FakeDevice
) -> None:
    async with device.observe(TEMPERATURE, format="text") as observation:
        first = fake.seen[-1]
    last = fake.seen[-1]
    assert (first.observe, last.observe) == (0, 1)
    assert first.token == last.token
    assert len(first.token) == 8
    assert (first.accept, first.path) == (last.accept, last.path)
    assert observation.state == "ended"
    assert observation.reason == "cancelled"
    assert device.observations == []
    with pytest.raises(StopAsyncIteration):
        await fetched(observation)


async def test_a_notification_on_its_way_is_not_the_answer_to_the_cancellation(
    observation: Observation, fake: FakeDevice
) -> None:
    def answer(seen: object) -> tuple[Code, bytes, int | None]:
        fake.notify(TEMPERATURE, degrees(23.0), con=True)
        return degrees(99.0)

    fake.answers["GET", TEMPERATURE] = answer
    await observation.cancel()
    assert await following(observation) == [23.0]
    assert len(fake.acknowledged) >= 1


@pytest.mark.parametrize("con", [True, False])
async def test_what_is_forgotten_is_answered_with_reset_at_once(
    observation: Observation, fake: FakeDevice, con: bool
) -> None:
    asked = len(fake.seen)
    observation.forget()
    mid = fake.notify(TEMPERATURE, degrees(23.0), con=con)
    await until(lambda: fake.resets)
    assert fake.resets == [mid]
    assert len(fake.seen) == asked
    assert await following(observation) == []
    with pytest.raises(StopAsyncIteration):
        await fetched(observation)


async def test_a_notification_of_an_unknown_token_is_not_the_answer_to_a_read(
    device: Device, fake: FakeDevice
) -> None:
    fake.notify(TEMPERATURE, degrees(1.0), token=b"\1\2\3\4\5\6\7\x08")
    assert await device.read(TEMPERATURE, format="text") == 21.5
    await until(lambda: fake.resets)


async def test_notifications_out_of_order_do_not_turn_back_time(
    observation: Observation, fake: FakeDevice
) -> None:
    for sequence, value in ((10, 1.0), (12, 3.0), (11, 2.0), (13, 4.0), (13, 4.0)):
        fake.notify(TEMPERATURE, degrees(value), sequence=sequence)
    assert await following(observation) == [1.0, 3.0, 4.0]
    assert (observation.stale, observation.duplicates) == (1, 1)
    assert observation.value == 4.0


async def test_sequence_numbers_wrap(observation: Observation, fake: FakeDevice) -> None:
    for sequence, value in (
        ((1 << 23), 1.0),
        ((1 << 24) - 1, 2.0),
        (0, 3.0),
        ((1 << 24) - 2, 9.0),
    ):
        fake.notify(TEMPERATURE, degrees(value), sequence=sequence)
    assert await following(observation) == [1.0, 2.0, 3.0]


async def test_after_128_seconds_any_number_is_newer(
    observation: Observation, fake: FakeDevice, clock: FakeClock
) -> None:
    fake.notify(TEMPERATURE, degrees(1.0), sequence=1000)
    await until(lambda: observation.count == 1)
    clock.advance(REORDERED_S)
    fake.notify(TEMPERATURE, degrees(2.0), sequence=999)
    await until(lambda: observation.stale == 1)
    clock.advance(1)
    fake.notify(TEMPERATURE, degrees(3.0), sequence=5)
    assert await following(observation) == [1.0, 3.0]


async def test_a_repeated_confirmable_notification_is_acknowledged_and_told_once(
    observation: Observation, fake: FakeDevice
) -> None:
    for _ in "123":
        fake.notify(TEMPERATURE, degrees(5.0), sequence=7, con=True)
    await until(lambda: len(fake.acknowledged) == 3)
    assert await following(observation) == [5.0]
    assert observation.duplicates == 2


async def test_samples_with_times_are_all_there_and_the_newest_is_the_value(
    observation: Observation, fake: FakeDevice
) -> None:
    fake.notify(TEMPERATURE, timed((1.6e9, 1.0), (1.6e9 + 20, 3.0), (1.6e9 + 10, 2.0)))
    note = await fetched(observation)
    assert note.value == 3.0
    assert [(s.time_s, s.value, s.timed) for s in note.samples] == [
        (1.6e9, 1.0, True),
        (1.6e9 + 20, 3.0, True),
        (1.6e9 + 10, 2.0, True),
    ]


async def test_samples_with_times_count_even_when_overtaken(
    observation: Observation, fake: FakeDevice
) -> None:
    fake.notify(TEMPERATURE, degrees(9.0), sequence=10)
    fake.notify(TEMPERATURE, timed((1.6e9, 1.0)), sequence=9)
    await until(lambda: observation.count == 2)
    notes = [await fetched(observation), await fetched(observation)]
    assert [note.late for note in notes] == [False, True]
    assert notes[1].samples[0].value == 1.0
    assert observation.value == 9.0


async def test_relative_times_are_before_now(observation: Observation, fake: FakeDevice) -> None:
    fake.notify(TEMPERATURE, timed((-60, 1.0), (0, 2.0)))
    note = await fetched(observation)
    assert note.value == 2.0
    assert note.samples[1].time_s - note.samples[0].time_s == pytest.approx(60, abs=1)


async def test_an_error_code_ends_it_and_the_iterator_says_so(
    server: Server, observation: Observation, fake: FakeDevice
) -> None:
    fake.notify(TEMPERATURE, degrees(5.0))
    fake.notify(TEMPERATURE, (Code.NOT_FOUND, b"", None), sequence=-1, con=True)
    assert (await fetched(observation)).value == 5.0
    with pytest.raises(errors.NotFound, match=r"4\.04 Not Found: /3303/0/5700"):
        await fetched(observation)
    assert observation.reason == "4.04 Not Found: /3303/0/5700"
    assert len(server.observations) == 0
    mid = fake.notify(TEMPERATURE, degrees(6.0))
    await until(lambda: fake.resets == [mid])


async def test_an_answer_without_observe_is_no_observation(
    device: Device, fake: FakeDevice
) -> None:
    fake.observable = False
    with pytest.raises(errors.NotObserved, match="does not observe: /3303/0/5700"):
        await device.observe(TEMPERATURE)
    assert device.observations == []


async def test_a_refused_observe_is_the_exception_of_its_code(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", TEMPERATURE] = (Code.METHOD_NOT_ALLOWED, b"", None)
    with pytest.raises(errors.MethodNotAllowed):
        await device.observe(TEMPERATURE)
    assert device.observations == []


async def test_an_unreadable_notification_does_not_end_it(
    server: Server, observation: Observation, fake: FakeDevice
) -> None:
    heard: list[Event] = []
    server.on_event(heard.append)
    fake.notify(TEMPERATURE, (Code.CONTENT, b"\xff\x00", 110), con=True)
    fake.notify(TEMPERATURE, (Code.CONTENT, b"?", 9999))
    fake.notify(TEMPERATURE, degrees(5.0))
    assert await following(observation) == [5.0]
    assert observation.unreadable == 2
    assert len(fake.acknowledged) == 1
    assert [item.path for item in heard if isinstance(item, Unreadable)] == [TEMPERATURE] * 2


async def test_attributes_go_with_the_request_and_are_checked(
    device: Device, fake: FakeDevice
) -> None:
    await fake.register(version="1.2")
    await device.observe(TEMPERATURE, format="text", attributes={"pmin": 10, "gt": 25.5})
    assert fake.seen[-1].query == ("pmin=10", "gt=25.5")
    with pytest.raises(errors.OutOfRange):
        await device.observe(TEMPERATURE, attributes={"pmin": -1})
    with pytest.raises(errors.ValueTypeError, match="unknown attribute"):
        await device.observe(TEMPERATURE, attributes={"pmn": 1})


async def test_observing_again_takes_the_place_and_the_token(
    device: Device, fake: FakeDevice
) -> None:
    one = await device.observe(TEMPERATURE, format="text")
    token = fake.seen[-1].token
    two = await device.observe(TEMPERATURE, format="text")
    assert fake.seen[-1].token == token
    assert device.observations == [two]
    with pytest.raises(StopAsyncIteration):
        await fetched(one)
    assert one.reason == "replaced"
    await one.cancel()
    assert fake.seen[-1].observe == 0
    fake.notify(TEMPERATURE, degrees(1.0))
    assert (await fetched(two)).value == 1.0


async def test_what_waits_is_bounded_and_says_what_it_lost(
    device: Device, fake: FakeDevice
) -> None:
    observation = await device.observe(TEMPERATURE, format="text", limit=3)
    for value in range(5):
        fake.notify(TEMPERATURE, degrees(float(value)))
    await until(lambda: observation.count == 5)
    assert await following(observation) == [2.0, 3.0, 4.0]
    assert observation.dropped == 2


# --- blocks ---------------------------------------------------------------------------------

BIG = b"x" * 1500


def in_blocks(fake: FakeDevice, text: bytes, etag: bytes | None = b"1") -> None:
    def answer(seen: object) -> object:
        from aiocoap import Message

        message = Message(code=Code.CONTENT, payload=text)
        message.opt.content_format = 0
        message.opt.etag = etag
        return message

    fake.answers["GET", "/3/0/0"] = answer  # type: ignore[assignment]


async def test_the_rest_of_a_notification_is_fetched(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3/0/0"] = (Code.CONTENT, b"small", 0)
    observation = await device.observe("/3/0/0", format="text")
    in_blocks(fake, BIG)
    # A device that knows what it serves answers the blocks behind the first one, too.
    await device.read("/3/0/0", format="text")
    before = len(fake.seen)
    fake.notify("/3/0/0", (Code.CONTENT, BIG[:512], 0), block=(0, True, 5), etag=b"1")
    fake.notify("/3/0/0", (Code.CONTENT, b"after", 0))
    assert (await fetched(observation)).value == BIG.decode()
    assert (await fetched(observation)).value == "after"
    asked = fake.seen[before:]
    assert [seen.observe for seen in asked] == [None] * len(asked)


async def test_the_first_answer_may_come_in_blocks(device: Device, fake: FakeDevice) -> None:
    in_blocks(fake, BIG)
    observation = await device.observe("/3/0/0", format="text")
    assert observation.first.value == BIG.decode()
    fake.notify("/3/0/0", (Code.CONTENT, b"small", 0))
    assert (await fetched(observation)).value == "small"


async def test_what_changed_between_two_blocks_is_had_anew(
    device: Device, fake: FakeDevice
) -> None:
    in_blocks(fake, BIG)
    observation = await device.observe("/3/0/0", format="text")
    fake.notify("/3/0/0", (Code.CONTENT, BIG[:1024], 0), block=(0, True, 6), etag=b"2")
    note = await fetched(observation)
    assert note.value == BIG.decode()
    assert note.first
    assert note.after_gap
    assert observation.incomplete == 1
    assert observation.state == "active"


@pytest.mark.parametrize("size", [0, 100, 1100])
async def test_a_first_block_of_the_wrong_size_is_survived(
    device: Device, fake: FakeDevice, size: int
) -> None:
    fake.answers["GET", "/3/0/0"] = (Code.CONTENT, b"small", 0)
    observation = await device.observe("/3/0/0", format="text")
    fake.notify("/3/0/0", (Code.CONTENT, b"x" * size, 0), block=(0, True, 6))
    fake.notify("/3/0/0", (Code.CONTENT, b"y", 0), block=(3, True, 0))
    await until(lambda: not observation.outdated and observation.incomplete)
    fake.notify("/3/0/0", (Code.CONTENT, b"good", 0))
    await until(lambda: observation.value == "good")
    assert observation.state == "active"


# --- composite ------------------------------------------------------------------------------


async def test_observe_composite_and_its_cancellation_carry_the_paths(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["FETCH", "/"] = (Code.CONTENT, PACK, 110)
    async with device.observe_composite(["/3/0/0", TEMPERATURE], format="senml-json") as observed:
        first = fake.seen[-1]
        assert observed.first.value == {"/3/0/0": "Acme", TEMPERATURE: 21.5}
        fake.notify("/", (Code.CONTENT, PACK.replace(b"21.5", b"22.5"), 110))
        note = await fetched(observed)
        assert note.value == {"/3/0/0": "Acme", TEMPERATURE: 22.5}
        assert note.paths == (Path.parse("/3/0/0"), Path.parse(TEMPERATURE))
    last = fake.seen[-1]
    assert (first.observe, last.observe) == (0, 1)
    assert (first.payload, first.token) == (last.payload, last.token)
    assert json.loads(first.payload) == [{"n": "/3/0/0"}, {"n": TEMPERATURE}]


async def test_cancel_by_path(device: Device, fake: FakeDevice) -> None:
    fake.answers["FETCH", "/"] = (Code.CONTENT, PACK, 110)
    one = await device.observe(TEMPERATURE, format="text")
    two = await device.observe_composite(["/3/0/0", TEMPERATURE])
    await device.cancel(TEMPERATURE)
    assert (one.state, two.state) == ("ended", "active")
    await device.cancel(TEMPERATURE, "/3/0/0")
    assert two.state == "ended"
    with pytest.raises(errors.NotObserved, match="nothing is observed there: /3303/0/5700"):
        await device.cancel(TEMPERATURE)


# --- over registrations ---------------------------------------------------------------------


async def test_a_device_that_registers_anew_is_observed_again(
    server: Server, observation: Observation, fake: FakeDevice
) -> None:
    heard: list[Event] = []
    server.on_event(heard.append)
    fake.notify(TEMPERATURE, degrees(22.0))
    await until(lambda: observation.count == 1)
    fake.answers["GET", TEMPERATURE] = degrees(25.0)
    fake.sequence = 0  # it has rebooted
    await fake.register("lt=60")
    await until(lambda: observation.state == "active" and fake.observers)
    fake.notify(TEMPERATURE, degrees(26.0))
    notes = [await fetched(observation) for _ in range(3)]
    assert [(note.value, note.after_gap) for note in notes] == [
        (22.0, False),
        (25.0, True),
        (26.0, False),
    ]
    changes = [item for item in heard if isinstance(item, ObservationChanged)]
    assert [(item.state, item.reason) for item in changes] == [
        ("paused", "the device registered anew"),
        ("active", "after a gap"),
    ]
    observes = [seen for seen in fake.seen if seen.observe == 0]
    assert len(observes) == 2
    assert await following(observation) == []


async def test_what_a_rebooted_device_does_not_have_any_more_ends(
    observation: Observation, fake: FakeDevice
) -> None:
    del fake.answers["GET", TEMPERATURE]
    await fake.register("lt=60")
    with pytest.raises(errors.NotFound):
        await fetched(observation)


async def test_without_reobserve_a_registration_ends_it(device: Device, fake: FakeDevice) -> None:
    observation = await device.observe(TEMPERATURE, format="text", reobserve=False)
    await fake.register("lt=60")
    with pytest.raises(StopAsyncIteration):
        await fetched(observation)
    assert observation.reason == "the device registered anew"
    assert sum(seen.observe == 0 for seen in fake.seen) == 1


async def test_who_leaves_is_waited_for(
    server: Server, observation: Observation, fake: FakeDevice
) -> None:
    await fake.deregister()
    assert observation.state == "paused"
    assert len(server.observations) == 1
    await fake.register("lt=60")
    assert (await fetched(observation)).after_gap


async def test_who_expires_is_waited_for_and_a_paused_one_can_be_cancelled(
    server: Server, observation: Observation, fake: FakeDevice, clock: FakeClock
) -> None:
    clock.advance(61)
    await server.expire_due()
    assert (observation.state, observation.reason) == ("paused", "the device was not heard of")
    mid = fake.notify(TEMPERATURE, degrees(1.0))
    await until(lambda: fake.resets == [mid])
    await observation.cancel()
    with pytest.raises(StopAsyncIteration):
        await fetched(observation)
    assert len(server.observations) == 0


async def test_an_observe_that_is_lost_after_a_reboot_is_tried_with_the_next_update(
    fake: FakeDevice, clock: FakeClock
) -> None:
    quick = Timing(ack_timeout_s=0.05, max_retransmit=1, timeout_s=0.1)
    async with (
        Server(port=0, clock=clock, timing=quick) as server,
        FakeDevice(server.uri, "slow") as slow,
    ):
        await slow.register("lt=60")
        slow.answers["GET", TEMPERATURE] = degrees(1.0)
        observation = await server.device("slow").observe(TEMPERATURE, format="text")
        slow.delay_s = 0.3
        await slow.register("lt=60")
        await until(lambda: not server.observations._tasks)
        assert observation.state == "paused"
        slow.delay_s = 0.0
        await slow.update()
        assert (await fetched(observation)).value == 1.0


async def test_a_new_address_keeps_the_observation(
    server: Server, observation: Observation, fake: FakeDevice
) -> None:
    async with FakeDevice(server.uri, "fake") as moved:  # the same device behind another port
        moved.location = fake.location
        answer = await moved.update()
        moved.server_remote = answer.remote
        moved.observers = dict(fake.observers)
        moved.notify(TEMPERATURE, degrees(30.0), sequence=50, con=True)
        assert (await fetched(observation)).value == 30.0
        assert observation.state == "active"
        # A NAT may change it again, and the device says so only with its next Update.
        fake.notify(TEMPERATURE, degrees(31.0), sequence=51)
        assert (await fetched(observation)).value == 31.0
        assert fake.resets == []


async def test_the_end_of_the_server_ends_the_iterator(clock: FakeClock) -> None:
    async with Server(port=0, clock=clock) as server, FakeDevice(server.uri) as fake:
        await fake.register("lt=60")
        fake.answers["GET", TEMPERATURE] = degrees(1.0)
        observation = await server.device("fake").observe(TEMPERATURE, format="text")
        await server.close()
        async with asyncio.timeout(PATIENCE_S):
            assert [note async for note in observation] == []
        assert observation.reason == "the server was closed"


async def test_events_tell_every_notification(
    server: Server, device: Device, fake: FakeDevice
) -> None:
    with server.events(Notified, "fake") as stream:
        await device.observe(TEMPERATURE, format="text")
        fake.notify(TEMPERATURE, degrees(22.0))
        notes = [(await anext(stream)).notification for _ in "12"]  # type: ignore[attr-defined]
    assert [(note.value, note.first) for note in notes] == [(21.5, True), (22.0, False)]


async def test_history_keeps_each_sample_once(tmp_path: FilePath, clock: FakeClock) -> None:
    history = History(tmp_path / "h.sqlite")
    async with (
        Server(port=0, clock=clock, history=history) as server,
        FakeDevice(server.uri) as fake,
    ):
        await fake.register("lt=60", links=LINKS)
        fake.answers["GET", TEMPERATURE] = degrees(20.0)
        observation = await server.device("fake").observe(TEMPERATURE, format="text")
        for sequence in (5, 5, 6):
            fake.notify(TEMPERATURE, timed((1.6e9, 1.0), (1.6e9 + 1, 2.0)), sequence=sequence)
        fake.notify(TEMPERATURE, degrees(21.0), sequence=7)
        fake.notify(TEMPERATURE, degrees(21.0), sequence=7)
        await until(lambda: observation.count == 2 and observation.duplicates == 3)
        rows = await asyncio.to_thread(history.query, "fake", Path.parse("/3303"))
    assert [(row.time_s, row.value, row.timed, row.source, row.type) for row in rows] == [
        (1.6e9, 1.0, True, "notify", "float"),
        (1.6e9 + 1, 2.0, True, "notify", "float"),
        (clock.now(), 20.0, False, "observe", "float"),
        (clock.now(), 21.0, False, "notify", "float"),
    ]
