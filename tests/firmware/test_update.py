# heapsize: 4m
"""Update (LwM2M 1.1 Core §6.2.2)."""

from bench import Bench
from registration_bench import (
    BAD_REQUEST,
    DAY_S,
    FORBIDDEN,
    NOT_FOUND,
    accept,
    is_register,
    one,
    started,
)
from testing import eq
from wire import CHANGED, CONTENT_FORMAT, CREATED, LINK, LOCATION_PATH, POST, URI_QUERY

from lwm2m.objects.ipso import Temperature


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
    eq(packet.all(URI_QUERY), [b"lwm2m=1.2", b"ep=dev", b"lt=86400", b"b=U"])
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
