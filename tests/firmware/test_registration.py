# timeout: 300
# heapsize: 4m
"""The registration interface (LwM2M 1.1 Core §6.2): what is said, when, and that it never ends."""

import time

from test_loopback import (
    ACK,
    CHANGED,
    CON,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    DELETED,
    GET,
    LINK,
    LOCATION_PATH,
    POST,
    RST,
    TEXT,
    URI_PATH,
    URI_QUERY,
    Bench,
    Far,
    decode,
    encode,
)
from testing import eq, raises

from lwm2m.client import Client
from lwm2m.registration.accounts import parse_uri
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.testing.loopback import Loopback

BAD_REQUEST, FORBIDDEN, NOT_FOUND, PRECONDITION_FAILED = 0x80, 0x83, 0x84, 0x8C
DAY_S = 86400


def is_register(packet):
    return packet.code == POST and packet.path() == b"/rd"


def started(bench):
    """The first thing the client sends: its Register."""
    bench.client.step()
    sent = bench.far.take()
    eq(len(sent), 1)
    assert is_register(sent[0]), sent
    return sent[0]


def one(packets):
    eq(len(packets), 1)
    return packets[0]


def accept(far, packet):
    """Answer what a client on its own may send."""
    if is_register(packet):
        far.reply(packet, CREATED, [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")])
    elif packet.code == POST:
        far.reply(packet, CHANGED)
    elif packet.code == DELETE:
        far.reply(packet, DELETED)


# Register


def test_register_query_order_and_payload():
    bench = Bench(lifetime_s=300, endpoint="urn:dev:mac:2465d8fffe0a11c0")
    bench.client.add(Device())
    bench.client.add(Temperature())
    bench.client.add(Temperature())
    packet = started(bench)
    eq((packet.type, packet.code, packet.path()), (CON, POST, b"/rd"))
    eq(packet.all(URI_PATH), [b"rd"])
    eq(packet.uint(CONTENT_FORMAT), LINK)
    eq(
        packet.all(URI_QUERY),
        [b"lwm2m=1.1", b"ep=urn:dev:mac:2465d8fffe0a11c0", b"lt=300", b"b=U"],
    )
    eq([number for number, _ in packet.options], [11, 12, 15, 15, 15, 15])
    links = packet.payload.replace(b'"', b"").split(b",")
    eq(
        links,
        [b"</1>;ver=1.1", b"</1/0>", b"</3>;ver=1.1", b"</3/0>", b"</3303/0>", b"</3303/1>"],
    )


def test_register_with_queue_mode():
    bench = Bench(lifetime_s=60, binding="UQ")
    eq(started(bench).all(URI_QUERY)[2:], [b"lt=60", b"b=U", b"Q"])


def test_register_with_an_endpoint_beyond_ascii():
    eq(started(Bench(endpoint="gerät-1")).all(URI_QUERY)[1], "ep=gerät-1".encode())


def test_registered_when_the_server_says_created():
    bench = Bench()
    packet = started(bench)
    assert not bench.client.registered
    eq(bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"x")]), [])
    assert bench.client.registered
    eq(bench.registration.location, [b"rd", b"x"])
    eq(bench.events, ["registered"])


def test_location_is_where_updates_and_deregister_go():
    for parts in ((b"rd", b"1"), (b"5a3f",), (b"a", b"b", b"c", b"d", b"e"), (b"rd", b"x" * 40)):
        bench = Bench()
        bench.far.reply(started(bench), CREATED, [(LOCATION_PATH, part) for part in parts])
        bench.client.update()
        bench.client.step()
        packet = one(bench.far.take())
        eq((packet.code, packet.all(URI_PATH)), (POST, list(parts)))
        bench.far.reply(packet, CHANGED)
        bench.client.deregister()
        bench.client.step()
        packet = one(bench.far.take())
        eq((packet.code, packet.all(URI_PATH)), (DELETE, list(parts)))


def test_initial_delay():
    bench = Bench(initial_delay_s=30)
    sent = bench.watch(31)
    assert sent and 30000 <= sent[0][0] <= 31000, sent
    assert is_register(sent[0][1])


