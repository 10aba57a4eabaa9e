"""Versions of LwM2M on the device: what a server may ask for in the version that the registration
says, a row of docs/conformance.md each; and the way from one version to another (docs/cases.md).
"""

from bench import Bench, ScriptedServer
from testing import eq, raises
from wire import (
    NON,
    RST,
    DELETE,
    FETCH,
    GET,
    IPATCH,
    LINK,
    OBSERVE,
    OCTETS,
    POST,
    PUT,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    encode,
    segments,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETED,
    LOCATION_PATH,
    URI_QUERY,
)

from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson

from lwm2m.objects.access_control import DELETE_RIGHT, READ, WRITE, Access, AccessControl
from lwm2m.objects.device import Device
from lwm2m.objects.test_object import TestObject

BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, NOT_ACCEPTABLE = 0x80, 0x84, 0x85, 0x86
UNAUTHORIZED, PRECONDITION_FAILED, UNSUPPORTED_FORMAT = 0x81, 0x8C, 0x8F
JSON, CBOR, LWM2M_CBOR, ETCH_JSON, ETCH_CBOR = 11543, 60, 11544, 320, 322
LOCATION = [(LOCATION_PATH, b"7")]
VERSIONS = ("1.0", "1.1", "1.2")

T = "/3442/0"


def made(version, formats=True, **terms):
    """A client that is registered with a version and speaks every format."""
    bench = Bench(lwm2m=version, **terms)
    if formats:
        for codec in (Cbor, Json, Lwm2mCbor, SenmlJson, SenmlCbor, SenmlEtchJson, SenmlEtchCbor):
            bench.client.add_format(codec())
    bench.client.add(Device(manufacturer="Acme"))
    bench.thing = bench.client.add(TestObject())
    bench.thing.more[1120] = {0: 10, 3: 13}
    bench.register = bench.far.accept_register()
    return bench


def version_of(register):
    return register.all(URI_QUERY)[0]


# The way from one version to another


def only(packets):
    eq(len(packets), 1)
    return packets[0]


def test_version_falls_back_to_1_1_and_1_0_at_4_12():
    bench = Bench(binding="UQ")
    bench.client.step()
    register = only(bench.far.take())
    mids = [register.mid]
    for version, binding in (("1.1", [b"b=U", b"Q"]), ("1.0", [b"b=UQ"])):
        register = only(bench.far.reply(register, PRECONDITION_FAILED))
        eq(version_of(register), b"lwm2m=" + version.encode())
        eq(register.all(URI_QUERY)[3:], binding)
        mids.append(register.mid)
    eq(len(set(mids)), 3)
    bench.far.reply(register, CREATED, LOCATION)
    eq((bench.events, bench.registration.version), (["registered"], "1.0"))


def fallen_back():
    bench = Bench(lifetime_s=60)
    bench.client.step()
    register = only(bench.far.take())
    register = only(bench.far.reply(register, PRECONDITION_FAILED))
    bench.far.reply(register, CREATED, LOCATION)
    assert bench.client.registered
    eq(bench.registration.version, "1.1")
    return bench


def test_version_wanted_is_asked_for_again_with_the_next_registration():
    def update_refused(bench):
        bench.client.update()
        bench.client.step()
        return only(bench.far.reply(only(bench.far.take()), NOT_FOUND))

    def reconnected(bench):
        bench.client.reconnect()
        bench.client.step()
        return only(bench.far.take())

    def disabled(bench):
        bench.registration.disable(5)
        (_, farewell) = only(bench.watch(1))
        bench.far.reply(farewell, DELETED)
        return bench.watch(6)[0][1]

    def silent(bench):
        return [packet for _, packet in bench.watch(200) if packet.path() == b"/rd"][0]

    for way in (update_refused, reconnected, disabled, silent):
        eq(version_of(way(fallen_back())), b"lwm2m=1.2")
    # An Update that is accepted changes nothing.
    bench = fallen_back()
    bench.client.update()
    bench.client.step()
    bench.far.reply(only(bench.far.take()), CHANGED)
    eq(bench.registration.version, "1.1")


def test_version_that_is_refused_altogether_is_asked_for_again_after_a_pause():
    bench = Bench()
    bench.client.step()
    register = only(bench.far.take())
    for _ in range(2):
        register = only(bench.far.reply(register, PRECONDITION_FAILED))
    eq(bench.far.reply(register, PRECONDITION_FAILED), [])
    eq(bench.events, ["register_failed"])
    eq(version_of(bench.watch(70)[0][1]), b"lwm2m=1.2")


