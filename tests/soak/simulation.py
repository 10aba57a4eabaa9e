"""A registered client through simulated weeks, inside MicroPython: the clock is ours, the network
loses datagrams, servers forget, and whole hours pass without an answer.

    month = Simulation(days=30, seed=1)
    month.run()
    month.failures, month.growth

Two servers, with lifetimes of 300 s and of a day, each with its own idea of who is registered. A
failure is: a registration that expires although the server could be reached; a Register of
somebody who is registered and was told so; a client that has not come back soon after an outage;
a read that is answered wrongly; an observation that falls silent, is told too often, out of order
or in another format; a sample that was stored and is out of order; at the end, an observation of
which only one side knows, or a server that believes a wrong value; an exception.

Both servers observe values as they are, with `gt` and `lt`, with `st`, all of an object, and a
list of paths, each with `pmin` and `pmax`; both forget one now and then, and the next notification
of it is answered RST. The second one has what happens while it is away stored (1/x/6).

With `wrap` the clock of the client is the real one, fed with ticks that wrap at 2**30 ms: what
happens must be the same, to the last datagram.
"""

import random
import sys
import time

import lwm2m.coap.exchange
import lwm2m.dispatch
import lwm2m.objects.device
import lwm2m.registration.retry
import lwm2m.reporting.ending
import lwm2m.reporting.notify
import lwm2m.reporting.observation
import lwm2m.reporting.scheduler
import lwm2m.reporting.storing
from datagrams import fresher, good_answer, malformed, mid_of, number_of, parse, senml, token_of
from heap import fill, taken
from lwm2m.client import Client
from lwm2m.clock import Clock
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback
from wire import (
    ACCEPT,
    ACK,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    ETCH_CBOR,
    FETCH,
    GET,
    NON,
    OBSERVE,
    RST,
    SENML_CBOR,
    URI_QUERY,
    encode,
    segments,
)

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
    "outages", "observes", "notifications", "rsts", "delayed",
)
# fmt: on

# What is observed: a path, or paths; pmin and pmax in seconds; further attributes
PMAX_S = 600
OBSERVED = (
    ("/3303/0/5700", 0, ()),
    ("/3303/1/5700", 60, (b"gt=25", b"lt=19")),
    ("/3303/2/5700", 10, (b"st=1",)),
    ("/3303", 30, ()),
    (("/3303/0/5700", "/3303/3/5700"), 5, ()),
)
# Made once: whoever keeps one of them keeps no number of its own.
VALUES = [17.0 + i * 0.25 for i in range(40)]
FORGET_EVERY = 13 * HOUR  # one observation
OBSERVE_AFTER = 2 * SECOND  # a Register; and until a request is repeated
# Several notifications in a row may be lost, a confirmable one takes its time.
SILENCE = 4 * PMAX_S * SECOND + 100 * SECOND
# The network is without fault in the end, until everything has been told.
CLOSING = 3 * PMAX_S * SECOND

# The heap is measured now and then during the last hours of the first and of the last day.
START_S = 1767225600

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


class Time:
    """Stands in for `time` where samples are stamped, and in the device."""

    ticks_ms = staticmethod(time.ticks_ms)
    ticks_diff = staticmethod(time.ticks_diff)

    def __init__(self, simulation):
        self.simulation = simulation

    def time(self):
        return START_S + self.simulation.now // SECOND

    @staticmethod
    def gmtime(s):
        return (1970, 1, 1, 0, 0, 0, 3, 1)


class Seen:
    """An observation as a server knows it. `sent` is when the client has spoken last, `told` when
    that was heard."""

    def __init__(self, index, token, now):
        self.index = index
        self.token = token
        self.number = -1
        self.mid = -1
        self.told = self.sent = now
        self.values = {}


class Wire(Loopback):
    """A request that the network has refused to take was not answered either."""

    server = None

    def send(self, buf, n):
        if self.error:
            self.server.told = False
        super().send(buf, n)


