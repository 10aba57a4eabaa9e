# heapsize: 4m
"""Registration against servers that do not answer and networks that fail."""

from bench import Bench
from registration_bench import DAY_S, accept, is_register, started
from testing import eq
from wire import CHANGED, CREATED, LOCATION_PATH

from lwm2m.testing.loopback import Loopback


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


# A server that does not answer


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
