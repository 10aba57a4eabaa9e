# heapsize: 4m
"""The state of an account as an application sees it, and counters of its traffic."""

from bench import Bench, ScriptedServer
from registration_bench import one
from testing import eq, heap_locked
from wire import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CREATED,
    DELETED,
    GET,
    LOCATION_PATH,
    NON,
    OBSERVE,
    PUT,
    TEXT,
    encode,
    segments,
)

from lwm2m.coap.traffic import Traffic
from lwm2m.objects.connectivity_statistics import ConnectivityStatistics
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.registration.status import Status
from lwm2m.testing.loopback import Loopback

LOCATION = [(LOCATION_PATH, b"1")]
FORBIDDEN = 0x83


def words(bench):
    """(state, registered, pending) of the account."""
    status = Status(bench.registration)
    return status.state, status.registered, status.pending


def test_states_of_an_account_before_it_is_registered():
    near = Loopback()
    near.steps = 3
    bench = Bench(near=near, initial_delay_s=5)
    client = bench.client
    client.step()
    eq(words(bench), ("waiting", False, 0))
    eq(Status(bench.registration).next_s, 5)
    bench.advance(5000)
    eq(words(bench), ("connecting", False, 0))
    eq(Status(bench.registration).next_s, None)
    (_, register) = one(bench.watch(1))
    eq(words(bench), ("registering", False, 1))
    bench.far.reply(register, 0xA3)
    status = Status(bench.registration)
    eq((status.state, status.attempts, status.error), ("retrying", 1, 0xA3))
    assert 1 <= status.next_s <= 4, status.next_s
    eq((status.register_s, status.update_s), (None, None))


def test_states_of_a_registered_account():
    bench = Bench(lifetime_s=3600).registered()
    client = bench.client
    eq(words(bench), ("registered", True, 0))
    status = Status(bench.registration)
    eq((status.register_s, status.update_s, status.next_s), (0, 0, 3500))
    bench.clock.advance(60000)
    client.update()
    status = Status(bench.registration)
    eq((status.state, status.next_s), ("registered", 0))
    client.step()
    eq(words(bench), ("updating", True, 1))
    bench.far.reply(one(bench.far.take()), CHANGED)
    bench.clock.advance(10000)
    status = Status(bench.registration)
    eq((status.state, status.register_s, status.update_s), ("registered", 70, 10))
    eq(status.next_s, 3490)
    # There is no network, and there is one again.
    client.offline()
    eq(words(bench), ("suspended", True, 0))
    client.online()
    eq(words(bench), ("registered", True, 0))
    # A server sends it away for a while.
    bench.registration.disable(30)
    eq(words(bench), ("deregistering", True, 0))
    (_, farewell) = one(bench.watch(1))
    eq(words(bench), ("deregistering", False, 1))
    bench.far.reply(farewell, DELETED)
    eq(words(bench), ("disabled", False, 0))
    eq(Status(bench.registration).next_s, 30)
    (_, register) = one(bench.watch(31))
    bench.far.reply(register, CREATED, LOCATION)
    eq(words(bench), ("registered", True, 0))
    client.deregister()
    client.step()
    eq(words(bench), ("deregistering", False, 1))
    bench.far.reply(one(bench.far.take()), DELETED)
    eq(words(bench), ("deregistered", False, 0))
    eq(Status(bench.registration).next_s, None)
    client.offline()
    eq(words(bench), ("deregistered", False, 0))


def test_status_has_the_reason_of_a_refusal():
    bench = Bench()
    bench.client.step()
    bench.far.reply(one(bench.far.take()), FORBIDDEN)
    status = Status(bench.registration)
    eq((status.state, status.error, status.attempts), ("retrying", FORBIDDEN, 1))


def test_times_of_notifications():
    bench = Bench().registered()
    temperature = bench.client.add(Temperature(value=20.0))
    bench.client.step()
    bench.far.reply(one(bench.far.take()), CHANGED)
    status = Status(bench.registration)
    eq((status.notify_s, status.next_notify_s), (None, None))
    bench.far.ask(PUT, "/3303/0/5700", options=[(15, b"pmax=100")])
    eq(bench.far.ask(GET, "/3303/0/5700", options=[(OBSERVE, b"")]).code, CONTENT)
    status = Status(bench.registration)
    eq((status.notify_s, status.next_notify_s), (0, 100))
    bench.advance(30000)
    status = Status(bench.registration)
    eq((status.notify_s, status.next_notify_s), (30, 70))
    temperature.value = 21.0
    bench.client.step()
    one(bench.far.take())
    bench.advance(1000)
    status = Status(bench.registration)
    eq((status.notify_s, status.next_notify_s), (1, 99))


