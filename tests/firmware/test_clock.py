"""Clock and Deadline: ticks that wrap, and times of years."""

import time

from testing import eq, heap_locked

from lwm2m.clock import Clock, Deadline
from lwm2m.testing.fake_clock import FakeClock

# ticks_ms counts from 0 to this: 2**30 - 1 on most boards
LAST_TICK = time.ticks_add(0, -1)
YEAR_S = 365 * 86400


class Ticks:
    """time.ticks_ms that starts where it is told, and moves when it is told."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def pass_ms(self, ms):
        self.now = time.ticks_add(self.now, ms)


def test_clock_starts_at_zero():
    for start in (0, 12345, LAST_TICK):
        clock = Clock(Ticks(start))
        clock.update()
        eq((clock.s, clock.ms), (0, 0))


def test_clock_counts_seconds_and_milliseconds():
    ticks = Ticks(500)
    clock = Clock(ticks)
    for ms, expected in ((1, (0, 1)), (998, (0, 999)), (1, (1, 0)), (2500, (3, 500))):
        ticks.pass_ms(ms)
        clock.update()
        eq((clock.s, clock.ms), expected)


def test_clock_survives_the_wrap():
    for before in range(0, 3000, 500):
        ticks = Ticks(time.ticks_add(LAST_TICK, -before))
        clock = Clock(ticks)
        for i in range(1, 20):
            ticks.pass_ms(333)
            clock.update()
            eq(clock.s * 1000 + clock.ms, 333 * i)
        assert ticks.now < 10000, "the ticks have not wrapped"


def test_clock_survives_many_wraps():
    ticks = Ticks(LAST_TICK)
    clock = Clock(ticks)
    day_ms = 86400000
    for day in range(1, 400):
        for _ in range(4):
            ticks.pass_ms(day_ms // 4)
            clock.update()
        eq((clock.s, clock.ms), (day * 86400, 0))


def test_clock_does_not_go_backwards():
    ticks = Ticks(5000)
    clock = Clock(ticks)
    ticks.pass_ms(1500)
    clock.update()
    ticks.pass_ms(-1000)
    clock.update()
    eq((clock.s, clock.ms), (1, 500))
    ticks.pass_ms(1000)
    clock.update()
    eq((clock.s, clock.ms), (1, 500))
    ticks.pass_ms(10)
    clock.update()
    eq((clock.s, clock.ms), (1, 510))


def test_clock_of_the_board_moves():
    clock = Clock()
    time.sleep_ms(30)
    clock.update()
    assert 25 <= clock.s * 1000 + clock.ms < 5000, (clock.s, clock.ms)


def test_deadline_is_reached_to_the_millisecond():
    clock = FakeClock()
    for start in (0, 1, 999, 12345):
        clock.advance(start)
        for ms in (0, 1, 500, 999, 1000, 1001, 59999):
            deadline = Deadline(clock)
            deadline.after(ms)
            eq(deadline.left_ms(), ms)
            if ms:
                clock.advance(ms - 1)
                eq(deadline.left_ms(), 1)
                clock.advance(1)
            eq(deadline.left_ms(), 0)
            clock.advance(1)
            eq(deadline.left_ms(), 0)


def test_new_deadline_is_reached():
    clock = FakeClock()
    clock.advance(777)
    eq(Deadline(clock).left_ms(), 0)


def test_left_is_at_most_an_hour():
    clock = FakeClock()
    clock.advance(999)
    deadline = Deadline(clock)
    for s in (3601, 7200, 86400, YEAR_S, 17 * YEAR_S):
        deadline.after_s(s)
        eq((s, deadline.left_ms()), (s, 3600000))
    deadline.after_s(3599)
    eq(deadline.left_ms(), 3599000)


def test_left_is_never_above_an_hour_near_the_hour():
    clock = FakeClock()
    deadline = Deadline(clock)
    for ms in range(3599000, 3603000, 250):
        deadline.after(ms)
        assert deadline.left_ms() <= 3600000, (ms, deadline.left_ms())


def test_deadline_of_years():
    clock = FakeClock()
    clock.advance(250)
    deadline = Deadline(clock)
    deadline.after_s(10 * YEAR_S)
    hours = 0
    while deadline.left_ms():
        clock.advance(deadline.left_ms())
        hours += 1
    eq((clock.s, clock.ms), (10 * YEAR_S, 250))
    eq(hours, 10 * 365 * 24)


def test_deadline_long_past_stays_reached():
    clock = FakeClock()
    deadline = Deadline(clock)
    deadline.after(1000)
    for _ in range(400):
        clock.advance(86400000)
        eq(deadline.left_ms(), 0)


def test_fake_clock_stands_still():
    clock = FakeClock()
    clock.advance(1234)
    time.sleep_ms(5)
    clock.update()
    eq((clock.s, clock.ms), (1, 234))


def use(ticks, clock, deadline):
    deadline.after_s(500000000)
    for _ in range(100):
        ticks.pass_ms(3599999)
        clock.update()
        deadline.left_ms()
    deadline.after(5000)
    deadline.left_ms()


def test_clock_allocates_nothing():
    ticks = Ticks(LAST_TICK - 1000)
    clock = Clock(ticks)
    heap_locked(use, ticks, clock, Deadline(clock))
