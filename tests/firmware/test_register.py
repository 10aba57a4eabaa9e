# heapsize: 4m
"""Register and De-register (LwM2M 1.1 Core §6.2.1, §6.2.3), with one server and with several."""

from bench import Bench, ScriptedServer
from registration_bench import (
    BAD_REQUEST,
    FORBIDDEN,
    PRECONDITION_FAILED,
    is_register,
    one,
    started,
)
from testing import eq, raises
from wire import (
    CHANGED,
    CON,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    GET,
    LINK,
    LOCATION_PATH,
    POST,
    RST,
    TEXT,
    URI_PATH,
    URI_QUERY,
    encode,
)

from lwm2m.client import Client
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.registration.accounts import parse_uri
from lwm2m.testing.loopback import Loopback


# Register


def test_register_query_order_and_payload():
    bench = Bench(lifetime_s=300, endpoint="urn:dev:mac:2465d8fffe0a11c0", lwm2m="1.1")
    bench.client.add(Device())
    bench.client.add(Temperature())
    bench.client.add(Temperature())
    packet = started(bench)
    eq((packet.type, packet.code, packet.path()), (CON, POST, b"/rd"))
    eq(packet.all(URI_PATH), [b"rd"])
    eq(packet.uint(CONTENT_FORMAT), LINK)
    eq(
        packet.all(URI_QUERY),
        [b"lwm2m=1.1", b"ep=urn:dev:mac:2465d8fffe0a11c0", b"lt=300", b"b=U"],
    )
    eq([number for number, _ in packet.options], [11, 12, 15, 15, 15, 15])
    links = packet.payload.replace(b'"', b"").split(b",")
    eq(
        links,
        [b"</1>;ver=1.1", b"</1/0>", b"</3>;ver=1.1", b"</3/0>", b"</3303/0>", b"</3303/1>"],
    )


def test_register_with_queue_mode():
    bench = Bench(lifetime_s=60, binding="UQ")
    eq(started(bench).all(URI_QUERY)[2:], [b"lt=60", b"b=U", b"Q"])


def test_register_with_an_endpoint_beyond_ascii():
    eq(started(Bench(endpoint="gerät-1")).all(URI_QUERY)[1], "ep=gerät-1".encode())


def test_registered_when_the_server_says_created():
    bench = Bench()
    packet = started(bench)
    assert not bench.client.registered
    eq(bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"x")]), [])
    assert bench.client.registered
    eq(bench.registration.location, [b"rd", b"x"])
    eq(bench.events, ["registered"])


def test_location_is_where_updates_and_deregister_go():
    for parts in ((b"rd", b"1"), (b"5a3f",), (b"a", b"b", b"c", b"d", b"e"), (b"rd", b"x" * 40)):
        bench = Bench()
        bench.far.reply(started(bench), CREATED, [(LOCATION_PATH, part) for part in parts])
        bench.client.update()
        bench.client.step()
        packet = one(bench.far.take())
        eq((packet.code, packet.all(URI_PATH)), (POST, list(parts)))
        bench.far.reply(packet, CHANGED)
        bench.client.deregister()
        bench.client.step()
        packet = one(bench.far.take())
        eq((packet.code, packet.all(URI_PATH)), (DELETE, list(parts)))


def test_initial_delay():
    bench = Bench(initial_delay_s=30)
    sent = bench.watch(31)
    assert sent and 30000 <= sent[0][0] <= 31000, sent
    assert is_register(sent[0][1])


def test_register_refused_is_tried_again_later():
    for code in (BAD_REQUEST, FORBIDDEN, 0x86, 0xA0, 0xA3, 0x45):
        bench = Bench()
        eq(bench.far.reply(started(bench), code), [])
        assert not bench.client.registered
        eq(bench.registration.error, code)
        eq(bench.events, ["register_failed"])
        sent = bench.watch(600)
        assert sent and is_register(sent[0][1])
        assert sent[0][0] >= 1000, sent[0][0]


def test_register_reset_is_tried_again_later():
    bench = Bench()
    packet = started(bench)
    eq(bench.far.send(encode(RST, 0, packet.mid)), [])
    eq(bench.events, ["register_failed"])
    sent = bench.watch(600)
    assert is_register(sent[0][1])


def test_int_version_refused_with_4_12_falls_back_to_1_0():
    bench = Bench(lifetime_s=300, binding="UQ", lwm2m="1.1")
    first = started(bench)
    eq(first.all(URI_QUERY)[0], b"lwm2m=1.1")
    second = one(bench.far.reply(first, PRECONDITION_FAILED))
    eq(second.all(URI_QUERY), [b"lwm2m=1.0", b"ep=dev", b"lt=300", b"b=UQ"])
    assert second.mid != first.mid
    bench.far.reply(second, CREATED, [(LOCATION_PATH, b"7")])
    eq(bench.events, ["registered"])


