"""Notifications that are lost, refused or in time (RFC 7641 §4.5): what becomes of them."""

from reporting_bench import COUNT, FORGOTTEN, LEVEL, LOCATION, Stage
from testing import eq
from wire import (
    ACCEPT,
    CHANGED,
    CON,
    CONTENT,
    CREATED,
    GET,
    OBSERVE,
    POST,
    TEXT,
    URI_QUERY,
    encode,
    segments,
)


def confirmable(register=True, **more):
    stage = Stage(register=register, **more)
    stage.observe(LEVEL, options=[(URI_QUERY, b"con=1")])
    return stage


def test_confirmable_notification_is_acknowledged():
    stage = confirmable()
    packet = stage.told(stage.put(21.0), b"21.0", CON)
    eq(stage.statuses, [])
    eq(stage.ack(packet), [])
    eq(stage.statuses, [("acknowledged", LEVEL)])
    stage.quiet()


def test_confirmable_notification_is_repeated_as_it_was():
    stage = confirmable()
    first = stage.told(stage.put(21.0), b"21.0", CON)
    for _ in range(4):
        seen = stage.bench.watch(50)
        again = seen[0][1]
        for name in ("type", "code", "mid", "token", "options", "payload"):
            eq(getattr(again, name), getattr(first, name))
        break
    eq(stage.observed, [LEVEL])


def test_step_says_when_to_repeat():
    # A driver sleeps as long as it is told.
    for con, storing in ((b"con=1", False), (b"pmin=0", True)):
        stage = Stage(storing=storing)
        stage.observe(LEVEL, options=[(URI_QUERY, con)])
        stage.probe.put("level", 21.0)
        due = stage.client.step()
        assert 0 < due <= 3000, due
        stage.only(stage.far.take())
        seen = stage.bench.watch(95)
        eq(len([packet for _, packet in seen if packet.code == CONTENT]), 4)
        assert seen[0][0] <= 3000


def test_newer_value_takes_the_place_of_what_is_in_flight():
    # RFC 7641 §4.5.2
    stage = confirmable()
    first = stage.told(stage.put(21.0), b"21.0", CON)
    eq(stage.put(22.0), [])
    eq(stage.put(23.0), [])
    again = stage.only(stage.step(3001))
    eq((again.type, again.payload), (CON, b"23.0"))
    assert again.mid != first.mid
    assert again.uint(OBSERVE) > first.uint(OBSERVE)
    stage.ack(again)
    eq(stage.statuses, [("acknowledged", LEVEL)])
    stage.quiet()


def test_late_acknowledgement_of_the_older_one_is_not_that_of_the_newer():
    stage = confirmable()
    first = stage.told(stage.put(21.0), b"21.0", CON)
    eq(stage.put(22.0), [])
    stage.ack(first)
    seen = []
    stage.bench.watch(100, answer=lambda packet: seen.append(packet) or stage.ack(packet))
    assert [packet.payload for packet in seen][-1] == b"22.0", seen


def last_told(changes, lost, con=b"con=1"):
    """What a server knows in the end that drops copies by message id: `changes` {ms: value};
    `lost` the numbers of its acknowledgements that do not arrive."""
    stage = Stage()
    stage.observe(LEVEL, options=[(URI_QUERY, con)])
    known = [20.0]
    mids = []
    acks = [0]

    def answer(packet):
        if packet.type == CON and packet.mid in mids:
            pass
        elif packet.code == CONTENT:
            mids.append(packet.mid)
            known.append(float(packet.payload))
        elif packet.code == POST:
            stage.far.reply(packet, CHANGED)
            return
        if packet.type == CON:
            acks[0] += 1
            if acks[0] not in lost:
                stage.ack(packet)

    for ms in sorted(changes):
        while stage.bench.now_ms() < ms:
            due = stage.client.step()
            for packet in stage.far.take():
                answer(packet)
            stage.bench.clock.advance(min(due, ms - stage.bench.now_ms()))
        stage.probe.put("level", changes[ms])
        stage.client.step()
        for packet in stage.far.take():
            answer(packet)
    stage.bench.watch(300, answer=answer)
    return known[-1]


def test_last_value_arrives_whatever_is_lost():
    # A change in any moment of a sequence of retransmissions, with any acknowledgement lost
    for at in range(1000, 100000, 1250):
        for lost in ((), (1,), (1, 2), (1, 2, 3)):
            got = last_told({1000: 21.0, 1000 + at: 22.0}, lost)
            eq((at, lost, got), (at, lost, 22.0))


def test_change_in_the_instant_of_a_retransmission_arrives():
    # The server has had the first transmission and takes the second for a copy.
    stage = confirmable()
    first = stage.told(stage.put(21.0), b"21.0", CON)
    stage.bench.clock.advance(stage.client.step())
    stage.probe.put("level", 23.0)
    sent = stage.step()
    known = [first.payload]
    mids = [first.mid]
    for _ in range(20):
        for packet in sent:
            if packet.mid not in mids:
                mids.append(packet.mid)
                known.append(packet.payload)
        sent = [p for packet in sent for p in stage.ack(packet)] + stage.step(1000)
    eq(known[-1], b"23.0")


def test_copy_that_says_something_newer_is_not_counted_as_told():
    # The value changes without a word before a retransmission, and the word comes after it: who
    # has had the first transmission took the second for a copy.
    stage = confirmable()
    first = stage.told(stage.put(21.0), b"21.0", CON)
    stage.probe.level = 22.0
    again = stage.only(stage.step(3001))
    eq(again.mid, first.mid)
    stage.ack(again)
    stage.probe.changed(1)
    stage.told(stage.step(), b"22.0", CON)