def test_version_is_an_argument_of_the_server():
    for version in VERSIONS:
        eq(version_of(made(version).register), b"lwm2m=" + version.encode())
    bench = Bench()
    for version in ("1.3", "2.0", 1.1, None, ""):
        error = raises(ValueError, Bench.add_server, bench, bench.far, lwm2m=version)
        eq(str(error), "lwm2m")
    client = bench.client
    client.add_server("coap://localhost", transport=ScriptedServer(bench).near)
    eq(client.registrations[-1].lwm2m, "1.1")


# What a server may ask for: the rows of docs/conformance.md


def codes(ask):
    """The response codes that a request gets in each version, by a client of its own."""
    return [ask(made(version)) for version in VERSIONS]


def get(path, accept=-1, queries=(), observe=False):
    options = [(OBSERVE, 0)] if observe else []
    options += [(URI_QUERY, query.encode()) for query in queries]
    return lambda bench: bench.ask(GET, path, accept=accept, options=options).code


def write(method, path, payload, format):
    return lambda bench: bench.ask(method, path, payload, format=format).code


def attribute(path, query):
    return lambda bench: bench.ask(PUT, path, options=[(URI_QUERY, query.encode())]).code


def test_version_operations_of_1_0_are_in_every_version():
    for path in ("/3", "/3/0", "/3/0/0", T + "/1120"):
        eq(codes(get(path, TLV)), [CONTENT] * 3)
        eq(codes(get(path, LINK)), [CONTENT] * 3)
        eq(codes(get(path, TLV, observe=True)), [CONTENT] * 3)
    eq(codes(write(PUT, T + "/120", b"5", TEXT)), [CHANGED] * 3)
    eq(codes(write(POST, T, b"\xc1\x78\x05", TLV)), [CHANGED] * 3)
    eq(codes(write(PUT, T + "/1120", b"\x88\x04\x60\x03\x41\x09\x01", TLV)), [BAD_REQUEST] * 3)
    eq(codes(write(POST, T + "/3", b"0", TEXT)), [CHANGED] * 3)
    for query in ("pmin=1", "pmax=9", "gt=5", "lt=5", "st=5"):
        eq(codes(attribute(T + "/120", query)), [CHANGED] * 3)


def test_version_1_0_has_no_composite_operations():
    paths = b'[{"n":"/3/0/0"},{"n":"/3442"}]'
    values = b'[{"n":"/3442/0/120","v":5}]'

    def observe(bench):
        answer = bench.ask(FETCH, "/", paths, format=SENML_JSON, options=[(OBSERVE, 0)])
        eq(answer.uint(OBSERVE) >= 0, answer.code == CONTENT)
        return answer.code

    eq(codes(write(FETCH, "/", paths, SENML_JSON)), [NOT_ALLOWED, CONTENT, CONTENT])
    eq(codes(observe), [NOT_ALLOWED, CONTENT, CONTENT])
    eq(codes(write(IPATCH, "/", values, SENML_JSON)), [NOT_ALLOWED, CHANGED, CHANGED])


def test_version_1_0_has_no_paths_to_resource_instances():
    path = T + "/1120/3"
    eq(codes(get(path, TEXT)), [NOT_FOUND, CONTENT, CONTENT])
    eq(codes(get(path, TEXT, observe=True)), [NOT_FOUND, CONTENT, CONTENT])
    eq(codes(write(PUT, path, b"5", TEXT)), [NOT_FOUND, CHANGED, CHANGED])
    eq(codes(attribute(path, "pmin=1")), [NOT_FOUND, CHANGED, CHANGED])


def test_version_1_0_discovers_no_resource_instances():
    links = [
        made(version).ask(GET, T + "/1120", accept=LINK).payload.replace(T.encode(), b"")
        for version in VERSIONS
    ]
    whole = b"</1120>;dim=2,</1120/0>,</1120/3>"
    eq(links, [b"</1120>;dim=2", whole, whole])


