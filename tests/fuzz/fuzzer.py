"""The whole client under datagrams that no sound server sends, inside MicroPython.

    fuzzer = Fuzzer(seed=1)
    fuzzer.run(1000000)
    fuzzer.failures, fuzzer.growth

Everything is decided by the seed, tokens and message ids of the client too. What must hold:
no exception leaves `step`; none is printed that no handler raised on purpose; every answer is
well-formed CoAP and belongs to the datagram before; a repeated request changes nothing; whoever is
notified has observed, is told in order, and nothing once that has ended; the client does not go on
for ever without time passing; it is registered again as soon as its server is sane, which then
knows what it observes; and then its heap is what it was.
"""

import random
import sys

import lwm2m.coap.exchange
from corpus import corpus, observes
from datagrams import (
    fresher,
    good_answer,
    malformed,
    mid_of,
    number_of,
    option,
    parse,
    records,
    token_of,
)
from device import Subject
from heap import fill, taken
from lwm2m.formats.codec import SCRATCH
from lwm2m.reporting.notify import in_flight
from wire import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    FETCH,
    GET,
    LOCATION_PATH,
    NON,
    OBSERVE,
    OCTETS,
    POST,
    PUT,
    RST,
    SENML_CBOR,
    SENML_JSON,
    URI_PATH,
    URI_QUERY,
    encode,
    segments,
)

LONGEST = 1280  # of what is sent to the client
WARM_UP = 1000  # datagrams before the heap is measured for the first time
MEASUREMENTS = 20  # of the heap: the least counts
BETWEEN = 20  # datagrams between them
SANE_EVERY = 2000  # datagrams from one recovery to the next
ENOUGH_FAILURES = 5
BUSY = 60  # steps in a row that ask for another one at once
RECENT = 32  # confirmable notifications that are remembered
PATIENCE_S = 60
REGISTERING = 3  # a state of registration.registration
LONGEST_PAUSE_S = 90000  # a day of Max-Age, and a Register
SETTLING = 3000  # steps for what is under way
HEX = 240

bits = random.getrandbits

_NASTY = b"\x00\x01\x0c\x0d\x0e\x0f\x10\x7f\x80\xbb\xbd\xbe\xd0\xdd\xde\xe0\xed\xee\xf0\xff"
_CODES = bytes((0x41, 0x42, 0x44, 0x45, 0x5F, 0x5F, 0x80, 0x84, 0x84, 0x8C, 0x8D, 0xA0, 0xA3))


class Seeded:
    """Stands in for `os` in the exchange layer: tokens that the seed decides."""

    @staticmethod
    def urandom(n):
        return bytes([bits(8) for _ in range(n)])


class Failure(Exception):
    """What must not happen; ends the fuzzing of one datagram."""


class Seen:
    """An observation as the server knows it: `request` asked for it, `turn` counts the Registers
    before that, `form` is its content format, `number` and `payload` what was told last. `sure`
    while nothing can have been lost or held back since."""

    def __init__(self, request, turn):
        self.request = request
        self.turn = turn
        self.form = self.number = None
        self.payload = b""
        self.whole = self.sure = False
        self.known = True  # that it was accepted

    def same(self, request):
        """Whether another request observes the same."""
        return self.key(request) == self.key(self.request)

    @staticmethod
    def key(request):
        options, payload = parse(request)
        where = [value for number, value in options if number in (URI_PATH, URI_QUERY)]
        return request[1], where, payload if request[1] == FETCH else b""


