"""What other devices, servers and test suites have asked for, by the numbers of docs/cases.md."""

from bench import Bench, ScriptedServer
from testing import eq
from wire import (
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    FETCH,
    GET,
    IPATCH,
    LINK,
    OBSERVE,
    POST,
    PUT,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    URI_PATH,
    URI_QUERY,
    encode,
)

from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson
from lwm2m.objects.access_control import Access, AccessControl
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.test_object import TestObject
from lwm2m.types import INT, MANDATORY, RW, STR, R

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, NOT_ALLOWED = 0x80, 0x81, 0x84, 0x85
CONTINUE, NOT_ACCEPTABLE, INCOMPLETE = 0x5F, 0x86, 0x88
JSON, CBOR, LWM2M_CBOR = 11543, 60, 11544

T = "/3442/0"


def made(**more):
    """A registered client that speaks every format, with objects 3 and 3442."""
    bench = Bench(**more)
    for codec in (Cbor(), Json(), Lwm2mCbor(), SenmlJson(), SenmlCbor()):
        bench.client.add_format(codec)
    bench.client.add_format(SenmlEtchJson())
    bench.client.add_format(SenmlEtchCbor())
    bench.client.add(Device(manufacturer="Acme"))
    bench.thing = bench.client.add(TestObject())
    return bench.registered()


def settle(bench, *fars):
    """Take and accept the Updates that are due."""
    bench.client.step()
    for far in (bench.far,) + fars:
        for request in far.take():
            far.reply(request, CHANGED)


def put(bench, path, payload, format):
    return bench.ask(PUT, path, payload, format=format).code


def text(bench, path):
    answer = bench.ask(GET, path, accept=TEXT)
    eq(answer.code, CONTENT)
    return answer.payload


# F-01


def rest_of(bench, answer, accept, **more):
    """The whole of an answer to a FETCH whose further blocks are asked for without the paths."""
    whole = answer.payload
    count = 1
    while answer.uint(BLOCK2) > 0 and answer.uint(BLOCK2) & 8:
        block = (answer.uint(BLOCK2) >> 4) + 1 << 4 | answer.uint(BLOCK2) & 7
        answer = bench.ask(FETCH, "/", accept=accept, options=[(BLOCK2, block)], **more)
        eq((answer.code, answer.uint(BLOCK2) >> 4), (CONTENT, block >> 4))
        whole += answer.payload
        count += 1
    return whole, count


def paths(*names):
    return ("[" + ",".join('{"n":"%s"}' % name for name in names) + "]").encode()


def whole_answer(payload, accept):
    """The answer in one piece, by a client with room for it."""
    return made(mtu=8192).ask(FETCH, "/", payload, format=SENML_JSON, accept=accept).payload


def test_f_01_further_blocks_of_a_composite_read_need_no_paths():
    for mtu in (256, 576):
        for accept in (SENML_JSON, SENML_CBOR, LWM2M_CBOR):
            bench = made(mtu=mtu)
            payload = paths("/1", T)
            expected = whole_answer(payload, accept)
            for more in ({"format": SENML_JSON}, {}):
                answer = bench.ask(FETCH, "/", payload, format=SENML_JSON, accept=accept)
                whole, count = rest_of(bench, answer, accept, **more)
                assert count > 1 or len(expected) < 512
                eq(whole, expected)


def test_f_01_further_blocks_without_accept_come_in_the_format_of_the_answer():
    bench = made(mtu=256)
    answer = bench.ask(FETCH, "/", paths(T), format=SENML_JSON)
    whole, count = rest_of(bench, answer, -1)
    eq(whole, whole_answer(paths(T), SENML_JSON))
    assert count > 1


