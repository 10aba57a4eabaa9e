"""The memory that requests take."""

import gc

from bench import Bench
from management_bench import Serving, made
from testing import allocated, eq, heap_locked
from wire import (
    ACK,
    CON,
    CONTENT,
    CREATED,
    DELETE,
    GET,
    LINK,
    LOCATION_PATH,
    PUT,
    TEXT,
    decode,
    encode,
    segments,
)

from lwm2m.objects.device import Device


def test_read_of_a_scalar_allocates_nothing():
    bench = made(level=1 << 62)
    for path, payload in (
        ("/3/0/0", b"Acme"),
        ("/26241/0/0", b"thing"),
        ("/26241/0/1", b"4611686018427387904"),
        ("/26241/0/2", b"21.5"),
        ("/26241/0/3", b"\x00\xff"),
    ):
        serving = Serving(bench.client, GET, path)
        serving()
        heap_locked(serving)
        eq((serving.answer().code, serving.answer().payload), (CONTENT, payload))


def test_refusals_allocate_nothing():
    bench = made()
    for method, path in (
        (GET, "/9/9"),
        (GET, "/26241/0/4"),
        (DELETE, "/3/0"),
        (GET, "/0/0"),
        (GET, "/x"),
    ):
        serving = Serving(bench.client, method, path)
        serving()
        heap_locked(serving)
        assert serving.code >= 0x80


def test_discover_allocates_no_more_than_its_references_to_methods():
    serving = Serving(made().client, GET, "/26241/0", [(17, LINK)])
    serving()
    taken = allocated(serving)
    eq(serving.answer().code, CONTENT)
    assert taken <= 128, taken


class Preloaded:
    """A transport with one datagram in hand, which sends into a buffer of its own."""

    secure = False
    ready = True
    renewals = 0
    sock = None

    def __init__(self, datagram):
        self.data = datagram
        self.waiting = self.accepted = False
        self.sent = bytearray(64)
        self.length = 0

    def accept_register(self):
        """Have 2.01 for the Register just sent in hand, and then the datagram again."""
        register = decode(bytes(self.sent))
        self.request = self.data
        options = [(LOCATION_PATH, b"1")]
        self.data = encode(ACK, CREATED, register.mid, register.token, options)
        self.waiting = True

    def open(self, poller=None):
        pass

    def step(self):
        return 3600000

    def close(self):
        pass

    def receive(self):
        if not self.waiting:
            return -1
        self.waiting = False
        if self.accepted:
            self.data = self.request
        self.accepted = True
        return len(self.data)

    def send(self, buf, n):
        self.length = n
        for i in range(min(n, 64)):
            self.sent[i] = buf[i]


def test_get_3_0_0_is_served_by_step_without_a_byte_of_heap():
    transport = Preloaded(encode(CON, GET, 0x4242, b"tok", segments("/3/0/0")))
    bench = Bench()
    bench.client.add(Device(manufacturer="Acme"))
    bench.client.add_server("coap://localhost", transport=transport)
    bench.client.step()
    transport.accept_register()
    bench.client.step()
    transport.waiting = True
    bench.client.step()  # the first read loads what a read takes
    for _ in range(3):
        transport.waiting = True
        transport.length = 0
        heap_locked(bench.client.step)
    answer = decode(bytes(transport.sent[: transport.length]))
    eq((answer.mid, answer.code, answer.payload), (0x4242, CONTENT, b"Acme"))


def test_served_requests_leave_no_garbage_behind_that_is_kept():
    bench = made()
    for _ in range(20):
        bench.ask(PUT, "/26241/0/1", b"5", format=TEXT)
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(50):
        bench.ask(PUT, "/26241/0/1", b"5", format=TEXT)
    gc.collect()
    assert gc.mem_alloc() - before < 200, gc.mem_alloc() - before
