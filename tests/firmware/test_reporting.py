# timeout: 300
"""Observations and the notifications of them (LwM2M 1.1 Core §6.4, RFC 7641): how they begin and
end, what is in them, and what becomes of them."""

import json

from test_loopback import (
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
    LOCATION_PATH,
    NON,
    OBSERVE,
    OCTETS,
    POST,
    PUT,
    RST,
    TEXT,
    TLV,
    URI_QUERY,
    Bench,
    Far,
    encode,
    segments,
)
from test_reporting_bench import FOREVER, SENML_JSON, Probe, records
from testing import eq, heap_locked

from lwm2m.formats.cbor import Cbor
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.reporting.scheduler import Reporting
from lwm2m.objects.access_control import READ, Access, AccessControl
from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.types import INT, OPAQUE, STR, R

LEVEL = "/26250/0/1"
COUNT = "/26250/0/0"
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
FORGOTTEN = 0x84
UNAUTHORIZED = 0x81


def name_of(observation):
    paths = observation.paths() or [observation.path]
    return ",".join("/" + "/".join(str(i) for i in path) for path in paths)


class Stage:
    """A client with two Probes and its server, both sides written down: `fates` what the
    application is told."""

    def __init__(self, register=True, storing=False, lifetime_s=FOREVER, **more):
        self.bench = Bench(lifetime_s=lifetime_s, storing=storing, **more)
        self.client = self.bench.client
        self.far = self.bench.far
        self.client.add_format(SenmlJson())
        self.client.add_format(SenmlCbor())
        self.fates = []
        self.client.on_notification = self.fate
        self.probe = self.client.add(Probe(iid=0))
        self.other = self.client.add(Probe(iid=1))
        self.probe.level = self.other.level = 20.0
        self.registration = self.bench.registration
        if register:
            self.bench.registered()

    def fate(self, fate, observation):
        self.fates.append((fate, name_of(observation)))

    @property
    def observed(self):
        reports = self.registration.reporting
        return [name_of(o) for o in reports.observations] if reports else []

    def get(self, path, token=b"tk", observe=0, accept=TEXT, options=(), far=None, code=GET):
        """Send a GET with Observe: the packets that come."""
        far = far or self.far
        far.mid += 1
        options = segments(path) + list(options)
        if observe is not None:
            options.append((OBSERVE, observe))
        if accept is not None:
            options.append((ACCEPT, accept))
        return far.send(encode(CON, code, far.mid, token, options))

    def observe(self, path, token=b"tk", accept=TEXT, options=(), far=None):
        """Observe a path: the answer, which must have said yes."""
        answers = self.get(path, token, 0, accept, options, far)
        eq(len(answers), 1)
        eq((answers[0].code, answers[0].token), (CONTENT, token))
        assert answers[0].uint(OBSERVE) >= 0, "not observed"
        return answers[0]

    def fetch(self, paths, token=b"tk", observe=0):
        """Observe-Composite: the answer."""
        self.far.mid += 1
        payload = json.dumps([{"n": path} for path in paths]).encode()
        options = [(OBSERVE, observe), (CONTENT_FORMAT, SENML_JSON), (ACCEPT, SENML_JSON)]
        answers = self.far.send(encode(CON, FETCH, self.far.mid, token, options, payload))
        eq(len(answers), 1)
        return answers[0]

    def step(self, ms=0):
        """Let time pass and step: what is sent."""
        self.bench.clock.advance(ms)
        self.client.step()
        return self.far.take()

    def put(self, value, name="level", ms=0):
        """Set a value: what is sent upon that."""
        self.probe.put(name, value)
        return self.step(ms)

    def ack(self, packet):
        return self.far.send(encode(ACK, 0, packet.mid))

    def rst(self, packet):
        return self.far.send(encode(RST, 0, packet.mid))

    def only(self, packets):
        eq(len(packets), 1)
        return packets[0]

    def told(self, packets, payload, kind=NON, token=b"tk"):
        """Check that this is one notification of that payload."""
        packet = self.only(packets)
        eq((packet.type, packet.code, packet.token), (kind, CONTENT, token))
        assert packet.uint(OBSERVE) >= 0
        eq(packet.payload, payload)
        return packet

    def quiet(self, seconds=400):
        """Nothing is sent for a while."""
        eq(self.bench.watch(seconds), [])

    def register_again(self):
        """What follows a Register that is under way: answer it."""
        packet = self.only(self.step())
        eq((packet.code, packet.path()), (POST, b"/rd"))
        return self.far.reply(packet, CREATED, LOCATION)


