"""Answers that come later (RFC 7252 §5.2.2): the request is acknowledged at once, done once."""

from bench import Bench, ScriptedServer
from testing import eq
from wire import (
    ACK,
    BLOCK1,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    GET,
    LOCATION_PATH,
    NON,
    OCTETS,
    POST,
    PUT,
    RST,
    TEXT,
    encode,
    segments,
)

from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.types import INT, OPAQUE, RW, STR, E, R, W

LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")]
INTERNAL = 0xA0


class Slow(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, INT | RW, "level",
        1, E, "run",
        2, STR | R, "text",
        3, E, "fail",
        4, OPAQUE | W, "package",
        5, E, "quick",
    )
    # fmt: on
    STREAMS = (4,)
    level = 0
    runs = 0
    failure = None
    slow = True

    def __init__(self):
        super().__init__()
        self.owed = []

    def owe(self):
        self.runs += 1
        self.owed.append(self.client.defer())

    def run(self, args=None):
        self.owe()

    def quick(self, args=None):
        self.runs += 1

    @property
    def text(self):
        if self.slow:
            self.owe()
        return "now"

    def fail(self, args=None):
        self.owe()
        raise self.failure

    def write(self, rid, name, value):
        super().write(rid, name, value)
        if rid == 0:
            self.owe()

    def receive(self, rid, name, offset, data, more):
        if not more:
            self.owe()


def made(**more):
    bench = Bench(**more)
    bench.slow = bench.client.add(Slow())
    bench.first = bench.far.accept_register()
    return bench


def execute(mid=77, kind=CON, token=b"tk", path="/26241/0/1"):
    return encode(kind, POST, mid, token, segments(path))


def stepped(bench, far=None):
    bench.client.step()
    return (far or bench.far).take()


def kinds(packets):
    return [(p.type, p.code, p.mid, p.token, p.options, p.payload) for p in packets]


def acknowledged(bench, datagram=None, mid=77):
    """Send a request, which is acknowledged and owed an answer: the Later."""
    eq(kinds(bench.far.send(datagram or execute(mid))), [(ACK, 0, mid, b"", [], b"")])
    return bench.slow.owed[-1]


def answered(bench, datagram=None, code=CHANGED):
    """The same, answered: the Later and the CON with the answer, still to be acknowledged."""
    later = acknowledged(bench, datagram)
    later.answer(code)
    packets = stepped(bench)
    eq([(p.type, p.code) for p in packets], [(CON, code)])
    return later, packets[0]


def test_rfc7252_5_2_2_acknowledged_at_once_and_answered_later():
    bench = made()
    later = acknowledged(bench)
    eq((bench.slow.runs, later.done), (1, None))
    # As long as it takes, with no sound
    eq(bench.watch(300), [])
    later.answer()
    packets = stepped(bench)
    eq(kinds(packets), [(CON, CHANGED, bench.first.mid + 1 & 0xFFFF, b"tk", [], b"")])
    eq(later.done, False)
    eq(bench.far.send(encode(ACK, 0, packets[0].mid)), [])
    eq((later.done, bench.slow.runs), (True, 1))
    eq(bench.watch(300), [])


def test_rfc7252_5_2_2_token_of_each_length():
    for n in range(9):
        token = bytes(range(n))
        bench = made()
        later, packet = answered(bench, execute(token=token))
        eq((n, packet.token), (n, token))
        bench.far.send(encode(ACK, 0, packet.mid))
        eq(later.done, True)


def test_rfc7252_5_2_2_answer_before_the_handler_returns():
    class Hasty(Slow):
        OID = 26242

        def run(self, args=None):
            self.owe()
            self.owed[-1].answer(0x44)

    bench = Bench()
    bench.slow = bench.client.add(Hasty())
    bench.registered()
    packets = bench.far.send(execute(path="/26242/0/1")) + stepped(bench)
    eq([(p.type, p.code) for p in packets], [(ACK, 0), (CON, CHANGED)])
    eq((packets[0].mid, packets[1].token), (77, b"tk"))


