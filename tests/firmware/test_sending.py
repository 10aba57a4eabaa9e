# replaces time
"""Send (LwM2M 1.1 Core §6.4.6): values that nobody has asked for, now or with their history."""

import lwm2m.reporting.storing as storing
from bench import Bench
from reporting_bench import FOREVER, SENML_CBOR, SENML_JSON, Probe
from sending_bench import COUNT, LEVEL, LOCATION, Blob, Stage
from storing_bench import EPOCH_S, Time
from testing import eq, raises
from wire import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CREATED,
    GET,
    NON,
    OBSERVE,
    POST,
    TEXT,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.reporting.send import SendRequest
from lwm2m.objects.access_control import READ, Access, AccessControl
from lwm2m.objects.base import Object
from lwm2m.types import E


def test_send_one_value():
    for codec in (SenmlCbor(), SenmlJson()):
        stage = Stage(codec)
        report = stage.client.send(LEVEL)
        eq(report.results, {1: None})
        packet, records = stage.sent(format=codec.FORMAT)
        eq(records, [(None, LEVEL, 20.0)])
        eq(stage.far.reply(packet, CHANGED), [])
        eq(report.results, {1: True})
        eq(stage.bench.watch(500), [])


def test_cbor_is_preferred():
    for codecs in ((SenmlCbor(), SenmlJson()), (SenmlJson(), SenmlCbor())):
        stage = Stage(*codecs)
        stage.client.send(LEVEL)
        stage.sent(format=SENML_CBOR)


def test_send_several_paths():
    stage = Stage()
    stage.client.send(LEVEL, COUNT, "/26250/0/6/1", "/1/0/1")
    _, records = stage.sent()
    eq(
        records,
        [
            (None, LEVEL, 20.0),
            (None, COUNT, 0),
            (None, "/26250/0/6/1", 2),
            (None, "/1/0/1", FOREVER),
        ],
    )


def test_send_instances_and_objects():
    for path in ("/26250/0", "/26250"):
        stage = Stage()
        stage.client.send(path)
        _, records = stage.sent()
        found = [where for _, where, _ in records]
        for rid in (0, 1, 2, 3, 4, 5, 7):
            assert "/26250/0/%d" % rid in found, found
        assert "/26250/0/6/0" in found


def test_send_leaves_out_what_is_not_there():
    stage = Stage()
    stage.client.send(LEVEL, "/26250/7/1", "/9", "/26250/0/99")
    _, records = stage.sent()
    eq(records, [(None, LEVEL, 20.0)])


def test_send_has_the_values_of_the_moment():
    stage = Stage()
    stage.client.send(LEVEL)
    stage.probe.level = 99.0
    packet, records = stage.sent()
    eq(records, [(None, LEVEL, 20.0)])
    again = stage.only(stage.step(3001))
    eq((again.mid, again.payload), (packet.mid, packet.payload))


def test_send_keeps_the_token_and_is_acknowledged_separately():
    stage = Stage()
    report = stage.client.send(LEVEL)
    packet, _ = stage.sent()
    eq(stage.far.send(encode(ACK, 0, packet.mid)), [])
    eq(report.results, {1: None})
    answer = stage.far.send(encode(CON, CHANGED, 0x77, packet.token))
    eq([(p.type, p.mid) for p in answer], [(ACK, 0x77)])
    eq(report.results, {1: True})


def test_send_may_be_answered_by_a_non():
    stage = Stage()
    report = stage.client.send(LEVEL)
    packet, _ = stage.sent()
    stage.far.send(encode(NON, CHANGED, 0x77, packet.token))
    eq(report.results, {1: True})


# What becomes of it


def test_refusal_is_the_result():
    for code in (0x80, 0x84, 0x85, 0x8F, 0xA0):
        stage = Stage()
        report = stage.client.send(LEVEL)
        packet, _ = stage.sent()
        stage.far.reply(packet, code)
        eq(report.results, {1: code})
        eq(stage.bench.watch(500), [])


def test_rst_is_a_failure():
    stage = Stage()
    report = stage.client.send(LEVEL)
    packet, _ = stage.sent()
    stage.far.send(encode(3, 0, packet.mid))
    eq(report.results, {1: "rejected"})
    eq(stage.bench.watch(500), [])


def test_timeout_is_a_failure():
    stage = Stage()
    report = stage.client.send(LEVEL)
    seen = stage.bench.watch(120)
    eq(len(seen), 5)
    eq(report.results, {1: "timed_out"})


