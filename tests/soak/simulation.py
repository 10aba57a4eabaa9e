"""A registered client through simulated weeks, inside MicroPython: the clock is ours, the network
loses datagrams, servers forget, and whole hours pass without an answer.

    month = Simulation(days=30, seed=1)
    month.run()
    month.failures, month.growth

Two servers, with lifetimes of 300 s and of a day, each with its own idea of who is registered. A
failure is: a registration that expires although the server could be reached; a Register of
somebody who is registered and was told so; a client that has not come back soon after an outage;
a read that is answered wrongly; an exception.

With `wrap` the clock of the client is the real one, fed with ticks that wrap at 2**30 ms: what
happens must be the same, to the last datagram.
"""

import gc
import random
import sys
import time

import lwm2m.coap.exchange
import lwm2m.interfaces.management
from lwm2m.client import Client
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.ports.clock import Clock
from lwm2m.ports.fake_clock import FakeClock
from lwm2m.transport.loopback import Loopback
from wire import ACK, CON, GET, encode, good_answer, malformed, parse, path

bits = random.getrandbits

# Time is counted in units of 10 ms here, so that a month is a small integer.
SECOND = 100
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

TICKS = 1 << 30  # where the ticks of the 32-bit port wrap, in ms
# The ticks of the 64-bit port wrap far later: only those of 32 bits are told apart.
WRAPS = time.ticks_add(TICKS - 1, 1) == 0

LOSS = 15  # of 256: about 6 % of the datagrams, each way
READ_EVERY = 5 * MINUTE
RESTART_EVERY = 3 * DAY
OUTAGE_EVERY = 5 * DAY
OUTAGE = 3 * HOUR
# An attempt that has just failed, the longest pause, and one that gets through at its last try
BACK_WITHIN = 300 * SECOND + 93 * SECOND

# fmt: off
COUNTS = (
    "registers", "updates", "reads", "answered", "lost", "repeated", "expired", "restarts",
    "outages",
)
# fmt: on

# The heap is measured now and then during the last hours of the first and of the last day.
MEASUREMENTS = 24
MEASURING = 4 * HOUR

WHERE = ("/3/0", "/3303/0/5700", "/1/0/1")


class Seeded:
    """Stands in for `os` in the exchange layer: tokens that the seed decides."""

    @staticmethod
    def urandom(n):
        return bytes([bits(8) for _ in range(n)])


class Witness:
    """Stands in for `sys` in the firmware: no exception is printed without a failure."""

    def __init__(self):
        self.seen = None

    def print_exception(self, exception, file=None):
        self.seen = exception


class Wire(Loopback):
    """A request that the network has refused to take was not answered either."""

    server = None

    def send(self, buf, n):
        if self.error:
            self.server.told = False
        super().send(buf, n)