class Fuzzer:
    """Fuzzes one client; `growth`: bytes that its heap has grown, None before it is known."""

    def __init__(self, seed=1, mtu=576, report=None):
        random.seed(seed)
        lwm2m.coap.exchange.os = Seeded
        self.subject = Subject(mtu)
        self.mtu = mtu
        self.report = report
        self.observes = observes()
        self.corpus = corpus() + self.observes
        self.buf = bytearray(LONGEST)
        self.view = memoryview(self.buf)
        self.n = 0  # of the datagram in `buf`
        self.mid = self.index = 0
        self.codes = [0] * 256  # how often the client has answered with which code
        self.sent = b""
        self.answer = 0  # the code of the answer to `sent`
        self.asked = None  # the last request of the client
        # Message ids whose answer 5.00 was a handler's will: it may be repeated
        self.internal = [0] * 64
        self.internals = 0
        # What is observed, by token; message ids of confirmable notifications; Registers
        self.observed = {}
        self.recent = [-1] * RECENT
        self.turn = 0
        self.registering = False
        self.notifications = self.ended = self.sends = self.compared = 0
        self.failures = []
        self.done = self.answers = self.repeats = self.recoveries = 0
        self.growth = None

    # Driving

    def run(self, count):
        """Send `count` datagrams; ends early after a handful of failures."""
        # Both measurements at the same place of the program: what lies on the stack is the same.
        heaps = [0, 0]
        for i in range(2):
            n = min(count, WARM_UP) if i == 0 else count - WARM_UP
            self.rounds(max(0, n - MEASUREMENTS * BETWEEN))
            heaps[i] = self.heap()
        if count > WARM_UP:
            self.growth = heaps[1] - heaps[0]

    def rounds(self, count):
        for _ in range(count):
            if not self.done % SANE_EVERY:
                self.settle()
                if self.report:
                    self.report(self)
            self.attempt()
            self.done += 1
            if len(self.failures) >= ENOUGH_FAILURES:
                return

    def attempt(self):
        """Send one datagram and look at what comes of it."""
        chance = bits(8)
        if chance < 16:
            self.advance(bits(12))
        elif chance == 16:
            self.advance(bits(17))
        elif chance < 64:
            self.subject.stir(bits(4), bits(8))
        self.subject.settled()
        n = self.generate()
        if n < 0:
            return
        self.sent = bytes(self.view[:n])
        error = bits(8) == 0
        if error:
            # A network that is down for the answer
            self.subject.transport.error = OSError(101)
        self.deliver()
        if error:
            self.subject.transport.error = None
            self.lost()
        elif not bits(4):
            self.repeat()

    def deliver(self):
        """Put `sent` on the wire, let the client take its step, and judge."""
        subject = self.subject
        self.answer = -1
        deliberate = subject.witness.deliberate
        try:
            if self.sent:
                subject.wire.send(self.sent, len(self.sent))
            self.step()
            if subject.witness.unexpected:
                e = subject.witness.unexpected
                subject.witness.unexpected = None
                raise e
            self.judge(subject.witness.deliberate > deliberate)
        except Exception as e:
            self.fail(e)

    def step(self):
        """Let the client run until it is content: it must be before long."""
        for _ in range(BUSY):
            due = self.subject.client.step()
            if not 0 <= due <= 3600000:
                raise Failure(f"step() returns {due}")
            if due:
                return
        raise Failure("the client is busy for ever")

    def repeat(self):
        """A repeated request is answered as before and does nothing (RFC 7252 §4.5)."""
        sent = self.sent
        answer = self.answer
        if answer < 0 or not 1 <= sent[1] <= 7:
            return
        while self.subject.transport.queue:
            # What we answered comes first: it may close the association.
            self.sent = b""
            self.deliver()
            self.sent = sent
        effects = self.subject.effects
        self.deliver()
        self.repeats += 1
        if self.subject.effects != effects:
            self.fail(Failure("a repeated request was carried out again"))
        elif self.answer != answer and (self.answer >= 0 or self.subject.client.registered):
            # Who is not registered any more answers nothing.
            self.fail(Failure(f"answer {answer:#x} became {self.answer:#x}"))

    def advance(self, ms):
        """Let time pass."""
        self.sent = b""
        self.subject.clock.advance(ms)
        try:
            self.step()
            self.judge(False)
        except Exception as e:
            self.fail(e)

    def fail(self, e):
        """Note a failure, and what led to it."""
        self.subject.wire.queue.clear()
        if len(self.failures) >= ENOUGH_FAILURES:
            return
        self.failures.append(
            f"datagram {self.done}: {self.sent[:HEX].hex()}: {type(e).__name__} {e}"
        )
        sys.print_exception(e)
        print(self.failures[-1])

    # Judging

    def judge(self, deliberate):
        """Take what the client has sent."""
        queue = self.subject.wire.queue
        sent = self.sent
        while queue:
            data = queue.pop(0)
            self.answers += 1
            wrong = malformed(data)
            if wrong:
                raise Failure(f"the client sends {wrong}: {data[:HEX].hex()}")
            if len(data) > self.mtu:
                raise Failure(f"the client sends {len(data)} bytes")
            kind = data[0] >> 4 & 3
            code = data[1]
            if kind in (ACK, RST):
                # It belongs to what was sent: same message id, and for a response the same token.
                if data[2:4] != sent[2:4] or sent[0] & 0x30:
                    raise Failure(f"answers what nobody has asked: {data[:HEX].hex()}")
                self.answer = code
            if 0 < code < 32:
                self.request(kind, data)
            elif code and self.notifies(kind, data):
                self.notification(data)
                self.react(kind, data)
            elif code and kind == CON:
                # A response that came later: mostly acknowledged
                if code == 0x44 and not data.endswith(b"\xc0\xffdone"):
                    raise Failure(f"not the answer that was owed: {data[:HEX].hex()}")
                self.react(kind, data)
            elif code:
                if not sent or token_of(data) != token_of(sent):
                    raise Failure(f"not the token of the request: {data[:HEX].hex()}")
                self.answer = code
                self.codes[code] += 1
                if code == 0xA0:
                    self.allow(sent[2] << 8 | sent[3], deliberate)
                elif code == CONTENT:
                    self.begin(data)
                elif sent[1] == PUT and option(sent, URI_QUERY) is not None:
                    # What thresholds have held back need not be told when they go.
                    self.doubt()

    def request(self, kind, data):
        """A request of the client: Register, Update, De-register or Send."""
        if kind != CON:
            raise Failure(f"a request of type {kind}: {data[:HEX].hex()}")
        self.asked = data
        options, payload = parse(data)
        register = send = False
        block = 0
        for number, value in options:
            if number == 15 and value.startswith(b"ep="):
                register = True
            elif number == URI_PATH and value == b"dp":
                send = True
            elif number == BLOCK1:
                block = int.from_bytes(value, "big")
        if register and not self.registering:
            self.turn += 1
        if register or not send:
            self.registering = register
        if send:
            self.sends += 1
            form = number_of(data, CONTENT_FORMAT)
            # What comes in blocks has its form only in the whole.
            if data[1] != POST or (not block and records(form, payload) < 1):
                raise Failure(f"sends no pack: {data[:HEX].hex()}")
        if bits(1):
            self.push(good_answer(data))

    def react(self, kind, data):
        """What a server says to a notification and to an answer that came later."""
        if kind == CON:
            if bits(2):
                self.push(encode(RST if bits(4) == 0 else ACK, 0, mid_of(data)))
        elif not bits(6):
            self.push(encode(RST, 0, mid_of(data)))

    # Observations

    def notifies(self, kind, data):
        """Whether this response is a notification."""
        # A separate response may have the token of an observation, an empty one too.
        if kind == ACK or data[1] == CHANGED:
            return False
        if option(data, OBSERVE) is None and (kind != CON or token_of(data) not in self.observed):
            return False
        sent = self.sent
        if kind == CON or malformed(sent) or sent[0] & 0x30 != 0x10 or not 0 < sent[1] < 32:
            return True
        # The first with its token is the answer to a request that is not confirmable.
        return self.answer >= 0 or token_of(data) != token_of(sent)

    def begin(self, answer):
        """A read was answered, well: is it observed from now on, or no longer?"""
        sent = self.sent
        token = token_of(sent)
        number = number_of(answer, OBSERVE)
        if number_of(sent, OBSERVE) == 1:
            self.observed.pop(token, None)
        if number is None:
            return
        if number_of(sent, OBSERVE) != 0 or sent[1] not in (GET, FETCH):
            raise Failure(f"observed unasked: {answer[:HEX].hex()}")
        for other in list(self.observed):
            seen = self.observed[other]
            form = number_of(answer, CONTENT_FORMAT)
            if other != token and seen.known and seen.form == form and seen.same(sent):
                del self.observed[other]
        self.observed[token] = seen = Seen(sent, self.turn)
        self.note(seen, answer)

    def notification(self, data):
        """Judge a notification."""
        token = token_of(data)
        seen = self.observed.get(token)
        kind = data[0] >> 4 & 3
        mid = mid_of(data)
        if kind == CON:
            if mid in self.recent:
                return  # sent once more: the server has it, and looks no further
            self.recent.pop(0)
            self.recent.append(mid)
        if not seen:
            raise Failure(f"a notification that nobody wants: {data[:HEX].hex()}")
        if seen.turn < self.turn:
            raise Failure(f"a Register has ended this observation: {data[:HEX].hex()}")
        if data[1] != CONTENT:
            if kind != CON or data[1] < 128 or option(data, OBSERVE) is not None:
                raise Failure(f"ends in a wrong way: {data[:HEX].hex()}")
            del self.observed[token]
            self.ended += 1
            return
        self.notifications += 1
        number = number_of(data, OBSERVE)
        if number is None:
            raise Failure(f"a notification without a number: {data[:HEX].hex()}")
        if seen.number is not None and not fresher(number, seen.number):
            # Kept samples whose acknowledgement is missing are sent again as they were.
            again = kind == CON and number == seen.number and parse(data)[1] == seen.payload
            if not again and (number != seen.number or self.subject.time.set):
                raise Failure(f"number {number} after {seen.number}: {data[:HEX].hex()}")
        if seen.form is not None and number_of(data, CONTENT_FORMAT) != seen.form:
            raise Failure(f"another content format than {seen.form}: {data[:HEX].hex()}")
        self.note(seen, data)

    def note(self, seen, data):
        # Take what was told.
        seen.number = number_of(data, OBSERVE)
        seen.form = number_of(data, CONTENT_FORMAT)
        seen.whole = option(data, BLOCK2) is None
        seen.payload = parse(data)[1]
        seen.sure = True
        if seen.whole and records(seen.form, seen.payload) < 0:
            raise Failure(f"not in format {seen.form}: {data[:HEX].hex()}")

    def lost(self):
        """The network was down for what the client has just said."""
        self.doubt()
        if self.subject.registration.state == REGISTERING and not self.registering:
            # A Register whose first transmission nobody sees
            self.registering = True
            self.turn += 1
        sent = self.sent
        if not malformed(sent) and sent[1] in (GET, FETCH) and number_of(sent, OBSERVE) == 0:
            # It may have been accepted, or not: then what was observed before goes on.
            self.observed[token_of(sent)] = seen = Seen(sent, self.turn)
            seen.known = False

    def doubt(self):
        for seen in self.observed.values():
            seen.sure = False

    def compare(self):
        """What the server was told last is what it would read now."""
        subject = self.subject
        reporting = subject.registration.reporting
        for observation in reporting.observations if reporting else ():
            seen = self.observed.get(observation.token)
            if not seen:
                self.fail(Failure(f"the server does not know that it observes {observation.path}"))
                continue
            parts = observation.parts or (observation,)
            if any(part.conditions or part.path[:1] not in ((3303,), (26241,)) for part in parts):
                continue
            options, payload = parse(seen.request)
            batch = seen.payload[:6] == b'[{"bt"' or b"\x22" in seen.payload[2:4]
            if not (seen.sure and seen.known) or observation.token in subject.dropped:
                continue
            if batch and seen.form in (SENML_CBOR, SENML_JSON):
                continue
            options = [pair for pair in options if pair[0] in (URI_PATH, CONTENT_FORMAT)]
            options.append((ACCEPT, seen.form))
            self.mid = self.mid + 1 & 0xFFFF
            self.push(encode(CON, seen.request[1], self.mid, b"cmp", options, payload))
            subject.client.step()
            for data in subject.wire.queue:
                if data[0] >> 4 == 6 and mid_of(data) == self.mid:
                    now = parse(data)[1]
                    if not seen.whole or option(data, BLOCK2) is not None:
                        now = now[: len(seen.payload)]
                        seen.payload = seen.payload[: len(now)]
                    if data[1] != CONTENT or now != seen.payload:
                        self.sent = seen.request
                        why = f"told {seen.payload[:40].hex()}, is {now[:40].hex()}"
                        self.fail(Failure(f"{observation.path}: {why}"))
                    self.compared += 1
            subject.wire.queue.clear()

    def allow(self, mid, deliberate):
        # 5.00 is right when a handler raised, or had raised for the same message id.
        if deliberate:
            self.internal[self.internals & 63] = mid
            self.internals += 1
        elif mid not in self.internal:
            raise Failure("5.00 without an exception of a handler")

    def push(self, data):
        """Send a well-formed datagram that is not part of the count."""
        self.subject.wire.send(data, len(data))

    # Recovering

    def settle(self, leave=False):
        """A sane server for a while: the client registers, and its values become what they were.
        Observations end with the Register, or every other time, and with `leave`, before it.

        Values, names and blocks that fuzzing left behind are no leak, so they are put back.
        """
        subject = self.subject
        client = subject.client
        exchange = subject.registration.exchange
        self.recoveries += 1
        self.sent = b""
        self.hurry()
        self.await_register(LONGEST_PAUSE_S * 1000)
        self.calm(4000000)
        if not client.registered:
            self.fail(Failure(f"not registered again: state {subject.registration.state}"))
        self.compare()
        subject.restore()
        subject.time.set = self.recoveries & 3 != 3
        subject.server.pmax_s = 0 if self.recoveries & 1 else 60
        # No message id is remembered any longer (EXCHANGE_LIFETIME, RFC 7252 §4.8.2).
        subject.clock.advance(256000)
        if leave or self.recoveries & 1:
            client.deregister()
            for _ in range(SETTLING):
                if client.ended:
                    break
                self.sane_step()
            if not client.ended or subject.registration.reporting:
                self.fail(Failure("has not left, or goes on being observed"))
        client.reconnect()
        self.calm(1000000)
        reporting = subject.registration.reporting
        if reporting and (reporting.observations or reporting.index.chains):
            self.fail(Failure("an observation has outlived a Register"))
        self.observed = {}
        subject.statuses = {}
        subject.dropped = []
        subject.sends = []
        # One upload of two blocks, one read: the sizes of what they leave behind are known.
        options = segments("/26241/0/5")
        options.append((CONTENT_FORMAT, OCTETS))
        for block in (8, 16):
            self.mid = self.mid + 1 & 0xFFFF
            size = (BLOCK1, block)
            self.push(encode(CON, PUT, self.mid, b"abcd", options + [size], bytes(16)))  # noqa: RUF005
            client.step()
        self.push(encode(CON, 1, self.mid + 1 & 0xFFFF, b"abcd", segments("/3/0/0")))
        client.step()
        # An Update may stand between the answers.
        codes = [data[1] for data in subject.wire.queue if data[1] > 31]
        if codes != [0x5F, 0x44, 0x45]:
            self.fail(Failure(f"an upload and a read are answered {codes}"))
        # The last error is kept to be asked for: one exception, or none.
        exchange.error = subject.registration.error = None
        # An empty list keeps some of the room that it once had.
        if client.timers or exchange.separate:
            self.fail(Failure(f"left over: {client.timers} {exchange.separate}"))
        client.timers = []
        exchange.separate = []
        fill(client, client.builder, client.message, exchange, exchange.upload, *exchange.outgoing)
        fill(subject.registration, subject.transport, subject.wire, *client.codecs)
        fill(*subject.objects)
        for codec in client.codecs:
            if hasattr(codec, "src"):
                codec.src = SCRATCH  # else the last text that it has written
        for slot in exchange.outgoing:
            if not slot.state:
                slot.tag = slot.owner = None  # whose message it was is kept until the next one
                slot.token = b""
            # It comes with the first request in blocks, and makes the table of attributes larger.
            slot.more = False
        subject.wire.queue = []
        subject.transport.queue = []
        if exchange.upload and exchange.upload.body:
            exchange.upload.body[:] = bytes(len(exchange.upload.body))

    def hurry(self):
        """A minimum period of hours is as good as one of a minute, and takes less time."""
        server = self.subject.server
        server.pmin_s = min(server.pmin_s or 0, PATIENCE_S)
        reporting = self.subject.registration.reporting
        for observation in reporting.observations if reporting else ():
            for name in ("pmin", "epmin"):
                if observation.attributes.get(name, 0) > PATIENCE_S:
                    observation.attributes[name] = PATIENCE_S
            reporting.push(observation)

    def await_register(self, left_ms):
        """A sane server until the device has come back: one that was refused, or was told by
        Max-Age to come later, takes its time."""
        for _ in range(SETTLING):
            if self.subject.client.registered or left_ms < 0:
                return
            left_ms -= self.sane_step()

    def calm(self, left_ms):
        """A sane server until nothing is under way."""
        subject = self.subject
        client = subject.client
        exchange = subject.registration.exchange
        for _ in range(SETTLING):
            reporting = subject.registration.reporting
            rest = client.registered and not (exchange.separate or client.timers)
            if rest and subject.settled() and not self.owed(reporting):
                return
            left_ms -= self.sane_step()
            if left_ms < 0:
                return
        self.fail(Failure("does not come to rest"))

    @staticmethod
    def owed(reporting):
        """Whether the server is still to be told something."""
        if not reporting:
            return False
        if reporting.head or reporting.send_requests or reporting.waiting:
            return True
        return any(
            other.due or other.changed or other.stored or in_flight(reporting.exchange, other)
            for other in reporting.observations
        )

    def sane_step(self):
        subject = self.subject
        try:
            due = subject.client.step()
            queue = subject.wire.queue
            while queue:
                data = queue.pop(0)
                if malformed(data):
                    raise Failure(f"the client sends {malformed(data)}")
                kind = data[0] >> 4 & 3
                if kind == CON and 0 < data[1] < 32:
                    self.push(good_answer(data))
                elif data[1] > 31 and self.notifies(kind, data):
                    self.notification(data)
                if kind == CON and data[1] > 31:
                    self.push(encode(ACK, 0, data[2] << 8 | data[3]))
                due = 0
        except Exception as e:
            self.fail(e)
            due = 100000
        subject.clock.advance(min(due, 60000))
        return max(due, 1)

    def heap(self):
        """Bytes taken on the heap, garbage aside; sends a few datagrams between measurements."""
        # The collector takes whatever looks like a pointer for one: no random bytes may be left.
        least = 1 << 28
        for _ in range(MEASUREMENTS):
            self.rounds(BETWEEN)
            self.settle(True)
            self.buf[:] = bytes(LONGEST)
            self.subject.client.builder.buf[:] = bytes(self.mtu)
            SCRATCH[:] = bytes(len(SCRATCH))
            self.sent = b""
            self.asked = None
            least = min(least, taken())
        return least

    # Generating

    def generate(self):
        """Make the next datagram in `buf` and return its length, -1: nothing this time."""
        chance = bits(8)
        if chance < 14:
            return self.noise()
        if self.asked and chance < 44:
            self.load(self.reply())
            if chance < 30:
                self.mutate()
            return self.n
        if chance & 7 == 7:
            self.load(self.observes[bits(16) % len(self.observes)])
        else:
            # Now and then the one after the last: blocks of a transfer stand in a row.
            self.index = (self.index + 1 if bits(2) else bits(16)) % len(self.corpus)
            self.load(self.corpus[self.index])
        buf = self.buf
        self.mid = mid = self.mid + 1 & 0xFFFF
        buf[2] = mid >> 8
        buf[3] = mid & 255
        if chance < 90:
            return self.n  # well-formed as it is
        self.mutate()
        if chance > 200:
            self.mutate()
            if chance > 240:
                self.mutate()
        return self.n

    def load(self, data):
        n = len(data)
        self.view[:n] = data
        self.n = n

    def noise(self):
        """Random bytes, mostly with a header that is almost one."""
        n = bits(6) if bits(3) else bits(10)
        buf = self.buf
        for i in range(n):
            buf[i] = bits(8)
        if n and bits(2):
            buf[0] = 0x40 | buf[0] & 0x38 | buf[0] & 1
            if n > 1:
                buf[1] &= 7
        return n

    def reply(self):
        """Something like an answer to what the client has asked, its token and message id."""
        asked = self.asked
        mid = asked[2] << 8 | asked[3]
        token = asked[4 : 4 + (asked[0] & 15)]
        chance = bits(4)
        if chance == 0:
            return encode(ACK, 0, mid)
        if chance == 1:
            return encode(RST, 0, mid)
        if chance < 6:
            return good_answer(asked)
        options = []
        if bits(1):
            for _ in range(bits(2)):
                n = bits(3) if bits(3) else bits(8)
                options.append((LOCATION_PATH, bytes([97 + (bits(4)) for _ in range(n)])))
        if not bits(2):
            options.append((BLOCK2, bits(bits(4))))
        if not bits(2):
            options.append((BLOCK1, bits(bits(4))))
        if not bits(5):
            options.append((BLOCK1 + 2 * bits(3), bits(7)))
        kind = ACK
        if chance > 10:
            kind = CON if chance & 1 else NON
            self.mid = mid = self.mid + 1 & 0xFFFF
        payload = b"x" * bits(4) if bits(1) else b""
        return encode(kind, _CODES[bits(8) % len(_CODES)], mid, token, options, payload)

    def mutate(self):
        """Damage the datagram in `buf` in one of many ways."""
        buf = self.buf
        view = self.view
        n = self.n
        way = bits(4)
        if not n:
            return
        at = bits(11) % n
        if way < 3:
            buf[at] ^= 1 << bits(3)
        elif way < 6:
            buf[at] = _NASTY[bits(8) % len(_NASTY)]
        elif way == 6:
            self.n = at  # cut off
        elif way == 7:
            more = bits(4) if bits(2) else bits(9)
            if n + more <= LONGEST:
                for i in range(n, n + more):
                    buf[i] = bits(8)
                self.n = n + more
        elif way == 8:
            # The rest of another one
            other = self.corpus[bits(16) % len(self.corpus)]
            first = bits(11) % len(other)
            rest = len(other) - first
            if at + rest <= LONGEST:
                view[at : at + rest] = other[first:]
                self.n = at + rest
        elif way == 9:
            gap = 1 + bits(3)
            if at + gap < n:
                view[at : n - gap] = bytes(view[at + gap : n])
                self.n = n - gap
        elif way == 10:
            # A piece doubled: options, mostly
            size = 1 + bits(4)
            if at + size <= n and n + size <= LONGEST:
                view[at + size : n + size] = bytes(view[at:n])
                self.n = n + size
        elif way == 11:
            # An option too much, of any number and length, before the others
            pos = 4 + (buf[0] & 15)
            size = bits(3)
            if pos + 1 + size < n and n + 1 + size <= LONGEST:
                view[pos + 1 + size : n + 1 + size] = bytes(view[pos:n])
                buf[pos] = bits(4) << 4 | size if bits(2) else bits(8)
                self.n = n + 1 + size
        elif way == 12:
            buf[0] = buf[0] & 0xF0 | bits(4)
        elif way == 13:
            buf[0] ^= 0x10 << bits(1)
        elif way == 14 and n > 1:
            buf[1] = bits(3) if bits(2) else bits(8)
        else:
            # A length or a number near the top of the payload grown out of proportion
            for _ in range(3):
                buf[(at + bits(3)) % n] = bits(8) | 0xC0