def test_network_that_is_down_is_the_result():
    stage = Stage()
    error = stage.far.near.error = OSError(101)
    report = stage.client.send(LEVEL)
    stage.bench.watch(120)
    eq(report.results, {1: error})


def test_done_is_called_once_for_each_server():
    stage = Stage(second=True)
    calls = []
    report = SendRequest(
        stage.client, LEVEL, done=lambda r, ssid: calls.append((ssid, r.results[ssid]))
    )
    report.send()
    eq(calls, [])
    first = stage.only(stage.step())
    second = stage.only(stage.second.take())
    stage.second.reply(second, 0x84)
    stage.far.reply(first, CHANGED)
    eq(calls, [(2, 0x84), (1, True)])
    eq(report.results, {1: True, 2: 0x84})


def test_done_that_raises_is_printed_and_forgotten():
    stage = Stage()

    def done(report, ssid):
        raise ValueError("of the application")

    report = SendRequest(stage.client, LEVEL, done=done).send()
    packet, _ = stage.sent()
    stage.far.reply(packet, CHANGED)
    eq(report.results, {1: True})
    report = SendRequest(stage.client, LEVEL, done=done).send()
    eq(len(stage.bench.watch(120)), 5)
    eq(report.results, {1: "timed_out"})


def test_done_may_send_again():
    stage = Stage()
    reports = []

    def done(report, ssid):
        if len(reports) < 3:
            reports.append(SendRequest(stage.client, LEVEL, done=done).send())

    reports.append(SendRequest(stage.client, LEVEL, done=done).send())
    packets = stage.step()
    for _ in range(3):
        packet = stage.only(packets)
        packets = stage.far.reply(packet, CHANGED) + stage.step()
    eq([report.results for report in reports], [{1: True}] * 3)


def test_sends_leave_in_order_one_at_a_time():
    stage = Stage()
    reports = []
    for i in range(4):
        stage.probe.level = float(i)
        reports.append(stage.client.send(LEVEL))
    values = []
    packets = stage.step()
    while packets:
        packet, records = stage.sent(packets)
        values.append(records[0][2])
        packets = stage.far.reply(packet, CHANGED) + stage.step()
    eq(values, [0.0, 1.0, 2.0, 3.0])
    eq([report.results for report in reports], [{1: True}] * 4)


# When it leaves


def test_send_waits_for_the_registration():
    stage = Stage(register=False)
    report = stage.client.send(LEVEL)
    register = stage.only(stage.step())
    eq(register.path(), b"/rd")
    eq(stage.step(1000), [])
    packets = stage.far.reply(register, CREATED, LOCATION) + stage.step()
    packet, records = stage.sent(packets)
    eq(records, [(None, LEVEL, 20.0)])
    stage.far.reply(packet, CHANGED)
    eq(report.results, {1: True})


def test_send_waits_for_an_update():
    stage = Stage()
    stage.client.update()
    stage.client.send(LEVEL)
    update = stage.only(stage.step())
    eq(update.path(), b"/rd/1")
    stage.sent(stage.far.reply(update, CHANGED) + stage.step())


def test_send_is_not_lost_over_a_registration():
    stage = Stage()
    report = stage.client.send(LEVEL)
    stage.sent()
    stage.client.reconnect()
    register = stage.only(stage.step())
    eq(register.path(), b"/rd")
    packets = stage.far.reply(register, CREATED, LOCATION) + stage.step()
    packet, records = stage.sent(packets)
    eq(records, [(None, LEVEL, 20.0)])
    stage.far.reply(packet, CHANGED)
    eq(report.results, {1: True})
    eq(stage.bench.watch(300), [])


def test_send_is_not_lost_over_an_update_that_is_refused():
    stage = Stage()
    stage.client.update()
    report = stage.client.send(LEVEL)
    update = stage.only(stage.step())
    register = stage.only(stage.far.reply(update, 0x84) + stage.step())
    eq(register.path(), b"/rd")
    packet, _ = stage.sent(stage.far.reply(register, CREATED, LOCATION) + stage.step())
    stage.far.reply(packet, CHANGED)
    eq(report.results, {1: True})


def test_send_that_waits_ends_with_the_registration():
    stage = Stage()
    report = stage.client.send(LEVEL)
    stage.client.deregister(send=False)
    stage.step()
    eq(report.results, {1: "ended"})
    eq(stage.bench.watch(300), [])


def test_send_wakes_the_driver():
    stage = Stage()
    stage.step()
    woken = []
    stage.client.wake = lambda: woken.append(1)
    stage.client.send(LEVEL)
    assert woken