def test_timed_out_notification_asks_whether_the_server_knows_us():
    stage = confirmable()
    stage.told(stage.put(21.0), b"21.0", CON)
    seen = []
    stage.bench.watch(100, answer=seen.append)
    eq([packet.code for packet in seen[:4]], [CONTENT] * 4)
    eq((seen[4].code, seen[4].path()), (POST, b"/rd/5a3f"))
    eq(stage.statuses, [("timed_out", LEVEL)])
    # The Update may be sent once more at just this moment.
    eq([packet for packet in stage.put(22.0) if packet.code == CONTENT], [])
    stage.probe.put("level", 23.0)
    sent = stage.far.reply(seen[4], CHANGED) + stage.step()
    packet = stage.told(sent, b"23.0", CON)
    stage.ack(packet)
    eq(stage.statuses, [("timed_out", LEVEL), ("acknowledged", LEVEL)])
    stage.quiet()


def test_timed_out_notification_of_a_forgotten_device_registers_again():
    stage = confirmable()
    stage.told(stage.put(21.0), b"21.0", CON)
    seen = []
    stage.bench.watch(100, answer=seen.append)
    sent = stage.far.reply(seen[4], FORGOTTEN) + stage.step()
    register = stage.only(sent)
    eq(register.path(), b"/rd")
    eq(stage.far.reply(register, CREATED, LOCATION), [])
    eq(stage.statuses, [("timed_out", LEVEL), ("cancelled", LEVEL)])
    stage.put(22.0)
    stage.quiet()


def test_confirmable_notifications_wait_while_an_update_is_under_way():
    stage = confirmable()
    stage.client.update()
    update = stage.only(stage.put(21.0))
    eq(update.path(), b"/rd/5a3f")
    eq(stage.put(22.0), [])
    eq(stage.statuses, [])
    stage.told(stage.far.reply(update, CHANGED) + stage.step(), b"22.0", CON)


def test_notifications_follow_an_update_that_is_due_at_the_same_time():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.update()
    update = stage.only(stage.put(21.0))
    eq(update.path(), b"/rd/5a3f")
    stage.told(stage.step(), b"21.0")


def test_nothing_is_notified_while_a_register_is_under_way():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.reconnect()
    register = stage.only(stage.step())
    eq(stage.put(21.0), [])
    eq(stage.far.reply(register, CREATED, LOCATION) + stage.step(), [])
    eq((stage.observed, stage.statuses), ([], [("cancelled", LEVEL)]))


def test_f_13_an_observe_before_the_answer_to_a_register_counts_when_it_comes_again():
    for reconnect in (False, True):
        stage = Stage(register=reconnect)
        if reconnect:
            stage.observe(COUNT, b"old")
            stage.client.reconnect()
        register = stage.only(stage.step())
        # The answer is lost, but the server goes on.
        observe = encode(CON, GET, 7, b"new", segments(LEVEL) + [(OBSERVE, 0), (ACCEPT, TEXT)])
        eq(stage.far.send(observe), [])
        again = stage.only(stage.step(3001))
        eq(again.mid, register.mid)
        stage.far.reply(again, CREATED, LOCATION)
        eq(stage.statuses, [("cancelled", COUNT)] if reconnect else [])
        eq(stage.only(stage.far.send(observe)).code, CONTENT)
        eq(stage.observed, [LEVEL])
        eq(stage.put(3, "count"), [])
        stage.told(stage.put(21.0), b"21.0", token=b"new")


def test_register_clears_exactly_once():
    stage = Stage()
    stage.observe(LEVEL, b"a")
    stage.observe(COUNT, b"b")
    stage.fetch(["/26250/1/1", "/26250/1/0"], b"c")
    stage.client.reconnect()
    stage.register_again()
    eq(sorted(status for status, _ in stage.statuses), ["cancelled"] * 3)
    eq(len({name for _, name in stage.statuses}), 3)
    stage.observe(LEVEL, b"a")
    stage.client.reconnect()
    stage.register_again()
    eq(stage.statuses[3:], [("cancelled", LEVEL)])
    stage.put(21.0)
    stage.quiet()


def test_register_that_fails_clears_nothing():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.reconnect()
    register = stage.only(stage.step())
    stage.far.reply(register, 0xA3)
    eq((stage.observed, stage.statuses), ([LEVEL], []))
    eq(stage.put(21.0), [])


def test_update_clears_nothing():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.update(True)
    stage.far.reply(stage.only(stage.step()), CHANGED)
    eq(stage.observed, [LEVEL])
    stage.told(stage.put(21.0), b"21.0")


def test_what_waits_leaves_in_order_one_at_a_time():
    stage = Stage()
    for i in range(5):
        stage.observe("/26250/0/%d" % i, bytes((i,)), None, [(URI_QUERY, b"con=1")])
    for value, name in ((3, "count"), (3.5, "level"), (True, "on"), ("b", "text"), (5, "since")):
        stage.probe.put(name, value)
    sent = stage.step()
    tokens = []
    while sent:
        packet = stage.only(sent)
        tokens.append(packet.token[0])
        sent = stage.ack(packet) + stage.step()
    eq(tokens, [0, 1, 2, 3, 4])
    eq(stage.statuses, [("acknowledged", "/26250/0/%d" % i) for i in range(5)])


def test_lost_socket_is_a_lost_datagram():
    stage = Stage()
    stage.observe(LEVEL)
    stage.far.near.error = OSError(113)
    eq(stage.put(21.0), [])
    stage.far.near.error = None
    stage.told(stage.put(22.0), b"22.0")
