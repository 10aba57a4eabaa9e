"""Reads that handlers postpone, composite ones too: the answer is encoded when the value is there
(docs/cases.md).
"""

from bench import Bench
from testing import eq, raises
from wire import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    FETCH,
    GET,
    OBSERVE,
    POST,
    SENML_JSON,
    TEXT,
    encode,
    segments,
)

from lwm2m.errors import Lwm2mError
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.types import FLOAT, STR, E, R

SLOW = "/26280/0"


class Slow(Object):
    """Two values that have to be measured first."""

    OID = 26280
    RESOURCES = (
        0, FLOAT | R, "level",
        1, FLOAT | R, "weight",
        2, STR | R, "name",
        3, E, "run",
    )  # fmt: skip
    name = "slow"
    response = failure = None

    def __init__(self):
        super().__init__()
        self.values = {}
        self.responses = []

    def read(self, rid, name):
        if rid > 1:
            return super().read(rid, name)
        if self.failure:
            raise self.failure
        if rid not in self.values:
            self.responses.append(self.client.defer())
        return self.values.get(rid)

    def run(self, args=None):
        self.responses.append(self.client.defer())


def made(**terms):
    bench = Bench(**terms)
    bench.client.add_format(SenmlJson())
    bench.client.add(Device(manufacturer="Acme"))
    bench.slow = bench.client.add(Slow())
    return bench.registered()


def asked(bench, code, options, payload=b"", mid=7):
    """Send a request whose answer comes later; it is acknowledged."""
    datagram = encode(CON, code, mid, b"tok", options, payload)
    for _ in range(2):  # and so is a repetition
        sent = bench.far.send(datagram)
        eq([(p.type, p.code, p.mid, p.payload) for p in sent], [(ACK, 0, mid, b"")])


def fetched(bench, *paths, **more):
    payload = "[" + ",".join(['{"n":"%s"}' % path for path in paths]) + "]"
    options = [(CONTENT_FORMAT, SENML_JSON)]
    if more.get("observe"):
        options = [(OBSERVE, 0)] + options
    asked(bench, FETCH, options, payload.encode())


def separate(bench):
    """The separate response that is sent next; it is acknowledged."""
    bench.client.step()
    (packet,) = bench.far.take()
    eq((packet.type, packet.token), (CON, b"tok"))
    bench.far.send(encode(ACK, 0, packet.mid))
    return packet


def test_f_22_a_composite_read_may_be_postponed():
    bench = made()
    fetched(bench, SLOW, "/3/0/0")
    (response, again) = bench.slow.responses[:2]
    assert response is again, "two responses to one request"
    bench.slow.values = {0: 1.5, 1: 70.0}
    response.read()
    packet = separate(bench)
    eq((packet.code, packet.uint(CONTENT_FORMAT)), (CONTENT, SENML_JSON))
    whole = bench.ask(FETCH, "/", b'[{"n":"/26280/0"},{"n":"/3/0/0"}]', format=SENML_JSON)
    eq(packet.payload, whole.payload)
    assert b"70" in packet.payload and b"Acme" in packet.payload
    eq((response.done, bench.registration.exchange.separate), (True, []))


def test_f_22_a_read_that_is_not_ready_is_postponed_once_more():
    bench = made()
    fetched(bench, SLOW)
    response = bench.slow.responses[0]
    for value in (0, 1):
        response.read()
        bench.client.step()
        eq(bench.far.take(), [])
        assert bench.slow.responses[-1] is response
        bench.slow.values[value] = 1.0
    response.read()
    eq(separate(bench).code, CONTENT)


def test_f_22_single_reads_of_every_level():
    for path, accept in ((SLOW + "/0", TEXT), (SLOW, SENML_JSON), ("/26280", SENML_JSON)):
        bench = made()
        asked(bench, GET, segments(path) + [(ACCEPT, accept)])
        bench.slow.values = {0: 1.5, 1: 70.0}
        bench.slow.responses[0].read()
        packet = separate(bench)
        eq((packet.code, packet.uint(CONTENT_FORMAT)), (CONTENT, accept))
        eq(packet.payload, bench.ask(GET, path, accept=accept).payload)