def test_cancelled_send_does_not_leave():
    stage = Stage()
    report = stage.client.send(LEVEL)
    report.cancel()
    eq(stage.bench.watch(300), [])
    eq(report.results, {1: "cancelled"})


def test_cancelled_send_is_not_repeated():
    stage = Stage()
    report = stage.client.send(LEVEL)
    packet, _ = stage.sent()
    report.cancel()
    eq(stage.bench.watch(300), [])
    # a late answer finds nobody
    stage.far.reply(packet, CHANGED)
    eq(report.results, {1: "cancelled"})
    other = stage.client.send(LEVEL)
    packet, _ = stage.sent()
    stage.far.reply(packet, CHANGED)
    eq((report.results, other.results), ({1: "cancelled"}, {1: True}))


# History


def test_history_has_its_times():
    for codec in (SenmlCbor(), SenmlJson()):
        stage = Stage(codec)
        report = SendRequest(stage.client)
        wanted = []
        for i in range(5):
            stage.probe.level = 20.5 + i
            report.add(LEVEL)
            wanted.append((EPOCH_S * 1000 + stage.bench.now_ms(), LEVEL, 20.5 + i))
            stage.step(60250)
        report.send()
        packet, records = stage.sent(format=codec.FORMAT)
        eq(records, wanted)
        stage.far.reply(packet, CHANGED)
        eq(report.results, {1: True})


def test_history_without_a_clock_counts_back():
    stage = Stage(start_s=100)
    report = SendRequest(stage.client)
    for i in range(3):
        stage.probe.level = 20.0 + i
        report.add(LEVEL)
        stage.step(10000)
    report.send()
    _, records = stage.sent()
    eq(records, [(-30000, LEVEL, 20.0), (-20000, LEVEL, 21.0), (-10000, LEVEL, 22.0)])


def test_times_of_every_size_are_exact():
    for start_s in (100, EPOCH_S):
        for codec in (SenmlCbor(), SenmlJson()):
            for ms in (1, 7, 125, 999, 1001, 59999, 3600001, 86400999):
                stage = Stage(codec, start_s=start_s)
                report = SendRequest(stage.client)
                report.add(LEVEL)
                at = EPOCH_S * 1000 + stage.bench.now_ms()
                stage.registration.due.after_s(1000000)
                stage.step(ms)
                report.send()
                _, records = stage.sent(format=codec.FORMAT)
                eq((ms, records[0][0]), (ms, -ms if start_s == 100 else at))


def test_history_of_several_paths():
    stage = Stage(SenmlJson())
    report = SendRequest(stage.client)
    report.add(LEVEL, COUNT)
    stage.step(1000)
    stage.probe.level = 21.0
    report.add(COUNT)
    stage.step(1000)
    report.add(LEVEL)
    report.send()
    _, records = stage.sent(format=SENML_JSON)
    base = EPOCH_S * 1000
    eq(
        records,
        [
            (base, LEVEL, 20.0),
            (base, COUNT, 0),
            (base + 1000, COUNT, 0),
            (base + 2000, LEVEL, 21.0),
        ],
    )


def test_history_after_years():
    stage = Stage()
    report = SendRequest(stage.client)
    stage.bench.clock.s = 200000000
    storing.time = Time(stage.bench.clock)
    stage.registration.due.after_s(1000000)
    report.add(LEVEL)
    report.send()
    _, records = stage.sent()
    eq(records[0][0], (EPOCH_S + 200000000) * 1000)


# Who wants it


def test_muted_server_gets_nothing():
    stage = Stage(more={23: True})
    calls = []
    report = SendRequest(stage.client, LEVEL, done=lambda r, ssid: calls.append(ssid)).send()
    eq((report.results, calls), ({1: "muted"}, [1]))
    eq(stage.bench.watch(300), [])


def test_muted_server_does_not_hold_up_the_other():
    stage = Stage(second=True)
    stage.bench.server.more = {23: True}
    report = stage.client.send(LEVEL)
    eq(stage.step(), [])
    packet, records = stage.sent(stage.second.take())
    stage.second.reply(packet, CHANGED)
    eq(report.results, {1: "muted", 2: True})


def test_send_to_one_of_two_servers():
    stage = Stage(second=True)
    report = SendRequest(stage.client, LEVEL, ssid=2).send()
    eq(stage.step(), [])
    packet, _ = stage.sent(stage.second.take())
    stage.second.reply(packet, CHANGED)
    eq(report.results, {2: True})


