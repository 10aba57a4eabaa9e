"""The bench of the tests of information reporting: an object with a resource of each type, a
server that observes it, and scripts of a line.

A series is a text such as "0:20 3:26 5:?pmin=2 60:.": at 0 s the value is 20, at 3 s 26; at 5 s
the server writes an attribute; the script ends at 60 s (else 40 s after its last time).

    3:26          the resource that is observed is set, and said to have changed
    3:~26         it is set and nobody says so
    3:count=5     another resource of the same instance is set, with 1.count=5 of instance 1
    3:?gt=25      Write-Attributes for what is observed, 2.04; `?gt` unsets; "&" between several
    3:!gt=25      the same, and it is refused with 4.00

Attributes have a prefix when they are not for the path that is observed: o. for the object, i. the
instance, r. the resource, x. another instance, a. and b. the paths of a composite observation,
q. the Observe request itself, s. the resources pmin, pmax, storing of the Server object.
"""

import json

from bench import Bench, ScriptedServer
from testing import eq
from wire import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    FETCH,
    GET,
    LINK,
    LOCATION_PATH,
    NON,
    OBSERVE,
    OCTETS,
    POST,
    PUT,
    RST,
    TEXT,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.objects.access_control import READ, Access, AccessControl
from lwm2m.objects.base import Object
from lwm2m.types import BOOL, FLOAT, INT, MULTI, OPAQUE, RW, STR, TIME, UINT

SENML_JSON = 110
SENML_CBOR = 112
FOREVER = 500000000
QUIET_S = 40


class Probe(Object):
    OID = 26250
    RESOURCES = (
        0,
        INT | RW,
        "count",
        1,
        FLOAT | RW,
        "level",
        2,
        BOOL | RW,
        "on",
        3,
        STR | RW,
        "text",
        4,
        TIME | RW,
        "since",
        5,
        OPAQUE | RW,
        "raw",
        6,
        INT | RW | MULTI,
        "list",
        7,
        UINT | RW,
        "total",
        8,
        FLOAT | RW | MULTI,
        "levels",
    )
    count = 0
    level = 0.0
    on = False
    text = "a"
    since = 1700000000
    raw = b"ab"
    total = 0

    def __init__(self, **values):
        self.list = {0: 1, 1: 2}
        self.levels = {0: 1.0, 1: 2.0}
        super().__init__(**values)

    def put(self, name, value):
        """Set a value and say so."""
        setattr(self, name, value)
        self.changed(self.rid(name))

    def rid(self, name):
        return self.RESOURCES[self.RESOURCES.index(name) - 2]


NAMES = ("count", "level", "on", "text", "since", "raw", "list", "total", "levels")


def value_of(name, text):
    """The value that a script writes as `text`."""
    if name == "level":
        return float(text)
    if name == "on":
        return text == "1"
    if name == "text":
        return text
    if name == "raw":
        return text.encode()
    if name in ("list", "levels"):
        kind = float if name == "levels" else int
        parts = text.split(",") if text else []
        return {i: kind(parts[i]) for i in range(len(parts))}
    return int(text)


def records(payload):
    """{path: value} of a pack in SenML JSON, read by another parser than ours."""
    found = {}
    base = ""
    for record in json.loads(payload):
        base = record.get("bn", base)
        for key in ("v", "vs", "vb", "vd", "vlo"):
            if key in record:
                found[base + record.get("n", "")] = record[key]
    return found


def milliseconds(text):
    whole, _, part = text.partition(".")
    return int(whole) * 1000 + int((part + "000")[:3])


def items(text):
    """[(ms, what)] of a series."""
    found = []
    for item in text.split():
        at, _, what = item.partition(":")
        found.append((milliseconds(at), what))
    return found