def test_rfc7252_4_2_answer_is_retransmitted_until_it_is_acknowledged():
    bench = made()
    later = acknowledged(bench)
    bench.registration.exchange.ack_random = 0
    later.answer(0x83, b"why", TEXT)
    start = bench.now_ms()
    seen = bench.watch(10)
    eq([at - start for at, _ in seen], [0, 2000, 6000])
    eq(set(p.mid for _, p in seen), {bench.first.mid + 1 & 0xFFFF})
    for _, packet in seen:
        eq(kinds([packet]), kinds([seen[0][1]]))
    eq(later.done, False)
    bench.far.send(encode(ACK, 0, seen[0][1].mid))
    eq((later.done, bench.watch(200)), (True, []))


def test_rfc7252_4_2_answer_that_nobody_acknowledges_is_given_up():
    bench = made()
    later = acknowledged(bench)
    later.answer()
    eq(len(bench.watch(200)), 5)
    eq((later.done, bench.registration.exchange.separate), (False, []))
    # Nothing else suffers.
    assert bench.client.registered
    eq(bench.events, ["registered"])
    later = acknowledged(bench, mid=78)
    later.answer()
    eq(len(stepped(bench)), 1)


def test_rfc7252_4_2_reset_of_the_answer_ends_it():
    bench = made()
    later, packet = answered(bench)
    eq(bench.far.send(encode(RST, 0, packet.mid)), [])
    eq((later.done, bench.registration.exchange.separate), (False, []))
    eq(bench.watch(200), [])
    assert bench.client.registered
    # It was carried out, and is not again.
    eq([p.code for p in bench.far.send(execute())], [CHANGED])
    eq(bench.slow.runs, 1)


def test_acknowledgement_or_reset_of_something_else_is_not_taken():
    bench = made()
    later, packet = answered(bench)
    for kind in (ACK, RST):
        for mid in (77, packet.mid + 1 & 0xFFFF, packet.mid - 1 & 0xFFFF):
            bench.far.send(encode(kind, 0, mid))
    eq(later.done, False)
    # Nor is a response with that token an answer to a response.
    bench.far.send(encode(ACK, CONTENT, packet.mid, b"tk"))
    bench.far.send(encode(NON, CONTENT, 0x7001, b"tk"))
    eq([p.mid for _, p in bench.watch(4)], [packet.mid])


# §4.5: repetitions


def test_rfc7252_4_5_repeated_request_is_acknowledged_again_and_done_once():
    for datagram in (
        execute(),
        encode(CON, PUT, 77, b"tk", segments("/26241/0/0"), b"5"),
        encode(CON, GET, 77, b"tk", segments("/26241/0/2")),
    ):
        bench = made()
        later = acknowledged(bench, datagram)
        for _ in range(4):
            acknowledged(bench, datagram)
            bench.clock.advance(2000)
        later.answer()
        sent = bench.watch(1)
        eq(len(sent), 1)
        # Also while the answer is on its way
        acknowledged(bench, datagram)
        bench.far.send(encode(ACK, 0, sent[0][1].mid))
        eq((later.done, bench.slow.runs, len(bench.slow.owed)), (True, 1, 1))


def test_rfc7252_4_5_repeated_change_after_the_answer_is_not_done_again():
    for code in (CHANGED, 0x83, 0xA3):
        bench = made()
        later, packet = answered(bench, code=code)
        bench.far.send(encode(ACK, 0, packet.mid))
        for _ in range(3):
            text = {0x83: b"/26241/0/1: refused", 0xA3: b"/26241/0/1: not now"}.get(code, b"")
            eq(kinds(bench.far.send(execute())), [(ACK, code, 77, b"tk", [], text)])
        eq(bench.slow.runs, 1)
        eq(bench.watch(100), [])


def test_rfc7252_4_5_other_requests_are_served_meanwhile():
    bench = made()
    later = acknowledged(bench)
    eq(bench.ask(GET, "/26241/0/0", accept=TEXT).payload, b"0")
    eq(bench.ask(POST, "/26241/0/5").code, CHANGED)
    eq(bench.slow.runs, 2)
    later.answer()
    eq(stepped(bench)[0].token, b"tk")