def test_version_attributes_that_are_younger():
    on = T + "/140"
    for path, query, expected in (
        (T, "epmin=1", [BAD_REQUEST, CHANGED, CHANGED]),
        (T, "epmax=9", [BAD_REQUEST, CHANGED, CHANGED]),
        (T, "con=1", [BAD_REQUEST, BAD_REQUEST, CHANGED]),
        (T, "hqmax=3", [BAD_REQUEST, BAD_REQUEST, CHANGED]),
        (on, "edge=1", [BAD_REQUEST, BAD_REQUEST, CHANGED]),
        (on, "edge", [BAD_REQUEST, BAD_REQUEST, CHANGED]),
        (T, "pmin=1&con=1", [BAD_REQUEST, BAD_REQUEST, BAD_REQUEST]),
    ):
        eq((query, codes(attribute(path, query))), (query, expected))


def test_version_attributes_in_an_observe():
    expected = [BAD_REQUEST, BAD_REQUEST, CONTENT]
    eq(codes(get(T + "/120", TLV, ("pmin=1",), observe=True)), expected)
    eq(codes(get(T + "/120", TLV, ("gt=5", "lt=1"), observe=True)), expected)

    def composite(bench):
        options = [(OBSERVE, 0), (URI_QUERY, b"pmin=1")]
        paths = b'[{"n":"/3442/0/120"},{"n":"/3/0/0"}]'
        return bench.ask(FETCH, "/", paths, format=SENML_JSON, options=options).code

    eq(codes(composite), [BAD_REQUEST, BAD_REQUEST, CONTENT])


def test_version_formats_of_a_read():
    single = T + "/120"
    for format, path, since in (
        (TEXT, single, 0),
        (OCTETS, T + "/150", 0),
        (TLV, single, 0),
        (JSON, single, 0),
        (CBOR, single, 1),
        (SENML_JSON, single, 1),
        (SENML_CBOR, single, 1),
        (LWM2M_CBOR, single, 2),
    ):
        expected = [CONTENT if k >= since else NOT_ACCEPTABLE for k in range(3)]
        eq((format, codes(get(path, format))), (format, expected))
        eq((format, codes(get(path, format, observe=True))), (format, expected))


def test_version_formats_of_a_write():
    for format, payload, since in (
        (TEXT, b"5", 0),
        (TLV, b"\xc1\x78\x05", 0),
        (JSON, b'{"e":[{"n":"/3442/0/120","v":5}]}', 0),
        (CBOR, b"\x05", 1),
        (SENML_JSON, b'[{"n":"/3442/0/120","v":5}]', 1),
        (SENML_CBOR, b"\x81\xa2\x00\x6b/3442/0/120\x02\x05", 1),
        (LWM2M_CBOR, b"\xa1\x83\x19\x0d\x72\x00\x18\x78\x05", 2),
        # SenML-ETCH is for composites.
        (ETCH_JSON, b'[{"n":"/3442/0/120","v":5}]', 3),
        (ETCH_CBOR, b"\x81\xa2\x00\x6b/3442/0/120\x02\x05", 3),
    ):
        expected = [CHANGED if k >= since else UNSUPPORTED_FORMAT for k in range(3)]
        eq((format, codes(write(PUT, T + "/120", payload, format))), (format, expected))


def test_version_formats_of_a_create():
    class Created(TestObject):
        OID = 26260

    for format, payload, since in (
        (TLV, b"\xc1\x78\x05", 0),
        (JSON, b'{"e":[{"n":"/26260/4/120","v":5}]}', 0),
        (SENML_JSON, b'[{"n":"/26260/4/120","v":5}]', 1),
        (LWM2M_CBOR, b"\xa1\x83\x19\x66\x94\x04\x18\x78\x05", 2),
    ):
        expected = [CREATED if k >= since else UNSUPPORTED_FORMAT for k in range(3)]
        got = []
        for version in VERSIONS:
            bench = made(version)
            bench.client.allow_create(Created)
            bench.client.step()
            bench.far.reply(only(bench.far.take()), CHANGED)
            options = segments("/26260") + [(CONTENT_FORMAT, format)]
            got.append(bench.far.send(encode(CON, POST, 9, b"t", options, payload))[0].code)
        eq((format, got), (format, expected))