# Beginning


def test_observe_answers_with_the_value_and_notifies():
    stage = Stage()
    answer = stage.observe(LEVEL)
    eq((answer.type, answer.payload, answer.uint(CONTENT_FORMAT)), (ACK, b"20.0", TEXT))
    packet = stage.told(stage.put(21.0), b"21.0")
    eq(packet.uint(CONTENT_FORMAT), TEXT)
    assert packet.mid != answer.mid
    assert packet.uint(OBSERVE) > answer.uint(OBSERVE)
    eq(stage.fates, [("sent", LEVEL)])


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
    stage.registration.reporting.count = 0xFFFFFC
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
    eq(stage.fates, [("cancelled", LEVEL), ("sent", LEVEL)])


def test_second_observe_in_another_format_replaces_the_first():
    stage = Stage()
    stage.observe(LEVEL, b"one")
    stage.observe(LEVEL, b"two", SENML_JSON)
    eq(stage.only(stage.put(21.0)).token, b"two")


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
    eq((stage.observed, stage.fates), ([], [("cancelled", LEVEL)]))
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
    eq((stage.observed, stage.fates), ([COUNT], []))


def test_rst_of_a_notification_ends_the_observation():
    for con in (b"con=0", b"con=1"):
        stage = Stage()
        stage.observe(LEVEL, options=[(URI_QUERY, con)])
        stage.observe(COUNT, b"other")
        packet = stage.only(stage.put(21.0))
        eq(packet.type, CON if con == b"con=1" else NON)
        eq(stage.rst(packet), [])
        eq(stage.observed, [COUNT])
        eq(stage.fates[-1], ("cancelled", LEVEL))
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
        eq((stage.observed, stage.fates), ([], [("cancelled", path)]))
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
    eq(sorted(stage.fates), [("cancelled", COUNT), ("cancelled", LEVEL)])
    stage.put(21.0)
    stage.quiet()
    eq(stage.observed, [])


def test_disable_ends_all_and_comes_back_without():
    stage = Stage()
    stage.bench.server.disable_timeout_s = 60
    stage.observe(LEVEL)
    answers = stage.far.send(encode(CON, POST, 7, b"x", segments("/1/0/4")))
    answers += stage.step()
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
    eq((stage.observed, stage.fates), ([], [("cancelled", LEVEL)]))
    stage.put(22.0)
    stage.quiet()


# Instances that come and go


def test_object_notifies_when_instances_come_and_go():
    stage = Stage(register=False)
    stage.client.allow_create(Probe)
    stage.bench.registered()
    answer = stage.observe("/26250", accept=SENML_JSON)
    eq(sorted({path[:8] for path in records(answer.payload)}), ["/26250/0", "/26250/1"])

    def told(packets):
        found = []
        for packet in packets:
            if packet.uint(OBSERVE) >= 0:
                found.append(packet)
            elif packet.code == POST:
                found += told(stage.far.reply(packet, CHANGED) + stage.step())
        return found

    sent = stage.far.send(encode(CON, POST, 50, b"c", segments("/26250")))
    eq(sent[0].code, CREATED)
    packet = stage.only(told(sent[1:] + stage.step()))
    eq(
        sorted({path[:8] for path in records(packet.payload)}),
        ["/26250/0", "/26250/1", "/26250/2"],
    )
    sent = stage.far.send(encode(CON, DELETE, 51, b"d", segments("/26250/1")))
    eq(sent[0].code, DELETED)
    packet = stage.only(told(sent[1:] + stage.step()))
    eq(sorted({path[:8] for path in records(packet.payload)}), ["/26250/0", "/26250/2"])
    stage.client.remove(stage.probe)
    packet = stage.only(told(stage.step()))
    eq(sorted({path[:8] for path in records(packet.payload)}), ["/26250/2"])


def test_instance_that_is_replaced_is_still_observed():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.remove(stage.probe)
    stage.probe = stage.client.add(Probe(iid=0, level=5.0))
    sent = stage.step()
    if sent and sent[0].code == POST:
        sent = stage.far.reply(sent[0], CHANGED) + stage.step()
    stage.told(sent, b"5.0")
    stage.told(stage.put(6.0), b"6.0")


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


# Large notifications


class Large(Object):
    OID = 26252
    RESOURCES = (0, OPAQUE | R, "blob", 1, STR | R, "text")
    blob = b""
    text = "x"


