"""What other servers and test suites have asked of information reporting, by the numbers of
docs/cases.md."""

from bench import ScriptedServer
from reporting_bench import (
    COUNT,
    FOREVER,
    INSTANCE,
    LEVEL,
    LOCATION,
    OBJECT,
    Stage,
    notifications,
    queries,
    write,
)
from testing import eq
from wire import (
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    NON,
    OBSERVE,
    POST,
    PUT,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    encode,
)

from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor

BAD_REQUEST, NOT_FOUND = 0x80, 0x84
JSON, CBOR, LWM2M_CBOR = 11543, 60, 11544


# F-04


def test_f_04_pmax_is_kept_while_an_update_is_unanswered():
    for path, accept in ((LEVEL, TEXT), (INSTANCE, SENML_JSON), (OBJECT, TLV)):
        stage = Stage()
        stage.observe(path, accept=accept, options=queries("pmax=20"))
        stage.client.update()
        eq([s for s, _, _, _ in notifications(stage, 61)], [20, 40, 60])


def test_f_04_pmax_of_a_composite_is_kept_while_an_update_is_unanswered():
    stage = Stage()
    stage.far.ask(PUT, "/1/0/3", b"20", format=TEXT)
    stage.fetch([LEVEL, "/26250/1"])
    stage.client.update(True)
    eq([s for s, _, _, _ in notifications(stage, 61)], [20, 40, 60])


def test_f_04_changes_are_notified_while_an_update_is_unanswered():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.update()
    eq([packet.code for packet in stage.step()], [POST])
    for i in range(30):
        value = 30.0 + i
        sent = [packet for packet in stage.put(value, ms=1000) if packet.code == CONTENT]
        stage.told(sent, b"%.1f" % value)


def test_f_04_what_waited_offline_leaves_while_an_update_is_unanswered():
    stage = Stage()
    stage.observe(LEVEL)
    stage.client.offline()
    eq(stage.put(21.0), [])
    stage.client.online()
    stage.client.update()
    eq(stage.only(stage.step()).code, POST)
    stage.told(stage.step(), b"21.0")


def test_f_04_a_confirmable_notification_waits_for_a_place_and_another_one_does_not():
    for nstart in (1, 2):
        stage = Stage()
        while len(stage.registration.exchange.outgoing) < nstart:
            # As `Client(nstart=2)` makes it
            outgoing = stage.registration.exchange.outgoing
            outgoing.append(type(outgoing[0])(stage.registration.exchange))
        stage.observe(LEVEL, b"a", options=queries("con=1"))
        stage.observe(COUNT, b"b")
        stage.client.update()
        update = stage.only(stage.step())
        stage.probe.put("level", 21.0)
        sent = stage.put(7, "count")
        eq([packet.token for packet in sent], [b"b"] if nstart == 1 else [b"a", b"b"])
        if nstart == 1:
            sent = stage.far.reply(update, CHANGED) + stage.step()
            stage.told(sent, b"21.0", CON, b"a")


def test_f_04_the_daily_confirmable_notification_is_none_while_an_update_is_unanswered():
    stage = Stage()
    stage.observe(LEVEL)
    stage.bench.advance(86400000)
    stage.client.update()
    stage.client.step()
    stage.far.take()
    eq(stage.only(stage.put(21.0)).type, NON)
    stage.bench.watch(100)
    eq(stage.client.registered, False)  # and asks whether it is known


def test_f_04_what_is_stored_while_an_update_is_unanswered_arrives():
    stage = Stage(storing=True)
    stage.observe(LEVEL, accept=SENML_JSON)
    stage.client.update()
    update = stage.only(stage.step())
    for value in (21.0, 22.0, 23.0):
        eq(stage.put(value, ms=100), [])
    packet = stage.only(stage.far.reply(update, CHANGED) + stage.step())
    eq(packet.type, CON)
    for value in (b"21", b"22", b"23"):
        assert b'"v":' + value in packet.payload, packet.payload