def test_separate_response_is_pending():
    class Slow(Device):
        def read(self, rid, name):
            if rid == 0:
                self.response = self.client.defer()
            return super().read(rid, name)

    bench = Bench().registered()
    slow = bench.client.add(Slow(manufacturer="Acme"))
    bench.client.step()
    bench.far.reply(one(bench.far.take()), CHANGED)
    bench.far.send(encode(CON, GET, 3, b"t", segments("/3/0/0")))
    eq(words(bench), ("registered", True, 1))
    slow.response.answer(CONTENT, b"Acme", TEXT)
    bench.client.step()
    eq(words(bench), ("registered", True, 2))
    response = one(bench.far.take())
    bench.far.send(encode(ACK, 0, response.mid, b""))
    eq(words(bench), ("registered", True, 0))


# Traffic


def counters(traffic):
    return (
        (traffic.sent, traffic.sent_bytes, traffic.resent),
        (traffic.received, traffic.received_bytes, traffic.repeated),
    )


def test_traffic_is_counted_in_each_direction():
    bench = Bench().registered()
    bench.client.add(Device())
    bench.client.step()
    bench.far.reply(one(bench.far.take()), CHANGED)
    traffic = Traffic(bench.registration.exchange)
    eq((counters(traffic), traffic.received_s), (((0, 0, 0), (0, 0, 0)), None))
    bench.clock.advance(5000)
    request = encode(CON, GET, 3, b"t", segments("/3/0/16"))
    [answer] = bench.far.send(request)
    size = len(encode(ACK, CONTENT, 3, b"t", answer.options, answer.payload))
    eq(counters(traffic), ((1, size, 0), (1, len(request), 0)))
    eq(traffic.received_s, 5)
    # The server has not had the answer.
    bench.far.send(request)
    eq(counters(traffic), ((2, 2 * size, 0), (2, 2 * len(request), 1)))
    bench.far.send(encode(NON, GET, 3, b"t", segments("/3/0/16")))
    eq(traffic.repeated, 2)
    # What is older than the last 8 message ids is taken for new.
    for mid in range(100, 109):
        bench.far.send(encode(CON, GET, mid, b"t", segments("/3/0/16")))
    bench.far.send(request)
    eq(traffic.repeated, 2)


def test_retransmissions_are_counted_with_what_is_sent():
    bench = Bench().registered()
    traffic = Traffic(bench.registration.exchange)
    bench.client.update()
    sent = bench.watch(62)
    eq((len(sent), traffic.sent, traffic.resent), (5, 5, 4))
    bench.far.reply(sent[-1][1], CHANGED)
    eq((traffic.received, traffic.repeated), (1, 0))
    bench.client.update()
    bench.client.step()
    eq((traffic.sent, traffic.resent), (6, 4))


def test_traffic_counts_each_account_alone():
    bench = Bench().registered()
    traffic = Traffic(bench.registration.exchange)
    other = ScriptedServer(bench)
    bench.add_server(other)
    bench.client.step()
    eq(len(other.take()), 1)
    eq(traffic.sent, len(bench.far.take()))


def test_counting_allocates_nothing():
    bench = Bench().registered()
    traffic = Traffic(bench.registration.exchange)
    bench.registration.exchange.transport.data = encode(CON, GET, 9, b"t")
    heap_locked(traffic.count, -5)
    heap_locked(traffic.count, 5)


def test_traffic_and_object_7_count_beside_each_other():
    for first in (True, False):
        bench = Bench().registered()
        exchange = bench.registration.exchange
        traffic = Traffic(exchange) if first else None
        statistics = bench.client.add(ConnectivityStatistics())
        statistics.measure(bench.registration)
        traffic = traffic or Traffic(exchange)
        statistics.start()
        bench.client.step()
        update = one(bench.far.take())
        eq(traffic.sent, 1)
        eq(statistics.average_size, traffic.sent_bytes + statistics.overhead)
        bench.far.reply(update, CHANGED)
        eq(traffic.received, 1)


def test_measuring_twice_counts_once():
    bench = Bench().registered()
    statistics = bench.client.add(ConnectivityStatistics())
    for _ in range(2):
        statistics.measure(bench.registration)
    statistics.start()
    bench.client.step()
    eq((len(bench.far.take()), statistics._messages), (1, 1))