def test_large_notification_begins_and_the_rest_is_read():
    stage = Stage(register=False, mtu=200)
    large = stage.client.add(Large(blob=bytes(range(250)) * 2))
    register_in_blocks(stage)
    answer = stage.observe("/26252/0/0", accept=OCTETS)
    size = 16 << (answer.uint(BLOCK2) & 7)
    eq(answer.payload, large.blob[:size])
    large.blob = bytes(reversed(large.blob))
    large.changed(0)
    packet = stage.only(stage.step())
    eq((packet.type, packet.token, packet.code), (NON, b"tk", CONTENT))
    assert packet.uint(OBSERVE) > answer.uint(OBSERVE)
    eq(packet.uint(BLOCK2) >> 3, 1)  # block 0, more follow
    size = 16 << (packet.uint(BLOCK2) & 7)
    etag = packet.one(4)
    whole = packet.payload
    eq(len(whole), size)
    while True:
        block = len(whole) // size << 4 | packet.uint(BLOCK2) & 7
        rest = stage.only(
            stage.get("/26252/0/0", b"rest", None, OCTETS, options=[(BLOCK2, block)])
        )
        eq((rest.code, rest.one(4), rest.uint(OBSERVE)), (CONTENT, etag, -1))
        whole += rest.payload
        if not rest.uint(BLOCK2) & 8:
            break
    eq(whole, large.blob)
    eq(stage.observed, ["/26252/0/0"])


def register_in_blocks(stage):
    """Let a client register whose list of objects may need blocks."""
    while not stage.registration.registered:
        for packet in stage.step():
            options = list(LOCATION)
            code = CREATED
            if packet.all(27):
                block = packet.uint(27)
                options.append((27, block))
                if block & 8:
                    code = 0x5F
                    options = [(27, block)]
            stage.far.end.send(*sized(encode(ACK, code, packet.mid, packet.token, options)))


def sized(datagram):
    return datagram, len(datagram)


def test_large_confirmable_notification():
    for storing in (False, True):
        stage = Stage(register=False, mtu=200, storing=storing)
        large = stage.client.add(Large(blob=b"a" * 500))
        register_in_blocks(stage)
        stage.observe("/26252/0/0", accept=OCTETS, options=[(URI_QUERY, b"con=1")])
        large.blob = b"b" * 500
        large.changed(0)
        packet = stage.only(stage.step())
        eq((packet.type, packet.code), (CON, CONTENT))
        eq(packet.payload[:16], b"b" * 16)
        again = stage.only(stage.step(3000))
        eq((again.mid, again.payload), (packet.mid, packet.payload))
        stage.ack(packet)
        eq(stage.fates, [("acknowledged", "/26252/0/0")])
        stage.quiet()


def test_large_composite_notification_begins():
    stage = Stage(register=False, mtu=200)
    large = stage.client.add(Large(text="t" * 300))
    register_in_blocks(stage)
    answer = stage.fetch(["/26252/0/1", LEVEL])
    assert answer.uint(BLOCK2) & 8
    large.text = "u" * 300
    large.changed(1)
    packet = stage.only(stage.step())
    eq(packet.uint(BLOCK2) >> 3, 1)
    assert b"uuu" in packet.payload


# Reliability


def confirmable(register=True, **more):
    stage = Stage(register=register, **more)
    stage.observe(LEVEL, options=[(URI_QUERY, b"con=1")])
    return stage


def test_confirmable_notification_is_acknowledged():
    stage = confirmable()
    packet = stage.told(stage.put(21.0), b"21.0", CON)
    eq(stage.fates, [])
    eq(stage.ack(packet), [])
    eq(stage.fates, [("acknowledged", LEVEL)])
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
    eq(stage.fates, [("acknowledged", LEVEL)])
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
    eq(stage.fates, [("timed_out", LEVEL)])
    # The Update may be sent once more at just this moment.
    eq([packet for packet in stage.put(22.0) if packet.code == CONTENT], [])
    stage.probe.put("level", 23.0)
    sent = stage.far.reply(seen[4], CHANGED) + stage.step()
    packet = stage.told(sent, b"23.0", CON)
    stage.ack(packet)
    eq(stage.fates, [("timed_out", LEVEL), ("acknowledged", LEVEL)])
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
    eq(stage.fates, [("timed_out", LEVEL), ("cancelled", LEVEL)])
    stage.put(22.0)
    stage.quiet()