class Scene:
    """A registered client with two Probes, whose server observes `path`, or a composite of those
    in a list."""

    def __init__(self, path, attributes="", first=None, format=None, bench=None):
        self.bench = bench or Bench(lifetime_s=FOREVER)
        client = self.bench.client
        client.add_format(SenmlJson())
        client.add_format(SenmlCbor())
        self.probes = (client.add(Probe(iid=0)), client.add(Probe(iid=1)))
        self.bench.registered()
        self.path = path
        self.main = path if isinstance(path, str) else path[0]
        ids = [int(part) for part in self.main.split("/") if part]
        self.name = NAMES[ids[2]] if len(ids) > 2 else "level"
        self.riid = ids[3] if len(ids) > 3 else None
        self.format = format
        if format is None:
            plain = len(ids) == 3 and self.name not in ("list", "levels") or len(ids) == 4
            self.format = (OCTETS if self.name == "raw" else TEXT) if plain else SENML_JSON
            if not isinstance(path, str):
                self.format = SENML_JSON
        if first is not None:
            setattr(self.probes[0], self.name, value_of(self.name, first))
        self.token = b""
        self.seen = []
        self.own = []
        for token in attributes.split():
            if token.startswith("q."):
                self.own.append((URI_QUERY, token[2:].encode()))
            else:
                self.attribute(token)
        self.t0 = self.bench.now_ms()

    def place(self, prefix):
        probe = "/26250"
        if prefix == "o":
            return probe
        if prefix == "i":
            return probe + "/0"
        if prefix == "r":
            return probe + "/0/%d" % NAMES.index(self.name)
        if prefix == "x":
            return probe + "/1"
        if prefix in ("a", "b"):
            return self.path[0 if prefix == "a" else 1]
        return self.main

    def attribute(self, text, code=CHANGED):
        prefix, dot, rest = text.partition(".")
        if len(prefix) != 1 or not dot:
            prefix, rest = "", text
        if prefix == "s":
            name, _, value = rest.partition("=")
            rid = {"pmin": 2, "pmax": 3, "storing": 6}[name]
            answer = self.ask(PUT, "/1/0/%d" % rid, value.encode(), format=TEXT)
        else:
            options = [(URI_QUERY, part.encode()) for part in rest.split("&")]
            answer = self.ask(PUT, self.place(prefix), options=options)
        eq((text, hex(answer.code)), (text, hex(code)))

    def ask(self, code, path, payload=b"", format=-1, options=(), accept=-1):
        """What ScriptedServer.ask does, while notifications may leave at the same time."""
        far = self.bench.far
        far.mid += 1
        mid = far.mid
        options = segments(path) + list(options)
        if format >= 0:
            options.append((CONTENT_FORMAT, format))
        if accept >= 0:
            options.append((ACCEPT, accept))
        token = bytes((mid & 255, 0xA6, mid >> 8))
        answer = None
        for packet in far.send(encode(CON, code, mid, token, options, payload)):
            if packet.type == ACK and packet.mid == mid:
                eq((answer, packet.token), (None, token))
                answer = packet
            else:
                self.note(packet)
        assert answer, "no answer"
        return answer

    def observe(self, code=CONTENT, format=None):
        """Let the server observe: the answer."""
        options = [(OBSERVE, 0)] + self.own
        if isinstance(self.path, str):
            answer = self.ask(GET, self.path, options=options, accept=format or self.format)
        else:
            paths = json.dumps([{"n": path} for path in self.path]).encode()
            answer = self.ask(FETCH, "/", paths, SENML_JSON, options, SENML_JSON)
        eq(hex(answer.code), hex(code))
        if code == CONTENT:
            assert answer.uint(OBSERVE) >= 0, "not observed"
            self.token = answer.token
        return answer

    def note(self, packet):
        """Take a notification, and acknowledge it."""
        eq((packet.code, packet.token), (CONTENT, self.token))
        assert packet.uint(OBSERVE) >= 0
        eq(packet.uint(CONTENT_FORMAT), self.format)
        ms = self.bench.now_ms() - self.t0
        self.seen.append((ms, self.read(packet.payload), "!" if packet.type == CON else ""))
        if packet.type == CON:
            eq(self.bench.far.send(encode(ACK, 0, packet.mid)), [])
        else:
            eq(packet.type, NON)

    def read(self, payload):
        """The value of the resource in question in a payload."""
        if self.format == OCTETS:
            return payload
        if self.format == TEXT:
            text = payload.decode()
            return value_of(self.name, text) if self.riid is None else int(text)
        found = records(payload)
        rid = NAMES.index(self.name)
        place = "/26250/0/%d" % rid
        if self.name in ("list", "levels"):
            return {
                int(path[len(place) + 1 :]): found[path]
                for path in found
                if path.startswith(place + "/")
            }
        return found[place]

    def step(self):
        due = self.bench.client.step()
        for packet in self.bench.far.take():
            self.note(packet)
        return due

    def reach(self, ms, nervous=0):
        """Let time pass as a driver would, until `ms` after the Observe; `nervous`: step at least
        that often, in milliseconds."""
        steps = 0
        while True:
            due = self.step()
            left = self.t0 + ms - self.bench.now_ms()
            if not left:
                return
            if nervous:
                due = min(due, nervous)
            self.bench.clock.advance(min(due, left))
            steps += 1
            assert steps < 100000, "the client never rests"

    def act(self, what):
        """Do what a series says."""
        if what == ".":
            return
        if what[0] == "?":
            self.attribute(what[1:])
            return
        if what[0] == "!":
            self.attribute(what[1:], 0x80)
            return
        silent = what[0] == "~"
        if silent:
            what = what[1:]
        name, equals, text = what.partition("=")
        probe = self.probes[0]
        if not equals:
            name, text = self.name, what
        elif name[:2] == "1.":
            name = name[2:]
            probe = self.probes[1]
        value = value_of(name, text)
        if silent:
            setattr(probe, name, value)
        else:
            probe.put(name, value)

    def play(self, series, nervous=0):
        """Carry out a series after its first item, which `first` has been."""
        script = items(series)
        for ms, what in script[1:]:
            # time passes to just before, so that what is due then comes of its own
            self.reach(ms, nervous)
            self.act(what)
            self.step()
        if script[-1][1] != ".":
            self.reach(script[-1][0] + QUIET_S * 1000, nervous)
        return self.seen