def test_f_04_nothing_is_notified_while_a_register_or_a_deregister_is_unanswered():
    stage = Stage()
    stage.observe(LEVEL, options=queries("pmax=10"))
    stage.client.reconnect()
    eq(notifications(stage, 60), [])
    stage = Stage()
    stage.observe(LEVEL, options=queries("pmax=10"))
    stage.client.deregister()
    eq(notifications(stage, 60), [])


# F-07


def test_f_07_attributes_in_an_observe_replace_all_written_ones():
    for where in (OBJECT, INSTANCE, LEVEL):
        stage = Stage()
        write(stage, where, "pmin=9999&pmax=20000&epmin=500&con=1&hqmax=3")
        stage.observe(LEVEL, options=queries("gt=25"))
        stage.told(stage.put(26.0, ms=1000), b"26.0", NON)
        eq(stage.put(27.0, ms=1000), [])
        stage.told(stage.put(24.0, ms=1000), b"24.0", NON)


def test_f_07_what_is_written_afterwards_is_not_in_force_either():
    stage = Stage()
    stage.observe(LEVEL, options=queries("pmin=2"))
    write(stage, LEVEL, "gt=100&con=1&pmin=9999")
    stage.told(stage.put(21.0, ms=3000), b"21.0", NON)


def test_f_07_holds_for_objects_instances_and_composites():
    for path in (OBJECT, INSTANCE):
        stage = Stage()
        write(stage, path, "pmin=9999")
        write(stage, LEVEL, "con=1")
        stage.observe(path, accept=SENML_JSON, options=queries("pmax=3000"))
        eq(stage.only(stage.put(21.0, ms=1000)).type, NON)
    stage = Stage()
    write(stage, LEVEL, "pmin=9999&con=1")
    payload = b'[{"n":"%s"},{"n":"%s"}]' % (LEVEL.encode(), COUNT.encode())
    options = queries("epmin=1") + [(OBSERVE, 0), (CONTENT_FORMAT, SENML_JSON)]
    stage.far.send(encode(CON, 5, 0x77, b"tk", options, payload))
    eq(stage.only(stage.put(21.0, ms=1000)).type, NON)


def test_f_07_observing_again_without_attributes_brings_the_written_ones_back():
    stage = Stage()
    write(stage, LEVEL, "pmin=50")
    stage.observe(LEVEL, options=queries("gt=25"))
    stage.told(stage.put(26.0, ms=1000), b"26.0")
    stage.observe(LEVEL)
    eq(stage.put(20.0, ms=1000), [])
    eq([s for s, _, _, _ in notifications(stage, 60)], [49])
    stage.observe(LEVEL, options=queries("pmin=3"))
    stage.told(stage.put(21.0, ms=3000), b"21.0")


def test_f_07_an_attribute_without_a_value_takes_the_place_of_all_too():
    stage = Stage()
    write(stage, LEVEL, "pmin=9999&gt=100")
    stage.observe(LEVEL, options=queries("gt"))
    stage.told(stage.put(21.0, ms=1000), b"21.0")


def test_f_07_attributes_need_to_agree_among_themselves_only():
    stage = Stage()
    write(stage, OBJECT, "epmin=10")
    write(stage, LEVEL, "gt=20")
    stage.observe(LEVEL, options=queries("lt=30&epmax=5"))
    [answer] = stage.get(LEVEL, b"x", options=queries("lt=30&gt=20"))
    eq(answer.code, BAD_REQUEST)


def test_f_07_periods_of_object_1_hold_where_the_observe_has_none():
    stage = Stage()
    stage.far.ask(PUT, "/1/0/2", b"30", format=TEXT)
    write(stage, LEVEL, "pmin=1")
    stage.observe(LEVEL, options=queries("gt=15"))
    stage.probe.put("level", 10.0)
    eq([s for s, _, _, _ in notifications(stage, 60)], [30])


# F-09


