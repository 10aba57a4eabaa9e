# replaces time
"""Notifications for a server that is away (1/x/6, LwM2M 1.1 Core §6.4.5, RFC 8428): what is
stored, and how it is packed."""

import lwm2m.objects.device as device_object
import lwm2m.reporting.storing as notification_storing
from reporting_bench import SENML_CBOR, SENML_JSON
from storing_bench import COUNT, EPOCH_S, LEVEL, LOCATION, Stage, Time, cbor, pack
from testing import eq
from wire import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    OBSERVE,
    POST,
    PUT,
    TEXT,
    encode,
    segments,
)

from lwm2m.objects.device import Device


def test_decoder_knows_the_examples_of_rfc8949_appendix_a():
    for text, value in (
        ("00", 0),
        ("1818", 24),
        ("1b000000e8d4a51000", 1000000000000),
        ("3903e7", -1000),
        ("f93c00", 1.0),
        ("f93e00", 1.5),
        ("fb3ff199999999999a", 1.1),
        ("fbc010666666666666", -4.1),
        ("f5", True),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("6161", "a"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
    ):
        eq(cbor(bytes.fromhex(text)), (value, len(text) // 2))


def test_samples_of_an_outage_arrive_once_and_in_order():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format)
        kept, sent = stage.away([30.0 + i for i in range(8)])
        got = stage.read(stage.back())
        eq(got, kept)
        eq([status for status in stage.statuses if status == "dropped"], [])
        eq(stage.back(100), [])


def test_samples_have_milliseconds():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format)
        kept = []
        for ms in (1, 37, 250, 999, 1000, 1001):
            stage.bench.advance(ms)
            stage.far.take()
            stage.probe.put("level", stage.probe.level + 1)
            stage.client.step()
            kept.append((EPOCH_S * 1000 + stage.bench.now_ms(), LEVEL, stage.probe.level))
        eq(stage.read(stage.back()), kept)


def test_clock_that_is_not_set_counts_from_now_on_back():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format, start_s=1000)
        kept, sent = stage.away([30.0, 31.0, 32.0])
        seen = []
        for _ in range(40):
            stage.client.step()
            now = stage.bench.now_ms() + EPOCH_S * 1000
            for packet in stage.far.take():
                if packet.code == CONTENT:
                    seen += [(now + ms, path, v) for ms, path, v in pack(packet.payload, format)]
                    stage.far.send(encode(ACK, 0, packet.mid))
            stage.bench.clock.advance(1500)
        # The first was sent at once; a retransmission of it may say so by a new distance.
        eq(sorted(set(seen)), kept)


def test_sample_sent_at_once_is_at_no_distance():
    stage = Stage(start_s=1000)
    stage.probe.put("level", 21.0)
    stage.client.step()
    packet = stage.far.take()[0]
    eq(pack(packet.payload, SENML_JSON), [(0, LEVEL, 21.0)])


def test_time_that_is_set_meanwhile():
    stage = Stage(start_s=1000)
    stage.probe.put("level", 21.0)
    stage.client.step()
    stage.far.take()
    stage.bench.watch(20)
    notification_storing.time = Time(stage.bench.clock)
    stage.probe.put("level", 22.0)
    at = EPOCH_S * 1000 + stage.bench.now_ms()
    stage.client.step()
    got = stage.read(stage.back())
    eq(got[-1], (at, LEVEL, 22.0))
    eq([value for _, _, value in got], [21.0, 22.0])


def test_time_that_a_server_has_set_counts():
    stage = Stage(start_s=1000)
    reporting = stage.bench.registration.reporting
    clock = stage.bench.clock
    eq(notification_storing.clock_of(reporting)(clock.s, clock.ms), 0)
    device_object.time = notification_storing.time
    device = stage.client.add(Device())
    device.time_offset_s = EPOCH_S - 1000
    eq(
        notification_storing.clock_of(reporting)(clock.s, clock.ms),
        EPOCH_S * 1000 + stage.bench.now_ms(),
    )


def test_other_formats_have_a_message_for_each_sample():
    stage = Stage(TEXT)
    stage.away([30.0 + i for i in range(6)])
    packets = stage.back()
    eq([packet.payload for packet in packets], [b"%.1f" % (30.0 + i) for i in range(6)])
    numbers = [packet.uint(OBSERVE) for packet in packets]
    eq(sorted(set(numbers)), numbers)


def test_many_samples_take_several_messages_that_fit():
    for mtu in (128, 200, 576):
        for format in (SENML_JSON, SENML_CBOR):
            stage = Stage(format, mtu=mtu)
            kept, _ = stage.away([30.0 + i for i in range(40)], 2)
            heard = stage.back()
            eq(stage.read(heard), kept)
            for packet in heard:
                assert len(packet.payload) < mtu
            assert len(heard) > 2


