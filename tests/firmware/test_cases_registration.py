# replaces socket
# heapsize: 4m
"""What strangers found in the registration interface; each test has the number of its case
(docs/cases.md).
"""

import socket

from bench import Bench
from wire import (
    ACK,
    CHANGED,
    CON,
    CREATED,
    DELETE,
    DELETED,
    LOCATION_PATH,
    POST,
    RST,
    TLV,
    URI_QUERY,
    encode,
    segments,
)
from testing import eq, raises

from lwm2m.client import Client
from lwm2m.objects.ipso import Temperature
from lwm2m.testing.loopback import Loopback
from lwm2m.transport import udp

LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")]
CONTENT_FORMAT = 12


def request(bench, code, path, payload=b"", format=None, mid=7):
    """The answer to a request, and what else was sent with it."""
    options = segments(path)
    if format is not None:
        options.append((CONTENT_FORMAT, format))
    sent = bench.far.send(encode(CON, code, mid, b"q", options, payload))
    eq(sent[0].type, ACK)
    return sent[0], sent[1:]


def queries(packet):
    return packet.all(URI_QUERY)


def only(packets):
    eq(len(packets), 1)
    return packets[0]


def test_f_05_another_list_of_objects_is_another_message():
    bench = Bench()
    bench.client.step()
    first = only(bench.far.take())
    bench.client.add(Temperature())
    bench.client.step()
    second = only(bench.far.take())
    assert b"</3303/0>" in second.payload and b"</3303/0>" not in first.payload
    assert (first.mid, first.token) != (second.mid, second.token)
    # From now on it is the same message again.
    again = bench.watch(3)
    eq([(packet.mid, packet.payload) for _, packet in again], [(second.mid, second.payload)])
    bench.far.reply(second, CREATED, LOCATION)
    assert bench.client.registered
    eq(bench.watch(5), [])


def test_f_05_holds_for_an_update_and_keeps_what_it_said():
    bench = Bench().registered()
    bench.server.lifetime_s = 120
    bench.client.update(True)
    bench.client.step()
    first = only(bench.far.take())
    eq(queries(first), [b"lt=120"])
    bench.client.add(Temperature())
    bench.client.step()
    second = only(bench.far.take())
    assert second.mid != first.mid
    assert b"</3303/0>" in second.payload
    eq(queries(second), [b"lt=120"])  # nothing of the first was acknowledged


def test_f_06_an_update_says_only_what_has_changed():
    bench = Bench(lifetime_s=300).registered()
    answer, sent = request(bench, 3, "/1/0/1", b"\xc1\x01\x3c", TLV)
    eq(answer.code, CHANGED)
    if not sent:
        bench.client.step()
        sent = bench.far.take()
    update = only(sent)
    eq((update.code, queries(update), update.payload), (POST, [b"lt=60"], b""))
    bench.far.reply(update, CHANGED)
    answer, sent = request(bench, 3, "/1/0/7", b"\xc2\x07UQ", TLV, 8)
    eq(answer.code, CHANGED)
    if not sent:
        bench.client.step()
        sent = bench.far.take()
    eq(queries(only(sent)), [b"b=U", b"Q"])


def test_f_12_a_second_disable_counts_from_itself():
    bench = Bench()
    bench.server.disable_timeout_s = 4
    bench.registered()
    request(bench, POST, "/1/0/4")
    (_, farewell) = only(bench.watch(1))
    bench.far.reply(farewell, DELETED)
    assert not bench.client.registered
    bench.watch(1)
    bench.registration.disable(4)  # as another server would have it done
    start_ms = bench.now_ms()
    at_ms, register = bench.watch(8)[0]
    eq((register.code, register.path()), (POST, b"/rd"))
    assert 4000 <= at_ms - start_ms <= 4100, at_ms - start_ms


def test_f_17_deregister_gives_up_what_is_unanswered():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    eq(only(bench.far.take()).code, POST)
    bench.client.deregister()
    farewell = [packet for _, packet in bench.watch(3) if packet.code == DELETE]
    eq(only(farewell).path(), b"/rd/5a3f")
    bench.far.reply(farewell[0], DELETED)
    bench.client.step()
    assert bench.client.ended


def test_f_20_the_answer_to_disable_has_time_before_the_deregister():
    bench = Bench().registered()
    _, sent = request(bench, POST, "/1/0/4")
    eq(sent, [])
    start_ms = bench.now_ms()
    at_ms, farewell = only(bench.watch(1))
    eq(farewell.code, DELETE)
    assert at_ms - start_ms >= 200, at_ms - start_ms


def test_s_12_an_endpoint_name_fits_into_its_option():
    Client("x" * 252)
    eq(str(raises(ValueError, Client, "x" * 253)), "endpoint")
    eq(str(raises(ValueError, Client, "ü" * 127)), "endpoint")


class Sockets:
    """A socket module whose name has two addresses."""

    SOCK_DGRAM = socket.SOCK_DGRAM

    def __init__(self):
        self.connected = []

    def getaddrinfo(self, host, port, family, kind):
        real = socket.getaddrinfo("127.0.0.1", port, 0, kind)[0]
        return [real[:-1] + ("first",), real[:-1] + ("second",)]

    def socket(self, family, kind):
        sockets = self

        class Socket:
            def __init__(self):
                self.real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

            def connect(self, address):
                sockets.connected.append(address)
                self.real.connect(socket.getaddrinfo("127.0.0.1", 9)[0][-1])

            def setblocking(self, flag):
                self.real.setblocking(flag)

            def close(self):
                self.real.close()

        return Socket()