def test_f_09_a_confirmable_component_makes_notifications_of_what_contains_it_confirmable():
    for written in (INSTANCE, LEVEL, "/26250/0/6/1"):
        for path in (OBJECT, INSTANCE):
            for accept in (TLV, SENML_JSON, SENML_CBOR):
                stage = Stage()
                write(stage, written, "con=1")
                stage.observe(path, accept=accept)
                packet = stage.only(stage.put(7, "count"))
                eq((written, path, packet.type), (written, path, CON))


def test_f_09_holds_for_a_resource_of_several_instances_and_for_composites():
    stage = Stage()
    write(stage, "/26250/0/6/1", "con=1")
    stage.observe("/26250/0/6", accept=SENML_JSON)
    eq(stage.only(stage.put({0: 5, 1: 2}, "list")).type, CON)
    for paths in ([COUNT, INSTANCE], ["/"]):
        stage = Stage()
        write(stage, LEVEL, "con=1")
        stage.fetch(paths)
        eq(stage.only(stage.put(7, "count")).type, CON)


def test_f_09_written_and_unset_while_it_is_observed():
    stage = Stage()
    stage.observe(INSTANCE, accept=TLV)
    eq(stage.only(stage.put(21.0)).type, NON)
    write(stage, INSTANCE, "con=0")
    write(stage, LEVEL, "con=1")
    packet = stage.only(stage.put(22.0))
    eq(packet.type, CON)
    stage.ack(packet)
    write(stage, LEVEL, "con")
    eq(stage.only(stage.put(23.0)).type, NON)


def test_f_09_other_places_do_not_count():
    for written in ("/26250/1", "/26250/1/1", "/1/0"):
        stage = Stage()
        write(stage, written, "con=1")
        stage.observe(INSTANCE, accept=TLV)
        eq(stage.only(stage.put(21.0)).type, NON)
    stage = Stage()
    write(stage, COUNT, "con=1")
    stage.observe(LEVEL)
    eq(stage.only(stage.put(21.0)).type, NON)


def test_f_09_another_server_has_its_own():
    stage = Stage(register=False)
    second = ScriptedServer(stage.bench)
    stage.bench.add_server(second, lifetime_s=FOREVER)
    stage.client.step()
    for far in (stage.far, second):
        eq(far.reply(stage.only(far.take()), CREATED, LOCATION), [])
    write(stage, LEVEL, "con=1", second)
    stage.observe(INSTANCE, accept=TLV)
    stage.observe(INSTANCE, b"2", accept=TLV, far=second)
    eq(stage.only(stage.put(21.0)).type, NON)
    eq(stage.only(second.take()).type, CON)


# F-15


def tokens(packets):
    return sorted(packet.token for packet in packets)


def test_f_15_the_same_path_in_several_formats_is_observed_several_times():
    stage = Stage()
    for codec in (Cbor(), Json(), Lwm2mCbor()):
        stage.client.add_format(codec)
    accepts = (TEXT, CBOR, TLV, SENML_JSON, SENML_CBOR, JSON, LWM2M_CBOR)
    for i in range(len(accepts)):
        stage.observe(LEVEL, bytes((i,)), accepts[i])
    for value in (21.0, 22.0):
        sent = stage.put(value)
        found = {packet.token[0]: packet.uint(CONTENT_FORMAT) for packet in sent}
        eq((len(sent), found), (len(accepts), dict(enumerate(accepts))))
    eq(stage.statuses, [("sent", LEVEL)] * 2 * len(accepts))


def test_f_15_objects_and_composites_in_two_formats():
    for path in (OBJECT, INSTANCE):
        stage = Stage()
        stage.observe(path, b"a", TLV)
        stage.observe(path, b"b", SENML_JSON)
        eq(tokens(stage.put(21.0)), [b"a", b"b"])
    stage = Stage()
    payload = b'[{"n":"%s"}]' % LEVEL.encode()
    for token, accept in ((b"a", SENML_JSON), (b"b", SENML_CBOR)):
        options = [(OBSERVE, 0), (CONTENT_FORMAT, SENML_JSON), (17, accept)]
        stage.far.send(encode(CON, 5, 0x70 + token[0], token, options, payload))
    eq(tokens(stage.put(21.0)), [b"a", b"b"])


