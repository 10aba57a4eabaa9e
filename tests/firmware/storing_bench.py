"""The bench of the tests of stored notifications and of Send: a time of day that
follows a clock, a reader of packs, and a device that stores."""

import json
import struct

import lwm2m.reporting.storing as notification_storing
from bench import Bench
from reporting_bench import FOREVER, SENML_JSON, Probe
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
    LOCATION_PATH,
    OBSERVE,
    POST,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson

LEVEL = "/26250/0/1"
COUNT = "/26250/0/0"
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
EPOCH_S = 1767225600

LABELS = {-3: "bt", -2: "bn", 0: "n", 2: "v", 3: "vs", 4: "vb", 6: "t", 8: "vd"}


class Time:
    """In the place of the module `time`: the time of day, which follows a clock."""

    def __init__(self, clock, start_s=EPOCH_S):
        self.clock = clock
        self.start_s = start_s

    def time(self):
        return self.start_s + self.clock.s

    def gmtime(self, s):
        return (1970, 1, 1, 0, 0, 0, 3, 1)


def cbor(b, at=0):
    """(value, where it ends) of one item, as RFC 8949 §3 says."""
    kind = b[at] >> 5
    n = b[at] & 31
    at += 1
    if kind == 7:
        if n in (20, 21):
            return n == 21, at
        size = {25: 2, 26: 4, 27: 8}[n]
        raw = b[at : at + size]
        if size == 2:
            half = raw[0] << 8 | raw[1]
            assert half >> 10 & 31 not in (0, 31) or not half & 0x3FF
            value = (1 + (half & 0x3FF) / 1024) * 2 ** ((half >> 10 & 31) - 15)
            return (0.0 if not half & 0x7FFF else -value if half >> 15 else value), at + 2
        return struct.unpack(">f" if size == 4 else ">d", raw)[0], at + size
    if n > 23:
        size = {24: 1, 25: 2, 26: 4, 27: 8}[n]
        n = int.from_bytes(b[at : at + size], "big")
        at += size
    if kind == 0:
        return n, at
    if kind == 1:
        return -1 - n, at
    if kind in (2, 3):
        raw = bytes(b[at : at + n])
        assert len(raw) == n
        return (raw if kind == 2 else raw.decode()), at + n
    if kind == 4:
        items = []
        for _ in range(n):
            item, at = cbor(b, at)
            items.append(item)
        return items, at
    assert kind == 5, kind
    found = {}
    for _ in range(n):
        key, at = cbor(b, at)
        value, at = cbor(b, at)
        assert key not in found, "twice in a map"
        found[key] = value
    return found, at


def pack(payload, format):
    """[(ms or None, path, value)] of a pack in SenML (RFC 8428 §4): base names and base times
    resolved."""
    if format == SENML_JSON:
        records = json.loads(payload)
    else:
        records, end = cbor(payload)
        eq(end, len(payload))
        records = [{LABELS[key]: record[key] for key in record} for record in records]
    base = ""
    base_time = None
    found = []
    for record in records:
        base = record.get("bn", base)
        base_time = record.get("bt", base_time)
        values = [record[key] for key in ("v", "vs", "vb", "vd") if key in record]
        eq(len(values), 1)
        s = record.get("t", 0) + (base_time or 0)
        ms = None if base_time is None and "t" not in record else int(s * 1000 + 0.5)
        if s < 0:
            ms = -int(-s * 1000 + 0.5)
        found.append((ms, base + record.get("n", ""), values[0]))
    return found


class Stage:
    """A registered client that stores for its server, which observes the level of a Probe."""

    def __init__(self, format=SENML_JSON, own=(), path=LEVEL, mtu=1152, start_s=EPOCH_S):
        self.bench = Bench(lifetime_s=FOREVER, storing=True, mtu=mtu)
        self.client = self.bench.client
        self.far = self.bench.far
        self.client.add_format(SenmlJson())
        self.client.add_format(SenmlCbor())
        notification_storing.time = Time(self.bench.clock, start_s)
        self.statuses = []
        self.client.on_notification = lambda status, observation: self.statuses.append(status)
        self.probe = self.client.add(Probe(iid=0, level=20.0))
        self.path = path
        self.format = format
        self.own = [(URI_QUERY, option) for option in own]
        self.bench.registered()
        self.answer = self.observe()

    def observe(self, token=b"tk"):
        self.far.mid += 1
        options = [(OBSERVE, 0), (ACCEPT, self.format)] + self.own
        payload = b""
        code = GET
        if isinstance(self.path, str):
            options += segments(self.path)
        else:
            code = FETCH
            payload = json.dumps([{"n": path} for path in self.path]).encode()
            options.append((CONTENT_FORMAT, SENML_JSON))
        sent = self.far.send(encode(CON, code, self.far.mid, token, options, payload))
        answer = sent[0]
        eq((answer.code, answer.token), (CONTENT, token))
        assert answer.uint(OBSERVE) >= 0
        self.later = sent[1:]
        return answer

    def away(self, values, seconds=10):
        """Set the values, one every `seconds`, while nothing arrives: [(ms, value)] and all that
        was sent."""
        kept = []
        sent = []
        for value in values:
            self.probe.put("level", value)
            kept.append((EPOCH_S * 1000 + self.bench.now_ms(), LEVEL, value))
            sent += [packet for _, packet in self.bench.watch(seconds)]
        return kept, sent

    def back(self, seconds=700):
        """The server hears us again: every notification from now on, each once."""
        heard = []
        mids = []
        sent = self.later
        self.later = []
        end = self.bench.clock.s + seconds
        while self.bench.clock.s < end:
            due = self.client.step()
            sent += self.far.take()
            if not sent:
                self.bench.clock.advance(min(due, (end - self.bench.clock.s) * 1000))
            for packet in sent:
                if packet.code == POST:
                    code = CREATED if packet.path() == b"/rd" else CHANGED
                    options = LOCATION if code == CREATED else []
                    reply = encode(ACK, code, packet.mid, packet.token, options)
                    self.far.end.send(reply, len(reply))
                    continue
                eq((packet.code, packet.type), (CONTENT, CON))
                if packet.mid not in mids:
                    mids.append(packet.mid)
                    heard.append(packet)
                self.far.end.send(encode(ACK, 0, packet.mid), 4)
            sent = []
        return heard

    def read(self, packets):
        found = []
        for packet in packets:
            eq((packet.token, packet.uint(CONTENT_FORMAT)), (b"tk", self.format))
            assert packet.uint(OBSERVE) >= 0
            found += pack(packet.payload, self.format)
        return found