def test_version_formats_of_a_composite():
    paths = b'[{"n":"/3442/0/120"}]'
    for format, payload, since in (
        (SENML_JSON, paths, 1),
        (ETCH_JSON, paths, 2),
        (ETCH_CBOR, b"\x81\xa1\x00\x6b/3442/0/120", 2),
        (LWM2M_CBOR, b"\xa1\x83\x19\x0d\x72\x00\x18\x78\xf6", 2),
    ):
        got = codes(write(FETCH, "/", payload, format))
        expected = [NOT_ALLOWED] + [CONTENT if k >= since else UNSUPPORTED_FORMAT for k in (1, 2)]
        eq((format, got), (format, expected))

    def fetch(bench):
        return bench.ask(FETCH, "/", paths, format=SENML_JSON, accept=LWM2M_CBOR).code

    eq(codes(fetch), [NOT_ALLOWED, NOT_ACCEPTABLE, CONTENT])


def test_version_formats_that_a_register_names():
    for version, formats in (
        ("1.0", b"11543 11542"),
        ("1.1", b"60 11543 110 112 11542"),
        ("1.2", b"60 11543 11544 110 112 320 322 11542"),
    ):
        root = made(version).register.payload.split(b",</")[0]
        eq(root, b'</>;rt="oma.lwm2m";ct="' + formats + b'"')
    assert made("1.0", formats=False).register.payload.startswith(b"</1>")


def test_version_queue_mode_is_said_as_each_version_says_it():
    for version, expected in (
        ("1.0", [b"b=UQ"]),
        ("1.1", [b"b=U", b"Q"]),
        ("1.2", [b"b=U", b"Q"]),
    ):
        bench = made(version, binding="UQ")
        eq(bench.register.all(URI_QUERY)[3:], expected)
        bench.server.binding = "U"
        bench.client.update()
        bench.client.step()
        eq(only(bench.far.take()).all(URI_QUERY), [b"b=U"])


def test_version_depth_of_a_discover():
    for path in ("/3", "/3/0", "/3/0/0"):
        eq(codes(get(path, LINK, ("depth=1",))), [BAD_REQUEST, BAD_REQUEST, CONTENT])


def links(bench, path, depth):
    options = [(URI_QUERY, b"depth=%d" % depth)] if depth is not None else []
    answer = bench.ask(GET, path, accept=LINK, options=options)
    eq(answer.code, CONTENT)
    return [str(link, "utf-8") for link in answer.payload.split(b",")]


def test_depth_of_a_discover_is_that_many_levels_below():
    bench = made("1.2")
    bench.ask(PUT, T, options=[(URI_QUERY, b"pmin=1")])
    one = [T + "/1120/0", T + "/1120/3"]
    eq(links(bench, "/3442", 0), ["</3442>"])
    eq(links(bench, "/3442", 1), ["</3442>", "<%s>;pmin=1" % T])
    eq(links(bench, "/3442", 2), links(bench, "/3442", None))
    deep = links(bench, "/3442", 3)
    assert "<%s>" % one[0] in deep and "<%s>" % one[1] in deep, deep
    eq([link for link in deep if link.count("/") < 4], links(bench, "/3442", 2))
    eq(links(bench, T, 0), ["<%s>;pmin=1" % T])
    eq(links(bench, T, 1), links(bench, T, None))
    assert set(links(bench, T, 2)) > set(links(bench, T, 1))
    eq(links(bench, T, 3), links(bench, T, 2))
    eq(links(bench, T + "/1120", 0), ["<%s/1120>;dim=2;pmin=1" % T])
    for depth in (1, 2, 3, None):
        eq(links(bench, T + "/1120", depth)[1:], ["<%s>" % path for path in one])


def test_depth_of_a_discover_holds_for_every_block():
    bench = made("1.2")
    whole = bench.ask(GET, "/3442", accept=LINK, options=[(URI_QUERY, b"depth=3")]).payload
    got = b""
    number = 0
    more = True
    while more:
        options = [(URI_QUERY, b"depth=3"), (BLOCK2, number << 4 | 2)]
        answer = bench.ask(GET, "/3442", accept=LINK, options=options)
        got += answer.payload
        more = answer.uint(BLOCK2) & 8
        number += 1
    assert number > 3
    eq(got, whole)


def test_depth_of_a_discover_is_one_digit_up_to_3():
    bench = made("1.2")
    for query in ("depth=4", "depth=", "depth=-1", "depth=01", "depth=a", "depth=11"):
        eq((query, get("/3", LINK, (query,))(bench)), (query, BAD_REQUEST))
    eq(get("/3", LINK, ("depth=1", "depth=1"))(bench), BAD_REQUEST)
    # Another query is none of ours.
    eq(get("/3", LINK, ("x=1",))(bench), CONTENT)


