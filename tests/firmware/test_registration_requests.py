# heapsize: 4m
"""Requests of the application: offline, Update now, De-register."""

import time

from bench import Bench
from registration_bench import DAY_S, NOT_FOUND, accept, one, started
from testing import eq
from wire import (
    ACK,
    CHANGED,
    CREATED,
    DELETE,
    DELETED,
    LOCATION_PATH,
    POST,
    URI_QUERY,
    decode,
    encode,
)

from lwm2m.client import Client
from lwm2m.testing.loopback import Loopback


def test_leave_deregisters():
    bench = Bench().registered()
    bench.client.deregister()
    assert not bench.client.ended
    bench.client.step()
    packet = one(bench.far.take())
    eq((packet.code, packet.path(), packet.all(URI_QUERY)), (DELETE, b"/rd/5a3f", []))
    eq(packet.payload, b"")
    eq(bench.far.reply(packet, DELETED), [])
    assert bench.client.ended
    assert not bench.client.registered
    eq(bench.events, ["registered", "deregistered"])
    eq(bench.watch(2 * DAY_S), [])


def test_leave_without_a_word():
    bench = Bench().registered()
    bench.client.deregister(False)
    bench.client.step()
    assert bench.client.ended
    eq(bench.watch(2 * DAY_S), [])


def test_leave_while_registering_deregisters():
    bench = Bench()
    register = started(bench)
    bench.client.deregister()
    bench.client.step()
    assert not bench.client.ended
    sent = bench.far.reply(register, CREATED, [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")])
    eq([packet.code for packet in sent], [DELETE])
    accept(bench.far, sent[0])
    bench.client.step()
    assert bench.client.ended
    eq(bench.events, ["registered", "deregistered"])


def test_leave_while_registering_does_not_wait_for_a_dead_server():
    bench = Bench()
    started(bench)
    bench.client.deregister()
    bench.client.clock.advance(bench.client.step())
    bench.client.step()
    assert bench.client.ended
    assert bench.client.clock.s < 5


def test_leave_while_waiting_ends():
    bench = Bench()
    bench.far.reply(started(bench), 0xA3)
    bench.client.deregister()
    bench.client.step()
    assert bench.client.ended
    eq(bench.watch(DAY_S), [])


def test_leave_while_updating_deregisters():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    update = one(bench.far.take())
    bench.client.deregister()
    sent = bench.far.reply(update, CHANGED)
    bench.client.step()
    sent += bench.far.take()
    eq(one(sent).code, DELETE)


def test_leave_of_a_dead_server_ends_after_the_retransmissions():
    bench = Bench().registered()
    bench.client.deregister()
    sent = bench.watch(100)
    eq([packet.code for _, packet in sent], [DELETE] * 5)
    assert bench.client.ended


def test_leave_answered_with_an_error_ends():
    bench = Bench().registered()
    bench.client.deregister()
    bench.client.step()
    bench.far.reply(one(bench.far.take()), NOT_FOUND)
    assert bench.client.ended
    eq(bench.events[-1], "deregister_failed")


def test_failed_deregistration_is_told_apart_from_a_good_one():
    bench = Bench().registered()
    bench.client.deregister()
    bench.watch(100)
    eq(bench.events[-1], "deregister_failed")


def test_reconnect_after_leave():
    bench = Bench().registered()
    bench.client.deregister(False)
    bench.client.step()
    bench.client.reconnect()
    bench.far.accept_register("/again")
    eq(bench.registration.location, [b"again"])


def test_reconnect_registers_anew_over_a_fresh_socket():
    bench = Bench().registered()
    opened = bench.far.near.opened
    bench.client.reconnect()
    packet = started(bench)
    eq(bench.far.near.opened, opened + 1)
    bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"2")])
    eq((bench.registration.location, bench.client.registered), ([b"2"], True))


def test_reconnect_in_the_middle_of_an_update():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    update = one(bench.far.take())
    bench.client.reconnect()
    register = started(bench)
    # The late answer to the Update is nobody's any more.
    eq(bench.far.reply(update, NOT_FOUND), [])
    bench.far.reply(register, CREATED, [(LOCATION_PATH, b"3")])
    eq(bench.registration.location, [b"3"])


class Answering(Loopback):
    """A server that answers everything at once."""

    def send(self, buf, n):
        packet = decode(bytes(buf[:n]))
        code = {POST: CREATED, DELETE: DELETED}[packet.code]
        self.queue.append(encode(ACK, code, packet.mid, packet.token, [(LOCATION_PATH, b"1")]))


def test_stop_waits_for_the_end():
    bench = Bench(near=Answering())
    bench.client.step()
    bench.client.step()
    assert bench.client.registered
    begin = time.ticks_ms()
    bench.client.stop(timeout_ms=3000)
    assert bench.client.ended
    eq(bench.events, ["registered", "deregistered"])
    took_ms = time.ticks_diff(time.ticks_ms(), begin)
    assert took_ms < 1500, "waits %d ms for nothing" % took_ms


def test_stop_of_a_dead_server_ends_after_its_timeout():
    far, near = Loopback.pair()
    client = Client("dev")
    client.add_server("coap://localhost", transport=near)
    client.step()
    request = decode(far.queue.pop())
    answer = encode(ACK, CREATED, request.mid, request.token, [(LOCATION_PATH, b"1")])
    far.send(answer, len(answer))
    client.step()
    assert client.registered
    begin = time.ticks_ms()
    client.stop(timeout_ms=200)
    assert client.ended
    assert 150 <= time.ticks_diff(time.ticks_ms(), begin) < 3000


def test_nothing_is_sent_without_a_reason():
    bench = Bench().registered()
    bench.advance(1000)
    eq(bench.far.take(), [])
