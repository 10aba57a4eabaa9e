# matrix
"""`await client.run()` over real UDP sockets, against a small server in the same process."""

import asyncio
import os
import socket

from testing import eq, raises
from wire import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CREATED,
    DELETE,
    DELETED,
    GET,
    LOCATION_PATH,
    POST,
    decode,
    encode,
    segments,
)

from lwm2m.client import Client
from lwm2m.formats.text import Text
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature

PATIENCE_MS = 60_000  # what never comes takes so long


class Server:
    """Answers what devices send, and asks them; a task of its own drives it."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            # There is no getsockname to ask for a free port.
            self.port = 20000 + int.from_bytes(os.urandom(2), "big") % 20000
            try:
                self.sock.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                break
            except OSError:
                pass
        self.sock.setblocking(False)
        self.seen = []
        self.answers = {}
        self.device = None
        self.mute = False
        self.mid = 0

    async def serve(self):
        while True:
            try:
                datagram, address = self.sock.recvfrom(1500)
            except OSError:
                await asyncio.sleep_ms(2)
                continue
            self.device = address
            packet = decode(datagram)
            if packet.code >= 64 or not packet.code:
                self.answers[packet.mid] = packet
                continue
            self.seen.append((packet.code, packet.path()))
            if self.mute:
                continue
            options = []
            code = CHANGED
            if packet.path() == b"/rd":
                code = CREATED
                options = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
            elif packet.code == DELETE:
                code = DELETED
            self.sock.sendto(encode(ACK, code, packet.mid, packet.token, options), address)

    async def ask(self, method, path):
        self.mid += 1
        mid = self.mid
        self.sock.sendto(encode(CON, method, mid, b"t", segments(path)), self.device)
        for _ in range(PATIENCE_MS // 2):
            if mid in self.answers:
                return self.answers.pop(mid)
            await asyncio.sleep_ms(2)
        raise AssertionError("no answer to a request for " + path)

    def close(self):
        self.sock.close()


class Pair:
    """A client and its server, each in a task."""

    def __init__(self, **terms):
        self.server = Server()
        self.events = []
        self.client = Client("dev", on_event=lambda event, _: self.events.append(event))
        self.client.add_format(Text())
        self.client.add(Device(manufacturer="Acme"))
        self.client.add_server("coap://127.0.0.1:%d" % self.server.port, **terms)
        self.serving = asyncio.create_task(self.server.serve())
        self.running = asyncio.create_task(self.client.run())

    async def until(self, condition):
        for _ in range(PATIENCE_MS // 5):
            if condition():
                return
            await asyncio.sleep_ms(5)
        raise AssertionError("has not happened: %r %r" % (self.events, self.server.seen))

    async def close(self):
        for task in (self.running, self.serving):
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
        self.client.deregister(False)
        self.server.close()


async def test_register_read_update_leave():
    pair = Pair(lifetime_s=300)
    await pair.until(lambda: pair.client.registered)
    answer = await pair.server.ask(GET, "/3/0/0")
    eq((answer.code, answer.payload), (CONTENT, b"Acme"))
    pair.client.update()
    await pair.server.ask(GET, "/3/0/0")  # the client looks around when something arrives
    await pair.until(lambda: "updated" in pair.events)
    pair.client.deregister()
    await pair.server.ask(GET, "/3/0/0")
    await asyncio.wait_for_ms(pair.running, PATIENCE_MS)
    eq(pair.events, ["registered", "updated", "deregistered"])
    eq([code for code, _ in pair.server.seen], [POST, POST, DELETE])
    eq(pair.server.seen[2][1], b"/rd/1")
    await pair.close()


async def test_requests_are_served_promptly():
    pair = Pair(lifetime_s=86400)
    await pair.until(lambda: pair.client.registered)
    for _ in range(50):
        answer = await pair.server.ask(GET, "/3/0/0")
        eq(answer.payload, b"Acme")
    await pair.close()


async def test_updates_come_in_time():
    pair = Pair(lifetime_s=1)
    await pair.until(lambda: pair.events.count("updated") >= 3)
    assert "update_failed" not in pair.events, pair.events
    await pair.close()


async def test_other_tasks_run_meanwhile():
    pair = Pair(lifetime_s=300)
    turns = 0

    async def turn():
        nonlocal turns
        while True:
            await asyncio.sleep_ms(2)
            turns += 1

    other = asyncio.create_task(turn())
    await pair.until(lambda: pair.client.registered and turns > 50)
    other.cancel()
    await pair.close()


async def at_rest():
    """A pair that is registered and has nothing to do for a day: no timer is left either."""
    pair = Pair(lifetime_s=86400)
    pair.client.registrations[0].exchange.ack_timeout_ms = 100
    await pair.until(lambda: pair.client.registered)
    await asyncio.sleep_ms(400)
    return pair


async def test_update_asked_for_by_another_task_is_sent_soon():
    pair = await at_rest()
    pair.client.update()
    await pair.until(lambda: "updated" in pair.events)
    await pair.close()


async def test_new_instance_is_told_soon():
    pair = await at_rest()
    pair.client.add(Temperature())
    await pair.until(lambda: "updated" in pair.events)
    await pair.close()


async def test_leave_asked_for_by_another_task_ends_run_soon():
    pair = await at_rest()
    pair.client.deregister()
    await pair.until(lambda: "deregistered" in pair.events)
    await asyncio.wait_for_ms(pair.running, PATIENCE_MS)
    await pair.close()


async def test_reconnect_asked_for_by_another_task_happens_soon():
    pair = await at_rest()
    pair.client.reconnect()
    await pair.until(lambda: pair.events.count("registered") == 2)
    await pair.close()


async def test_timer_asked_for_by_another_task_fires_in_time():
    pair = await at_rest()
    fired = []
    pair.client.after(100, lambda: fired.append(1))
    await pair.until(lambda: fired)
    await pair.close()


async def test_cancellation_is_clean():
    pair = Pair(lifetime_s=300)
    await pair.until(lambda: pair.client.registered)
    pair.running.cancel()
    cancelled = False
    try:
        await pair.running
    except asyncio.CancelledError:
        cancelled = True
    assert cancelled
    # Nobody serves any more: what arrives waits.
    silent = False
    try:
        await asyncio.wait_for_ms(pair.server.ask(GET, "/3/0/0"), 150)
    except asyncio.TimeoutError:
        silent = True
    assert silent, "a task of the cancelled client still answers"
    # And run() can be started again.
    pair.running = asyncio.create_task(pair.client.run())
    answer = await pair.server.ask(GET, "/3/0/0")
    eq(answer.payload, b"Acme")
    await pair.close()


async def test_cancellation_before_anything_was_answered():
    pair = Pair(lifetime_s=300)
    pair.server.mute = True
    await pair.until(lambda: pair.server.seen)
    await pair.close()


async def test_server_that_appears_later_is_found():
    pair = Pair(lifetime_s=300)
    pair.server.mute = True
    pair.client.registrations[0].exchange.ack_timeout_ms = 50
    await pair.until(lambda: len(pair.server.seen) >= 1)
    pair.server.mute = False
    await pair.until(lambda: pair.client.registered)
    await pair.close()


async def test_nobody_listens():
    # ECONNREFUSED again and again, and the loop lives.
    server = Server()
    port = server.port
    server.close()
    client = Client("dev")
    client.add_server("coap://127.0.0.1:%d" % port)
    task = asyncio.create_task(client.run())
    await asyncio.sleep_ms(300)
    assert not client.registered
    client.deregister()
    try:
        await asyncio.wait_for_ms(task, PATIENCE_MS)
    except asyncio.TimeoutError:
        raise AssertionError("run() does not end after leave()")


async def test_reconnect_follows_the_new_socket():
    pair = Pair(lifetime_s=86400)
    await pair.until(lambda: pair.client.registered)
    first = pair.server.device
    pair.client.reconnect()
    await pair.until(lambda: pair.events.count("registered") == 2)
    await pair.server.ask(GET, "/3/0/0")
    assert pair.server.device != first
    answer = await pair.server.ask(GET, "/3/0/0")
    eq(answer.payload, b"Acme")
    await pair.close()


def test_plain_loop_with_wait():
    # The other driver: wait(step()), while a second socket plays the server in between.
    server = Server()
    client = Client("dev")
    client.add_format(Text())
    client.add(Device(manufacturer="Acme"))
    client.add_server("coap://127.0.0.1:%d" % server.port)
    client.step()
    datagram, address = server.sock.recvfrom(1500)
    packet = decode(datagram)
    eq((packet.code, packet.path()), (POST, b"/rd"))
    server.sock.sendto(
        encode(ACK, CREATED, packet.mid, packet.token, [(LOCATION_PATH, b"1")]), address
    )
    server.sock.sendto(encode(CON, GET, 9, b"t", segments("/3/0/0"), b""), address)
    for _ in range(3):
        client.wait(min(client.step(), 100))
    assert client.registered
    answer = decode(server.sock.recvfrom(1500)[0])
    eq((answer.mid, answer.code, answer.payload), (9, CONTENT, b"Acme"))
    raises(OSError, server.sock.recvfrom, 1500)
    client.deregister(False)
    server.close()