def test_notifications_wait_while_an_update_is_under_way():
    for con in (b"con=0", b"con=1"):
        stage = Stage()
        stage.observe(LEVEL, options=[(URI_QUERY, con)])
        stage.client.update()
        update = stage.only(stage.put(21.0))
        eq(update.path(), b"/rd/5a3f")
        eq(stage.put(22.0), [])
        eq(stage.fates, [])
        sent = stage.far.reply(update, CHANGED) + stage.step()
        stage.told(sent, b"22.0", CON if con == b"con=1" else NON)


def test_notifications_wait_while_a_register_is_under_way():
    stage = Stage(register=False)
    register = stage.only(stage.step())
    stage.observe(LEVEL)  # this server asks before it answers
    eq(stage.put(21.0), [])
    sent = stage.far.reply(register, CREATED, LOCATION) + stage.step()
    stage.told(sent, b"21.0")
    eq(stage.observed, [LEVEL])


def test_observation_made_before_a_repeated_answer_survives():
    stage = Stage(register=False)
    register = stage.only(stage.step())
    # the answer is lost, but the server goes on
    stage.observe(LEVEL)
    again = stage.only(stage.step(3001))
    eq(again.mid, register.mid)
    stage.far.reply(again, CREATED, LOCATION)
    stage.told(stage.put(21.0), b"21.0")
    eq((stage.observed, stage.fates), ([LEVEL], [("sent", LEVEL)]))


def test_observation_made_before_a_repeated_answer_survives_a_second_register():
    stage = Stage()
    stage.observe(COUNT, b"old")
    stage.client.reconnect()
    register = stage.only(stage.step())
    stage.observe(LEVEL, b"new")
    again = stage.only(stage.step(3001))
    eq(again.mid, register.mid)
    stage.far.reply(again, CREATED, LOCATION)
    eq((stage.observed, stage.fates), ([LEVEL], [("cancelled", COUNT)]))
    eq(stage.put(3, "count"), [])
    stage.told(stage.put(21.0), b"21.0", token=b"new")


def test_register_clears_exactly_once():
    stage = Stage()
    stage.observe(LEVEL, b"a")
    stage.observe(COUNT, b"b")
    stage.fetch(["/26250/1/1", "/26250/1/0"], b"c")
    stage.client.reconnect()
    stage.register_again()
    eq(sorted(fate for fate, _ in stage.fates), ["cancelled"] * 3)
    eq(len({name for _, name in stage.fates}), 3)
    stage.observe(LEVEL, b"a")
    stage.client.reconnect()
    stage.register_again()
    eq(stage.fates[3:], [("cancelled", LEVEL)])
    stage.put(21.0)
    stage.quiet()


def test_register_that_fails_clears_nothing():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.reconnect()
    register = stage.only(stage.step())
    stage.far.reply(register, 0xA3)
    eq((stage.observed, stage.fates), ([LEVEL], []))
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
    eq(stage.fates, [("acknowledged", "/26250/0/%d" % i) for i in range(5)])


def test_lost_socket_is_a_lost_datagram():
    stage = Stage()
    stage.observe(LEVEL)
    stage.far.near.error = OSError(113)
    eq(stage.put(21.0), [])
    stage.far.near.error = None
    stage.told(stage.put(22.0), b"22.0")


# Two servers


def two():
    stage = Stage(register=False)
    second = Far(stage.bench)
    stage.bench.add_server(second, lifetime_s=FOREVER)
    stage.client.step()
    for far in (stage.far, second):
        eq(far.reply(stage.only(far.take()), CREATED, LOCATION), [])
    return stage, second


def test_two_servers_are_told_what_they_observe():
    stage, second = two()
    stage.observe(LEVEL, b"one")
    stage.observe(LEVEL, b"two", far=second)
    stage.observe(COUNT, b"cnt", far=second)
    stage.probe.put("level", 21.0)
    stage.client.step()
    stage.told(stage.far.take(), b"21.0", token=b"one")
    stage.told(second.take(), b"21.0", token=b"two")
    stage.probe.put("count", 4)
    stage.client.step()
    eq(stage.far.take(), [])
    stage.told(second.take(), b"4", token=b"cnt")
    # what one cancels, the other keeps
    stage.get(LEVEL, b"two", 1, far=second)
    stage.probe.put("level", 22.0)
    stage.client.step()
    eq(second.take(), [])
    stage.told(stage.far.take(), b"22.0", token=b"one")


def test_one_server_that_is_away_does_not_hold_up_the_other():
    stage, second = two()
    stage.observe(LEVEL, b"one", options=[(URI_QUERY, b"con=1")])
    stage.observe(LEVEL, b"two", far=second)
    told = []
    for i in range(50):
        stage.probe.put("level", 30.0 + i)
        stage.step(5000)
        told += [packet.payload for packet in second.take()]
    eq(told, [b"%.1f" % (30.0 + i) for i in range(50)])