# Null in a Write-Composite, Delete of a resource instance


NULLS = (
    (ETCH_JSON, b'[{"n":"/3442/0/1120/3","v":null}]'),
    (ETCH_JSON, b'[{"n":"/3442/0/1120/3","vs": null }]'),
    (ETCH_CBOR, b"\x81\xa2\x00\x6e/3442/0/1120/3\x02\xf6"),
    (LWM2M_CBOR, b"\xa1\x84\x19\x0d\x72\x00\x19\x04\x60\x03\xf6"),
)


def test_version_null_in_a_write_composite():
    for format, payload in NULLS:
        expected = [NOT_ALLOWED, UNSUPPORTED_FORMAT, CHANGED]
        eq((payload, codes(write(IPATCH, "/", payload, format))), (payload, expected))
    # SenML itself has no null (RFC 8428), in no version.
    for format, payload in ((SENML_JSON, NULLS[0][1]), (SENML_CBOR, NULLS[2][1])):
        eq(codes(write(IPATCH, "/", payload, format)), [NOT_ALLOWED, BAD_REQUEST, BAD_REQUEST])


def test_null_takes_away_a_resource_instance_or_a_resource():
    for format, payload in NULLS:
        bench = made("1.2")
        for _ in range(2):  # iPATCH is idempotent: what is gone needs not go
            eq(bench.ask(IPATCH, "/", payload, format=format).code, CHANGED)
            eq(bench.thing.more[1120], {0: 10})
    b = b'[{"n":"/3442/0/110","v":null},{"n":"/3442/0/1120/0","v":null},{"n":"/3442/0/120","v":9}]'
    eq(bench.ask(IPATCH, "/", b, format=ETCH_JSON).code, CHANGED)
    eq((bench.thing.more.get(110), bench.thing.more[1120], bench.thing.more[120]), (None, {}, 9))
    eq(get(T + "/110", TEXT)(bench), NOT_FOUND)


def test_null_that_cannot_be_changes_nothing():
    bench = made("1.2")
    bench.thing.more[120] = 1
    for path, code in (
        ("/1/0/1", BAD_REQUEST),  # mandatory
        ("/3/0/0", NOT_ALLOWED),  # read-only
        (T + "/110/0", BAD_REQUEST),  # not multiple
        (T + "/9999", NOT_FOUND),
        ("/3442/7/110", NOT_FOUND),
    ):
        b = b'[{"n":"/3442/0/120","v":7},{"n":"' + path.encode() + b'","v":null}]'
        eq((path, bench.ask(IPATCH, "/", b, format=ETCH_JSON).code), (path, code))
        eq(bench.thing.more[120], 1)


def delete(path):
    return lambda bench: bench.ask(DELETE, path).code


def test_version_delete_of_a_resource_instance():
    eq(codes(delete(T + "/1120/3")), [NOT_FOUND, NOT_ALLOWED, DELETED])


def test_delete_of_a_resource_instance_and_what_cannot_be_deleted():
    bench = made("1.2")
    bench.ask(PUT, T + "/1120/3", options=[(URI_QUERY, b"pmin=5")])
    eq(delete(T + "/1120/3")(bench), DELETED)
    eq(bench.thing.more[1120], {0: 10})
    eq(bench.registration.attributes, {})
    eq(delete(T + "/1120/3")(bench), NOT_FOUND)
    eq(delete(T + "/1120/0")(bench), DELETED)
    eq(bench.thing.more[1120], {})
    for path, code in (
        (T + "/1120", NOT_ALLOWED),
        (T + "/110", NOT_ALLOWED),
        (T + "/110/0", NOT_FOUND),
        ("/3/0/11/0", NOT_ALLOWED),  # read-only
        ("/0/0/0/0", 0x81),
    ):
        eq((path, delete(path)(bench)), (path, code))


def test_delete_of_a_resource_instance_takes_the_right_to_write():
    null = b'[{"n":"/3442/0/1120/3","v":null}]'
    for rights, code in (
        (READ, UNAUTHORIZED),
        (READ | DELETE_RIGHT, UNAUTHORIZED),
        (WRITE, DELETED),
    ):
        bench = made("1.2")
        far = ScriptedServer(bench)
        bench.add_server(far)
        far.accept_register("/rd/2")
        bench.client.add(AccessControl(target_oid=3442, target_iid=0, owner=2, acl={1: rights}))
        bench.client.step()
        for server in (bench.far, far):
            for update in server.take():
                server.reply(update, CHANGED)
        bench.client.access = Access()
        eq((rights, delete(T + "/1120/3")(bench)), (rights, code))
        bench.thing.more[1120] = {0: 10, 3: 13}
        composite = bench.ask(IPATCH, "/", null, format=ETCH_JSON).code
        eq((rights, composite), (rights, CHANGED if code == DELETED else code))


