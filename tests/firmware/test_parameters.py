# heapsize: 4m
"""CoAP parameters of an account, and the local port, as arguments of `Client.add_server`."""

import socket

from bench import Bench, ScriptedServer
from registration_bench import one
from testing import eq, raises
from wire import ACK, CREATED, LOCATION_PATH, POST, encode

from lwm2m.client import Client
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback
from lwm2m.transport.udp import Udp

LOCATION = [(LOCATION_PATH, b"1")]


class Other(Bench):
    """A client whose second account has arguments of its own."""

    def __init__(self, **arguments):
        super().__init__()
        self.registered()
        self.other = ScriptedServer(self)
        self.client.add_server("coap://localhost", transport=self.other.near, **arguments)
        self.account = self.client.registrations[1]

    def times(self, seconds):
        """When the Register is sent, in milliseconds from the first time."""
        seen = self.watch(seconds, far=self.other)
        return [ms - seen[0][0] for ms, _ in seen]


def test_retransmissions_follow_the_parameters():
    bench = Other(ack_timeout_ms=10000, ack_random_factor=1, max_retransmit=2)
    eq(bench.times(69), [0, 10000, 30000])
    eq(bench.account.attempts, 0)
    bench.advance(2000)
    eq((bench.account.attempts, bench.account.error), (1, None))


def test_random_factor_stretches_the_first_time_out():
    firsts = []
    for _ in range(30):
        times = Other(ack_timeout_ms=1000, ack_random_factor=2.0, max_retransmit=1).times(2.1)
        firsts.append(times[1])
    assert min(firsts) >= 1000 and max(firsts) <= 2000, firsts
    assert len(set(firsts)) > 5, firsts


def test_without_a_retransmission_the_time_out_still_counts():
    bench = Other(ack_timeout_ms=3000, ack_random_factor=1, max_retransmit=0)
    eq(bench.times(2.9), [0])
    bench.advance(200)
    eq(bench.account.attempts, 1)


def test_response_may_take_as_long_as_it_is_allowed():
    for arguments, longest_ms in (
        ({}, 93000),
        ({"response_timeout_s": 5}, 5000),
        ({"response_timeout_s": 600}, 600000),
        # MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2): 10 s * 31 * 1.5
        ({"ack_timeout_ms": 10000}, 465000),
        ({"ack_timeout_ms": 1000, "max_retransmit": 1, "ack_random_factor": 1}, 3000),
        ({"ack_timeout_ms": 10000, "response_timeout_s": 7}, 7000),
    ):
        bench = Other(**arguments)
        bench.client.step()
        register = one(bench.other.take())
        empty = encode(ACK, 0, register.mid, b"")
        bench.other.send(empty)
        bench.advance(longest_ms - 1000)
        eq((arguments, bench.account.attempts), (arguments, 0))
        bench.advance(1001)
        eq((arguments, bench.account.attempts), (arguments, 1))


def test_messages_in_flight_of_one_account():
    bench = Other(nstart=3)
    eq([len(r.exchange.outgoing) for r in bench.client.registrations], [1, 3])


def test_update_leaves_time_for_its_retransmissions():
    for arguments, lead_s in (({}, 100), ({"ack_timeout_ms": 10000}, 472)):
        bench = Other(lifetime_s=3600, **arguments)
        bench.client.step()
        bench.other.reply(one(bench.other.take()), CREATED, LOCATION)
        (ms, update) = bench.watch(3600 - lead_s + 5, far=bench.other)[0]
        eq((update.code, update.path()), (POST, b"/1"))
        assert abs(ms - (3600 - lead_s) * 1000) <= 1000, (arguments, ms)


def test_arguments_out_of_range_are_named():
    client = Client("dev", clock=FakeClock())
    for name, values in (
        ("ack_timeout_ms", (99, 60001, 2000.0, "2000", None)),
        ("ack_random_factor", (0.9, 3.1, 0, "1", None)),
        ("max_retransmit", (-1, 9, 1.0, None)),
        ("nstart", (0, 9, None)),
        ("response_timeout_s", (0, 86401, 1.5)),
        ("local_port", (0, 65536, -1, "5683")),
    ):
        for value in values:
            arguments = {name: value, "transport": Loopback()}
            error = raises(ValueError, client.add_server, "coap://localhost", **arguments)
            eq((name, value, str(error)), (name, value, name))
    eq((client.registrations, client.objects), ([], []))
    # The edges, all at once, and a resource of object 1 with them
    low = {"ack_timeout_ms": 100, "ack_random_factor": 1, "max_retransmit": 0, "nstart": 1}
    high = {"ack_timeout_ms": 60000, "ack_random_factor": 3, "max_retransmit": 8, "nstart": 8}
    for arguments in (low, high):
        server = client.add_server("coap://h", transport=Loopback(), storing=True, **arguments)
        eq(server.storing, True)


def free_port():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(40000, 65000, 37):
        try:
            sock.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
        except OSError:
            continue
        sock.close()
        return port
    raise AssertionError("no port is free")


def test_device_sends_from_its_local_port():
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server_port = None
    while not server_port:
        port = free_port()
        try:
            far.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            server_port = port
        except OSError:
            pass
    far.settimeout(60)
    local = free_port()
    client = Client("dev", clock=FakeClock())
    server = client.add_server("coap://127.0.0.1:%d" % server_port, local_port=local)
    seen = []
    for _ in range(2):
        client.step()
        seen.append(port_of(far.recvfrom(1280)[1]))
        # Each fresh socket has that port too.
        client.reconnect()
    eq(seen, [local, local])
    # Another program has the port: an OSError, which is tried again.
    other = client.add_server("coap://127.0.0.1:%d" % server_port, local_port=local)
    client.step()
    registration = other.registration
    assert isinstance(registration.error, OSError), registration.error
    eq(registration.attempts, 1)
    for account in (server, other):
        client.remove_server(account, deregister=False)
    far.close()


def port_of(address):
    """The port in what recvfrom gives: a sockaddr in the unix port."""
    return address[1] if isinstance(address, tuple) else address[2] << 8 | address[3]


def test_udp_without_a_local_port_binds_nothing():
    transport = Udp("127.0.0.1", 9)
    eq(transport.bind, None)
    transport.open()
    transport.close()