def test_write_of_one_server_notifies_the_other_and_itself():
    stage, second = two()
    stage.observe(COUNT, b"one")
    stage.observe(COUNT, b"two", far=second)
    answers = stage.far.send(
        encode(CON, PUT, 9, b"w", segments(COUNT) + [(CONTENT_FORMAT, TEXT)], b"8")
    )
    eq((answers[0].code, answers[0].token), (CHANGED, b"w"))
    stage.told(answers[1:] + stage.step(), b"8", token=b"one")
    stage.told(second.take(), b"8", token=b"two")
    # the same again is no change
    answers = stage.far.send(
        encode(CON, PUT, 10, b"w", segments(COUNT) + [(CONTENT_FORMAT, TEXT)], b"8")
    )
    eq(len(answers + stage.step() + second.take()), 1)


def test_write_of_an_instance_notifies_what_has_changed():
    stage = Stage()
    stage.observe(COUNT, b"a")
    stage.observe(LEVEL, b"b")
    payload = b'[{"bn":"/26250/0/","n":"0","v":0},{"n":"1","v":33}]'
    options = segments("/26250/0") + [(CONTENT_FORMAT, SENML_JSON)]
    answers = stage.far.send(encode(CON, POST, 9, b"w", options, payload))
    eq(answers[0].code, CHANGED)
    stage.told(answers[1:] + stage.step(), b"33.0", token=b"b")


def test_refused_write_notifies_nobody():
    stage = Stage()
    stage.observe(COUNT)
    options = segments(COUNT) + [(CONTENT_FORMAT, TEXT)]
    answers = stage.far.send(encode(CON, PUT, 9, b"w", options, b"x"))
    eq([hex(a.code) for a in answers + stage.step()], ["0x80"])


# Access rights


def guarded():
    """Two servers; the rights of the second on /26250/0 are in the returned instance."""
    stage = Stage(register=False)
    second = Far(stage.bench)
    stage.bench.add_server(second, lifetime_s=FOREVER)
    acl = stage.client.add(AccessControl(target_oid=26250, target_iid=0, owner=1, acl={2: READ}))
    stage.client.add(AccessControl(target_oid=26250, target_iid=1, owner=1, acl={2: READ}))
    stage.client.access = Access()
    stage.client.step()
    for far in (stage.far, second):
        eq(far.reply(stage.only(far.take()), CREATED, LOCATION), [])
    return stage, acl, second


def test_lost_right_ends_the_observation_with_4_01():
    for path, accept in ((LEVEL, TEXT), ("/26250/0", TLV)):
        stage, acl, second = guarded()
        stage.observe(path, accept=accept)
        stage.observe(path, accept=accept, far=second)
        acl.acl = {2: 0}
        stage.probe.put("level", 21.0)
        stage.client.step()
        eq(stage.only(stage.far.take()).code, CONTENT)
        packet = stage.only(second.take())
        eq((packet.type, packet.code, packet.uint(OBSERVE)), (CON, UNAUTHORIZED, -1))
        eq(packet.payload, b"")
        second.send(encode(ACK, 0, packet.mid))
        stage.probe.put("level", 22.0)
        stage.client.step()
        eq(second.take(), [])
        eq(stage.only(stage.far.take()).code, CONTENT)


def test_object_tells_the_instances_that_may_be_read():
    stage, acl, second = guarded()
    stage.observe("/26250", accept=SENML_JSON, far=second)
    acl.acl = {2: 0}
    stage.other.put("level", 21.0)
    stage.client.step()
    packet = stage.only(second.take())
    eq(sorted({path[:8] for path in records(packet.payload)}), ["/26250/1"])


# Faults of the application


class Moody(Object):
    OID = 26254
    RESOURCES = (0, INT | R, "value")
    number = 5
    mood = None

    @property
    def value(self):
        if self.mood:
            raise self.mood
        return self.number


def moody(*options):
    stage = Stage(register=False)
    stage.moody = stage.client.add(Moody())
    stage.bench.registered()
    stage.observe("/26254/0/0", options=[(URI_QUERY, option) for option in options])
    stage.observe(LEVEL, b"lvl")
    return stage