def test_register_refused_is_tried_again_later():
    for code in (BAD_REQUEST, FORBIDDEN, 0x86, 0xA0, 0xA3, 0x45):
        bench = Bench()
        eq(bench.far.reply(started(bench), code), [])
        assert not bench.client.registered
        eq(bench.registration.error, code)
        eq(bench.events, ["register_failed"])
        sent = bench.watch(600)
        assert sent and is_register(sent[0][1])
        assert sent[0][0] >= 1000, sent[0][0]


def test_register_reset_is_tried_again_later():
    bench = Bench()
    packet = started(bench)
    eq(bench.far.send(encode(RST, 0, packet.mid)), [])
    eq(bench.events, ["register_failed"])
    sent = bench.watch(600)
    assert is_register(sent[0][1])


def test_int_version_refused_with_4_12_falls_back_to_1_0():
    bench = Bench(lifetime_s=300, binding="UQ")
    first = started(bench)
    eq(first.all(URI_QUERY)[0], b"lwm2m=1.1")
    second = one(bench.far.reply(first, PRECONDITION_FAILED))
    eq(second.all(URI_QUERY), [b"lwm2m=1.0", b"ep=dev", b"lt=300", b"b=UQ"])
    assert second.mid != first.mid
    bench.far.reply(second, CREATED, [(LOCATION_PATH, b"7")])
    eq(bench.events, ["registered"])


def test_version_1_0_refused_too_backs_off():
    bench = Bench()
    second = one(bench.far.reply(started(bench), PRECONDITION_FAILED))
    eq(bench.far.reply(second, PRECONDITION_FAILED), [])
    eq(bench.events, ["register_failed"])
    assert bench.client.step() > 500


def test_register_of_a_list_that_does_not_fit_fails_and_the_loop_lives():
    class Big(Object):
        OID = 40000

    bench = Bench(mtu=128)
    for _ in range(60):
        bench.client.add(Big())
    for _ in range(50):
        due = bench.client.step()
        bench.clock.advance(due)
        for packet in bench.far.take():
            assert len(packet.payload) <= 128


# Update


def updates(lifetime_s, seconds):
    """When, from registration on, the client sends Updates that are all answered."""
    bench = Bench(lifetime_s=lifetime_s).registered()
    sent = bench.watch(seconds, answer=lambda packet: accept(bench.far, packet))
    for _, packet in sent:
        eq((packet.code, packet.path()), (POST, b"/rd/5a3f"))
        eq((packet.all(URI_QUERY), packet.payload), ([], b""))
        eq(packet.uint(CONTENT_FORMAT), -1)
    return [at for at, _ in sent]


def test_int_102_update_before_the_lifetime_ends():
    for lifetime_s in (2, 10, 60, 200, 201, 300, 3600):
        times = updates(lifetime_s, lifetime_s * 20)
        last = 0
        assert 18 <= len(times) <= 41, (lifetime_s, len(times))
        for at in times:
            passed = at - last
            assert passed < lifetime_s * 1000, (lifetime_s, passed)
            assert passed >= lifetime_s * 500, (lifetime_s, passed)
            last = at


def test_update_leaves_time_for_retransmissions_and_a_register():
    for lifetime_s in (300, 3600, DAY_S):
        at = updates(lifetime_s, lifetime_s)[0]
        assert lifetime_s * 1000 - at >= 93000, (lifetime_s, at)


def test_update_of_a_day():
    times = updates(DAY_S, 30 * DAY_S)
    assert 29 <= len(times) <= 32, len(times)


def test_update_of_years():
    for years in (1, 3, 16):
        lifetime_s = years * 365 * DAY_S
        times = updates(lifetime_s, lifetime_s)
        eq(len(times), 1)
        assert lifetime_s - 86400 <= times[0] // 1000 < lifetime_s, times


def test_lifetime_0_is_for_ever():
    eq(updates(0, 10 * 365 * DAY_S), [])