class Server:
    """One server and the network between: what it knows, what is on its way, what went wrong."""

    def __init__(self, simulation, lifetime_s, phase):
        self.simulation = simulation
        self.lifetime_s = lifetime_s
        self.wire, self.transport = Wire.pair()
        self.transport.server = self
        self.air = []  # datagrams on their way to the client: (when, bytes)
        self.location = 0  # of the registration, 0: nobody is registered
        self.expires = 0
        # The last request of the client: its message id, its answer, whether that arrived
        self.mid = -1
        self.answer = b""
        self.told = True
        self.forgotten = True  # what was answered last leaves no choice but to register
        self.next_read = phase + READ_EVERY
        self.next_restart = phase + RESTART_EVERY
        self.next_outage = phase + OUTAGE_EVERY
        self.outage_ends = 0
        self.out = False
        self.back_by = 0
        self.reading = None
        self.registers = self.updates = self.reads = self.answered = self.lost = 0
        self.repeated = self.expired = self.restarts = self.outages = 0

    # The network

    def collect(self):
        """Take what the client has sent."""
        queue = self.wire.queue
        while queue:
            data = queue.pop(0)
            wrong = malformed(data)
            if wrong:
                self.simulation.fail(f"the client sends {wrong}")
            elif self.out or bits(8) < LOSS:
                self.lost += 1
                if data[0] >> 4 & 3 == CON and self.mid != data[2] << 8 | data[3]:
                    self.begin(data)
            else:
                self.receive(data)

    def post(self, data):
        """Put an answer on its way; True if it will arrive."""
        if self.out or bits(8) < LOSS:
            self.lost += 1
            return False
        self.air.append((self.simulation.now + 2 + bits(4), data))
        return True

    def deliver(self):
        """Hand over what has arrived."""
        air = self.air
        i = 0
        while i < len(air):
            if air[i][0] <= self.simulation.now:
                data = air.pop(i)[1]
                self.wire.send(data, len(data))
            else:
                i += 1

    # The server

    def begin(self, data):
        self.mid = data[2] << 8 | data[3]
        self.answer = b""
        self.previous_told = self.told
        self.told = False

    def receive(self, data):
        kind = data[0] >> 4 & 3
        if kind != CON:
            self.response(data)
            return
        if self.mid != data[2] << 8 | data[3]:
            self.begin(data)
        if not self.answer:
            self.answer = self.request(data)
        else:
            self.repeated += 1
        if self.post(self.answer):
            self.told = True

    def request(self, data):
        """Carry out Register or Update, and return the answer."""
        simulation = self.simulation
        options = parse(data)[0]
        if data[1] != 2:
            simulation.fail(f"an unexpected request {data[1]}")
        self.forget()
        for number, value in options:
            if number == 15 and value[:3] == b"ep=":
                self.registers += 1
                # The client was told how its last request ended, and it ended well: then
                # nobody needs a new registration.
                if self.location and self.previous_told and not self.forgotten:
                    simulation.fail("a Register of somebody who is registered and knows it")
                self.location += 1
                self.forgotten = False
                self.expires = simulation.now + self.lifetime_s * SECOND
                name = str(self.location).encode()
                return good_answer(data, (b"rd", name))
        self.updates += 1
        name = [value for number, value in options if number == 11]
        if self.location and name == [b"rd", str(self.location).encode()]:
            self.expires = simulation.now + self.lifetime_s * SECOND
            self.forgotten = False
            return good_answer(data)
        self.forgotten = True
        mid = data[2] << 8 | data[3]
        return encode(ACK, 0x84, mid, data[4 : 4 + (data[0] & 15)])

    def response(self, data):
        # What was read. Observations, once there are any, are asked for and checked here too.
        if self.reading and data[2:4] == self.reading[2:4]:
            self.answered += 1
            if data[1] != 0x45 or parse(data)[1] == b"":
                self.simulation.fail(f"a read is answered {data[1]:#x}")
            self.reading = None

    def forget(self):
        """Drop a registration whose lifetime is over."""
        if self.location and self.simulation.now > self.expires and self.expires:
            self.expires = 0
            self.expired += 1
            self.forgotten = True
            # Nobody is to blame when the server could not be reached, or when not one of five
            # transmissions got through.
            if not self.out and not self.back_by and self.told:
                self.simulation.fail("a registration expired: an Update is missing")

    def act(self):
        """What the server does of its own: returns when it wants to be asked again."""
        now = self.simulation.now
        self.forget()
        if now >= self.next_read:
            self.next_read += READ_EVERY
            self.reads += 1
            self.simulation.mid = mid = self.simulation.mid + 1 & 0xFFFF
            where = WHERE[self.reads % len(WHERE)]
            self.reading = encode(CON, GET, mid, b"rd", path(where))
            self.post(self.reading)
        if now >= self.next_restart:
            self.next_restart += RESTART_EVERY
            self.restarts += 1
            self.expires = 0
            # The number goes on, as that of a server that names its registrations by chance would
            self.location += 1000
        if now >= self.next_outage:
            self.next_outage += OUTAGE_EVERY
            self.outage_ends = now + OUTAGE
            self.out = True
            self.outages += 1
            if self.outages & 1:
                self.transport.error = OSError(111)
        if self.out and now >= self.outage_ends:
            self.out = False
            self.transport.error = None
            self.back_by = now + BACK_WITHIN
        due = min(self.next_read, self.next_restart, self.next_outage)
        if self.out:
            due = min(due, self.outage_ends)
        for when, _ in self.air:
            due = min(due, when)
        return due