def test_no_more_samples_are_kept_than_hqmax():
    stage = Stage(own=(b"hqmax=3",))
    kept, _ = stage.away([30.0 + i for i in range(8)])
    got = stage.read(stage.back())
    # the first one is in flight; of the others the three newest stay, or two beside it
    eq(got[0], kept[0])
    rest = got[1:]
    assert rest in (kept[-3:], kept[-2:]), rest
    eq(stage.statuses.count("dropped"), 8 - len(got))


def test_no_more_samples_are_kept_than_the_default():
    stage = Stage()
    history = stage.bench.registration.reporting.HISTORY
    n = history + 30
    kept, _ = stage.away([30.0 + i for i in range(n)], 1)
    got = stage.read(stage.back())
    eq(got[0], kept[0])
    assert history <= len(got) <= history + 1
    eq(got[1:], kept[n - len(got) + 1 :])
    eq(stage.statuses.count("dropped"), n - len(got))


def test_newest_is_kept_when_all_places_are_in_flight():
    # hqmax=1, and that one is on its way: the newest is not the one to go.
    for hqmax in (1, 2):
        stage = Stage(own=(b"hqmax=%d" % hqmax,))
        kept, _ = stage.away([30.0 + i for i in range(4)])
        got = stage.read(stage.back())
        eq((hqmax, got[-1]), (hqmax, kept[-1]))


def test_hqmax_0_stores_nothing():
    stage = Stage(own=(b"hqmax=0",))
    stage.away([30.0 + i for i in range(8)])
    got = stage.back()
    eq([pack(packet.payload, SENML_JSON) for packet in got], [[(None, LEVEL, 37.0)]])


def test_timed_out_batch_is_repeated_as_it_was():
    stage = Stage()
    stage.probe.put("level", 30.0)
    sent = [packet for _, packet in stage.bench.watch(1)]
    stage.probe.put("level", 31.0)
    stage.probe.put("level", 32.0)
    # No longer than that: the Update which follows gives up in its turn.
    while not stage.statuses and stage.bench.clock.s < 200:
        sent += [packet for _, packet in stage.bench.watch(1)]
    first = [packet for packet in sent if packet.code == CONTENT]
    eq(len(first), 5)
    eq(stage.statuses, ["timed_out"])
    heard = stage.back()
    again = heard[0]
    assert again.mid != first[0].mid  # a message of its own
    eq((again.uint(OBSERVE), again.payload), (first[0].uint(OBSERVE), first[0].payload))
    eq([value for _, _, value in stage.read(heard)], [30.0, 32.0])


def test_what_is_in_flight_does_not_grow():
    stage = Stage()
    stage.probe.put("level", 30.0)
    first = stage.bench.watch(1)[0][1]
    stage.probe.put("level", 31.0)
    seen = [packet for _, packet in stage.bench.watch(50)]
    for packet in seen:
        for name in ("mid", "options", "payload"):
            eq(getattr(packet, name), getattr(first, name))


def test_samples_survive_a_register_when_observed_again():
    for token in (b"tk", b"new"):
        stage = Stage()
        kept, _ = stage.away([30.0, 31.0, 32.0])
        stage.client.reconnect()
        stage.client.step()
        register = stage.far.take()[0]
        eq(register.path(), b"/rd")
        eq(stage.far.reply(register, CREATED, LOCATION), [])
        eq(stage.statuses, ["cancelled"])
        answer = stage.observe(token)
        eq(pack(answer.payload, SENML_JSON), [(None, LEVEL, 32.0)])
        heard = stage.back()
        eq([packet.token for packet in heard], [token] * len(heard))
        got = []
        for packet in heard:
            assert packet.uint(OBSERVE) > answer.uint(OBSERVE)
            got += pack(packet.payload, SENML_JSON)
        # and the newest once more at the end, for a server that takes the last one for it
        eq(got[:3], kept)
        eq([value for _, _, value in got[3:]], [32.0] * (len(got) - 3))


def test_samples_that_nobody_asks_for_again_are_dropped_with_the_next_register():
    stage = Stage()
    stage.away([30.0, 31.0])
    samples_kept = []
    reporting = stage.bench.registration.reporting
    for _ in range(2):
        stage.client.reconnect()
        stage.client.step()
        eq(stage.far.reply(stage.far.take()[0], CREATED, LOCATION), [])
        samples_kept.append(len(reporting.detached))
    eq(samples_kept, [1, 0])
    eq(stage.statuses, ["cancelled", "dropped", "dropped"])


def test_samples_of_another_path_are_not_mixed_up():
    stage = Stage()
    stage.away([30.0, 31.0])
    stage.client.reconnect()
    stage.client.step()
    stage.far.reply(stage.far.take()[0], CREATED, LOCATION)
    stage.path = COUNT
    stage.observe()
    eq(stage.back(), [])
    stage.probe.put("count", 9)
    eq([value for _, _, value in stage.read(stage.back())], [9])