def test_rfc7252_4_5_repeated_after_the_ring_has_gone_round():
    # What is still owed is not forgotten, however much happens meanwhile.
    bench = made(ring=2)
    later = acknowledged(bench)
    for mid in range(200, 210):
        eq(bench.ask(POST, "/26241/0/5", mid=mid).code, CHANGED)
    acknowledged(bench)
    eq((bench.slow.runs, len(bench.slow.owed)), (11, 1))
    later.answer()
    eq(stepped(bench)[0].token, b"tk")


# Non-confirmable requests


def test_rfc7252_5_2_3_non_confirmable_request_is_answered_later_too():
    bench = made()
    eq(bench.far.send(execute(kind=NON)), [])
    eq(bench.slow.runs, 1)
    bench.slow.owed[0].answer()
    packets = stepped(bench)
    eq([(p.code, p.token) for p in packets], [(CHANGED, b"tk")])
    assert packets[0].type in (CON, NON)
    bench.far.send(encode(ACK, 0, packets[0].mid))
    eq((bench.slow.owed[0].done, bench.watch(200)), (True, []))


def test_rfc7252_4_3_repeated_non_confirmable_request_is_not_acknowledged():
    bench = made()
    for _ in range(3):
        eq(bench.far.send(execute(kind=NON)), [])
    eq((bench.slow.runs, len(bench.slow.owed)), (1, 1))


# Contents


def test_get_is_answered_later_with_payload_and_format():
    bench = made()
    later = acknowledged(bench, encode(CON, GET, 77, b"tk", segments("/26241/0/2")))
    later.answer(CONTENT, b"late", TEXT)
    packet = stepped(bench)[0]
    eq(kinds([packet]), [(CON, CONTENT, packet.mid, b"tk", [(CONTENT_FORMAT, b"")], b"late")])
    bench.slow.slow = False
    later = None
    bench.far.send(encode(ACK, 0, packet.mid))
    eq(bench.ask(GET, "/26241/0/2").payload, b"now")


def test_get_is_answered_later_in_other_formats():
    for format, value in ((OCTETS, b"\x2a"), (11542, b"\x2d\x16"), (-1, None)):
        bench = made()
        later = acknowledged(bench, encode(CON, GET, 77, b"tk", segments("/26241/0/2")))
        later.answer(CONTENT, b"\x00\xff", format)
        packet = stepped(bench)[0]
        eq(packet.options, [(CONTENT_FORMAT, value)] if value else [])
        eq(packet.payload, b"\x00\xff")


def test_answer_that_is_too_large_does_not_hang():
    bench = made()
    later = acknowledged(bench, encode(CON, GET, 77, b"tk", segments("/26241/0/2")))
    later.answer(CONTENT, b"x" * 3000, TEXT)
    sent = bench.watch(200)
    for _, packet in sent:
        eq(packet.token, b"tk")
        assert packet.code >= 0x80, packet
    eq((later.done, bench.registration.exchange.separate), (False, []))


def test_write_is_answered_later():
    bench = made()
    options = segments("/26241/0/0") + [(CONTENT_FORMAT, TEXT)]
    later = acknowledged(bench, encode(CON, PUT, 77, b"tk", options, b"5"))
    eq(bench.slow.level, 5)
    later.answer()
    eq(stepped(bench)[0].code, CHANGED)


def test_stream_in_one_datagram_is_answered_later():
    bench = made()
    options = segments("/26241/0/4") + [(CONTENT_FORMAT, OCTETS)]
    later = acknowledged(bench, encode(CON, PUT, 77, b"tk", options, b"all"))
    later.answer()
    eq([(p.type, p.code, p.token) for p in stepped(bench)], [(CON, CHANGED, b"tk")])