class Simulation:
    """`failures` what went wrong, `growth` bytes that the heap has grown since the first day."""

    def __init__(self, days=30, seed=1, wrap=False):
        random.seed(seed)
        lwm2m.coap.exchange.os = Seeded
        self.witness = Witness()
        lwm2m.client.sys = lwm2m.interfaces.management.sys = self.witness
        self.days = days
        self.now = 0
        self.mid = 0
        self.steps = 0
        self.wraps = 0
        # A day before the wrap
        self.ticks = TICKS - 86400000 if wrap else 0
        self.clock = Clock(self.read_ticks) if wrap else FakeClock()
        self.wrap = wrap
        self.failures = []
        self.growth = None
        self.client = client = Client("soak", clock=self.clock)
        self.servers = [Server(self, 300, 0), Server(self, 86400, 7 * HOUR)]
        for server in self.servers:
            client.add_server(
                "coap://192.0.2.1", transport=server.transport, lifetime_s=server.lifetime_s
            )
        client.add(Device(manufacturer="Acme"))
        self.sensor = client.add(Temperature(unit="Cel"))

    def read_ticks(self):
        return self.ticks

    def fail(self, text):
        if len(self.failures) < 5:
            days, rest = divmod(self.now, DAY)
            self.failures.append(f"day {days}, {rest / HOUR:.3f} h: {text}")

    # Driving

    def run(self):
        heaps = [0, 0]
        for i in range(2):
            # The first day loads and fills what is loaded and filled once.
            self.go_on((DAY if i == 0 else self.days * DAY) - MEASURING - self.now)
            heaps[i] = self.heap()
        self.growth = heaps[1] - heaps[0]
        self.clock.update()
        if self.clock.s != self.now // SECOND:
            self.fail(f"the clock of the client is at {self.clock.s} s")

    def go_on(self, duration):
        end = self.now + duration
        while self.now < end and len(self.failures) < 5:
            self.step(end)

    def step(self, end):
        """One step of everybody, and the time until the next."""
        self.steps += 1
        due = end
        for server in self.servers:
            due = min(due, server.act())
            server.deliver()
        try:
            wanted_ms = self.client.step()
        except Exception as e:
            sys.print_exception(e)
            self.fail(f"{type(e).__name__} {e} leaves step()")
            return
        if self.witness.seen:
            self.fail(f"{type(self.witness.seen).__name__} {self.witness.seen}")
            self.witness.seen = None
        for server in self.servers:
            server.collect()
            for when, _ in server.air:
                due = min(due, when)
        self.check_back()
        self.sensor.value = 20.0 + (self.now // HOUR) % 24 * 0.25
        passes = min(due, self.now + (wanted_ms + 9) // 10) - self.now
        self.pass_time(max(passes, 0))

    def pass_time(self, units):
        self.now += units
        if not self.wrap:
            self.clock.advance(units * 10)
            return
        ticks = self.ticks + units * 10
        if ticks >= TICKS:
            ticks -= TICKS
            self.wraps += 1
        self.ticks = ticks

    def check_back(self):
        """After an outage everybody is registered again before long."""
        for i in range(2):
            server = self.servers[i]
            if not server.back_by or server.out:
                continue
            if self.client.registrations[i].registered:
                server.back_by = 0
            elif self.now > server.back_by:
                server.back_by = 0
                self.fail(f"server {i + 1}: nobody is back after an outage")

    def quiet(self):
        """True when nothing is in flight."""
        for registration in self.client.registrations:
            if not registration.registered or not registration.exchange.free():
                return False
        return all(not (server.air or server.out) for server in self.servers)

    def heap(self):
        """Bytes taken on the heap, garbage aside, at a quiet moment: the least of some."""
        least = 1 << 28
        for _ in range(MEASUREMENTS):
            self.go_on(MEASURING // MEASUREMENTS)
            for _ in range(1000):
                if self.quiet():
                    break
                self.step(self.now + MINUTE)
            self.client.builder.buf[:] = bytes(self.client.mtu)
            for registration in self.client.registrations:
                # The last error is kept to be asked for: one exception, or none.
                registration.error = registration.exchange.error = None
            for server in self.servers:
                server.answer = b""
                server.mid = -1
                server.reading = None
            gc.collect()
            least = min(least, gc.mem_alloc())
        return least

    def numbers(self):
        """What happened, by name."""
        found = {"steps": self.steps, "now": self.now}
        for i in range(2):
            server = self.servers[i]
            for name in COUNTS:
                found[f"{name}{i + 1}"] = getattr(server, name)
        return found
