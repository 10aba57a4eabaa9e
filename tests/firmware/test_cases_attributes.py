"""What an application can ask of information reporting: attributes that the device sets itself,
confirmable by default, and what has become of the last notification; and a server's own write."""

from bench import ScriptedServer
from reporting_bench import (
    COUNT,
    FOREVER,
    INSTANCE,
    LEVEL,
    LOCATION,
    OBJECT,
    Stage,
    discovered,
    notifications,
    queries,
    write,
)
from testing import eq
from wire import (
    ACK,
    CHANGED,
    CON,
    CONTENT_FORMAT,
    CREATED,
    NON,
    PUT,
    SENML_JSON,
    TEXT,
    TLV,
    encode,
    segments,
)

from lwm2m.reporting.assign import assign
from lwm2m.store import Store

NOT_FOUND = 0x84
ON = "/26250/0/2"

# The last notification, and what becomes of it


def ended(stage):
    """Let a value that is observed go: the last notification."""
    stage.observe(LEVEL)
    stage.client.on_notification = lambda status, o: stage.statuses.append((status, o.code))
    packet = stage.only(stage.put(None))
    eq((packet.type, packet.code), (CON, NOT_FOUND))
    eq(stage.statuses, [("cancelled", NOT_FOUND)])
    stage.statuses.clear()
    return packet


def test_the_last_notification_has_arrived_or_has_not():
    stage = Stage()
    stage.ack(ended(stage))
    eq(stage.statuses, [("acknowledged", NOT_FOUND)])
    stage = Stage()
    stage.rst(ended(stage))
    eq(stage.statuses, [("rejected", NOT_FOUND)])
    stage = Stage()
    ended(stage)
    stage.bench.watch(100)
    eq(stage.statuses, [("timed_out", NOT_FOUND)])
    eq(stage.client.registered, True)


def test_a_last_notification_that_never_leaves_is_dropped():
    for end in (lambda client: client.reconnect(), lambda client: client.deregister(False)):
        stage = Stage()
        stage.observe(LEVEL)
        stage.client.offline()
        eq(stage.put(None), [])
        end(stage.client)
        stage.client.online()
        for packet in stage.step():
            stage.far.reply(packet, CREATED, LOCATION)
        eq(stage.statuses, [("cancelled", LEVEL), ("dropped", LEVEL)])


# Attributes that the device sets itself


def test_attributes_of_the_device_are_in_force_and_discovered():
    stage = Stage()
    assign(stage.client, LEVEL, pmin=10, gt=25.5)
    assign(stage.client, OBJECT, pmax=50, con=True)
    stage.observe(LEVEL)
    eq(stage.put(26.0, ms=1000), [])
    eq(notifications(stage, 65), [(9, b"tk", CON, b"26.0"), (59, b"tk", CON, b"26.0")])
    eq(discovered(stage, LEVEL), "</26250/0/1>;pmin=10;pmax=50;gt=25.5;con=1")
    assert "</26250/0/1>;pmin=10;gt=25.5," in discovered(stage, INSTANCE)
    # A server has the last word.
    write(stage, LEVEL, "pmin=2&gt")
    stage.told(stage.put(27.0, ms=2000), b"27.0", CON)


def test_attributes_of_the_device_change_what_is_observed_already():
    stage = Stage()
    stage.observe(LEVEL)
    assign(stage.client, INSTANCE, con=1)
    packet = stage.only(stage.put(21.0))
    eq(packet.type, CON)
    stage.ack(packet)
    assign(stage.client, INSTANCE, con=None)
    eq(stage.only(stage.put(22.0)).type, NON)
    eq(stage.registration.attributes, {(26250, 0): {}})