def test_update_on_demand():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    packet = one(bench.far.take())
    eq((packet.code, packet.path(), packet.all(URI_QUERY)), (POST, b"/rd/5a3f", []))
    eq(bench.far.reply(packet, CHANGED), [])
    eq(bench.events, ["registered", "updated"])
    assert bench.client.registered


def test_new_instance_is_told_with_an_update():
    bench = Bench().registered()
    thermometer = bench.client.add(Temperature())
    bench.client.step()
    packet = one(bench.far.take())
    eq((packet.path(), packet.uint(CONTENT_FORMAT)), (b"/rd/5a3f", LINK))
    assert packet.payload.endswith(b",</3303/0>"), packet.payload
    bench.far.reply(packet, CHANGED)
    bench.client.remove(thermometer)
    bench.client.step()
    packet = one(bench.far.take())
    assert b"3303" not in packet.payload, packet.payload


def test_change_during_an_update_is_told_with_the_next():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    first = one(bench.far.take())
    bench.client.add(Temperature())
    eq(bench.client.step() > 0, True)
    eq(bench.far.take(), [])
    sent = bench.far.reply(first, CHANGED)
    bench.client.step()
    sent += bench.far.take()
    assert b"</3303/0>" in one(sent).payload


def test_change_during_registration_is_told():
    bench = Bench()
    first = started(bench)
    bench.client.add(Temperature())
    sent = bench.far.reply(first, CREATED, [(LOCATION_PATH, b"1")])
    bench.client.step()
    sent += bench.far.take()
    assert b"</3303/0>" in first.payload + one(sent).payload


def test_update_answered_with_4_04_registers_at_once():
    bench = Bench().registered()
    bench.client.update()
    bench.client.step()
    packet = one(bench.far.reply(one(bench.far.take()), NOT_FOUND))
    assert is_register(packet)
    eq(packet.all(URI_QUERY), [b"lwm2m=1.1", b"ep=dev", b"lt=86400", b"b=U"])
    assert packet.payload
    assert "update_failed" in bench.events
    bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"new")])
    assert bench.client.registered
    eq(bench.registration.location, [b"new"])


def test_update_answered_with_another_error_registers_at_once():
    for code in (BAD_REQUEST, FORBIDDEN, 0xA0):
        bench = Bench().registered()
        bench.client.update()
        bench.client.step()
        assert is_register(one(bench.far.reply(one(bench.far.take()), code)))


def test_lost_update_is_retransmitted_and_then_registers():
    bench = Bench(lifetime_s=300).registered()
    sent = bench.watch(400)
    lost = [(at, packet) for at, packet in sent if packet.path() == b"/rd/5a3f"]
    eq(len(lost), 5)
    gaps = [lost[i + 1][0] - lost[i][0] for i in range(4)]
    assert 2000 <= gaps[0] <= 3000, gaps
    for i in range(3):
        eq(gaps[i + 1], 2 * gaps[i])
    for _, packet in lost:
        eq((packet.mid, packet.token), (lost[0][1].mid, lost[0][1].token))
        eq((packet.options, packet.payload), (lost[0][1].options, lost[0][1].payload))
    at, register = sent[5]
    assert is_register(register)
    assert register.mid != lost[0][1].mid
    assert at < 300000, "the lifetime has ended before the new Register"
    eq(at - lost[4][0], 2 * gaps[3])
    eq(bench.events[:2], ["registered", "update_failed"])


def test_retransmission_says_the_same_although_values_have_changed():
    bench = Bench(lifetime_s=300).registered()
    bench.client.update(True)
    bench.client.step()
    first = one(bench.far.take())
    bench.server.lifetime_s = 77
    bench.client.update()
    second = one([packet for _, packet in bench.watch(4)])
    eq((second.mid, second.options), (first.mid, first.options))


# A server that does not answer


def dead(seconds, **terms):
    """When the client begins to register with a server that never answers."""
    bench = Bench(**terms)
    begun = []
    last = [-1]

    def look(packet):
        assert is_register(packet), packet
        if packet.mid != last[0]:
            last[0] = packet.mid
            begun.append(bench.now_ms())

    bench.watch(seconds, answer=look, keep=False)
    assert "registered" not in bench.events
    return bench, begun