def test_server_that_is_away_does_not_hold_up_the_other():
    stage = Stage(second=True)
    report = stage.client.send(LEVEL)
    stage.step()
    packet, _ = stage.sent(stage.second.take())
    stage.second.reply(packet, CHANGED)
    eq(report.results, {1: None, 2: True})
    stage.bench.watch(120)
    eq(report.results, {1: "timed_out", 2: True})


def test_each_server_gets_what_it_may_read():
    stage = Stage(register=False, second=True)
    other = stage.client.add(Probe(iid=1, level=30.0))
    stage.client.add(
        AccessControl(target_oid=26250, target_iid=0, owner=1, acl={1: READ, 2: READ})
    )
    stage.client.add(AccessControl(target_oid=26250, target_iid=1, owner=1, acl={1: READ, 2: 0}))
    stage.client.access = Access()
    stage.register()
    stage.client.send(LEVEL, "/26250/1/1")
    _, records = stage.sent()
    eq(records, [(None, LEVEL, 20.0), (None, "/26250/1/1", other.level)])
    _, records = stage.sent(stage.second.take())
    eq(records, [(None, LEVEL, 20.0)])


# What cannot be


def test_send_without_senml_raises():
    bench = Bench().registered()
    bench.client.add(Probe(iid=0))
    e = raises(ValueError, bench.client.send, LEVEL)
    assert "Senml" in str(e), e


def test_send_of_nothing_raises():
    stage = Stage()
    for path in ("/9", "/26250/7", "/26250/0/99", "/26250/0/6/9", "/0", "/0/0/0", "/21"):
        raises(ValueError, stage.client.send, path)
    stage.probe.level = None
    raises(ValueError, stage.client.send, LEVEL)
    stage.client.add(Blob(iid=0, text=None, blob=None))
    raises(ValueError, stage.client.send, "/26252/0/2")
    raises(ValueError, SendRequest(stage.client).send)
    eq([packet.path() for packet in stage.step()], [b"/rd/1"])  # the list of objects


def test_send_of_a_bad_path_raises():
    stage = Stage()
    for path in ("", "/", "26250", "26250/0/1", "/a", "/26250/", "//1", "/26250/0/1/2/3"):
        raises(ValueError, stage.client.send, path)
    for path in ("/-1", "/26250/-1", "/26250/0/-1", "/3/-5", "/2_6250", "/ 26250", "/99999"):
        raises(ValueError, stage.client.send, path)
    eq(stage.step(), [])


def test_send_to_no_server_raises():
    stage = Stage()
    raises(ValueError, lambda: SendRequest(stage.client, LEVEL, ssid=9))


def test_failed_send_leaves_nothing_behind():
    stage = Stage()
    raises(ValueError, stage.client.send, LEVEL, "nonsense")
    eq(stage.bench.watch(300), [])
    stage.client.send(LEVEL)
    _, records = stage.sent()
    eq(records, [(None, LEVEL, 20.0)])


# Beside observations


def test_notifications_and_sends_share_the_wire():
    stage = Stage()
    options = segments(LEVEL) + [(OBSERVE, 0), (URI_QUERY, b"con=1"), (ACCEPT, TEXT)]
    stage.far.send(encode(CON, GET, 5, b"tk", options))
    stage.probe.put("level", 21.0)
    report = stage.client.send(COUNT)
    kinds = []
    packets = stage.step()
    while packets:
        packet = stage.only(packets)  # one in flight at a time
        if packet.code == POST:
            kinds.append("send")
            packets = stage.far.reply(packet, CHANGED)
        else:
            eq(packet.payload, b"21.0")
            kinds.append("notify")
            packets = stage.far.send(encode(ACK, 0, packet.mid))
        packets += stage.step()
    eq(sorted(kinds), ["notify", "send"])
    eq(report.results, {1: True})


def test_send_from_a_write_handler_does_not_spoil_the_answer():
    class Trigger(Object):
        OID = 26255
        RESOURCES = (0, E, "run")

        def run(self, args=None):
            self.client.send(LEVEL)

    stage = Stage(register=False)
    stage.client.add(Trigger())
    stage.register()
    packets = stage.far.send(encode(CON, POST, 9, b"x", segments("/26255/0/0")))
    eq((packets[0].type, packets[0].code, packets[0].token), (ACK, CHANGED, b"x"))
    packets = packets[1:] + stage.step()
    _, records = stage.sent(packets)
    eq(records, [(None, LEVEL, 20.0)])
