"""Texts of refusals (RFC 7252 §5.5.2): they name what was asked for, and why (docs/cases.md)."""

from bench import Bench
from testing import eq
from wire import (
    BLOCK1,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    DELETE,
    FETCH,
    GET,
    IPATCH,
    LINK,
    OBSERVE,
    POST,
    PUT,
    SENML_JSON,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.errors import Lwm2mError
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.test_object import TestObject
from lwm2m.types import BOOL, FLOAT, INT, MANDATORY, MULTI, OBJLNK, RW, STR, E, R

BAD_REQUEST, UNAUTHORIZED, BAD_OPTION, NOT_FOUND, NOT_ALLOWED = 0x80, 0x81, 0x82, 0x84, 0x85
NOT_ACCEPTABLE, INCOMPLETE, TOO_LARGE, UNSUPPORTED_FORMAT, INTERNAL = 0x86, 0x88, 0x8D, 0x8F, 0xA0


class Valve(Object):
    OID = 26270
    RESOURCES = (
        0, STR | RW | MANDATORY, "name",
        1, INT | RW, "level",
        2, FLOAT | R, "flow",
        3, E, "flush",
        4, BOOL | RW, "open",
        5, OBJLNK | RW, "link",
        6, INT | RW | MULTI, "levels",
    )  # fmt: skip
    name = "valve"
    level = 5
    flow = 1.5
    open = True
    link = (65535, 65535)
    failure = None

    def __init__(self, **values):
        self.levels = {0: 1}
        super().__init__(**values)

    def check(self, rid, value):
        if rid == 1 and value == 66:
            raise Lwm2mError(BAD_REQUEST)
        if rid == 1 and value == 67:
            raise Lwm2mError(BAD_REQUEST, "67 is too high: 0 to 60 ü")

    def flush(self, args=None):
        raise self.failure


def made(**terms):
    bench = Bench(**terms)
    bench.client.add_format(SenmlJson())
    bench.client.add(Device(manufacturer="Acme"))
    bench.client.add(TestObject())
    bench.valve = bench.client.add(Valve())
    bench.client.allow_create(Valve)
    return bench.registered()


def answer_to(bench, method, path, payload=b"", **more):
    """(code, text) of a refusal; it has no options, and so no Content-Format."""
    answer = bench.ask(method, path, payload, **more)
    eq(answer.options, [])
    return answer.code, str(answer.payload, "utf-8")


V = "/26270/0"


def test_f_21_a_refusal_names_what_was_asked_for_and_why():
    bench = made()
    for method, path, payload, more, expected in (
        (GET, "/9/0", b"", {}, (NOT_FOUND, "/9/0: not here")),
        (GET, V + "/77", b"", {}, (NOT_FOUND, V + "/77: not here")),
        (GET, V + "/3", b"", {}, (NOT_ALLOWED, V + "/3: cannot be done with it")),
        (GET, "/0/0/1", b"", {}, (UNAUTHORIZED, "/0/0/1: no right to it")),
        (GET, V, b"", {"accept": 60}, (NOT_ACCEPTABLE, V + ": no content format 60")),
        (
            PUT,
            V + "/1",
            b"5",
            {"format": 60},
            (UNSUPPORTED_FORMAT, V + "/1: no content format 60"),
        ),
        (PUT, V + "/2", b"5", {"format": TEXT}, (NOT_ALLOWED, V + "/2: cannot be done with it")),
        (DELETE, "/3/0", b"", {}, (NOT_ALLOWED, "/3/0: cannot be done with it")),
        (GET, "/well-known", b"", {}, (NOT_FOUND, "not here")),
        (GET, V, b"", {"options": [(9, b"")]}, (BAD_OPTION, V + ": option 9")),
        (GET, V, b"", {"options": [(35, b"x")]}, (0xA5, V + ": no proxy")),
        (GET, "/", b"", {}, (NOT_ALLOWED, "/: cannot be done with it")),
    ):
        eq(answer_to(bench, method, path, payload, **more), expected)


def test_f_21_a_refused_write_names_the_resource():
    bench = made()
    json = {"format": SENML_JSON}
    for rid, value, expected in (
        ("1", '"vs":"x"', (BAD_REQUEST, V + "/1: takes an integer")),
        ("4", '"v":1', (BAD_REQUEST, V + "/4: takes a boolean")),
        ("6", '"v":1', (BAD_REQUEST, V + "/6: takes an integer in each of its instances")),
        ("6/1", '"vb":true', (BAD_REQUEST, V + "/6: takes an integer in each of its instances")),
        ("2", '"v":1', (NOT_ALLOWED, V + "/2: not writable")),
        ("5", '"vlo":"9:9"', (BAD_REQUEST, V + "/5: not a possible value")),
        ("1", '"v":66', (BAD_REQUEST, V + "/1: not a possible value")),
        ("1", '"v":67', (BAD_REQUEST, "67 is too high: 0 to 60 ü")),
    ):
        record = '{"n":"%s","vs":"n"},{"n":"%s",%s}]' % (V + "/0", V + "/" + rid, value)
        payload = ("[" + record).encode()
        eq(answer_to(bench, POST, V, payload, **json), expected)
        eq(answer_to(bench, IPATCH, "/", payload, **json), expected)
        if expected[1] != V + "/2: not writable":  # a Create passes over it
            payload = payload.replace(b"/26270/0", b"/26270/7")
            code, text = answer_to(bench, POST, "/26270", payload, **json)
            eq((code, text.replace("/-/", "/0/").replace("/7/", "/0/")), expected)
    eq((bench.valve.name, bench.valve.level), ("valve", 5))
    b = b'[{"n":"/26270/0/77","v":1}]'
    eq(answer_to(bench, IPATCH, "/", b, **json), (NOT_FOUND, V + "/77: no such resource"))
    b = b'[{"n":"/26270/0/1","v":1}]'
    eq(answer_to(bench, PUT, V, b, **json), (BAD_REQUEST, V + "/0: mandatory"))
    b = b'[{"n":"/26270/7/1","v":1}]'
    code, text = answer_to(bench, POST, "/26270", b, **json)
    eq((code, text), (BAD_REQUEST, "/26270/-/0: mandatory"))


def test_f_21_attributes_and_depths_are_named():
    bench = made()
    for path, query, accept, expected in (
        (V + "/1", b"con=2", -1, "con: no such attribute or value here"),
        (V + "/1", b"pmni=2", -1, "pmni: no such attribute or value here"),
        (V, b"gt=2", -1, "gt: no such attribute or value here"),
    ):
        options = [(URI_QUERY, query)]
        eq(answer_to(bench, PUT, path, options=options), (BAD_REQUEST, expected))
    options = [(OBSERVE, 0), (URI_QUERY, b"edge=1")]
    eq(
        answer_to(bench, GET, V + "/1", options=options)[1],
        "edge: no such attribute or value here",
    )
    options = [(URI_QUERY, b"depth=9")]
    code, text = answer_to(bench, GET, "/3", accept=LINK, options=options)
    eq((code, text), (BAD_REQUEST, "depth: 0 to 3, with LwM2M 1.2"))
    bench = made(lwm2m="1.1")
    options = [(OBSERVE, 0), (URI_QUERY, b"pmin=1")]
    code, text = answer_to(bench, GET, V + "/1", options=options)
    eq((code, text), (BAD_REQUEST, "attributes in an Observe: with LwM2M 1.2"))


def test_f_21_a_handler_may_give_its_own_text():
    bench = made()
    for failure, expected in (
        (Lwm2mError(0x83, "locked"), (0x83, "locked")),
        (Lwm2mError(0x83), (0x83, V + "/3: refused")),
        (Lwm2mError(), (BAD_REQUEST, V + "/3: malformed, or not a possible value")),
        (ValueError("secret"), (INTERNAL, V + "/3: error in the application")),
        (Lwm2mError(0x83, "€" * 40), (0x83, "€" * 21)),
    ):
        bench.valve.failure = failure
        eq(answer_to(bench, POST, V + "/3"), expected)


def test_f_21_a_text_changes_nothing_of_the_answer():
    bench = made()
    # A repeated request gets the same answer, and Block1 stands before the text.
    datagram = encode(CON, PUT, 7, b"t", segments(V + "/1") + [(CONTENT_FORMAT, TEXT)], b"x")
    for _ in range(3):
        (answer,) = bench.far.send(datagram)
        eq((answer.code, answer.token), (BAD_REQUEST, b"t"))
        eq(answer.payload, b"/26270/0/1: takes an integer")
    # A Read is carried out again, whatever its message id.
    for path in ("/9", "/9/9"):
        (answer,) = bench.far.send(encode(CON, GET, 8, b"t", segments(path)))
        eq(answer.payload, path.encode() + b": not here")
    answer = bench.ask(PUT, V + "/0", b"x" * 16, format=TEXT, options=[(BLOCK1, 0x18)])
    eq((answer.code, answer.uint(BLOCK1)), (INCOMPLETE, 0x10))
    eq(answer.payload, b"/26270/0/0: no such block now")
    # What follows is served as ever.
    eq(bench.ask(PUT, V + "/0", b"x", format=TEXT).code, CHANGED)
    eq(bench.ask(GET, V, accept=TLV).code, CONTENT)
    eq(bench.ask(FETCH, "/", b"[", format=SENML_JSON).payload[:3], b"/: ")


def test_f_21_a_refusal_fits_into_the_smallest_datagram():
    bench = Bench(mtu=128).registered()
    for path in ("/65534/65534/65534", "/65534/65534/65534/65534"):
        answer = bench.ask(GET, path)
        eq((answer.code, answer.payload), (NOT_FOUND, path.encode() + b": not here"))