def test_property_that_raises_is_dropped_and_the_observation_lives():
    for mood in (ValueError("x"), OSError(5), Lwm2mError(0x83)):
        for options in ((b"con=0",), (b"con=1",)):
            stage = moody(*options)
            stage.moody.mood = mood
            stage.moody.changed(0)
            stage.told(stage.put(21.0), b"21.0", token=b"lvl")
            eq(stage.fates[0], ("dropped", "/26254/0/0"))
            stage.moody.mood = None
            stage.moody.number = 6
            stage.moody.changed(0)
            eq(stage.only(stage.step()).payload, b"6")


def test_property_that_raises_with_pmax_is_told_at_the_next():
    for con in (b"con=0", b"con=1"):
        stage = moody(b"pmax=10", con)
        stage.moody.mood = ValueError("x")
        seen = []

        def answer(packet):
            seen.append((stage.bench.now_ms(), hex(packet.code)))
            if packet.type == CON:
                stage.ack(packet)

        stage.bench.watch(15, answer=answer)
        eq((con, seen), (con, []))
        assert ("dropped", "/26254/0/0") in stage.fates
        stage.moody.mood = None
        stage.bench.watch(20, answer=answer)
        eq((con, seen), (con, [(20000, "0x45"), (30000, "0x45")]))


def test_property_of_another_type_is_dropped():
    stage = moody()
    stage.moody.number = "many"
    stage.moody.changed(0)
    stage.told(stage.put(21.0), b"21.0", token=b"lvl")
    stage.moody.number = 7
    stage.moody.changed(0)
    eq(stage.only(stage.step()).payload, b"7")


def test_handler_of_the_application_that_raises():
    stage = Stage()
    calls = []

    def handler(fate, observation):
        calls.append(fate)
        raise ValueError("of the application")

    stage.client.on_notification = handler
    stage.observe(LEVEL, options=[(URI_QUERY, b"con=1")])
    stage.ack(stage.only(stage.put(21.0)))
    stage.rst(stage.only(stage.put(22.0)))
    eq(calls, ["acknowledged", "cancelled"])
    stage.observe(LEVEL)
    stage.only(stage.put(23.0))
    eq(calls[2:], ["sent"])


def test_handler_may_change_values_and_end_things():
    stage = Stage()
    stage.observe(LEVEL)
    stage.observe(COUNT, b"cnt")

    def handler(fate, observation):
        if fate == "sent" and stage.probe.count < 3:
            stage.probe.put("count", stage.probe.count + 1)

    stage.client.on_notification = handler
    sent = stage.put(21.0)
    for _ in range(5):
        sent += stage.step()
    eq([packet.payload for packet in sent], [b"21.0", b"1", b"2", b"3"])


# Values that the application changes


def test_notify_by_text_and_by_numbers():
    stage = Stage()
    stage.observe(LEVEL)
    for args in ((26250, 0, 1), (26250, 0), (26250,), ("/26250/0/1",), ("/26250/0",), ("/26250",)):
        stage.probe.level += 1
        stage.client.notify(*args)
        stage.told(stage.step(), b"%.1f" % stage.probe.level)
    for args in ((26250, 0, 0), (26250, 1), (3,), ("/26250/1/1",), ("/3/0",), (26250, 1, 1)):
        stage.probe.level += 1
        stage.client.notify(*args)
        eq((args, stage.step()), (args, []))


def test_notify_of_a_bad_path_raises():
    stage = Stage()
    stage.observe(LEVEL)
    for path in (
        "",
        "/",
        "26250",
        "26250/0",
        "/a",
        "/26250/",
        "//1",
        "/1/2/3/4/5",
        "/-1",
        "/1_0",
        "/3/-5",
    ):
        try:
            stage.client.notify(path)
        except ValueError:
            continue
        raise AssertionError("no ValueError for %r" % path)


def test_notify_resource_instance_by_text():
    stage = Stage()
    stage.observe("/26250/0/6/1")
    stage.probe.list = {0: 1, 1: 8}
    stage.client.notify("/26250/0/6/1")
    stage.told(stage.step(), b"8")


def test_dict_changed_in_place_is_told():
    stage = Stage()
    stage.observe("/26250/0/6", accept=SENML_JSON)
    stage.probe.list[1] = 9
    stage.probe.changed(6)
    eq(records(stage.only(stage.step()).payload), {"/26250/0/6/0": 1, "/26250/0/6/1": 9})
    stage.probe.list[2] = 4
    stage.probe.changed(6)
    eq(len(records(stage.only(stage.step()).payload)), 3)


