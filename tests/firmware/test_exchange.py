"""The exchange layer (RFC 7252 §4 and §5): duplicates, matching, and silence where it is due."""

from bench import Bench, ScriptedServer
from testing import eq
from wire import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    GET,
    LOCATION_PATH,
    NON,
    POST,
    PUT,
    RST,
    TEXT,
    encode,
    segments,
)

from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.types import INT, RW, E

LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")]


class Counter(Object):
    OID = 26241
    RESOURCES = (0, INT | RW, "level", 1, E, "run", 2, E, "refuse")
    level = 0
    runs = 0
    written = 0

    def run(self, args=None):
        self.runs += 1

    def refuse(self, args=None):
        self.runs += 1
        raise Lwm2mError(0x83)

    def write(self, rid, name, value):
        self.written += 1
        super().write(rid, name, value)


def made(ring=16, registered=True, **terms):
    bench = Bench(ring=ring, **terms)
    bench.counter = bench.client.add(Counter())
    return bench.registered() if registered else bench


def execute(mid, kind=CON, path="/26241/0/1", token=b"tk"):
    return encode(kind, POST, mid, token, segments(path))


# §4.5: deduplication


def test_rfc7252_4_5_repeated_request_is_done_once_and_answered_again():
    bench = made()
    first = bench.far.send(execute(77))
    eq(len(first), 1)
    for _ in range(4):
        again = bench.far.send(execute(77))
        eq(len(again), 1)
        for name in ("type", "code", "mid", "token", "options", "payload"):
            eq(getattr(again[0], name), getattr(first[0], name))
    eq(bench.counter.runs, 1)
    eq((first[0].type, first[0].code, first[0].mid), (ACK, CHANGED, 77))


def test_rfc7252_4_5_repeated_write_is_done_once():
    bench = made()
    for payload in (b"1", b"1", b"2"):
        eq(bench.ask(PUT, "/26241/0/0", payload, format=TEXT, mid=5).code, CHANGED)
    eq((bench.counter.written, bench.counter.level), (1, 1))


def test_rfc7252_4_5_refusal_is_repeated_too():
    bench = made()
    for _ in range(3):
        eq(bench.far.send(execute(78, path="/26241/0/2"))[0].code, 0x83)
    eq(bench.counter.runs, 1)
    for _ in range(3):
        eq(bench.far.send(execute(79, path="/26241/0/9"))[0].code, 0x84)
        eq(bench.ask(DELETE, "/26241/0", mid=80).code, 0x85)


def test_rfc7252_4_5_repeated_within_247_seconds():
    for after_s in (0, 1, 60, 200, 246, 247):
        bench = made()
        bench.far.send(execute(77))
        bench.clock.advance(after_s * 1000)
        eq(len(bench.far.send(execute(77))), 1)
        eq((after_s, bench.counter.runs), (after_s, 1))


def test_rfc7252_4_5_after_the_exchange_lifetime_it_is_a_new_request():
    for after_s in (264, 300, 1000, 3600, 86400, 40 * 86400):
        bench = made()
        bench.far.send(execute(77))
        bench.clock.advance(after_s * 1000)
        bench.far.send(execute(77))
        eq((after_s, bench.counter.runs), (after_s, 2))


def test_rfc7252_4_5_age_is_right_whatever_the_time():
    bench = made(lifetime_s=0)
    runs = 0
    for hours in range(30):
        bench.clock.advance(3000000 + hours * 12345)
        bench.far.send(execute(77))
        runs += 1
        eq((hours, bench.counter.runs), (hours, runs))
        bench.clock.advance(240000)
        bench.far.send(execute(77))
        eq((hours, bench.counter.runs), (hours, runs))


def test_rfc7252_4_5_repetition_does_not_prolong():
    bench = made()
    bench.far.send(execute(77))
    for _ in range(2):
        bench.clock.advance(120000)
        bench.far.send(execute(77))
    eq(bench.counter.runs, 1)
    bench.clock.advance(60000)
    bench.far.send(execute(77))
    eq(bench.counter.runs, 2)