def test_delete_of_a_resource_instance_is_told_to_observers():
    bench = made("1.2")
    eq(get(T + "/1120", TLV, observe=True)(bench), CONTENT)
    sent = bench.far.send(encode(CON, DELETE, 9, b"t", segments(T + "/1120/3")))
    eq([packet.code for packet in sent], [DELETED, CONTENT])
    eq(sent[1].payload, b"\xa3\x04\x60\x41\x00\x0a")


# F-14


def test_f_14_send_belongs_to_1_1_and_later():
    for version in VERSIONS:
        bench = made(version)
        if version == "1.0":
            error = raises(ValueError, bench.client.send, T)
            eq(str(error), "Send is of LwM2M 1.1: registered with 1.0")
            bench.client.step()
            eq(bench.far.take(), [])
        else:
            request = bench.client.send("/3/0/0")
            bench.client.step()
            packet = only(bench.far.take())
            eq((packet.code, packet.path()), (POST, b"/dp"))
            bench.far.reply(packet, CHANGED)
            eq(request.results, {1: True})


def test_f_14_a_server_of_1_0_is_left_out_and_the_request_says_so():
    bench = made("1.1")
    far = ScriptedServer(bench)
    bench.add_server(far, lwm2m="1.0")
    far.accept_register("/rd/2")
    bench.client.step()
    bench.far.reply(only(bench.far.take()), CHANGED)
    request = bench.client.send("/3/0/0")
    bench.client.step()
    eq(far.take(), [])
    bench.far.reply(only(bench.far.take()), CHANGED)
    eq(request.results, {1: True, 2: "version"})


def test_f_14_a_send_that_waits_ends_when_the_server_turns_out_to_be_one_of_1_0():
    bench = Bench(lwm2m="1.1")
    bench.client.add_format(SenmlJson())
    bench.client.add(Device(manufacturer="Acme"))
    request = bench.client.send("/3/0/0")
    bench.client.step()
    second = only(bench.far.reply(only(bench.far.take()), PRECONDITION_FAILED))
    bench.far.reply(second, CREATED, LOCATION)
    bench.client.step()
    eq((bench.far.take(), request.results), ([], {1: "version"}))


# F-13


def test_f_13_requests_are_ignored_until_registered():
    bench = Bench()
    bench.client.add(Device(manufacturer="Acme"))
    bench.thing = bench.client.add(TestObject())
    bench.client.step()
    register = only(bench.far.take())
    mid = 0
    for code, path, payload in (
        (GET, "/3/0/0", b""),
        (PUT, T + "/120", b"5"),
        (POST, T + "/3", b""),
        (FETCH, "/", b'[{"n":"/3"}]'),
        (DELETE, "/9", b""),
        (GET, "/nonsense", b""),
    ):
        for kind in (CON, NON):
            mid += 1
            eq(bench.far.send(encode(kind, code, mid, b"t", segments(path), payload)), [])
    ping = bench.far.send(encode(CON, 0, 99, b""))
    eq([(packet.type, packet.mid) for packet in ping], [(RST, 99)])
    eq(bench.far.reply(register, CREATED, LOCATION), [])
    # Nothing of it was done, or is remembered.
    eq((bench.thing.more[120], bench.thing.executions), (1024, 0))
    eq(bench.far.send(encode(CON, PUT, 3, b"t", segments(T + "/120"), b"5"))[0].code, CHANGED)
    eq(bench.ask(GET, "/3/0/0", accept=TEXT).payload, b"Acme")


def test_f_13_requests_are_ignored_after_the_deregister():
    bench = made("1.1")
    bench.client.deregister()
    bench.client.step()
    farewell = only(bench.far.take())
    eq(farewell.code, DELETE)
    eq(bench.far.send(encode(CON, GET, 5, b"t", segments("/3/0/0"))), [])
    bench.far.reply(farewell, DELETED)
    eq(bench.far.send(encode(CON, GET, 5, b"t", segments("/3/0/0"))), [])