def test_sensors_notify_by_themselves():
    stage = Stage(register=False)
    t = stage.client.add(Temperature(unit="Cel"))
    stage.client.add(Humidity())
    t.value = 20.0
    stage.bench.registered()
    stage.observe("/3303/0/5700", b"val")
    stage.observe("/3303/0/5601", b"min")
    stage.observe("/3303/0/5602", b"max")
    stage.observe("/3304/0", b"hum", TLV)

    def tokens(value):
        t.value = value
        return sorted((packet.token, packet.payload) for packet in stage.step())

    eq(tokens(21.0), [(b"max", b"21.0"), (b"val", b"21.0")])
    eq(tokens(19.0), [(b"min", b"19.0"), (b"val", b"19.0")])
    eq(tokens(20.0), [(b"val", b"20.0")])
    eq(tokens(20.0), [])
    t.reset_measured()
    eq(sorted(packet.token for packet in stage.step()), [b"max", b"min"])


def test_same_measurement_again_tells_no_instance():
    stage = Stage(register=False)
    t = stage.client.add(Temperature())
    t.value = 20.0
    stage.bench.registered()
    stage.observe("/3303/0", accept=TLV)
    for _ in range(3):
        t.value = 20.0
        eq(stage.step(), [])
    t.value = 21.0
    stage.only(stage.step())


def test_device_tells_its_errors():
    stage = Stage(register=False)
    device = stage.client.add(Device())
    stage.bench.registered()
    stage.observe("/3/0/11", accept=SENML_JSON)
    device.report_error(1)
    eq(records(stage.only(stage.step()).payload), {"/3/0/11/0": 1})
    device.report_error(2)
    eq(len(records(stage.only(stage.step()).payload)), 2)
    device.report_error(2)
    eq(stage.step(), [])


def test_executable_that_changes_something_tells_it():
    stage = Stage(register=False)
    t = stage.client.add(Temperature())
    t.value = 20.0
    t.value = 25.0
    stage.bench.registered()
    stage.observe("/3303/0/5601")
    answers = stage.far.send(encode(CON, POST, 9, b"x", segments("/3303/0/5605")))
    eq(answers[0].code, CHANGED)
    stage.told(answers[1:] + stage.step(), b"25.0")


def test_driver_is_woken_by_a_change():
    stage = Stage()
    stage.observe(LEVEL)
    stage.step()
    woken = []
    stage.client.wake = lambda: woken.append(1)
    stage.probe.put("level", 21.0)
    eq(len(woken), 1)


# What it costs


class Free:
    """The other end of a wire on which nothing is kept: a counter."""

    def __init__(self, near):
        self.count = 0
        near.peer = self
        self.queue = self

    def append(self, datagram):
        pass


def locked(name, values, accept, options=(), codec=None, path=None):
    """Prove that set value, step, NON allocates nothing."""
    stage = Stage()
    if codec:
        stage.client.add_format(codec)
    probe = stage.probe
    setattr(probe, name, values[0])
    stage.observe(path or "/26250/0/%d" % probe.rid(name), accept=accept, options=options)
    stage.client.on_notification = None
    near = stage.far.near
    sent = [0]
    lengths = [0]

    def send(buf, n):
        # Loopback would copy
        sent[0] += 1
        lengths[0] = n

    near.send = send
    step = stage.client.step
    clock = stage.bench.clock

    def one(value):
        setattr(probe, name, value)
        probe.changed(RIDS[name])
        step()

    def later(ms):
        clock.advance(ms)
        step()

    for value in values:  # what is imported with the first one
        one(value)
        later(20000)
    before = sent[0]
    assert before, "nothing is sent"
    for value in values:
        heap_locked(one, value)
        heap_locked(later, 20000)
    assert sent[0] > before, "nothing is sent"
    return sent[0] - before


RIDS = {"count": 0, "level": 1, "on": 2}


def test_notification_of_a_number_allocates_nothing():
    for name, values in (
        ("count", (5, 6, 7)),
        ("level", (20.0, 21.5, 30.25)),
        ("on", (True, False)),
    ):
        for accept, codec in (
            (TEXT, None),
            (TLV, None),
            (60, Cbor()),
            (SENML_JSON, None),
            (112, None),
        ):
            try:
                eq(locked(name, values, accept, codec=codec), len(values))
            except AssertionError as e:
                raise AssertionError("%s in %d: %s" % (name, accept, e))