class Server:
    """One server and the network between: what it knows, what is on its way, what went wrong."""

    def __init__(self, simulation, lifetime_s, phase, storing):
        self.simulation = simulation
        self.storing = storing
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
        # What it observes, by token; what it is asking for, and since when
        self.observed = {}
        self.asking = None
        self.asked = 0
        self.next_observe = 0
        self.next_forget = phase + FORGET_EVERY
        self.observes = self.notifications = self.rsts = self.delayed = 0
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
                continue
            if data[1] == CONTENT and not data[0] & 0x20:
                self.spoken(data)
            if self.out or self.simulation.loses():
                self.lost += 1
                if data[0] >> 4 & 3 == CON and data[1] < 32 and self.mid != mid_of(data):
                    self.begin(data)
            else:
                self.receive(data)

    def post(self, data):
        """Put an answer on its way; True if it will arrive."""
        if self.out or self.simulation.loses():
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
        if kind == ACK:
            self.response(data)
            return
        if data[1] > 31:
            self.notified(kind, data)
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
        self.drop_old()
        for number, value in options:
            if number == 15 and value[:3] == b"ep=":
                self.registers += 1
                self.observed = {}
                self.asking = None
                self.next_observe = simulation.now + OBSERVE_AFTER
                # The client was told how its last request ended, and it ended well: then
                # nobody needs a new registration.
                if self.location and self.previous_told and not self.forgotten:
                    simulation.fail("a Register of somebody who is registered and knows it")
                self.location += 1
                self.forgotten = False
                self.expires = simulation.now + self.lifetime_s * SECOND
                return good_answer(data, (b"rd", self.name()))
        self.updates += 1
        name = [value for number, value in options if number == 11]
        if self.location and name == [b"rd", self.name()]:
            self.expires = simulation.now + self.lifetime_s * SECOND
            self.forgotten = False
            return good_answer(data)
        self.forgotten = True
        mid = data[2] << 8 | data[3]
        return encode(ACK, 0x84, mid, data[4 : 4 + (data[0] & 15)])

    def name(self):
        """The last segment of the location: of one length, for the sake of the heap."""
        return b"%06d" % self.location

    def response(self, data):
        if self.asking and data[2:4] == self.asking[1][2:4]:
            self.accepted(data)
        if self.reading and data[2:4] == self.reading[2:4]:
            self.answered += 1
            if data[1] != 0x45 or parse(data)[1] == b"":
                self.simulation.fail(f"a read is answered {data[1]:#x}")
            self.reading = None

    # Observations

    def observe(self):
        """Ask for what is not observed, one after the other, until it is answered."""
        now = self.simulation.now
        if not self.location or not self.expires or now < self.next_observe:
            return
        self.next_observe = now + OBSERVE_AFTER
        if not self.asking:
            known = [seen.index for seen in self.observed.values()]
            missing = [i for i in range(len(OBSERVED)) if i not in known]
            if not missing:
                self.next_observe = now + HOUR
                return
            self.asking = self.question(missing[0])
            self.observes += 1
        self.post(self.asking[1])

    def question(self, index):
        """(index, the request, its token) that observes OBSERVED[index]."""
        where, pmin_s, more = OBSERVED[index]
        self.simulation.mid = mid = self.simulation.mid + 1 & 0xFFFF
        self.asked = self.asked + 1 & 0xFFFF
        token = bytes((0x6F, index, self.asked >> 8, self.asked & 255))
        queries = [(URI_QUERY, query) for query in more]
        queries.append((URI_QUERY, b"pmin=%d" % pmin_s))
        queries.append((URI_QUERY, b"pmax=%d" % PMAX_S))
        options = [(OBSERVE, 0)]
        if isinstance(where, str):
            options.extend(segments(where))
            options.extend(queries)
            options.append((ACCEPT, SENML_CBOR))
            return index, encode(CON, GET, mid, token, options), token
        payload = bytes((0x80 + len(where),))
        for name in where:
            payload += bytes((0xA1, 0, 0x60 + len(name))) + name.encode()
        options.append((CONTENT_FORMAT, ETCH_CBOR))
        options.extend(queries)
        return index, encode(CON, FETCH, mid, token, options, payload), token

    def accepted(self, data):
        """The answer to an Observe."""
        index, _, token = self.asking
        self.asking = None
        self.next_observe = self.simulation.now
        if data[1] != CONTENT or number_of(data, OBSERVE) is None:
            self.simulation.fail(f"{OBSERVED[index][0]} is not observed: {data[1]:#x}")
            return
        self.observed[token] = seen = Seen(index, token, self.simulation.now)
        self.note(seen, data)

    def spoken(self, data):
        """A notification leaves the client, whether it arrives or not: not too often."""
        seen = self.observed.get(token_of(data))
        if not seen or seen.mid == mid_of(data):
            return
        now = self.simulation.now
        pmin = OBSERVED[seen.index][1] * SECOND
        if not self.storing and now - seen.sent < pmin and data[0] >> 4 & 3 == NON:
            self.simulation.fail(f"{OBSERVED[seen.index][0]}: again after {now - seen.sent} units")
        seen.sent = now

    def notified(self, kind, data):
        """A notification has arrived."""
        simulation = self.simulation
        seen = self.observed.get(token_of(data))
        if not seen or data[1] != CONTENT:
            if seen:
                simulation.fail(f"{OBSERVED[seen.index][0]} ends with {data[1]:#x}")
            self.rsts += 1
            self.post(encode(RST, 0, mid_of(data)))
            return
        if kind == CON:
            self.post(encode(ACK, 0, mid_of(data)))
        if seen.mid == mid_of(data):
            return  # sent once more
        number = number_of(data, OBSERVE)
        if number is None or not (fresher(number, seen.number) or number == seen.number):
            simulation.fail(f"number {number} after {seen.number}")
            return
        self.notifications += 1
        self.note(seen, data)

    def note(self, seen, data):
        """Take what was told: values, each with its time if it was stored."""
        simulation = self.simulation
        now = simulation.now
        again = number_of(data, OBSERVE) == seen.number
        seen.number = number_of(data, OBSERVE)
        seen.mid = mid_of(data)
        seen.told = now
        if number_of(data, CONTENT_FORMAT) != SENML_CBOR:
            simulation.fail("another format")
            return
        last_s = 0
        for when_s, name, value in senml(parse(data)[1]):
            if when_s is not None:
                if not last_s <= when_s <= START_S + now // SECOND + 1:
                    simulation.fail(f"{name}: a sample of {when_s} s after {last_s} s")
                last_s = when_s
                if when_s < START_S + now // SECOND - PMAX_S and not again:
                    self.delayed += 1
            seen.values[name] = value

    def watch(self):
        """Nobody falls silent."""
        now = self.simulation.now
        for seen in self.observed.values():
            if self.out:
                seen.told = now
            elif now - seen.told > SILENCE:
                seen.told = now
                self.simulation.fail(f"{OBSERVED[seen.index][0]}: silence")

    def compare(self, reporting, sensors):
        """Both sides observe the same, and the server believes what is the case."""
        fail = self.simulation.fail
        tokens = sorted(observation.token for observation in reporting.observations)
        if tokens != sorted(self.observed) or len(tokens) != len(OBSERVED):
            fail(f"the client is observed by {tokens}, the server observes {list(self.observed)}")
        if reporting.detached or reporting.waiting:
            fail(f"left over: {reporting.detached} {reporting.waiting}")
        for seen in self.observed.values():
            _, _, more = OBSERVED[seen.index]
            for i in range(len(sensors)):
                name = f"/3303/{i}/5700"
                if name not in seen.values:
                    continue
                told = seen.values[name]
                value = sensors[i].value
                good = told == value
                if more == (b"st=1",):
                    good = abs(told - value) < 1
                elif more:
                    good = (told > 25) == (value > 25) and (told < 19) == (value < 19)
                if not good:
                    fail(f"{OBSERVED[seen.index][0]}: the server believes {told}, not {value}")

    def restart(self):
        """Know nobody any more."""
        self.restarts += 1
        self.expires = 0
        self.observed = {}
        self.asking = None
        # Who is told RST often enough knows that, without an Update.
        self.forgotten = True
        # The number goes on, as that of a server that names its registrations by chance would
        self.location += 1000

    def drop_old(self):
        """Drop a registration whose lifetime is over."""
        if self.location and self.simulation.now > self.expires and self.expires:
            self.expires = 0
            self.expired += 1
            self.forgotten = True
            self.observed = {}
            self.asking = None
            # Nobody is to blame when the server could not be reached, or when not one of five
            # transmissions got through.
            if not self.out and not self.back_by and self.told:
                self.simulation.fail("a registration expired: an Update is missing")

    def act(self):
        """What the server does of its own: returns when it wants to be asked again."""
        now = self.simulation.now
        self.drop_old()
        if now >= self.next_read:
            self.next_read += READ_EVERY
            self.reads += 1
            self.simulation.mid = mid = self.simulation.mid + 1 & 0xFFFF
            where = WHERE[self.reads % len(WHERE)]
            self.reading = encode(CON, GET, mid, b"rd", segments(where))
            self.post(self.reading)
        if now >= self.next_restart:
            self.next_restart += RESTART_EVERY
            self.restart()
        if now >= self.next_forget:
            self.next_forget += FORGET_EVERY
            for token in sorted(self.observed)[:1]:
                del self.observed[token]
                self.next_observe = now + 20 * MINUTE
        self.watch()
        if not self.out:
            self.observe()
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
        due = min(self.next_read, self.next_restart, self.next_outage, self.next_forget)
        if self.location and self.expires and not self.out:
            due = min(due, self.next_observe)
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
        lwm2m.client.sys = lwm2m.dispatch.sys = self.witness
        lwm2m.reporting.scheduler.sys = lwm2m.reporting.notify.sys = self.witness
        lwm2m.reporting.observation.sys = self.witness
        lwm2m.reporting.storing.time = lwm2m.objects.device.time = Time(self)
        self.perfect = False  # nothing is lost
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
        client.add_format(SenmlCbor())
        client.add_format(SenmlEtchCbor())
        self.servers = [Server(self, 300, 0, False), Server(self, 86400, 7 * HOUR, True)]
        for server in self.servers:
            client.add_server(
                "coap://192.0.2.1",
                transport=server.transport,
                lifetime_s=server.lifetime_s,
                storing=server.storing,
                lwm2m="1.2",
            )
        client.add(Device(manufacturer="Acme"))
        # Extremes that do not move: each new one would be one more number on the heap.
        extremes = {"min_measured": 0.0, "max_measured": 99.0}
        self.sensors = [client.add(Temperature(unit="Cel", **extremes)) for _ in range(4)]
        self.measure()

    def read_ticks(self):
        return self.ticks

    def fail(self, text):
        if len(self.failures) < 5:
            days, rest = divmod(self.now, DAY)
            self.failures.append(f"day {days}, {rest / HOUR:.3f} h: {text}")

    def loses(self):
        """Whether the network loses a datagram."""
        return not self.perfect and bits(8) < LOSS

    def measure(self):
        """New values, as the time of day has them."""
        minutes = self.now // MINUTE
        steps = (
            minutes // 60 % 24,
            abs(minutes // 20 % 72 - 36),  # up and down: across both thresholds
            minutes // 15 % 40,
            minutes // 180 % 8,
        )
        for i in range(4):
            self.sensors[i].value = VALUES[steps[i]]

    # Driving

    def run(self):
        heaps = [0, 0]
        for i in range(2):
            # The first day loads and fills what is loaded and filled once.
            self.go_on((DAY if i == 0 else self.days * DAY) - MEASURING - self.now)
            heaps[i] = self.heap()
        self.growth = heaps[1] - heaps[0]
        self.close()
        self.clock.update()
        if self.clock.s != self.now // SECOND:
            self.fail(f"the clock of the client is at {self.clock.s} s")

    def close(self):
        """The end: when everything has been told, everybody knows the same."""
        self.perfect = True
        for server in self.servers:
            # Nothing new comes in between.
            server.next_forget = server.next_restart = server.next_outage = 1 << 30
        self.go_on(CLOSING)
        self.rest()
        for i in range(2):
            reporting = self.client.registrations[i].reporting
            self.servers[i].compare(reporting, self.sensors)

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
        self.measure()
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
            reporting = registration.reporting
            if not reporting or reporting.detached or reporting.waiting or reporting.head:
                return False
            if any(other.due or other.stored for other in reporting.observations):
                return False
        for server in self.servers:
            if server.air or server.out or len(server.observed) < len(OBSERVED):
                return False
        return True

    def heap(self):
        """Bytes taken on the heap, garbage aside, at a quiet moment: the least of some."""
        least = 1 << 28
        for _ in range(MEASUREMENTS):
            self.go_on(MEASURING // MEASUREMENTS)
            self.rest()
            self.tidy()
            least = min(least, taken())
        return least

    def rest(self):
        """Go on until nothing is in flight."""
        for _ in range(1000):
            if self.quiet():
                break
            self.step(self.now + MINUTE)

    def tidy(self):
        """Forget what has been there and is not needed: it may be more or less, and is no leak."""
        self.client.builder.buf[:] = bytes(self.client.mtu)
        for registration in self.client.registrations:
            # The last error is kept to be asked for: one exception, or none.
            registration.error = registration.exchange.error = None
            for slot in registration.exchange.outgoing:
                if not slot.state:
                    slot.tag = slot.owner = None  # whose message was the last
                    slot.token = b""
            reporting = registration.reporting
            if not reporting:
                continue
            # An empty list, and an empty dict, keep some of the room that they once had.
            for observation in reporting.observations:
                fill(observation, *(observation.parts or ()))
            if not reporting.detached:
                reporting.detached = []
            reporting.waiting = list(reporting.waiting)
            reporting.observations = list(reporting.observations)
            reporting.tail = None  # the last that was looked at; it may have ended since
            reporting.resets = None  # RSTs of a while ago
            # A long integer, or none before the first sample.
            reporting.offset_s = None
        for server in self.servers:
            server.answer = b""
            server.mid = -1
            server.reading = None
            server.air = list(server.air)
            server.wire.queue = list(server.wire.queue)
            server.transport.queue = list(server.transport.queue)
            # What is believed comes anew with the next notifications.
            server.observed = dict(server.observed.items())
            for seen in server.observed.values():
                seen.values = {}

    def numbers(self):
        """What happened, by name."""
        found = {"steps": self.steps, "now": self.now}
        for i in range(2):
            server = self.servers[i]
            for name in COUNTS:
                found[f"{name}{i + 1}"] = getattr(server, name)
        return found