class Poll:
    def register(self, sock, flags=0):
        pass

    def unregister(self, sock):
        pass


def test_s_18_the_next_address_is_tried_where_nobody_has_answered():
    sockets = Sockets()
    original = udp.socket
    udp.socket = sockets
    try:
        transport = udp.Udp("localhost", 5683)
        transport.poll = Poll()
        transport.open()
        transport.open()
        transport.data = b"answer"  # as receive leaves it
        transport.open()
        transport.open()
    finally:
        udp.socket = original
        transport.close()
    eq(sockets.connected, ["first", "second", "second", "first"])


def test_s_21_a_register_without_a_location_has_failed():
    bench = Bench()
    bench.client.step()
    bench.far.reply(only(bench.far.take()), CREATED)
    eq(bench.events, ["register_failed"])
    eq(bench.registration.error, CREATED)
    assert not bench.client.registered


def test_s_26_one_limit_for_a_lifetime():
    bench = Bench().registered()
    eq(request(bench, 3, "/1/0/1", b"\xc4\x01\x1f\xff\xff\xff", TLV)[0].code, CHANGED)
    eq(request(bench, 3, "/1/0/1", b"\xc4\x01\x20\x00\x00\x00", TLV, 8)[0].code, 0x80)
    bench.client.add_server("coap://localhost", lifetime_s=0x1FFFFFFF, transport=bench.far.near)
    raises(ValueError, bench.client.add_server, "coap://localhost", None, 0x20000000)


def refusals(code, seconds, options=(), **terms):
    """The bench after that time, and the pauses of a client that every Register is refused."""
    bench = Bench(**terms)
    times = []

    def refuse(packet):
        times.append(bench.now_ms())
        bench.far.reply(packet, code, options)

    bench.watch(seconds, answer=refuse, keep=False)
    return bench, [times[i + 1] - times[i] for i in range(len(times) - 1)]


def test_f_24_a_refused_register_is_repeated_ever_more_slowly_and_never_given_up():
    for code in (0x80, 0x81, 0x83, 0x84, 0x85, 0x8D, 0x8F):
        bench, gaps = refusals(code, 40000)
        for i, gap in enumerate(gaps):
            longest = min(60000 << i, 3600000)
            assert longest // 2 <= gap <= longest, (code, i, gaps)
        assert len(gaps) >= 14, gaps
        eq((bench.registration.error, "registered" in bench.events), (code, False))
        # Somebody has made it known to the server.
        bench.watch(3601, answer=lambda packet: bench.far.reply(packet, CREATED, LOCATION))
        assert bench.client.registered
        eq(bench.registration.attempts, 0)


def test_f_24_what_is_no_refusal_is_repeated_as_before():
    for code in (0x88, 0x9D, 0xA0, 0xA3, 0x41):
        _, gaps = refusals(code, 2000)
        assert gaps[0] <= 4000 and max(gaps) <= 300000, (code, gaps)


def test_f_24_terms_of_the_server_go_before():
    _, gaps = refusals(0x83, 3000, retry_count=3, retry_timer_s=10, sequence_delay_s=500)
    eq([gap // 1000 for gap in gaps[:4]], [10, 20, 500, 10])


def test_f_24_an_overloaded_server_says_when_to_come_back():
    for code in (0x9D, 0xA3):
        _, gaps = refusals(code, 5000, [(14, b"\x03\xe8")])
        eq((code, [gap // 1000 for gap in gaps]), (code, [1000, 1000, 1000, 1000]))
    # It cannot send a device away for ever; and no Max-Age means none.
    bench, _ = refusals(0xA3, 1, [(14, b"\xff\xff\xff\xff")])
    eq(len(bench.watch(86400)), 1)
    _, gaps = refusals(0xA3, 20)
    assert gaps and gaps[0] <= 4000, gaps
    # Other refusals have no such meaning.
    _, gaps = refusals(0xA0, 20, [(14, b"\x03\xe8")])
    assert gaps and gaps[0] <= 4000, gaps


def test_f_24_rst_to_an_update_means_a_register_at_once():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    update = only(bench.far.take())
    sent = bench.far.send(encode(RST, 0, update.mid, b""))
    sent = sent or [packet for _, packet in bench.watch(1)]
    eq((only(sent).code, sent[0].path()), (POST, b"/rd"))
    eq(bench.events[1:], ["update_failed"])
    # One that is refused in the same way has its pauses: no storm.
    bench.far.send(encode(RST, 0, sent[0].mid, b""))
    eq(bench.events[2:], ["register_failed"])
    assert bench.client.step() >= 2000


def test_f_24_port_unreachable_is_a_lost_datagram():
    class Refusing(Loopback):
        refusals = 0

        def receive(self):
            if self.refusals:
                self.refusals -= 1
                raise OSError(111)
            return super().receive()

    near = Refusing()
    bench = Bench(near=near).registered()
    bench.client.update()
    bench.client.step()
    first = only(bench.far.take())
    near.refusals = 1
    (_, second) = only(bench.watch(3))
    eq((second.mid, second.path()), (first.mid, b"/rd/5a3f"))
    bench.far.reply(second, CHANGED)
    eq(bench.events, ["registered", "updated"])
