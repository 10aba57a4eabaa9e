# replaces os, sys, time
# heapsize: 512k
"""The short form of `make soak`: two days instead of thirty, with everything that may happen."""

import sys

sys.path.insert(0, "tests/fuzz")
sys.path.insert(0, "tests/soak")

import simulation
from simulation import HOUR, WRAPS, Simulation
from testing import SkipTest, eq


def two_days(seed, wrap=False):
    # More of it: in two days what a month has
    simulation.RESTART_EVERY = 11 * HOUR
    simulation.OUTAGE_EVERY = 17 * HOUR
    month = Simulation(2, seed, wrap)
    month.run()
    eq(month.failures, [])
    eq(month.growth, 0)
    numbers = month.numbers()
    for name in ("restarts1", "outages1", "repeated1", "lost1", "expired1", "rsts1", "delayed2"):
        assert numbers[name], name
    return month


def test_no_update_is_missed_and_nothing_leaks():
    two_days(1)


def test_ticks_that_wrap_change_nothing():
    if not WRAPS:
        raise SkipTest("the ticks of this port wrap later")
    month = two_days(2, True)
    eq(month.wraps, 1)
    eq(two_days(2).numbers(), month.numbers())


def test_missed_update_is_noticed():
    month = Simulation(2, 3)
    month.go_on(HOUR)
    eq(month.failures, [])
    month.client.registrations[0].due.after_s(3600)
    month.go_on(HOUR)
    assert month.failures and "expired" in month.failures[0], month.failures


def test_duplicate_registration_is_noticed():
    month = Simulation(2, 3)
    month.go_on(HOUR)
    month.client.registrations[0].start()
    month.go_on(HOUR)
    assert month.failures and "Register" in month.failures[0], month.failures