def last_block(bench, far):
    """Upload two blocks to the stream; the answers to the second."""
    path = segments("/26241/0/4") + [(CONTENT_FORMAT, OCTETS)]
    first = far.send(encode(CON, PUT, 76, b"tj", path + [(BLOCK1, 8)], b"x" * 16))
    eq([(p.type, p.code) for p in first], [(ACK, 0x5F)])
    return far.send(encode(CON, PUT, 77, b"tk", path + [(BLOCK1, 1 << 4)], b"end"))


def test_last_block_of_a_stream_is_answered_later():
    bench = made()
    answers = last_block(bench, bench.far)
    eq(bench.slow.runs, 1)
    eq(kinds(answers), [(ACK, 0, 77, b"", [], b"")])
    # The next request has nothing to do with it.
    eq(bench.ask(GET, "/26241/0/0", accept=TEXT).code, CONTENT)
    bench.slow.owed[0].answer()
    packets = stepped(bench)
    eq([(p.type, p.code, p.token) for p in packets], [(CON, CHANGED, b"tk")])
    bench.far.send(encode(ACK, 0, packets[0].mid))
    eq([p.code for p in last_block_again(bench)], [CHANGED])
    eq(bench.slow.runs, 1)


def last_block_again(bench):
    path = segments("/26241/0/4") + [(CONTENT_FORMAT, OCTETS)]
    return bench.far.send(encode(CON, PUT, 77, b"tk", path + [(BLOCK1, 1 << 4)], b"end"))


def test_last_block_of_a_write_is_answered_later():
    bench = made()
    path = segments("/26241/0/0") + [(CONTENT_FORMAT, TEXT)]
    bench.far.send(encode(CON, PUT, 76, b"tj", path + [(BLOCK1, 8)], b"1" * 16))
    answers = bench.far.send(encode(CON, PUT, 77, b"tk", path + [(BLOCK1, 1 << 4)], b"2"))
    eq(kinds(answers), [(ACK, 0, 77, b"", [], b"")])
    eq(bench.slow.level, 11111111111111112)
    bench.slow.owed[0].answer()
    eq([(p.type, p.code, p.token) for p in stepped(bench)], [(CON, CHANGED, b"tk")])


# Handlers that fail


def test_handler_that_raises_after_later_is_answered_at_once():
    for error, code in (
        (Lwm2mError(0x83), 0x83),
        (ValueError("x"), INTERNAL),
        (OSError(5), INTERNAL),
    ):
        bench = made()
        bench.slow.failure = error
        for _ in range(2):
            answers = bench.far.send(execute(path="/26241/0/3"))
            text = b"refused" if code == 0x83 else b"error in the application"
            eq(kinds(answers), [(ACK, code, 77, b"tk", [], b"/26241/0/3: " + text)])
        eq((bench.slow.runs, bench.registration.exchange.separate), (1, []))
        # Whatever the handler left running may still answer: it is too late.
        bench.slow.owed[0].answer()
        eq((stepped(bench), bench.watch(100)), ([], []))
        # The next one is as if nothing had been.
        eq(bench.ask(POST, "/26241/0/5").code, CHANGED)
        later = acknowledged(bench, mid=99)
        later.answer()
        eq(len(stepped(bench)), 1)


# One slot, several servers, several answers


def test_answer_waits_while_an_update_takes_the_only_slot():
    bench = made()
    later = acknowledged(bench)
    bench.client.update()
    update = stepped(bench)
    eq([p.path() for p in update], [b"/rd/5a3f"])
    later.answer()
    eq((stepped(bench), later.done), ([], None))
    acknowledged(bench)
    eq(bench.slow.runs, 1)
    sent = bench.far.reply(update[0], CHANGED) + stepped(bench)
    eq([(p.type, p.code, p.token) for p in sent], [(CON, CHANGED, b"tk")])