def test_attributes_of_the_device_are_for_one_server_or_for_all():
    stage = Stage(register=False)
    second = ScriptedServer(stage.bench)
    stage.bench.add_server(second, lifetime_s=FOREVER)
    assign(stage.client, "/", con=1, ssid=2)
    assign(stage.client, COUNT, pmin=5)
    one, two = stage.client.registrations
    eq(one.attributes, {(26250, 0, 0): {"pmin": 5}})
    eq(two.attributes, {(26250, 0, 0): {"pmin": 5}, (): {"con": 1}})


def test_confirmable_by_default_where_no_con_is_written():
    for path, accept in ((LEVEL, TEXT), (INSTANCE, TLV), (OBJECT, SENML_JSON)):
        for query in ("", "pmax=1000"):
            stage = Stage()
            assign(stage.client, "/", con=1)
            stage.observe(path, accept=accept, options=queries(query))
            eq(stage.only(stage.put(21.0)).type, CON)
    stage = Stage()
    assign(stage.client, "/", con=1)
    stage.fetch([LEVEL, COUNT])
    eq(stage.only(stage.put(21.0)).type, CON)
    stage = Stage()
    assign(stage.client, "/", con=1)
    stage.observe(LEVEL, options=queries("con=0"))
    eq(stage.only(stage.put(21.0)).type, NON)
    write(stage, OBJECT, "con=0")
    stage.observe(COUNT, b"b")
    eq(stage.only(stage.put(7, "count")).type, NON)


def test_attributes_of_the_device_that_cannot_be():
    stage = Stage()
    write(stage, LEVEL, "lt=10")
    before = dict(stage.registration.attributes)
    for path, more in (
        (LEVEL, {"gt": 5}),
        (LEVEL, {"gt": 20, "st": 6}),
        (LEVEL, {"pmin": -1}),
        (LEVEL, {"con": 2}),
        (LEVEL, {"dim": 2}),
        (LEVEL, {"gt": 1e400}),
        (ON, {"gt": 2}),
        (INSTANCE, {"gt": 2}),
        ("/", {"lt": 2}),
        ("/26250/0/99", {"pmin": 2}),
        ("/26250/9/0", {"pmin": 2}),
        ("26250", {"pmin": 2}),
        ("", {"pmin": 2}),
        (LEVEL, {"pmin": 2, "ssid": 7}),
    ):
        try:
            assign(stage.client, path, **more)
        except ValueError:
            pass
        else:
            raise AssertionError((path, more))
        eq(stage.registration.attributes, before)


class Disk(Store):
    """A Store whose file is in memory."""

    text = {}  # noqa: RUF012 - shared on purpose

    def load(self):
        return self.text

    def write(self, kept):
        Disk.text = kept


def restarted():
    """A device that sets attributes and then restores what was kept."""
    stage = Stage()
    assign(stage.client, "/", con=1)
    assign(stage.client, LEVEL, pmin=10)
    assign(stage.client, COUNT, pmax=60)
    Disk("").restore(stage.client)
    return stage


def test_what_a_server_has_written_outlives_a_restart_of_a_device_that_sets_its_own():
    Disk.text = {}
    stage = restarted()
    write(stage, LEVEL, "pmin=3")
    write(stage, COUNT, "pmax")
    wanted = {(): {"con": 1}, (26250, 0, 1): {"pmin": 3}, (26250, 0, 0): {}}
    for _ in range(2):
        stage = restarted()
        eq(stage.registration.attributes, wanted)
        assign(stage.client, INSTANCE, pmax=99)
        wanted[(26250, 0)] = {"pmax": 99}
    eq(restarted().registration.attributes, wanted)


# A server and its own write


def test_f_24_a_server_is_notified_of_its_own_write():
    stage = Stage()
    stage.observe(LEVEL)
    options = segments(LEVEL) + [(CONTENT_FORMAT, TEXT)]
    answer, notification = stage.far.send(encode(CON, PUT, 9, b"w", options, b"25.5"))
    eq((answer.type, answer.code), (ACK, CHANGED))
    stage.told([notification], b"25.5")
    stage.quiet(60)