def test_rfc7252_4_5_other_message_ids_are_other_requests():
    bench = made()
    for mid in (0, 1, 0x7FFF, 0x8000, 0xFFFF, 256):
        bench.far.send(execute(mid))
    eq(bench.counter.runs, 6)
    for mid in (0, 1, 0x7FFF, 0x8000, 0xFFFF, 256):
        eq(len(bench.far.send(execute(mid))), 1)
    eq(bench.counter.runs, 6)


def test_first_request_with_message_id_0_is_executed():
    bench = made()
    eq(bench.far.send(execute(0))[0].code, CHANGED)
    eq(bench.counter.runs, 1)


def test_ring_forgets_the_oldest():
    bench = made(ring=4)
    for mid in range(100, 105):
        bench.far.send(execute(mid))
    eq(bench.counter.runs, 5)
    for mid in range(101, 105):
        bench.far.send(execute(mid))
    eq(bench.counter.runs, 5)
    bench.far.send(execute(100))
    eq(bench.counter.runs, 6)


def test_ring_of_one():
    bench = made(ring=1)
    for mid in (1, 1, 2, 2, 1):
        bench.far.send(execute(mid))
    eq(bench.counter.runs, 3)


def test_reads_take_no_place_in_the_ring():
    bench = made(ring=2)
    bench.far.send(execute(1))
    for i in range(10):
        eq(bench.ask(GET, "/26241/0/0", mid=100 + i).code, CONTENT)
    bench.far.send(execute(1))
    eq(bench.counter.runs, 1)


def test_repeated_read_is_answered_each_time():
    bench = made()
    eq(bench.ask(GET, "/26241/0/0", accept=TEXT, mid=9).payload, b"0")
    bench.counter.level = 5
    assert bench.ask(GET, "/26241/0/0", accept=TEXT, mid=9).payload in (b"0", b"5")


def test_repeated_non_confirmable_request_is_done_once():
    bench = made()
    for _ in range(3):
        bench.far.send(execute(77, NON))
    eq(bench.counter.runs, 1)


def test_each_server_has_its_own_message_ids():
    bench = made()
    other = ScriptedServer(bench)
    bench.add_server(other)
    bench.client.step()
    other.reply(other.take()[0], CREATED, LOCATION)
    bench.client.step()
    bench.far.take()
    bench.far.send(execute(77))
    other.send(execute(77))
    eq(bench.counter.runs, 2)


# Kinds of messages


def test_non_confirmable_request_gets_a_non_confirmable_answer():
    bench = made()
    answer = bench.ask(GET, "/26241/0/0", kind=NON, mid=77)
    eq((answer.type, answer.code), (NON, CONTENT))
    other = bench.ask(GET, "/26241/0/0", kind=NON, mid=78)
    assert other.mid != answer.mid


def test_token_of_each_length_comes_back():
    bench = made()
    for n in range(9):
        token = bytes(range(n))
        answers = bench.far.send(encode(CON, GET, 100 + n, token, segments("/26241/0/0")))
        eq([(a.token, a.mid, a.code) for a in answers], [(token, 100 + n, CONTENT)])


def test_rfc7252_4_3_ping_is_answered_with_rst():
    bench = made()
    answers = bench.far.send(encode(CON, 0, 0x1234))
    eq([(a.type, a.code, a.mid) for a in answers], [(RST, 0, 0x1234)])


def test_rfc7252_4_2_malformed_confirmable_is_reset():
    bench = made()
    for tail in (b"\xff", b"\xf0", b"\xd0", b"\x05", b"\xe0\x00", b"\xb9" + b"x" * 8):
        answers = bench.far.send(b"\x40\x01\x12\x34" + tail)
        eq((tail, [(a.type, a.code, a.mid) for a in answers]), (tail, [(RST, 0, 0x1234)]))
    for datagram in (b"\x49\x01\x12\x34" + bytes(9), b"\x40\x20\x12\x34", b"\x40\x00\x12\x34x"):
        answers = bench.far.send(datagram)
        eq([(a.type, a.code, a.mid) for a in answers], [(RST, 0, 0x1234)])