def test_two_answers_leave_one_after_the_other():
    bench = made()
    first = acknowledged(bench, execute(77, token=b"t1"))
    second = acknowledged(bench, execute(78, token=b"t2"), 78)
    # In the order in which they are known
    second.answer(0x83)
    sent = stepped(bench)
    eq([(p.code, p.token) for p in sent], [(0x83, b"t2")])
    first.answer()
    eq(stepped(bench), [])
    sent = bench.far.send(encode(ACK, 0, sent[0].mid)) + stepped(bench)
    eq([(p.code, p.token) for p in sent], [(CHANGED, b"t1")])
    eq((first.done, second.done), (False, True))
    bench.far.send(encode(ACK, 0, sent[0].mid))
    eq((first.done, bench.registration.exchange.separate), (True, []))


def test_three_answers_at_once_all_leave():
    bench = made()
    owed = [acknowledged(bench, execute(mid, token=b"t%d" % mid), mid) for mid in (1, 2, 3, 4)]
    for later in owed:
        later.answer()
    tokens = []
    packets = stepped(bench)
    while packets:
        packet = packets.pop(0)
        tokens.append(packet.token)
        packets += bench.far.send(encode(ACK, 0, packet.mid)) + stepped(bench)
    eq(tokens, [b"t1", b"t2", b"t3", b"t4"])
    eq([later.done for later in owed], [True] * 4)


def two_servers():
    bench = Bench()
    bench.other = ScriptedServer(bench)
    bench.slow = bench.client.add(Slow())
    bench.add_server(bench.other)
    bench.far.accept_register()
    bench.other.reply(bench.other.take()[0], CREATED, LOCATION)
    assert bench.client.registered
    return bench


def test_each_server_gets_its_own_answer():
    bench = two_servers()
    bench.far.send(execute(77, token=b"a"))
    bench.other.send(execute(77, token=b"b"))
    eq(bench.slow.runs, 2)
    bench.slow.owed[1].answer(0x83)
    eq((stepped(bench), [(p.code, p.token) for p in bench.other.take()]), ([], [(0x83, b"b")]))
    bench.slow.owed[0].answer()
    eq([(p.code, p.token) for p in stepped(bench)], [(CHANGED, b"a")])
    eq(bench.other.take(), [])


def test_server_that_uploads_gets_the_answer_not_the_one_that_asked_before():
    bench = two_servers()
    eq(bench.ask(POST, "/26241/0/5").code, CHANGED)
    eq([(p.type, p.code) for p in last_block(bench, bench.other)], [(ACK, 0)])
    bench.slow.owed[0].answer()
    eq(stepped(bench), [])
    eq([(p.type, p.code, p.token) for p in bench.other.take()], [(CON, CHANGED, b"tk")])


# Time and endings


def test_answer_given_by_a_timer_leaves_at_that_time():
    bench = made()
    later = acknowledged(bench)
    start = bench.now_ms()
    bench.client.after(500, later.answer)
    seen = bench.watch(2)
    eq([at - start for at, _ in seen], [500])


def test_answer_wakes_the_driver():
    bench = made()
    later = acknowledged(bench)
    woken = []
    bench.client.wake = lambda: woken.append(1)
    later.answer()
    assert woken, "the driver sleeps on"


def test_reconnect_ends_what_is_owed():
    for answer in (False, True):
        bench = made()
        later = acknowledged(bench)
        if answer:
            later.answer()
            eq(len(stepped(bench)), 1)
        bench.client.reconnect()
        bench.client.step()
        bench.far.accept_register() if not bench.far.end.queue else bench.far.take()
        eq((later.done, bench.registration.exchange.separate), (False, []))
        # Giving it now is no use and no harm.
        later.answer()
        for _ in range(3):
            bench.client.step()
        eq([p.token for p in bench.far.take() if p.token == b"tk"], [])


def test_later_that_is_never_answered_stops_nothing():
    bench = made()
    acknowledged(bench)
    bench.client.update()
    update = stepped(bench)[0]
    eq(bench.far.reply(update, CHANGED), [])
    bench.client.deregister()
    leave = stepped(bench)
    eq([p.path() for p in leave], [b"/rd/5a3f"])
    bench.far.reply(leave[0], 0x42)
    assert bench.client.ended