def test_register_that_is_refused_in_every_version_backs_off():
    bench = Bench()
    register = started(bench)
    for version in (b"1.1", b"1.0"):
        register = one(bench.far.reply(register, PRECONDITION_FAILED))
        eq(register.all(URI_QUERY)[0], b"lwm2m=" + version)
    eq(bench.far.reply(register, PRECONDITION_FAILED), [])
    eq(bench.events, ["register_failed"])
    assert bench.client.step() > 500


def test_register_of_a_list_that_does_not_fit_fails_and_the_loop_lives():
    class Big(Object):
        OID = 40000

    bench = Bench(mtu=128)
    for _ in range(60):
        bench.client.add(Big())
    for _ in range(50):
        due = bench.client.step()
        bench.clock.advance(due)
        for packet in bench.far.take():
            assert len(packet.payload) <= 128


def two_servers():
    bench = Bench(lifetime_s=300)
    other = ScriptedServer(bench)
    bench.add_server(other, 600)
    return bench, other


# Several servers


def test_several_servers_have_their_own_terms():
    bench, other = two_servers()
    first = started(bench)
    second = one(other.take())
    eq(first.all(URI_QUERY)[2], b"lt=300")
    eq(second.all(URI_QUERY)[2], b"lt=600")
    for packet in (first, second):
        links = packet.payload.replace(b'"', b"")
        assert links.startswith(b"</1>;ver=1.1,</1/0>,</1/1>"), links
    assert not bench.client.registered
    bench.far.reply(first, CREATED, [(LOCATION_PATH, b"one")])
    assert not bench.client.registered
    other.reply(second, CREATED, [(LOCATION_PATH, b"two")])
    assert bench.client.registered
    eq([r.location for r in bench.client.registrations], [[b"one"], [b"two"]])


def test_several_servers_update_each_in_its_time():
    bench, other = two_servers()
    bench.far.reply(started(bench), CREATED, [(LOCATION_PATH, b"one")])
    other.reply(one(other.take()), CREATED, [(LOCATION_PATH, b"two")])
    times = {0: [], 1: []}
    while bench.clock.s < 3600:
        bench.clock.advance(min(bench.client.step(), 1000))
        for i, far in ((0, bench.far), (1, other)):
            for packet in far.take():
                eq(packet.path(), (b"/one", b"/two")[i])
                times[i].append(bench.clock.s)
                far.reply(packet, CHANGED)
    assert 12 <= len(times[0]) <= 24, times
    assert 6 <= len(times[1]) <= 12, times


def test_each_server_is_served():
    bench, other = two_servers()
    bench.far.accept_register()
    other.reply(one(other.take()), CREATED, [(LOCATION_PATH, b"two")])
    eq(bench.far.ask(GET, "/1/0/0", accept=TEXT).payload, b"1")
    eq(other.ask(GET, "/1/1/0", accept=TEXT).payload, b"2")


def test_dead_server_does_not_hinder_the_other():
    bench, other = two_servers()
    bench.far.accept_register()
    for _ in range(3000):
        bench.clock.advance(min(bench.client.step(), 5000))
        other.take()
        for packet in bench.far.take():
            eq(packet.code, POST)
            bench.far.reply(packet, CHANGED)
        assert bench.client.registrations[0].registered
    assert not bench.client.registrations[1].registered


# Events


def test_event_handler_that_raises_is_survived():
    bench = Bench()

    def handler(event, registration):
        bench.events.append(event)
        raise ValueError(event)

    bench.client.on_event = handler
    bench.registered()
    eq(bench.events, ["registered"])


def test_event_names_its_registration():
    bench, other = two_servers()
    seen = []
    bench.client.on_event = lambda event, registration: seen.append(
        (event, registration.server.ssid)
    )
    bench.far.accept_register()
    other.reply(one(other.take()), CREATED, [(LOCATION_PATH, b"two")])
    eq(seen, [("registered", 1), ("registered", 2)])


def test_event_handler_may_leave():
    bench = Bench()
    packet = started(bench)
    bench.client.on_event = lambda event, registration: bench.client.deregister()
    sent = bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"1")])
    bench.client.step()
    eq(one(sent + bench.far.take()).code, DELETE)


# Arguments


def test_client_arguments():
    for arguments in (
        {"endpoint": ""},
        {"endpoint": None},
        {"endpoint": b"dev"},
        {"endpoint": "dev", "mtu": 127},
        {"endpoint": "dev", "mtu": 0},
        {"endpoint": "dev", "ring": 0},
    ):
        raises(ValueError, Client, **arguments)


