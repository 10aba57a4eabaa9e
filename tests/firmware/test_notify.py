"""Notifications (LwM2M 1.1 Core §6.4.2): what is in them, and what leads to them."""

from bench import ScriptedServer
from reporting_bench import (
    COUNT,
    FOREVER,
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
    ACK,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    DELETED,
    NON,
    OBSERVE,
    OCTETS,
    POST,
    PUT,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.types import INT, OPAQUE, STR, R


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
        eq(stage.statuses, [("acknowledged", "/26252/0/0")])
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


# Two servers


def two():
    stage = Stage(register=False)
    second = ScriptedServer(stage.bench)
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
            eq(stage.statuses[0], ("dropped", "/26254/0/0"))
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
        assert ("dropped", "/26254/0/0") in stage.statuses
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

    def handler(status, observation):
        calls.append(status)
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

    def handler(status, observation):
        if status == "sent" and stage.probe.count < 3:
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