def test_f_15_another_token_for_the_same_takes_its_place():
    for accept in (TEXT, None):
        stage = Stage()
        stage.observe(LEVEL, b"a", accept)
        stage.observe(LEVEL, b"b", accept)
        stage.told(stage.put(21.0), b"21.0", token=b"b")


def test_f_15_the_same_token_takes_its_place_in_every_format():
    stage = Stage()
    stage.observe(LEVEL, b"a", TEXT)
    stage.observe(LEVEL, b"a", SENML_JSON)
    eq(stage.only(stage.put(21.0)).uint(CONTENT_FORMAT), SENML_JSON)


def test_f_15_other_attributes_are_another_observation():
    stage = Stage()
    stage.observe(LEVEL, b"a", options=queries("gt=25"))
    stage.observe(LEVEL, b"b", options=queries("gt=30"))
    stage.observe(LEVEL, b"c")
    eq(tokens(stage.put(26.0)), [b"a", b"c"])
    eq(tokens(stage.put(31.0)), [b"b", b"c"])
    stage.observe(LEVEL, b"d", options=queries("gt=30"))
    eq(tokens(stage.put(20.0)), [b"a", b"c", b"d"])


def test_f_15_a_cancel_ends_the_one_of_its_token():
    stage = Stage()
    stage.observe(LEVEL, b"a", TEXT)
    stage.observe(LEVEL, b"b", SENML_JSON)
    stage.get(LEVEL, b"a", 1)
    eq([packet.token for packet in stage.put(21.0)], [b"b"])


def test_f_15_a_cancel_with_a_token_of_nobody_ends_those_of_its_path_and_format():
    stage = Stage()
    stage.observe(LEVEL, b"a", TEXT)
    stage.observe(LEVEL, b"b", SENML_JSON)
    stage.get(LEVEL, b"x", 1, SENML_JSON)
    eq([packet.token for packet in stage.put(21.0)], [b"a"])
    stage.observe(LEVEL, b"b", SENML_JSON)
    stage.get(LEVEL, b"x", 1, None)
    eq((stage.observed, stage.put(22.0)), ([], []))


def test_f_15_there_are_no_more_than_the_limit_by_formats_or_attributes():
    stage = Stage()
    stage.observe(LEVEL, b"a")
    stage.registration.reporting.LIMIT = 2
    stage.observe(LEVEL, b"b", SENML_JSON)
    for options in (queries("gt=5"), queries("pmin=5")):
        [answer] = stage.get(LEVEL, b"c", 0, TEXT, options)
        eq((answer.code, answer.uint(OBSERVE)), (CONTENT, -1))
    [answer] = stage.get(LEVEL, b"c", 0, TLV)
    eq((answer.code, answer.uint(OBSERVE)), (CONTENT, -1))
    stage.observe(LEVEL, b"c", SENML_JSON)
    eq(tokens(stage.put(21.0)), [b"a", b"c"])


def test_f_15_each_has_its_stored_samples_and_inherits_them_after_a_register():
    stage = Stage(storing=True)
    stage.observe(LEVEL, b"a", SENML_JSON)
    stage.observe(LEVEL, b"b", TEXT)
    stage.client.offline()
    for value in (21.0, 22.0):
        stage.put(value, ms=1000)
    stage.client.reconnect()
    stage.client.online()
    stage.register_again()
    seen = []
    sent = stage.get(LEVEL, b"A", accept=SENML_JSON)[1:]
    stage.get(LEVEL, b"B")
    while sent:
        packet = stage.only(sent)
        seen.append((packet.token, packet.payload))
        sent = stage.ack(packet) + stage.step()
    eq([payload for token, payload in seen if token == b"B"][:2], [b"21.0", b"22.0"])
    payload = [payload for token, payload in seen if token == b"A"][0]
    assert b'"v":21' in payload and b'"v":22' in payload, payload