def test_notification_with_attributes_allocates_nothing():
    for options, n in (
        ((b"pmin=10",), 3),
        ((b"pmax=15",), 6),
        ((b"pmin=5", b"pmax=15"), 3),
        ((b"gt=25",), 2),
        ((b"lt=25",), 2),
        ((b"gt=40", b"lt=25", b"pmin=10"), 2),
        ((b"epmin=10",), 3),
        ((b"epmax=10",), 3),
        ((b"epmin=5", b"epmax=10", b"pmin=6", b"pmax=100", b"gt=25"), 2),
        ((b"con=0", b"gt=25"), 2),
    ):
        queries = [(URI_QUERY, option) for option in options]
        for name, values in (("level", (20.0, 30.0, 20.5)), ("count", (20, 30, 21))):
            try:
                eq(locked(name, values, TEXT, queries), n)
            except AssertionError as e:
                raise AssertionError("%s %r: %s" % (name, options, e))
    for option in (b"edge=1", b"edge=0"):
        locked("on", (True, False, True, False), TEXT, [(URI_QUERY, option)])


def test_look_with_st_allocates_nothing():
    # Telling does, because the next thresholds are worked out: 32 bytes of floats
    stage = Stage()
    stage.observe(LEVEL, options=[(URI_QUERY, b"st=100")])
    stage.put(21.0)
    probe = stage.probe
    step = stage.client.step

    def one(value):
        probe.level = value
        probe.changed(1)
        step()

    fates = [0]

    def fate(fate, observation):
        fates[0] += 1

    stage.client.on_notification = fate
    for value in (22.0, 23.5, 119.5):
        heap_locked(one, value)
    eq((stage.far.take(), fates[0]), ([], 0))
    eq(stage.only(stage.put(121.0)).payload, b"121.0")


def test_same_value_again_allocates_nothing():
    stage = Stage()
    probe = stage.probe
    for name in RIDS:
        stage.observe("/26250/0/%d" % RIDS[name], bytes((RIDS[name],)))
        probe.put(name, getattr(probe, name))
    stage.step()

    fates = [0]

    def fate(fate, observation):
        fates[0] += 1

    stage.client.on_notification = fate  # "dropped", if it was caught by the loop

    def one(name, value):
        setattr(probe, name, value)
        probe.changed(RIDS[name])
        stage.client.step()

    for name in RIDS:
        heap_locked(one, name, getattr(probe, name))
    eq(fates[0], 0)


def test_change_that_nobody_observes_allocates_nothing():
    stage = Stage()
    probe = stage.probe

    def one(value):
        probe.level = value
        probe.changed(1)

    heap_locked(one, 21.0)
    stage.observe(COUNT)
    stage.step()
    heap_locked(one, 22.0)
    heap_locked(stage.client.step)


def test_work_is_proportional_to_what_has_changed():
    stage = Stage(register=False)
    probes = [stage.client.add(Probe(iid=i)) for i in range(10, 60)]
    stage.bench.registered()
    for i in range(50):
        stage.observe("/26250/%d/1" % (10 + i), bytes((i, 1)))
        stage.observe("/26250/%d/0" % (10 + i), bytes((i, 2)))
    stage.step()
    reports = stage.registration.reporting
    looked = []
    look = reports.look

    def counting(observation):
        looked.append(observation.path)
        look(observation)

    reports.look = counting
    reads = [0]
    real = Probe.value_at

    def value_at(self, i):
        reads[0] += 1
        return real(self, i)

    Probe.value_at = value_at
    try:
        eq(stage.step(), [])
        eq((len(looked), reads[0]), (0, 0))
        probes[7].put("level", 1.5)
        eq(len(stage.step()), 1)
        eq(looked, [(26250, 17, 1)])
        assert reads[0] <= 3, reads
        looked.clear()
        for i in (3, 4, 5):
            probes[i].put("count", 9)
            probes[i].put("count", 10)
        eq(len(stage.step()), 3)
        eq(len(looked), 3)
        looked.clear()
        for _ in range(100):
            stage.step(1000)
        eq(looked, [])
    finally:
        Probe.value_at = real


def test_observations_are_given_back():
    # A server that observes and cancels for ever
    stage = Stage()

    def once():
        for i in range(5):
            stage.get("/26250/0/%d" % i, bytes((i,)), 0, None)
            stage.probe.put("level", stage.probe.level + 1)
            stage.step()
        stage.fetch([LEVEL, COUNT], b"c")
        for i in range(5):
            stage.get("/26250/0/%d" % i, bytes((i,)), 1, None)
        stage.fetch([LEVEL, COUNT], b"c", 1)
        stage.fates.clear()

    import gc

    for _ in range(3):
        once()
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(20):
        once()
    gc.collect()
    assert gc.mem_alloc() - before < 500, gc.mem_alloc() - before
    eq(stage.registration.reporting.index.chains, {})