def test_storing_that_is_switched_off_tells_the_newest():
    stage = Stage()
    _, sent = stage.away([30.0 + i for i in range(4)])
    number = [packet for packet in sent if packet.code == CONTENT][-1].uint(OBSERVE)
    options = segments("/1/0/6") + [(CONTENT_FORMAT, TEXT)]
    sent = stage.far.send(encode(CON, PUT, 77, b"w", options, b"0"))
    eq(sent[0].code, CHANGED)
    stage.probe.put("level", 50.0)
    heard = stage.back()
    last = heard[-1]
    eq(pack(last.payload, SENML_JSON)[-1][1:], (LEVEL, 50.0))
    assert last.uint(OBSERVE) > number
    # never an older value after a newer one
    values = [record[2] for packet in heard for record in pack(packet.payload, SENML_JSON)]
    eq(values, sorted(values))


def test_storing_that_is_switched_on_keeps_from_then_on():
    stage = Stage(own=(b"con=1",))
    stage.bench.server.storing = False
    stage.away([30.0, 31.0])
    stage.bench.server.storing = True
    kept, _ = stage.away([32.0, 33.0])
    got = [record for packet in stage.back() for record in pack(packet.payload, SENML_JSON)]
    # What has a time is whole and in order; the newest may come once more behind it.
    timed = [record for record in got if record[0] is not None]
    eq(timed[:2], kept)
    eq([value for _, _, value in timed[2:]], [33.0] * (len(timed) - 2))


def test_pmin_holds_for_samples():
    stage = Stage(own=(b"pmin=30",))
    stage.away([30.0 + i for i in range(9)], 10)
    got = stage.read(stage.back())
    base = EPOCH_S * 1000
    eq(
        got,
        [(base + 30000, LEVEL, 33.0), (base + 60000, LEVEL, 36.0), (base + 90000, LEVEL, 38.0)],
    )


def test_pmax_makes_samples():
    stage = Stage(own=(b"pmax=30",))
    stage.bench.watch(100)
    got = stage.read(stage.back(100))
    base = EPOCH_S * 1000
    eq(got[:5], [(base + 30000 * i, LEVEL, 20.0) for i in (1, 2, 3, 4, 5)])


def test_instance_is_packed_with_its_names():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format, path="/26250/0")
        kept, _ = stage.away([30.0, 31.0, 32.0])
        got = stage.read(stage.back())
        eq([record for record in got if record[1] == LEVEL], kept)
        for ms, path, _ in got:
            assert path.startswith("/26250/0/"), path


def test_composite_is_packed_with_its_names():
    stage = Stage(path=[LEVEL, COUNT])
    stage.away([30.0, 31.0])
    stage.probe.put("count", 7)
    stage.bench.watch(10)
    got = [(path, v) for _, path, v in stage.read(stage.back())]
    eq(
        got,
        [
            (LEVEL, 30.0),
            (COUNT, 0),
            (LEVEL, 31.0),
            (COUNT, 0),
            (LEVEL, 31.0),
            (COUNT, 7),
        ],
    )


def test_composite_that_is_empty_for_a_while():
    stage = Stage(path=[LEVEL, COUNT])
    stage.away([30.0])
    stage.probe.level = None
    stage.probe.put("count", None)
    stage.probe.changed(1)
    stage.bench.watch(10)
    stage.probe.level = 32.0
    stage.probe.put("count", 5)
    stage.probe.changed(1)
    got = [(path, v) for _, path, v in stage.read(stage.back())]
    eq(got[:2], [(LEVEL, 30.0), (COUNT, 0)])
    eq(got[-2:], [(LEVEL, 32.0), (COUNT, 5)])


def test_value_that_goes_ends_the_queue_too():
    stage = Stage()
    stage.away([30.0, 31.0])
    stage.probe.put("level", None)
    heard = []
    for _ in range(40):
        stage.client.step()
        for packet in stage.far.take():
            heard.append(packet)
            if packet.code == POST:
                stage.far.send(encode(ACK, CHANGED, packet.mid, packet.token))
            elif packet.type == CON:
                stage.far.send(encode(ACK, 0, packet.mid))
        stage.bench.clock.advance(5000)
    eq(heard[-1].code, 0x84)
    eq(stage.bench.registration.reporting.observations, [])


def test_queue_costs_no_more_than_its_samples():
    import gc

    stage = Stage(SENML_CBOR)
    stage.away([30.0 + i for i in range(50)], 1)
    stage.statuses.clear()
    gc.collect()
    before = gc.mem_alloc()
    for i in range(200):
        stage.probe.put("level", 100.0 + i)
        stage.bench.watch(1, keep=False)
        stage.statuses.clear()
    gc.collect()
    assert gc.mem_alloc() - before < 6000, gc.mem_alloc() - before