def test_server_arguments():
    client = Client("dev")
    for arguments in (
        {"uri": "coap://h", "lifetime_s": -1},
        {"uri": "coap://h", "lifetime_s": 0x20000000},
        {"uri": "coap://h", "lifetime_s": 1.5},
        {"uri": "coap://h", "lifetime_s": None},
        {"uri": "coap://h", "ssid": 0},
        {"uri": "coap://h", "ssid": 65535},
        {"uri": "coaps://h"},
        {"uri": "coaps://h", "transport": Loopback()},
        {"uri": "http://h"},
        {"uri": "coap://h", "nonsense": 1},
    ):
        raises(ValueError, client.add_server, **arguments)
        eq((arguments, client.registrations), (arguments, []))


def test_refused_server_leaves_nothing_behind():
    client = Client("dev")
    raises(ValueError, client.add_server, "coap://h", nonsense=1)
    eq((client.find(0), client.find(1)), (None, None))
    eq(client.add_server("coap://h", transport=Loopback()).ssid, 1)


def test_instance_ids():
    client = Client("dev")
    eq([client.add(Temperature()).iid for _ in range(3)], [0, 1, 2])
    client.remove(client.find(3303, 1))
    eq(client.add(Temperature()).iid, 1)
    eq(client.add(Temperature(iid=9)).iid, 9)
    raises(ValueError, client.add, Temperature(iid=9))
    eq([o.iid for o in client.objects], [0, 1, 2, 9])
    eq((client.find(3303).iid, client.find(3303, 9).iid, client.find(3303, 5)), (0, 9, None))


def test_parse_uri():
    for uri, expected in (
        ("coap://192.0.2.10", (False, "192.0.2.10", 5683)),
        ("coap://192.0.2.10/", (False, "192.0.2.10", 5683)),
        ("coaps://example.com", (True, "example.com", 5684)),
        ("coap://example.com:61616", (False, "example.com", 61616)),
        ("coap://example.com:1/", (False, "example.com", 1)),
        ("coap://[2001:db8::1]", (False, "2001:db8::1", 5683)),
        ("coaps://[::1]:65535", (True, "::1", 65535)),
    ):
        eq((uri, parse_uri(uri)), (uri, expected + ((), ())))
    for place, path, queries in (
        ("/a", (b"a",), ()),
        ("/a/b?x=1&y", (b"a", b"b"), (b"x=1", b"y")),
        ("?x", (), (b"x",)),
        ("/a%20b/", (b"a b",), ()),
        ("/?x=/?", (), (b"x=/?",)),
        ("/%C3%bc", (b"\xc3\xbc",), ()),
    ):
        uri = "coap://[::1]:7" + place
        eq((uri, parse_uri(uri)), (uri, (False, "::1", 7, path, queries)))


def test_parse_uri_that_is_none():
    for uri in (
        "",
        "coap://",
        "coap:///",
        "coap://:5683",
        "coap:host",
        "http://host",
        "coap://host:",
        "coap://host:0",
        "coap://host:65536",
        "coap://host:x",
        "coap://host:-1",
        "coap://host:1:2",
        "coap://::1",
        "coap://[::1",
        "coap://[]",
        "coap:///path",
        "coap://?query",
        "coap://host/path#part",
        "coap://host#part",
        "coap://me@host",
        "coap://host/a//b",
        "coap://host/a%2",
        "coap://host/a%zz",
        "coap://host/" + "a" * 256,
        "coaps+tcp://host",
        None,
        b"coap://host",
        5683,
    ):
        try:
            got = parse_uri(uri)
        except ValueError:
            continue
        raise AssertionError("%r gives %r" % (uri, got))


def test_path_and_query_of_the_uri_go_into_a_register_and_a_send():
    bench = Bench()
    far = ScriptedServer(bench)
    bench.client.add_format(SenmlCbor())
    bench.client.add(Temperature(value=20.5))
    bench.client.add_server("coap://localhost/tenant/7?token=x&y", transport=far.near)
    bench.client.step()
    register = one(far.take())
    eq(register.path(), b"/tenant/7/rd")
    eq([query for query in register.all(URI_QUERY) if b"=" not in query], [b"y"])
    assert b"token=x" in register.all(URI_QUERY)
    far.reply(register, CREATED, [(LOCATION_PATH, b"at"), (LOCATION_PATH, b"1")])
    bench.client.send("/3303/0/5700")
    bench.client.step()
    sent = one(far.take())
    eq((sent.path(), sent.all(URI_QUERY)), (b"/tenant/7/dp", [b"token=x", b"y"]))
    far.reply(sent, CHANGED)
    # The location is a path of its own (RFC 7252 §5.10.7).
    bench.client.update()
    bench.client.step()
    update = one(far.take())
    eq((update.path(), update.all(URI_QUERY)), (b"/at/1", []))