# F-19


def watched(count=3, con=0):
    """A stage that observes some paths, with `con` or not."""
    stage = Stage()
    names = ("count", "level", "on", "text", "since", "raw", "total")
    rids = (0, 1, 2, 3, 4, 5, 7)
    for i in range(count):
        stage.observe("/26250/0/%d" % rids[i], bytes((i,)), None, queries("con=%d" % con))
    stage.names = names
    return stage


VALUES = (3, 3.5, True, "b", 5, b"c", 9)


def reset(stage, i):
    """Change what is observed at i, and answer its notification by RST: what is sent then."""
    return stage.rst(stage.only(stage.put(VALUES[i], stage.names[i])))


def test_f_19_rsts_over_hours_end_their_observations_only():
    for con in (0, 1):
        stage = watched(7, con)
        for i in range(6):
            eq(reset(stage, i), [])
            stage.bench.watch(3600)
        eq((stage.bench.events, stage.observed), (["registered"], ["/26250/0/7"]))


def test_f_19_rsts_in_a_row_within_a_short_time_register_anew():
    for con in (0, 1):
        stage = watched(4, con)
        for i in range(3):
            stage.bench.watch(10)
            sent = reset(stage, i)
        eq([packet.path() for packet in sent + stage.step()], [b"/rd"])


def test_f_19_an_accepted_notification_in_between_says_that_the_server_is_there():
    stage = watched(7)
    for i in range(6):
        eq(reset(stage, i), [])
        eq(stage.only(stage.put(i + 20, "total", 1000)).token, bytes((6,)))
        stage.bench.watch(8)
    eq(stage.bench.events, ["registered"])


def test_f_19_a_notification_that_was_only_just_sent_says_nothing():
    stage = watched(7)
    for i in range(3):
        sent = reset(stage, i)
        if i < 2:
            eq(stage.only(stage.put(i + 20, "total", 100)).token, bytes((6,)))
            stage.bench.watch(1)
    eq([packet.path() for packet in sent + stage.step()], [b"/rd"])


def test_f_19_rsts_to_one_observation_count_once():
    stage = watched(3)
    packets = [stage.only(stage.put(value, "count")) for value in (3, 4)]
    for packet in packets:
        eq(stage.rst(packet), [])
    eq(reset(stage, 1), [])
    eq(stage.rst(packets[0]), [])
    stage.quiet(50)
    eq(stage.bench.events, ["registered"])


def test_f_19_a_rst_to_one_that_is_cancelled_says_nothing():
    stage = watched(3)
    for i in range(3):
        packet = stage.only(stage.put(VALUES[i], stage.names[i]))
        stage.get("/26250/0/%d" % i, bytes((i,)), 1, None)
        eq(stage.rst(packet), [])
    stage.quiet(50)
    # ... and one to the last notification of those that the device has ended
    stage = Stage()
    for i in range(3):
        stage.observe("/26250/0/%d" % i, bytes((i,)), None)
    stage.client.remove(stage.probe)
    sent = stage.step()
    while sent:
        packet = sent.pop(0)
        if packet.code == POST:
            sent += stage.far.reply(packet, CHANGED)
        else:
            eq(packet.code, NOT_FOUND)
            sent += stage.rst(packet)
        sent += stage.step()
    stage.quiet(50)
    eq(stage.bench.events, ["registered", "updated"])


def test_f_19_composites_count_like_others():
    stage = Stage()
    for i in range(3):
        stage.fetch(["/26250/0/%d" % i], bytes((i,)))
    stage.names = ("count", "level", "on")
    for i in range(3):
        sent = reset(stage, i)
    eq([packet.path() for packet in sent + stage.step()], [b"/rd"])