def test_f_22_an_observe_that_is_postponed_begins_with_its_answer():
    for composite in (False, True):
        bench = made()
        if composite:
            fetched(bench, SLOW, observe=True)
        else:
            asked(bench, GET, [(OBSERVE, 0)] + segments(SLOW + "/0") + [(ACCEPT, TEXT)])
        reporting = bench.registration.reporting
        eq(len(reporting.observations), 0)
        bench.slow.values = {0: 1.5, 1: 70.0}
        bench.slow.responses[0].read()
        packet = separate(bench)
        eq(packet.code, CONTENT)
        assert packet.uint(OBSERVE) >= 0
        eq(len(reporting.observations), 1)
        bench.slow.values[0] = 2.5
        bench.slow.changed(0)
        bench.client.step()
        (notification,) = bench.far.take()
        eq(notification.token, b"tok")
        assert b"2.5" in notification.payload


def test_f_22_paths_that_came_in_blocks_are_kept():
    bench = made()
    names = ["/3/0/0", "/3/0/16", SLOW + "/0", SLOW + "/1", SLOW + "/2"]
    payload = ("[" + ",".join(['{"n":"%s"}' % name for name in names]) + "]").encode()
    for at in range(0, len(payload), 16):
        more = at + 16 < len(payload)
        block = at // 16 << 4 | (8 if more else 0)
        options = [(CONTENT_FORMAT, SENML_JSON), (BLOCK1, block)]
        datagram = encode(CON, FETCH, 100 + at, b"tok", options, payload[at : at + 16])
        (answer,) = bench.far.send(datagram)
    eq((answer.type, answer.code), (ACK, 0))
    bench.ask(GET, "/3/0/0", accept=TEXT)
    bench.slow.values = {0: 1.5, 1: 70.0}
    bench.slow.responses[0].read()
    packet = separate(bench)
    assert b"Acme" in packet.payload and b"slow" in packet.payload, packet.payload


def test_f_22_a_long_answer_comes_in_blocks():
    bench = made(mtu=128)
    bench.slow.name = "x" * 300
    fetched(bench, SLOW)
    bench.slow.values = {0: 1.5, 1: 70.0}
    bench.slow.responses[0].read()
    packet = separate(bench)
    eq((packet.code, packet.uint(BLOCK2) & 0xF8), (CONTENT, 8))
    size = packet.uint(BLOCK2) & 7
    whole = packet.payload
    number = 0
    while packet.uint(BLOCK2) & 8:
        number += 1
        options = [(BLOCK2, number << 4 | size)]
        packet = bench.ask(FETCH, "/", accept=SENML_JSON, options=options)
        whole += packet.payload
    assert b"x" * 300 in whole and whole.endswith(b"]")


def test_f_22_a_read_that_fails_later_is_an_error():
    for failure, code in (
        (Lwm2mError(0x83), 0x83),
        (MemoryError(), 0xA3),
        (ValueError("x"), 0xA0),
    ):
        bench = made()
        asked(bench, GET, segments(SLOW + "/0") + [(ACCEPT, TEXT)])
        bench.slow.failure = failure
        bench.slow.responses[0].read()
        packet = separate(bench)
        eq((packet.code, packet.payload, packet.options), (code, b"", []))


def test_f_22_only_reads_are_carried_out_anew():
    bench = made()
    asked(bench, POST, segments(SLOW + "/3"))
    raises(RuntimeError, bench.slow.responses[0].read)
    bench.slow.responses[0].answer()
    eq(separate(bench).code, CHANGED)


def test_f_22_a_retransmission_is_the_same_message():
    bench = made()
    asked(bench, GET, segments(SLOW + "/0") + [(ACCEPT, TEXT)])
    bench.slow.values = {0: 1.5}
    bench.slow.responses[0].read()
    bench.client.step()
    (first,) = bench.far.take()
    bench.slow.values = {0: 2.5}
    again = [packet for _, packet in bench.watch(4)]
    eq([(p.mid, p.payload) for p in again], [(first.mid, b"1.5")])