def test_f_01_a_fetch_that_came_in_blocks_is_read_on_without_its_paths():
    bench = made(mtu=256)
    payload = paths(*["%s/%d" % (T, rid) for rid in range(110, 190, 10)], "/1", T + "/1110")
    expected = whole_answer(payload, SENML_CBOR)
    for at in range(0, len(payload), 64):
        more = at + 64 < len(payload)
        answer = bench.ask(
            FETCH,
            "/",
            payload[at : at + 64],
            format=SENML_JSON,
            accept=SENML_CBOR,
            options=[(BLOCK1, at // 64 << 4 | (8 if more else 0) | 2), (BLOCK2, 2)],
        )
        eq(answer.code, CONTINUE if more else CONTENT)
    whole, count = rest_of(bench, answer, SENML_CBOR)
    assert count > 1
    eq(whole, expected)


def test_f_01_notifications_of_a_composite_observation_are_read_on_without_paths():
    bench = made(mtu=256)
    payload = paths("/1", T)
    options = [(OBSERVE, 0)]
    answer = bench.ask(FETCH, "/", payload, format=SENML_JSON, options=options)
    assert answer.uint(OBSERVE) > 0
    assert rest_of(bench, answer, -1)[1] > 1
    # Another read in between, in another format
    other = bench.ask(
        FETCH, "/", paths("/1", T + "/1110", T), format=SENML_JSON, accept=SENML_CBOR
    )
    bench.thing.more[110] = "another value"
    bench.thing.changed(110)
    bench.client.step()
    [notification] = bench.far.take()
    eq((notification.code, notification.uint(BLOCK2) >> 4), (CONTENT, 0))
    whole, count = rest_of(bench, notification, SENML_JSON)
    assert count > 1
    assert b"another value" in whole
    assert whole.endswith(b"]")
    assert rest_of(bench, other, SENML_CBOR)[1] > 1


def test_f_01_a_further_block_of_nothing_is_4_08():
    bench = made(mtu=256)
    answer = bench.ask(FETCH, "/", format=SENML_JSON, options=[(BLOCK2, 0x12)])
    eq(answer.code, INCOMPLETE)
    answer = bench.ask(FETCH, "/", paths(T), format=SENML_JSON)
    answer = bench.ask(FETCH, "/", accept=SENML_CBOR, options=[(BLOCK2, 0x12)])
    eq(answer.code, INCOMPLETE)


def test_f_01_each_peer_reads_on_what_it_has_asked_for():
    bench = made(mtu=256)
    far = ScriptedServer(bench)
    bench.add_server(far)
    far.accept_register("/rd/2")
    settle(bench, far)
    one = bench.far.ask(FETCH, "/", paths(T), format=SENML_JSON)
    eq(far.ask(FETCH, "/", format=SENML_JSON, options=[(BLOCK2, 0x13)]).code, INCOMPLETE)
    far.ask(FETCH, "/", paths("/1", T), format=SENML_JSON)
    eq(rest_of(bench, one, -1)[0], whole_answer(paths(T), SENML_JSON))


# F-02


class Note(Object):
    OID = 26243
    RESOURCES = (
        0, STR | RW | MANDATORY, "title",
        1, INT | RW, "colour",
        2, INT | R | MANDATORY, "length",
    )  # fmt: skip
    title = ""
    colour = None

    @property
    def length(self):
        return len(self.title)


def create(bench, payload):
    options = [(URI_PATH, b"26243"), (CONTENT_FORMAT, SENML_JSON)]
    return bench.far.send(encode(CON, POST, 0x777, b"t", options, payload))[0].code


def test_f_02_unknown_resources_of_an_instance_are_ignored():
    bench = made()
    # "text" in 110, and a resource 231 that the object has not
    payload = b"\xc4\x6etext\xc1\xe7\x01"
    for method in (POST, PUT):
        eq(bench.ask(method, T, payload, format=TLV).code, CHANGED)
        eq(text(bench, T + "/110"), b"text")
    b = b'[{"bn":"/3442/0/","n":"110","vs":"json"},{"n":"9999","vb":true},{"n":"9998/1","v":1}]'
    eq(bench.ask(POST, T, b, format=SENML_JSON).code, CHANGED)
    eq(text(bench, T + "/110"), b"json")


def test_f_02_a_create_processes_what_it_can():
    bench = made()
    bench.client.allow_create(Note)
    settle(bench)
    b = b'[{"bn":"/26243/5/","n":"0","vs":"x"},{"n":"2","v":9},{"n":"77","v":1},{"n":"1","v":3}]'
    eq(create(bench, b), CREATED)
    note = bench.client.find(26243, 5)
    eq((note.title, note.colour, note.length), ("x", 3, 1))


def test_f_02_a_create_without_a_mandatory_value_is_4_00():
    bench = made()
    bench.client.allow_create(Note)
    settle(bench)
    for b in (b'[{"bn":"/26243/5/","n":"1","v":3}]', b'[{"bn":"/26243/5/","n":"77","v":3}]'):
        eq(create(bench, b), BAD_REQUEST)
    eq(bench.client.find(26243), None)


def test_f_02_a_write_of_a_read_only_resource_stays_4_05():
    bench = made()
    b = b'[{"bn":"/3442/0/","n":"110","vs":"x"},{"n":"4/0","vs":"y"}]'
    eq(bench.ask(POST, T, b, format=SENML_JSON).code, NOT_ALLOWED)
    eq(text(bench, T + "/110"), b"initial value")
    eq(put(bench, T + "/231", b"1", TEXT), NOT_FOUND)


# F-03, F-23


def links(bench, path):
    answer = bench.ask(GET, path, accept=LINK)
    eq((answer.code, answer.uint(CONTENT_FORMAT)), (CONTENT, LINK))
    return str(answer.payload, "utf-8")


def attribute(far, path, query):
    options = [(URI_QUERY, part.encode()) for part in query.split("&")]
    return far.ask(PUT, path, options=options).code


def test_f_03_discover_shows_assigned_and_inherited_attributes():
    bench = made()
    eq(attribute(bench.far, "/3", "pmin=10"), CHANGED)
    eq(attribute(bench.far, "/3/0", "pmax=60"), CHANGED)
    eq(attribute(bench.far, "/3/0/9", "st=2&gt=80"), CHANGED)
    bench.client.find(3).battery_level = 50
    eq(links(bench, "/3/0/9"), "</3/0/9>;pmin=10;pmax=60;gt=80;st=2")
    whole = links(bench, "/3/0")
    assert whole.startswith("</3/0>;pmin=10;pmax=60,</3/0/0>,"), whole
    assert ",</3/0/9>;gt=80;st=2," in whole, whole
    whole = links(bench, "/3")
    assert whole.startswith("</3>;ver=1.1;pmin=10,</3/0>;pmax=60,</3/0/0>,"), whole
    # The lower one goes before the higher one.
    eq(attribute(bench.far, "/3/0/9", "pmin=1"), CHANGED)
    eq(links(bench, "/3/0/9"), "</3/0/9>;pmin=1;pmax=60;gt=80;st=2")


def test_f_03_discover_shows_dimensions_of_an_object():
    bench = made()
    bench.thing.more[1120] = {5: 1, 2: 2}
    assert "</3442/0/1120>;dim=2," in links(bench, "/3442")
    assert "</3442/0/1120>;dim=2," in links(bench, T)


def test_f_23_ids_ascend():
    bench = made()
    bench.thing.more[1120] = {300: 3, 5: 1, 2: 2}
    path = T + "/1120"
    eq(links(bench, path), "<%s>;dim=3,<%s/2>,<%s/5>,<%s/300>" % (path, path, path, path))
    items = b"\x41\x02\x02\x41\x05\x01\x61\x01\x2c\x03"
    eq(bench.ask(GET, path, accept=TLV).payload, b"\xa8\x04\x60\x0a" + items)
    b = bench.ask(GET, path, accept=SENML_JSON).payload
    eq(b, b'[{"bn":"/3442/0/1120/","n":"2","v":2},{"n":"5","v":1},{"n":"300","v":3}]')
    attribute(bench.far, path, "pmax=9")
    attribute(bench.far, path, "pmin=3")
    assert links(bench, path).startswith("<%s>;dim=3;pmin=3;pmax=9," % path)


def test_f_23_values_of_a_write_are_stored_in_the_order_of_their_ids():
    bench = made()
    order = []

    class Ordered(TestObject):
        def write(self, rid, name, value):
            order.append(rid)
            super().write(rid, name, value)

    bench.client.remove(bench.thing)
    bench.client.add(Ordered())
    settle(bench)
    b = b'[{"bn":"/3442/0/","n":"140","vb":true},{"n":"110","vs":"x"},{"n":"120","v":1}]'
    eq(bench.ask(POST, T, b, format=SENML_JSON).code, CHANGED)
    eq(order, [110, 120, 140])


# F-08


def test_f_08_a_resource_instance_that_is_not_there_is_not_written():
    bench = made()
    path = T + "/1120"
    eq(put(bench, path + "/7", b"5", TEXT), NOT_FOUND)
    b = b'[{"n":"/3442/0/1120/7","v":5}]'
    eq(put(bench, path + "/7", b, SENML_JSON), NOT_FOUND)
    eq(bench.thing.more[1120], {0: 1024})
    eq(put(bench, path + "/0", b"5", TEXT), CHANGED)
    eq(bench.thing.more[1120], {0: 5})
    # New ones come with a write of the resource.
    eq(bench.ask(POST, path, b, format=SENML_JSON).code, CHANGED)
    eq(bench.thing.more[1120], {0: 5, 7: 5})


# F-10


def guarded():
    """Two servers, of which the second may do nothing with objects 3 and 3442."""
    bench = made()
    far = ScriptedServer(bench)
    bench.add_server(far)
    far.accept_register("/rd/2")
    for oid in (1, 3, 3442):
        for iid in (0, 1) if oid == 1 else (0,):
            bench.client.add(AccessControl(target_oid=oid, target_iid=iid, owner=1, acl={2: 0}))
    bench.client.access = Access()
    settle(bench, far)
    return bench, far


def test_f_10_attributes_of_an_object_need_no_rights():
    bench, far = guarded()
    eq(attribute(far, "/3", "pmin=10"), CHANGED)
    eq(attribute(far, "/3/0", "pmin=10"), UNAUTHORIZED)
    eq(attribute(far, "/3/0/0", "pmin=10"), UNAUTHORIZED)


def test_f_10_a_composite_of_forbidden_things_alone_is_4_01():
    bench, far = guarded()
    for names in (("/3",), ("/3/0/0", T), ("/0",), ("/3442/0/1120/0", "/9999")):
        eq(far.ask(FETCH, "/", paths(*names), format=SENML_JSON).code, UNAUTHORIZED)
        answer = far.ask(FETCH, "/", paths(*names), format=SENML_JSON, options=[(OBSERVE, 0)])
        eq((answer.code, answer.uint(OBSERVE)), (UNAUTHORIZED, -1))
    # What may be read of it is enough, and what is not there is no matter of rights.
    eq(far.ask(FETCH, "/", paths("/3", "/2"), format=SENML_JSON).code, CONTENT)
    eq(far.ask(FETCH, "/", paths("/9999"), format=SENML_JSON).payload, b"[]")


# F-11


def test_f_11_senml_etch_is_no_format_of_an_answer():
    bench = made()
    for accept in (320, 322):
        answer = bench.ask(FETCH, "/", paths("/3"), format=SENML_JSON, accept=accept)
        eq((answer.code, answer.payload), (NOT_ACCEPTABLE, b"/: no content format %d" % accept))
        eq(bench.ask(GET, "/3/0", accept=accept).code, NOT_ACCEPTABLE)
    answer = bench.ask(FETCH, "/", paths("/3/0/0"), format=320)
    eq((answer.code, answer.uint(CONTENT_FORMAT)), (CONTENT, SENML_JSON))


# F-16, F-18


def test_f_16_a_link_to_nothing_is_refused():
    bench = made()
    path = T + "/170"
    for link in (b"9999:5", b"3:1", b"3:65535", b"65535:0"):
        eq((link, put(bench, path, link, TEXT)), (link, BAD_REQUEST))
    eq(put(bench, path, b"\xc4\xaa\x27\x0f\x00\x05", TLV), BAD_REQUEST)
    b = b'[{"n":"/3442/0/110","vs":"x"},{"n":"/3442/0/1170/4","vlo":"3:9"}]'
    eq(bench.ask(IPATCH, "/", b, format=SENML_JSON).code, BAD_REQUEST)
    eq((text(bench, path), text(bench, T + "/110")), (b"3:0", b"initial value"))
    for link in (b"65535:65535", b"3442:0", b"1:0"):
        eq((link, put(bench, path, link, TEXT)), (link, CHANGED))


def test_f_18_an_object_link_as_text_is_taken():
    bench = made()
    path = T + "/170"
    for format, payload in (
        (SENML_JSON, b'[{"n":"/3442/0/170","vs":"3442:0"}]'),
        (SENML_CBOR, b"\x81\xa2\x00\x6b/3442/0/170\x03\x663442:0"),
        (JSON, b'{"bn":"/3442/0/","e":[{"n":"170","sv":"3442:0"}]}'),
        (CBOR, b"\x663442:0"),
        (LWM2M_CBOR, b"\xa1\x83\x19\x0d\x72\x00\x18\xaa\x663442:0"),
    ):
        eq(put(bench, path, b"3:0", TEXT), CHANGED)
        eq((format, put(bench, path, payload, format)), (format, CHANGED))
        eq((format, bench.thing.more[170]), (format, (3442, 0)))
    b = b'[{"n":"/3442/0/170","vs":"3:0"},{"n":"/3442/0/1170/3","vs":"1:0"}]'
    eq(bench.ask(IPATCH, "/", b, format=SENML_JSON).code, CHANGED)
    eq((bench.thing.more[170], bench.thing.more[1170][3]), ((3, 0), (1, 0)))
    eq(put(bench, path, b'[{"n":"/3442/0/170","vs":"3"}]', SENML_JSON), BAD_REQUEST)


# S-06, S-08, S-09, S-14, S-20


def test_s_06_without_a_base_name_a_name_may_be_the_whole_path():
    bench = made()
    path = T + "/110"
    for payload, value in (
        (b'{"e":[{"n":"/3442/0/110","sv":"x"}]}', b"x"),
        (b'{"e":[{"n":"","sv":"y"}]}', b"y"),
        (b'{"e":[{"sv":"z"}]}', b"z"),
        (b'{"bn":"/3442/0/","e":[{"n":"110","sv":"a"}]}', b"a"),
        (b'{"bn":"","e":[{"n":"/3442/0/110","sv":"b"}]}', b"b"),
    ):
        eq((payload, put(bench, path, payload, JSON)), (payload, CHANGED))
        eq(text(bench, path), value)
    b = b'{"e":[{"n":"/3442/0/110","sv":"1"},{"n":"120","v":2}]}'
    eq(bench.ask(POST, T, b, format=JSON).code, CHANGED)
    eq((text(bench, path), text(bench, T + "/120")), (b"1", b"2"))
    for payload in (b'{"e":[{"n":"/3442/0/111","sv":"x"}]}', b'{"e":[{"n":"/110","sv":"x"}]}'):
        eq((payload, put(bench, path, payload, JSON)), (payload, BAD_REQUEST))


def test_s_08_a_decimal_number_has_digits():
    bench = made()
    path = T + "/130"
    for number in (
        b"-.",
        b".e1",
        b".",
        b"+",
        b"e5",
        b"1e",
        b"1e+",
        b"-.e-",
        b"1.2.3",
        b"",
        b"--1",
    ):
        eq((number, put(bench, path, number, TEXT)), (number, BAD_REQUEST))
        query = "gt=" + str(number, "utf-8")
        eq((number, attribute(bench.far, path, query)), (number, BAD_REQUEST))
    for number, value in ((b".5", 0.5), (b"5.", 5.0), (b"-1.5E1", -15.0), (b"+2e0", 2.0)):
        eq((number, put(bench, path, number, TEXT)), (number, CHANGED))
        eq(bench.thing.more[130], value)


NOT_UTF8 = (
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\x80",
    b"\xc3",
    b"\xe2\x82",
)
UTF8 = ("ü", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "a\x7f")


def spellings(raw):
    """(format, payload) of a write of the bytes of a text to /3442/0/110."""
    n = bytes((len(raw),))
    size = bytes((0x60 + len(raw),))
    return (
        (TEXT, raw),
        (TLV, b"\xc8\x6e" + n + raw),
        (SENML_JSON, b'[{"n":"/3442/0/110","vs":"' + raw + b'"}]'),
        (JSON, b'{"bn":"/3442/0/110","e":[{"sv":"' + raw + b'"}]}'),
        (CBOR, size + raw),
        (SENML_CBOR, b"\x81\xa2\x00\x6b/3442/0/110\x03" + size + raw),
        (LWM2M_CBOR, b"\xa1\x83\x19\x0d\x72\x00\x18\x6e" + size + raw),
    )


def test_s_09_overlong_forms_and_surrogates_are_no_text():
    bench = made()
    for raw in NOT_UTF8:
        for around in (b"%s", b"a%s", b"\xc3\xbc%sz"):
            for format, payload in spellings(around % raw):
                code = put(bench, T + "/110", payload, format)
                eq((format, payload, code), (format, payload, BAD_REQUEST))
        eq((raw, bench.ask(POST, T + "/3", b"0='" + raw + b"'").code), (raw, BAD_REQUEST))
    eq(text(bench, T + "/110"), b"initial value")
    for value in UTF8:
        raw = value.encode()
        for format, payload in spellings(raw):
            eq(put(bench, T + "/110", payload, format), CHANGED)
            eq(bench.thing.more[110], value)
        eq(bench.ask(POST, T + "/3", b"0='" + raw + b"'").code, CHANGED)
        eq(bench.thing.arguments, {0: value})


def test_s_14_a_time_in_cbor_may_be_a_date():
    bench = made()
    path = T + "/160"
    for date, seconds in (
        ("2024-06-01T00:00:00Z", 1717200000),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59z", -1),
        ("2024-02-29T12:34:56.789Z", 1709210096),
        ("2024-03-01T00:00:00+01:00", 1709247600),
        ("2024-12-31T23:59:60Z", 1735689600),
        ("2000-02-29t00:00:00-00:30", 951784200),
        ("9999-12-31T23:59:59Z", 253402300799),
        ("0001-01-01T00:00:00Z", -62135596800),
    ):
        payload = b"\xc0\x78" + bytes((len(date),)) + date.encode()
        eq((date, put(bench, path, payload, CBOR)), (date, CHANGED))
        eq((date, text(bench, path)), (date, str(seconds).encode()))
    payload = b"\xa1\x83\x19\x0d\x72\x00\x18\xa0\xc0\x742024-06-01T00:00:00Z"
    eq(put(bench, path, payload, LWM2M_CBOR), CHANGED)
    eq(text(bench, path), b"1717200000")
    for date in (
        "2024-06-01",
        "2024-06-01T00:00:00",
        "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-06-31T00:00:00Z",
        "2024-06-00T00:00:00Z",
        "2024-06-01T24:00:00Z",
        "2024-06-01T00:60:00Z",
        "2024-06-01T00:00:00.Z",
        "2024-06-01T00:00:00+0100",
        "2024-06-01T00:00:00+25:00",
        "2024-06-01T00:00:00ZZ",
        "2024/06/01T00:00:00Z",
        "20x4-06-01T00:00:00Z",
        "",
    ):
        payload = b"\xc0\x78" + bytes((len(date),)) + date.encode()
        eq((date, put(bench, path, payload, CBOR)), (date, BAD_REQUEST))
    # Without the tag it is a text, and for another type no value.
    eq(put(bench, path, b"\x742024-06-01T00:00:00Z", CBOR), BAD_REQUEST)
    eq(put(bench, T + "/120", b"\xc0\x742024-06-01T00:00:00Z", CBOR), BAD_REQUEST)
    eq(put(bench, path, b"\xc0\x81\x01", CBOR), BAD_REQUEST)


def test_s_20_json_has_one_kind_of_number():
    bench = made()
    for format, around in (
        (SENML_JSON, '[{"n":"/3442/0/%d","v":%s}]'),
        (JSON, '{"e":[{"n":"/3442/0/%d","v":%s}]}'),
    ):
        for rid, number, value in (
            (120, "9.0", 9),
            (120, "-9.00", -9),
            (120, "0.0", 0),
            (120, "-0.0e9", 0),
            (120, "1e3", 1000),
            (120, "1.5E1", 15),
            (120, "1200e-2", 12),
            (120, "9223372036854775807.0", (1 << 63) - 1),
            (120, "-9.223372036854775808e18", -(1 << 63)),
            (125, "18446744073709551615.000", (1 << 64) - 1),
            (160, "1717200000.0", 1717200000),
        ):
            payload = (around % (rid, number)).encode()
            path = "%s/%d" % (T, rid)
            eq((payload, put(bench, path, payload, format)), (payload, CHANGED))
            eq((number, bench.thing.more[rid]), (number, value))
        for rid, number in (
            (120, "9.5"),
            (120, "1e-1"),
            (120, "9223372036854775808.0"),
            (120, "1e19"),
            (120, "1e99999999"),
            (125, "-1.0"),
            (125, "18446744073709551616.0"),
        ):
            payload = (around % (rid, number)).encode()
            path = "%s/%d" % (T, rid)
            eq((payload, put(bench, path, payload, format)), (payload, BAD_REQUEST))