def test_rfc7252_4_3_malformed_non_confirmable_is_ignored():
    bench = made()
    for first in (0x50, 0x60, 0x70):
        for tail in (b"\xff", b"\xf0", b"\xd0", b"\x05"):
            eq(bench.far.send(bytes((first, 1, 0x12, 0x34)) + tail), [])
        eq(bench.far.send(bytes((first | 9, 1, 0x12, 0x34)) + bytes(9)), [])


def test_rfc7252_3_other_versions_and_stubs_are_ignored():
    bench = made()
    for datagram in (
        b"",
        b"\x40",
        b"\x40\x01\x00",
        b"\x00\x01\x00\x00",
        b"\x80\x01\x00\x00",
        b"\xc0" * 9,
    ):
        eq(bench.far.send(datagram), [])
    eq(bench.ask(GET, "/26241/0/0").code, CONTENT)


def test_rfc7252_4_2_requests_in_ack_or_rst_are_ignored():
    bench = made()
    for kind in (ACK, RST):
        eq(bench.far.send(execute(77, kind)), [])
        eq(bench.far.send(encode(kind, GET, 78, b"", segments("/26241/0/0"))), [])
    eq(bench.counter.runs, 0)


def test_empty_non_confirmable_is_ignored():
    eq(made().far.send(encode(NON, 0, 5)), [])


def asked(bench):
    """The Register that the client has sent."""
    bench.client.step()
    sent = bench.far.take()
    eq((len(sent), sent[0].type, sent[0].code), (1, CON, POST))
    return sent[0]


def pending():
    bench = made(registered=False)
    return bench, asked(bench)


# What the client asks: matching


def test_rfc7252_5_2_1_piggybacked_response():
    bench, packet = pending()
    eq(bench.far.send(encode(ACK, CREATED, packet.mid, packet.token, LOCATION)), [])
    assert bench.client.registered


def test_rfc7252_5_2_2_separate_response():
    bench, packet = pending()
    eq(bench.far.send(encode(ACK, 0, packet.mid)), [])
    assert not bench.client.registered
    # No retransmission after the empty acknowledgement
    eq(bench.watch(60), [])
    response = encode(CON, CREATED, 0x7777, packet.token, LOCATION)
    answers = bench.far.send(response)
    eq([(a.type, a.code, a.mid) for a in answers], [(ACK, 0, 0x7777)])
    assert bench.client.registered
    # A duplicate is acknowledged again.
    for _ in range(2):
        answers = bench.far.send(response)
        eq([(a.type, a.code, a.mid) for a in answers], [(ACK, 0, 0x7777)])
    eq(bench.events, ["registered"])


def test_rfc7252_5_2_2_separate_response_before_the_acknowledgement():
    bench, packet = pending()
    answers = bench.far.send(encode(CON, CREATED, 0x7777, packet.token, LOCATION))
    eq([(a.type, a.code, a.mid) for a in answers], [(ACK, 0, 0x7777)])
    assert bench.client.registered
    eq(bench.far.send(encode(ACK, 0, packet.mid)), [])
    eq(bench.watch(120), [])


def test_separate_non_confirmable_response():
    bench, packet = pending()
    eq(bench.far.send(encode(ACK, 0, packet.mid)), [])
    eq(bench.far.send(encode(NON, CREATED, 0x7777, packet.token, LOCATION)), [])
    assert bench.client.registered


def test_acknowledged_request_without_a_response_fails_in_the_end():
    bench, packet = pending()
    bench.far.send(encode(ACK, 0, packet.mid))
    eq(bench.watch(90), [])
    eq(bench.events, [])
    bench.watch(30)
    assert "register_failed" in bench.events


def test_second_empty_acknowledgement_does_not_prolong():
    bench, packet = pending()
    for _ in range(5):
        bench.far.send(encode(ACK, 0, packet.mid))
        bench.watch(24)
    assert "register_failed" in bench.events, "acknowledged for ever"


