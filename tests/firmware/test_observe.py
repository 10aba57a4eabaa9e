"""Observations (LwM2M 1.1 Core §6.4.1, RFC 7641): how they begin, replace one another and end."""

import json

from reporting_bench import (
    COUNT,
    FORGOTTEN,
    LEVEL,
    LOCATION,
    SENML_JSON,
    UNAUTHORIZED,
    Probe,
    Stage,
    guarded,
    records,
)
from testing import eq
from wire import (
    ACCEPT,
    ACK,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    DELETED,
    FETCH,
    GET,
    NON,
    OBSERVE,
    POST,
    PUT,
    RST,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.reporting.scheduler import Reporting
from lwm2m.objects.base import Object
from lwm2m.types import INT, R


# Beginning


def test_observe_answers_with_the_value_and_notifies():
    stage = Stage()
    answer = stage.observe(LEVEL)
    eq((answer.type, answer.payload, answer.uint(CONTENT_FORMAT)), (ACK, b"20.0", TEXT))
    packet = stage.told(stage.put(21.0), b"21.0")
    eq(packet.uint(CONTENT_FORMAT), TEXT)
    assert packet.mid != answer.mid
    assert packet.uint(OBSERVE) > answer.uint(OBSERVE)
    eq(stage.statuses, [("sent", LEVEL)])


def test_token_of_any_length_comes_back():
    for token in (b"", b"x", b"12345678"):
        stage = Stage()
        stage.observe(LEVEL, token)
        stage.told(stage.put(21.0), b"21.0", token=token)


def test_format_of_the_observe_is_that_of_its_notifications():
    for accept, payload in (
        (TEXT, b"21.0"),
        (SENML_JSON, b'[{"bn":"/26250/0/1","v":21.0}]'),
        (None, b"21.0"),
    ):
        stage = Stage()
        stage.observe(LEVEL, accept=accept)
        packet = stage.only(stage.put(21.0))
        eq(packet.payload, payload)
        eq(packet.uint(CONTENT_FORMAT), TEXT if accept is None else accept)
    stage = Stage()
    stage.observe("/26250/0", accept=None)
    eq(stage.only(stage.put(21.0)).uint(CONTENT_FORMAT), TLV)


def test_sequence_grows_and_wraps_at_24_bits():
    stage = Stage()
    stage.observe(LEVEL)
    stage.registration.reporting.number = 0xFFFFFC
    numbers = []
    for i in range(6):
        numbers.append(stage.only(stage.put(30.0 + i)).uint(OBSERVE))
    eq(numbers, [0xFFFFFD, 0xFFFFFE, 0xFFFFFF, 0, 1, 2])


def test_sequence_is_newer_after_a_second_observe():
    stage = Stage()
    last = stage.observe(LEVEL).uint(OBSERVE)
    for i in range(3):
        last = max(last, stage.only(stage.put(30.0 + i)).uint(OBSERVE))
    assert stage.observe(LEVEL).uint(OBSERVE) > last


def test_refused_read_observes_nothing():
    stage = Stage()
    for path, accept, code in (
        ("/26250/0/99", TEXT, 0x84),
        ("/26250/7", TLV, 0x84),
        ("/9", TLV, 0x84),
        ("/26250/0", TEXT, 0x86),
        (LEVEL, 9999, 0x86),
        ("/0/0/0", TEXT, 0x81),
        ("/0", TLV, 0x81),
        ("/1/0/8", TEXT, 0x85),
    ):
        answer = stage.only(stage.get(path, accept=accept))
        eq((path, hex(answer.code), answer.uint(OBSERVE)), (path, hex(code), -1))
    eq(stage.observed, [])
    stage.put(21.0)
    stage.quiet()


def test_observe_without_the_right_to_read_observes_nothing():
    stage, acl, second = guarded()
    acl.acl = {2: 0}
    answer = stage.only(stage.get(LEVEL, far=second))
    eq((answer.code, answer.uint(OBSERVE)), (UNAUTHORIZED, -1))
    stage.probe.put("level", 21.0)
    stage.client.step()
    eq(second.take(), [])


def test_discover_is_not_observed():
    stage = Stage()
    answer = stage.only(stage.get("/26250/0", accept=40))
    eq((answer.code, answer.uint(OBSERVE)), (CONTENT, -1))
    eq(stage.observed, [])


def test_later_block_with_observe_observes_nothing():
    stage = Stage()
    answer = stage.only(stage.get("/26250", accept=TLV, options=[(BLOCK2, 1 << 4 | 1)]))
    eq((answer.code, answer.uint(OBSERVE)), (CONTENT, -1))
    eq(stage.observed, [])


def test_more_than_the_limit_is_a_plain_read():
    limit = Reporting.LIMIT
    Reporting.LIMIT = 3
    try:
        stage = Stage()
        for i in (0, 1, 2):
            stage.observe("/26250/0/%d" % i, bytes((i,)))
        answer = stage.only(stage.get("/26250/0/3", b"more"))
        eq((answer.code, answer.uint(OBSERVE), answer.payload), (CONTENT, -1, b"a"))
        eq(len(stage.observed), 3)
        # one that takes the place of another needs no room
        stage.observe("/26250/0/1", b"new")
        stage.told(stage.put(21.0), b"21.0", token=b"new")
        eq(len(stage.observed), 3)
        # and when one has gone there is room
        stage.get("/26250/0/0", b"\x00", 1)
        stage.observe("/26250/0/3", b"more")
    finally:
        Reporting.LIMIT = limit


def test_other_numbers_of_observe_are_plain_reads():
    # RFC 7641 §2: only 0 and 1 mean something
    stage = Stage()
    for number in (2, 77):
        answer = stage.only(stage.get(LEVEL, observe=number))
        eq((answer.code, answer.uint(OBSERVE), answer.payload), (CONTENT, -1, b"20.0"))
    eq(stage.observed, [])


def test_non_confirmable_observe():
    stage = Stage()
    options = segments(LEVEL) + [(OBSERVE, 0), (ACCEPT, TEXT)]
    answer = stage.only(stage.far.send(encode(NON, GET, 7, b"tk", options)))
    eq((answer.type, answer.code), (NON, CONTENT))
    assert answer.uint(OBSERVE) >= 0
    stage.told(stage.put(21.0), b"21.0")


# Taking the place of another


def test_second_observe_of_a_path_replaces_the_first():
    stage = Stage()
    stage.observe(LEVEL, b"one")
    stage.observe(LEVEL, b"two")
    stage.told(stage.put(21.0), b"21.0", token=b"two")
    eq(stage.observed, [LEVEL])
    eq(stage.statuses, [("cancelled", LEVEL), ("sent", LEVEL)])


def test_same_token_for_another_path_replaces_the_first():
    stage = Stage()
    stage.observe(LEVEL)
    stage.observe(COUNT)
    eq(stage.put(21.0), [])
    stage.told(stage.put(7, "count"), b"7")
    eq(stage.observed, [COUNT])


def test_repeated_observe_is_one_observation():
    # The answer was lost: the server repeats its request with the same message id.
    stage = Stage()
    options = segments(LEVEL) + [(OBSERVE, 0), (ACCEPT, TEXT)]
    for _ in range(3):
        answer = stage.only(stage.far.send(encode(CON, GET, 99, b"tk", options)))
        assert answer.uint(OBSERVE) >= 0
    stage.told(stage.put(21.0), b"21.0")
    eq(stage.observed, [LEVEL])


def test_different_paths_are_independent():
    stage = Stage()
    stage.observe(LEVEL, b"a")
    stage.observe(COUNT, b"b")
    stage.observe("/26250/0", b"c", TLV)
    stage.observe("/26250", b"d", TLV)
    stage.observe("/26250/1", b"e", TLV)
    stage.observe("/26250/0/6/1", b"f")
    eq(sorted(packet.token for packet in stage.put(21.0)), [b"a", b"c", b"d"])
    eq(sorted(packet.token for packet in stage.put({0: 1, 1: 9}, "list")), [b"c", b"d", b"f"])
    stage.other.put("level", 3.0)
    eq(sorted(packet.token for packet in stage.step()), [b"d", b"e"])


# Ending


def test_cancel_by_token():
    stage = Stage()
    stage.observe(LEVEL)
    answer = stage.only(stage.get(LEVEL, observe=1))
    eq((answer.code, answer.payload, answer.uint(OBSERVE)), (CONTENT, b"20.0", -1))
    eq((stage.observed, stage.statuses), ([], [("cancelled", LEVEL)]))
    stage.put(21.0)
    stage.quiet()


def test_cancel_by_path_with_another_token():
    stage = Stage()
    stage.observe(LEVEL)
    stage.observe(COUNT, b"other")
    stage.only(stage.get(LEVEL, b"new", observe=1))
    eq(stage.observed, [COUNT])


def test_cancel_of_what_is_not_observed_is_a_read():
    stage = Stage()
    stage.observe(COUNT, b"other")
    answer = stage.only(stage.get(LEVEL, b"new", observe=1))
    eq((answer.code, answer.payload), (CONTENT, b"20.0"))
    eq((stage.observed, stage.statuses), ([COUNT], []))


def test_rst_of_a_notification_ends_the_observation():
    for con in (b"con=0", b"con=1"):
        stage = Stage()
        stage.observe(LEVEL, options=[(URI_QUERY, con)])
        stage.observe(COUNT, b"other")
        packet = stage.only(stage.put(21.0))
        eq(packet.type, CON if con == b"con=1" else NON)
        eq(stage.rst(packet), [])
        eq(stage.observed, [COUNT])
        eq(stage.statuses[-1], ("cancelled", LEVEL))
        stage.put(22.0)
        stage.quiet()


def test_rst_of_something_else_ends_nothing():
    stage = Stage()
    stage.observe(LEVEL)
    packet = stage.only(stage.put(21.0))
    eq(stage.far.send(encode(RST, 0, packet.mid + 1000 & 0xFFFF)), [])
    eq(stage.observed, [LEVEL])


def test_rst_of_an_older_notification_ends_the_observation():
    # Two leave before the server has said no to the first.
    stage = Stage()
    stage.observe(LEVEL)
    first = stage.only(stage.put(21.0))
    stage.only(stage.put(22.0))
    stage.rst(first)
    eq(stage.observed, [])


def test_three_rsts_in_a_row_register_anew():
    stage = Stage()
    for i in (0, 1, 2):
        stage.observe("/26250/0/%d" % i, bytes((i,)))
    stage.rst(stage.only(stage.put(3, "count")))
    stage.rst(stage.only(stage.put(3.5)))
    stage.quiet(5)
    packet = stage.only(stage.put(True, "on"))
    sent = stage.rst(packet)
    sent += stage.step()
    register = stage.only(sent)
    eq((register.code, register.path()), (POST, b"/rd"))
    eq(stage.far.reply(register, CREATED, LOCATION), [])
    stage.quiet()


def test_rsts_with_an_acknowledgement_between_register_nothing():
    stage = Stage()
    for i in range(7):
        stage.observe("/26250/0/%d" % i, bytes((i,)), None, [(URI_QUERY, b"con=1")])
    values = ((3, "count"), (3.5, "level"), (True, "on"), ("b", "text"), (5, "since"))
    for i in range(5):
        packet = stage.only(stage.put(*values[i]))
        if i == 2:
            stage.ack(packet)
        else:
            eq(stage.rst(packet), [])
    stage.quiet()
    eq(stage.bench.events, ["registered"])


def test_rsts_before_a_register_do_not_count():
    stage = Stage()
    for i in (0, 1):
        stage.observe("/26250/0/%d" % i, bytes((i,)))
    stage.rst(stage.only(stage.put(3, "count")))
    stage.rst(stage.only(stage.put(3.5)))
    stage.client.reconnect()
    stage.register_again()
    stage.observe("/26250/0/2", b"on")
    eq(stage.rst(stage.only(stage.put(True, "on"))), [])
    stage.quiet()


def test_deleted_instance_is_told_once():
    for path in (LEVEL, "/26250/0", "/26250/0/6/1"):
        stage = Stage()
        stage.observe(path, accept=SENML_JSON)
        stage.client.remove(stage.probe)
        sent = stage.step()
        update = [packet for packet in sent if packet.code == POST]
        gone = [packet for packet in sent if packet.code != POST]
        if not gone:
            # the list of objects has changed: the Update goes first
            gone = stage.far.reply(stage.only(update), CHANGED)
            gone += stage.step()
        packet = stage.only(gone)
        eq((packet.type, packet.code, packet.token), (CON, FORGOTTEN, b"tk"))
        eq((packet.uint(OBSERVE), packet.payload), (-1, b""))
        stage.ack(packet)
        eq((stage.observed, stage.statuses), ([], [("cancelled", path), ("acknowledged", path)]))
        stage.bench.client.registrations[0].pending = 0
        stage.quiet()


def test_resource_that_becomes_none_is_told_once():
    stage = Stage()
    stage.observe(LEVEL)
    packet = stage.only(stage.put(None))
    eq((packet.type, packet.code, packet.token), (CON, FORGOTTEN, b"tk"))
    eq((packet.uint(OBSERVE), packet.payload), (-1, b""))
    # it is repeated like any confirmable message, and then given up
    seen = stage.bench.watch(200)
    eq([packet.code for _, packet in seen], [FORGOTTEN] * 4)
    eq(stage.observed, [])
    stage.put(5.0)
    stage.quiet()


def test_resource_instance_that_goes_is_told_once():
    stage = Stage()
    stage.observe("/26250/0/6/1")
    stage.told(stage.put({0: 1, 1: 7}, "list"), b"7")
    packet = stage.only(stage.put({0: 1}, "list"))
    eq((packet.type, packet.code, packet.uint(OBSERVE)), (CON, FORGOTTEN, -1))
    stage.ack(packet)
    stage.put({0: 1, 1: 7}, "list")
    stage.quiet()


class Fading(Object):
    OID = 26253
    RESOURCES = (0, INT | R, "value")
    now = 5

    @property
    def value(self):
        return self.now


def test_value_that_goes_without_a_word_is_told_with_pmax():
    stage = Stage(register=False)
    fading = stage.client.add(Fading())
    stage.bench.registered()
    stage.observe("/26253/0/0", options=[(URI_QUERY, b"pmax=10")])
    stage.told(stage.step(10000), b"5")
    fading.now = None
    seen = []
    stage.bench.watch(40, answer=lambda packet: seen.append(packet) or stage.ack(packet))
    eq([hex(packet.code) for packet in seen], [hex(FORGOTTEN)])
    eq(stage.observed, [])


def test_ending_waits_for_the_server_too():
    stage = Stage()
    stage.observe(LEVEL, b"a", options=[(URI_QUERY, b"con=1")])
    stage.observe(COUNT, b"b")
    flying = stage.only(stage.put(21.0))
    eq(stage.put(None, "count"), [])  # one message in flight at a time
    sent = stage.ack(flying) + stage.step()
    packet = stage.only(sent)
    eq((packet.type, packet.code, packet.token), (CON, FORGOTTEN, b"b"))


def test_deregister_ends_all():
    stage = Stage()
    stage.observe(LEVEL, b"a")
    stage.observe(COUNT, b"b")
    stage.client.deregister()
    request = stage.only(stage.step())
    eq(request.code, DELETE)
    stage.far.reply(request, DELETED)
    eq(sorted(stage.statuses), [("cancelled", COUNT), ("cancelled", LEVEL)])
    stage.put(21.0)
    stage.quiet()
    eq(stage.observed, [])


def test_disable_ends_all_and_comes_back_without():
    stage = Stage()
    stage.bench.server.disable_timeout_s = 60
    stage.observe(LEVEL)
    answers = stage.far.send(encode(CON, POST, 7, b"x", segments("/1/0/4")))
    answers += stage.step(250)  # the server has had the answer by then
    eq(answers[0].code, CHANGED)
    request = stage.only(answers[1:])
    eq(request.code, DELETE)
    stage.far.reply(request, DELETED)
    eq(stage.put(21.0), [])
    seen = []

    def answer(packet):
        seen.append(packet)
        if packet.code == POST:
            stage.far.reply(packet, CREATED, LOCATION)

    stage.bench.watch(70, answer=answer)
    eq([packet.path() for packet in seen], [b"/rd"])
    eq((stage.observed, stage.statuses), ([], [("cancelled", LEVEL)]))
    stage.put(22.0)
    stage.quiet()


# Composite


def test_composite_tells_all_paths_when_one_changes():
    stage = Stage()
    answer = stage.fetch([LEVEL, COUNT, "/26250/1/1"])
    eq(answer.code, CONTENT)
    assert answer.uint(OBSERVE) >= 0
    packet = stage.only(stage.put(21.0))
    eq((packet.type, packet.token, packet.uint(CONTENT_FORMAT)), (NON, b"tk", SENML_JSON))
    eq(records(packet.payload), {LEVEL: 21.0, COUNT: 0, "/26250/1/1": 20.0})
    stage.probe.put("count", 5)
    stage.other.put("level", 1.0)
    packet = stage.only(stage.step())
    eq(records(packet.payload), {LEVEL: 21.0, COUNT: 5, "/26250/1/1": 1.0})
    eq(stage.put(True, "on"), [])


def test_composite_is_cancelled_by_token_or_by_the_same_paths():
    for token in (b"tk", b"new"):
        stage = Stage()
        stage.fetch([LEVEL, COUNT])
        stage.observe("/26250/0/2", b"other")
        answer = stage.fetch([LEVEL, COUNT], token, 1)
        eq((answer.code, answer.uint(OBSERVE)), (CONTENT, -1))
        eq(stage.observed, ["/26250/0/2"])
        eq(stage.put(21.0), [])
    stage = Stage()
    stage.fetch([LEVEL, COUNT])
    stage.fetch([LEVEL], b"new", 1)
    eq(stage.observed, [LEVEL + "," + COUNT])


def test_composite_of_the_root():
    stage = Stage()
    answer = stage.fetch(["/"])
    assert answer.uint(OBSERVE) >= 0
    assert records(answer.payload)[LEVEL] == 20.0
    eq(records(stage.only(stage.put(21.0)).payload)[LEVEL], 21.0)
    stage.other.put("count", 77)
    eq(records(stage.only(stage.step()).payload)["/26250/1/0"], 77)
    stage.fetch(["/"], b"new", 1)
    eq(stage.observed, [])


def test_composite_of_what_comes_later():
    stage = Stage()
    answer = stage.fetch([LEVEL, "/26250/5/1"])
    eq(records(answer.payload), {LEVEL: 20.0})
    third = stage.client.add(Probe(iid=5, level=50.0))
    sent = stage.step()
    if sent[0].code == POST:
        sent = stage.far.reply(sent[0], CHANGED) + stage.step()
    eq(records(stage.only(sent).payload), {LEVEL: 20.0, "/26250/5/1": 50.0})
    third.put("level", 51.0)
    eq(records(stage.only(stage.step()).payload), {LEVEL: 20.0, "/26250/5/1": 51.0})
    # From now on it is a value like any other: the same again is no change.
    third.put("level", 51.0)
    eq(stage.step(), [])
    stage.client.remove(third)
    sent = stage.step()
    if sent[0].code == POST:
        sent = stage.far.reply(sent[0], CHANGED) + stage.step()
    eq(records(stage.only(sent).payload), {LEVEL: 20.0})


def test_composite_of_what_comes_later_obeys_its_attributes():
    stage = Stage()
    eq(stage.far.ask(PUT, "/26250/0/1", options=[(URI_QUERY, b"gt=25")]).code, CHANGED)
    stage.probe.level = None
    stage.fetch([LEVEL, COUNT])
    stage.only(stage.put(20.0))
    eq(stage.put(21.0), [])
    stage.only(stage.put(26.0))


def test_composite_of_nothing_at_all():
    stage = Stage()
    answer = stage.fetch(["/26250/5/1", "/9/0/1"])
    eq((answer.code, records(answer.payload)), (CONTENT, {}))
    assert answer.uint(OBSERVE) >= 0
    stage.put(21.0)
    stage.quiet()


def test_composite_without_the_right_leaves_it_out():
    stage, acl, second = guarded()
    second.mid += 1
    payload = json.dumps([{"n": LEVEL}, {"n": "/26250/1/1"}]).encode()
    options = [(OBSERVE, 0), (CONTENT_FORMAT, SENML_JSON), (ACCEPT, SENML_JSON)]
    answer = second.send(encode(CON, FETCH, second.mid, b"tk", options, payload))[0]
    eq(records(answer.payload), {LEVEL: 20.0, "/26250/1/1": 20.0})
    acl.acl = {2: 0}
    stage.other.put("level", 21.0)
    stage.client.step()
    eq(records(stage.only(second.take()).payload), {"/26250/1/1": 21.0})