def run(path, line, nervous=0):
    """What a line of a table leads to, [(ms, value, "!" if confirmable)], and what is expected."""
    attributes, series, expected = line
    scene = Scene(path, attributes, items(series)[0][1])
    scene.observe()
    script = items(series)
    wanted = []
    for ms, text in items(expected):
        mark = "!" if text.endswith("!") else ""
        if mark:
            text = text[:-1]
        value = int(text) if scene.riid is not None else value_of(scene.name, text)
        wanted.append((ms, value, mark))
    assert not wanted or script[-1][1] != "." or wanted[-1][0] <= script[-1][0], line
    if script[-1][1] != "." and wanted and wanted[-1][0] > script[-1][0]:
        series += " %d:." % (wanted[-1][0] // 1000 + QUIET_S)
    return scene.play(series, nervous), wanted


def check(path, table, nervous=0):
    """Run all lines of a table, and say which of them are not as expected."""
    wrong = []
    for line in table:
        try:
            got, wanted = run(path, line, nervous)
            if got != wanted:
                wrong.append("%r\n    got %r" % (line, got))
        except AssertionError as e:
            wrong.append("%r\n    %s" % (line, e))
    assert not wrong, "%d of %d lines\n  %s" % (len(wrong), len(table), "\n  ".join(wrong))


# What tests of notifications share

OBJECT = "/26250"
INSTANCE = "/26250/0"
LEVEL = "/26250/0/1"
COUNT = "/26250/0/0"
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
FORGOTTEN = 0x84
UNAUTHORIZED = 0x81


def name_of(observation):
    paths = observation.paths() or [observation.path]
    return ",".join("/" + "/".join(str(i) for i in path) for path in paths)


class Stage:
    """A client with two Probes and its server, both sides written down: `statuses` what the
    application is told."""

    def __init__(self, register=True, storing=False, lifetime_s=FOREVER, **more):
        self.bench = Bench(lifetime_s=lifetime_s, storing=storing, **more)
        self.client = self.bench.client
        self.far = self.bench.far
        self.client.add_format(SenmlJson())
        self.client.add_format(SenmlCbor())
        self.statuses = []
        self.client.on_notification = self.note_status
        self.probe = self.client.add(Probe(iid=0))
        self.other = self.client.add(Probe(iid=1))
        self.probe.level = self.other.level = 20.0
        self.registration = self.bench.registration
        if register:
            self.bench.registered()

    def note_status(self, status, observation):
        self.statuses.append((status, name_of(observation)))

    @property
    def observed(self):
        reporting = self.registration.reporting
        return [name_of(o) for o in reporting.observations] if reporting else []

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


def guarded():
    """Two servers; the rights of the second on /26250/0 are in the returned instance."""
    stage = Stage(register=False)
    second = ScriptedServer(stage.bench)
    stage.bench.add_server(second, lifetime_s=FOREVER)
    acl = stage.client.add(AccessControl(target_oid=26250, target_iid=0, owner=1, acl={2: READ}))
    stage.client.add(AccessControl(target_oid=26250, target_iid=1, owner=1, acl={2: READ}))
    stage.client.access = Access()
    stage.client.step()
    for far in (stage.far, second):
        eq(far.reply(stage.only(far.take()), CREATED, LOCATION), [])
    return stage, acl, second


def queries(text):
    return [(URI_QUERY, part.encode()) for part in text.split("&") if part]


def write(stage, path, attributes, far=None):
    """Write-Attributes, "pmin=1&gt=5"; it is done."""
    answer = (far or stage.far).ask(PUT, path, options=queries(attributes))
    eq((path, attributes, answer.code), (path, attributes, CHANGED))


def notifications(stage, seconds, far=None):
    """[(s, token, type, payload)] of the notifications of a while; confirmable ones are
    acknowledged, requests of the device are not answered."""
    far = far or stage.far
    t0 = stage.bench.now_ms()
    found = []

    def note(packet):
        if packet.code >= 64:
            s = (stage.bench.now_ms() - t0) // 1000
            found.append((s, packet.token, packet.type, packet.payload))
            if packet.type == CON:
                far.send(encode(ACK, 0, packet.mid))

    stage.bench.watch(seconds, far=far, answer=note)
    return found


def discovered(stage, path):
    answer = stage.far.ask(GET, path, accept=LINK)
    eq(answer.code, CONTENT)
    return answer.payload.decode()