def test_response_with_another_token_is_not_ours():
    bench, packet = pending()
    wrong = bytes((packet.token[0] ^ 1,)) + packet.token[1:]
    for token in (wrong, b"", packet.token[:3], packet.token + b"x", packet.token[1:] + b"yy"):
        eq(bench.far.send(encode(ACK, CREATED, packet.mid, token, LOCATION)), [])
        eq(bench.far.send(encode(NON, CREATED, 0x7777, token, LOCATION)), [])
        answers = bench.far.send(encode(CON, CREATED, 0x7778, token, LOCATION))
        eq([(a.type, a.code, a.mid) for a in answers], [(RST, 0, 0x7778)])
        assert not bench.client.registered
    bench.far.send(encode(ACK, CREATED, packet.mid, packet.token, LOCATION))
    assert bench.client.registered


def test_piggybacked_response_with_another_message_id_is_ignored():
    bench, packet = pending()
    for mid in (packet.mid + 1 & 0xFFFF, packet.mid ^ 0x8000, packet.mid ^ 0x00FF):
        eq(bench.far.send(encode(ACK, CREATED, mid, packet.token, LOCATION)), [])
        assert not bench.client.registered


def test_unexpected_responses():
    bench = made()
    answers = bench.far.send(encode(CON, CONTENT, 0x1111, b"tok", (), b"x"))
    eq([(a.type, a.code, a.mid) for a in answers], [(RST, 0, 0x1111)])
    eq(bench.far.send(encode(NON, CONTENT, 0x1112, b"tok", (), b"x")), [])
    eq(bench.far.send(encode(ACK, CONTENT, 0x1113, b"tok", (), b"x")), [])
    eq(bench.far.send(encode(RST, CONTENT, 0x1114, b"tok", (), b"x")), [])
    eq(bench.far.send(encode(ACK, 0, 0x1115)), [])
    eq(bench.far.send(encode(RST, 0, 0x1116)), [])
    assert bench.client.registered


def test_acknowledgement_and_reset_of_another_message_are_ignored():
    bench, packet = pending()
    other = packet.mid + 1 & 0xFFFF
    eq(bench.far.send(encode(RST, 0, other)), [])
    eq(bench.far.send(encode(ACK, 0, other)), [])
    eq(bench.events, [])
    sent = bench.watch(4)
    eq([p.mid for _, p in sent], [packet.mid])


def test_reset_of_ours_ends_it():
    bench, packet = pending()
    bench.far.send(encode(RST, 0, packet.mid))
    eq(bench.events, ["register_failed"])


def test_response_in_a_reset_is_ignored():
    bench, packet = pending()
    eq(bench.far.send(encode(RST, CREATED, packet.mid, packet.token, LOCATION)), [])
    assert not bench.client.registered


def test_malformed_response_is_no_response():
    bench, packet = pending()
    good = encode(ACK, CREATED, packet.mid, packet.token, LOCATION)
    eq(bench.far.send(good + b"\xff"), [])
    eq(bench.far.send(good[:-1]), [])
    assert not bench.client.registered
    eq([p.mid for _, p in bench.watch(4)], [packet.mid])
    bench.far.send(good)
    assert bench.client.registered


def test_rfc7252_5_4_1_response_with_an_unknown_critical_option_is_rejected():
    for kind, mid in ((ACK, -1), (NON, 0x7777), (CON, 0x7777)):
        bench, packet = pending()
        mid = packet.mid if mid < 0 else mid
        options = LOCATION + [(9, b"x")]
        bench.far.send(encode(kind, CREATED, mid, packet.token, options))
        assert not bench.client.registered, kind


def test_rfc7252_5_4_1_confirmable_response_with_an_unknown_critical_option_is_reset():
    bench, packet = pending()
    options = LOCATION + [(9, b"x")]
    answers = bench.far.send(encode(CON, CREATED, 0x7777, packet.token, options))
    eq([(a.type, a.code, a.mid) for a in answers if not a.code], [(RST, 0, 0x7777)])