def test_dead_server_is_tried_for_days():
    days = 3
    bench, begun = dead(days * DAY_S)
    gaps = [begun[i + 1] - begun[i] for i in range(len(begun) - 1)]
    # A sequence of retransmissions takes at most MAX_TRANSMIT_WAIT; 300 s is the longest pause.
    assert max(gaps) <= (300 + 94) * 1000, max(gaps)
    assert min(gaps) >= 31 * 2000, min(gaps)
    assert begun[-1] >= (days * DAY_S - 400) * 1000, begun[-1]
    assert gaps[0] < 150000, gaps[0]
    eq(bench.events.count("register_failed"), len(bench.events))


def test_dead_server_that_comes_back_is_found():
    bench, _ = dead(DAY_S)
    bench.watch(500, answer=lambda packet: accept(bench.far, packet))
    assert bench.client.registered
    eq(bench.registration.attempts, 0)


def test_pauses_grow_from_the_start_again_after_a_success():
    bench, _ = dead(DAY_S // 12)
    bench.watch(500, answer=lambda packet: accept(bench.far, packet))
    assert bench.client.registered
    bench.client.reconnect()
    bench.far.reply(started(bench), 0xA3)
    assert bench.client.step() <= 10000, "a long pause after the first failure"


def refused(seconds, **terms):
    """When the client registers with a server that refuses at once."""
    bench = Bench(**terms)
    times = []

    def refuse(packet):
        times.append(bench.now_ms())
        bench.far.reply(packet, 0xA3)

    bench.watch(seconds, answer=refuse, keep=False)
    return [times[i + 1] - times[i] for i in range(len(times) - 1)]


def test_pauses_double_and_are_bounded():
    gaps = refused(DAY_S // 2)
    assert len(gaps) > 100, len(gaps)
    assert max(gaps) <= 300000, max(gaps)
    for i in range(6):
        longest = 4000 << i
        assert longest // 2 <= gaps[i] <= longest, (i, gaps[:8])
    for gap in gaps[10:]:
        assert gap >= 149000, gap


def test_pauses_differ_by_chance():
    assert len(set(refused(10000)[8:])) > 10


def test_retry_policy_of_1_x_17_to_19():
    gaps = refused(3000, retry_count=3, retry_timer_s=10, sequence_delay_s=500)
    eq([gap // 1000 for gap in gaps[:6]], [10, 20, 500, 10, 20, gaps[5] // 1000])
    assert gaps[5] >= 500000, gaps


def test_retry_policy_defaults():
    # One of them set puts the defaults of the others in force: 5 tries, 60 s, a day.
    gaps = refused(2 * DAY_S, retry_count=5)
    eq([gap // 1000 for gap in gaps[:5]], [60, 120, 240, 480, DAY_S])
    gaps = refused(2 * DAY_S, retry_timer_s=7)
    eq([gap // 1000 for gap in gaps[:5]], [7, 14, 28, 56, DAY_S])


def test_retry_policy_with_odd_values_never_stops():
    for terms in (
        {"retry_count": 0},
        {"retry_count": 1, "sequence_delay_s": 60},
        {"retry_timer_s": 0},
        {"retry_timer_s": 0, "retry_count": 0, "sequence_delay_s": 0},
        {"retry_count": 30, "retry_timer_s": 1},
    ):
        gaps = refused(3 * DAY_S, **terms)
        assert len(gaps) >= 2, (terms, gaps)
        assert min(gaps) > 0, (terms, gaps[:5])


# What the application may want


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


# The environment fails


def test_open_that_fails_is_tried_again():
    near = Loopback()
    near.error = OSError(113)
    bench = Bench(near=near)
    eq(bench.watch(3600), [])
    assert bench.events.count("register_failed") >= 10, len(bench.events)
    eq(bench.registration.error, near.error)
    near.error = None
    bench.watch(400, answer=lambda packet: accept(bench.far, packet))
    assert bench.client.registered


def test_send_that_fails_counts_as_lost():
    bench = Bench().registered()
    bench.client.update()
    bench.far.near.error = OSError(12)
    bench.client.step()
    eq(bench.far.take(), [])
    bench.far.near.error = None
    sent = bench.watch(4)
    eq((len(sent), sent[0][1].path()), (1, b"/rd/5a3f"))
    bench.far.reply(sent[0][1], CHANGED)
    assert bench.client.registered


class Refusing(Loopback):
    """A socket that reports ECONNREFUSED for each of the first datagrams."""

    refusals = 0

    def receive(self):
        if self.refusals:
            self.refusals -= 1
            raise OSError(111)
        return super().receive()


def test_refused_connection_is_survived():
    near = Refusing()
    bench = Bench(near=near)
    packet = started(bench)
    near.refusals = 3
    bench.client.step()
    eq(near.refusals, 0)
    bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"1")])
    assert bench.client.registered


def test_refused_connection_is_the_reason_told():
    near = Refusing()
    bench = Bench(near=near)
    started(bench)
    near.refusals = 1
    bench.watch(120)
    assert isinstance(bench.registration.error, OSError), bench.registration.error
    eq(bench.registration.error.args[0], 111)


def test_receive_that_always_fails_does_not_stop_the_timers():
    near = Refusing()
    bench = Bench(near=near)
    near.refusals = 1 << 20
    fired = []
    bench.client.after(1000, lambda: fired.append(1))
    for _ in range(20):
        bench.client.step()
        bench.clock.advance(100)
    eq(fired, [1])


# Several servers


def two_servers():
    bench = Bench(lifetime_s=300)
    other = Far(bench)
    bench.add_server(other, 600)
    return bench, other


def test_several_servers_have_their_own_terms():
    bench, other = two_servers()
    first = started(bench)
    second = one(other.take())
    eq(first.all(URI_QUERY)[2], b"lt=300")
    eq(second.all(URI_QUERY)[2], b"lt=600")
    for packet in (first, second):
        links = packet.payload.replace(b'"', b"")
        assert links.startswith(b"</1>;ver=1.1,</1/0>,</1/1>"), links
    assert not bench.client.registered
    bench.far.reply(first, CREATED, [(LOCATION_PATH, b"one")])
    assert not bench.client.registered
    other.reply(second, CREATED, [(LOCATION_PATH, b"two")])
    assert bench.client.registered
    eq([r.location for r in bench.client.registrations], [[b"one"], [b"two"]])


def test_several_servers_update_each_in_its_time():
    bench, other = two_servers()
    bench.far.reply(started(bench), CREATED, [(LOCATION_PATH, b"one")])
    other.reply(one(other.take()), CREATED, [(LOCATION_PATH, b"two")])
    times = {0: [], 1: []}
    while bench.clock.s < 3600:
        bench.clock.advance(min(bench.client.step(), 1000))
        for i, far in ((0, bench.far), (1, other)):
            for packet in far.take():
                eq(packet.path(), (b"/one", b"/two")[i])
                times[i].append(bench.clock.s)
                far.reply(packet, CHANGED)
    assert 12 <= len(times[0]) <= 24, times
    assert 6 <= len(times[1]) <= 12, times


def test_each_server_is_served():
    bench, other = two_servers()
    bench.far.accept_register()
    other.reply(one(other.take()), CREATED, [(LOCATION_PATH, b"two")])
    eq(bench.far.ask(GET, "/1/0/0", accept=TEXT).payload, b"1")
    eq(other.ask(GET, "/1/1/0", accept=TEXT).payload, b"2")


def test_dead_server_does_not_hinder_the_other():
    bench, other = two_servers()
    bench.far.accept_register()
    for _ in range(3000):
        bench.clock.advance(min(bench.client.step(), 5000))
        other.take()
        for packet in bench.far.take():
            eq(packet.code, POST)
            bench.far.reply(packet, CHANGED)
        assert bench.client.registrations[0].registered
    assert not bench.client.registrations[1].registered


# Events


def test_event_handler_that_raises_is_survived():
    bench = Bench()

    def handler(event, registration):
        bench.events.append(event)
        raise ValueError(event)

    bench.client.on_event = handler
    bench.registered()
    eq(bench.events, ["registered"])


def test_event_names_its_registration():
    bench, other = two_servers()
    seen = []
    bench.client.on_event = lambda event, registration: seen.append(
        (event, registration.server.ssid)
    )
    bench.far.accept_register()
    other.reply(one(other.take()), CREATED, [(LOCATION_PATH, b"two")])
    eq(seen, [("registered", 1), ("registered", 2)])


def test_event_handler_may_leave():
    bench = Bench()
    packet = started(bench)
    bench.client.on_event = lambda event, registration: bench.client.deregister()
    sent = bench.far.reply(packet, CREATED, [(LOCATION_PATH, b"1")])
    bench.client.step()
    eq(one(sent + bench.far.take()).code, DELETE)


# Arguments


def test_client_arguments():
    for arguments in (
        {"endpoint": ""},
        {"endpoint": None},
        {"endpoint": b"dev"},
        {"endpoint": "dev", "mtu": 127},
        {"endpoint": "dev", "mtu": 0},
        {"endpoint": "dev", "ring": 0},
    ):
        raises(ValueError, Client, **arguments)


def test_server_arguments():
    client = Client("dev")
    for arguments in (
        {"uri": "coap://h", "lifetime_s": -1},
        {"uri": "coap://h", "lifetime_s": 0x20000000},
        {"uri": "coap://h", "lifetime_s": 1.5},
        {"uri": "coap://h", "lifetime_s": None},
        {"uri": "coap://h", "ssid": 0},
        {"uri": "coap://h", "ssid": 65535},
        {"uri": "coaps://h"},
        {"uri": "coaps://h", "transport": Loopback()},
        {"uri": "http://h"},
        {"uri": "coap://h", "nonsense": 1},
    ):
        raises(ValueError, client.add_server, **arguments)
        eq((arguments, client.registrations), (arguments, []))


def test_refused_server_leaves_nothing_behind():
    client = Client("dev")
    raises(ValueError, client.add_server, "coap://h", nonsense=1)
    eq((client.find(0), client.find(1)), (None, None))
    eq(client.add_server("coap://h", transport=Loopback()).ssid, 1)


def test_instance_ids():
    client = Client("dev")
    eq([client.add(Temperature()).iid for _ in range(3)], [0, 1, 2])
    client.remove(client.find(3303, 1))
    eq(client.add(Temperature()).iid, 1)
    eq(client.add(Temperature(iid=9)).iid, 9)
    raises(ValueError, client.add, Temperature(iid=9))
    eq([o.iid for o in client.objects], [0, 1, 2, 9])
    eq((client.find(3303).iid, client.find(3303, 9).iid, client.find(3303, 5)), (0, 9, None))


def test_parse_uri():
    for uri, expected in (
        ("coap://192.0.2.10", (False, "192.0.2.10", 5683)),
        ("coap://192.0.2.10/", (False, "192.0.2.10", 5683)),
        ("coaps://example.com", (True, "example.com", 5684)),
        ("coap://example.com:61616", (False, "example.com", 61616)),
        ("coap://example.com:1/", (False, "example.com", 1)),
        ("coap://[2001:db8::1]", (False, "2001:db8::1", 5683)),
        ("coaps://[::1]:65535", (True, "::1", 65535)),
    ):
        eq((uri, parse_uri(uri)), (uri, expected))


def test_parse_uri_that_is_none():
    for uri in (
        "",
        "coap://",
        "coap:///",
        "coap://:5683",
        "coap:host",
        "http://host",
        "coap://host:",
        "coap://host:0",
        "coap://host:65536",
        "coap://host:x",
        "coap://host:-1",
        "coap://host:1:2",
        "coap://::1",
        "coap://[::1",
        "coap://[]",
        "coap://host/path",
        "coap://host?query",
        "coaps+tcp://host",
        None,
        b"coap://host",
        5683,
    ):
        try:
            got = parse_uri(uri)
        except ValueError:
            continue
        raise AssertionError("%r gives %r" % (uri, got))