def test_request_is_served_while_ours_is_in_flight():
    bench = made()
    bench.client.update()
    packet = asked(bench)
    answer = bench.ask(GET, "/26241/0/0", accept=TEXT)
    eq((answer.code, answer.payload), (CONTENT, b"0"))
    again = [p for _, p in bench.watch(4)]
    eq([(p.mid, p.token, p.options, p.payload) for p in again], [whole(packet)])
    bench.far.send(encode(ACK, CHANGED, packet.mid, packet.token))
    assert bench.client.registered


def whole(packet):
    return packet.mid, packet.token, packet.options, packet.payload


# §4.2: retransmission


def test_rfc7252_4_2_retransmission_with_doubling_intervals():
    firsts = set()
    for _ in range(40):
        bench = made(registered=False)
        sent = bench.watch(64)
        first = sent[0][1].mid
        times = [at for at, p in sent if p.mid == first]
        eq(len(times), 5)
        gap = times[1] - times[0]
        assert 2000 <= gap <= 3000, gap
        firsts.add(gap)
        eq([times[i + 1] - times[i] for i in range(4)], [gap, 2 * gap, 4 * gap, 8 * gap])
        eq(set(whole(p)[0] for _, p in sent if p.mid == first), {first})
    assert len(firsts) > 5, firsts


def test_rfc7252_4_2_gives_up_after_the_last_interval():
    bench, packet = pending()
    bench.watch(61)
    eq(bench.events, [])
    bench.watch(40)
    assert bench.events, "never gives up"


def test_rfc7252_4_4_message_ids_and_tokens_are_fresh():
    mids, tokens = set(), set()
    for _ in range(20):
        bench, packet = pending()
        mids.add(packet.mid)
        tokens.add(packet.token)
        eq(len(packet.token), 4)
    assert len(mids) > 15, mids
    eq(len(tokens), 20)


def test_rfc7252_4_4_message_ids_count_up_and_wrap():
    bench = made()
    last = -1
    for _ in range(30):
        bench.client.update()
        bench.client.step()
        packet = bench.far.take()[0]
        if last >= 0:
            eq(packet.mid, last + 1 & 0xFFFF)
        last = packet.mid
        bench.far.reply(packet, CHANGED)


def test_nstart_1_one_request_at_a_time():
    bench = made()
    bench.client.update()
    bench.client.step()
    first = bench.far.take()
    bench.client.update(True)
    bench.client.deregister()
    bench.client.step()
    eq((len(first), bench.far.take()), (1, []))
    sent = bench.far.reply(first[0], CHANGED)
    bench.client.step()
    eq(len(sent + bench.far.take()), 1)


def test_many_datagrams_at_once_are_all_served():
    bench = made()
    n = 50
    for mid in range(n):
        datagram = execute(mid)
        bench.far.end.send(datagram, len(datagram))
    steps = 0
    while bench.client.step() == 0:
        steps += 1
        assert steps < 100
    eq((bench.counter.runs, len(bench.far.take())), (n, n))


def test_flood_does_not_starve_the_timers():
    bench = made()
    fired = []
    bench.client.after(1000, lambda: fired.append(bench.clock.s))
    datagram = encode(CON, 0, 1)
    for _ in range(40):
        for _ in range(20):
            bench.far.end.send(datagram, len(datagram))
        bench.client.step()
        bench.clock.advance(100)
    eq(fired, [1])


def test_write_of_another_peer_is_repeatable_after_a_failed_send():
    bench = made()
    bench.far.near.error = OSError(105)
    eq(bench.far.send(execute(77)), [])
    bench.far.near.error = None
    eq(bench.far.send(execute(77))[0].code, CHANGED)
    eq(bench.counter.runs, 1)


def test_content_format_of_an_answer():
    eq(made().ask(GET, "/26241/0/0", accept=TEXT).uint(CONTENT_FORMAT), TEXT)
