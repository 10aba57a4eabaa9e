"""Cause of a reset, watchdog and deep sleep, on fakes of `machine`: the unix port has none.

The fakes follow the documents of `machine` and the ports' sources, MicroPython 1.25 to 1.29:

- ESP32: five causes, 1 to 5, and 0 for what it does not know; deepsleep(ms) does not return.
- rp2: two causes, PWRON_RESET 1 and WDT_RESET 3, the second after machine.reset() too, which uses
  the watchdog; scratch register 4 is then 0, and 0x6ab73121 when a WDT was started (pico-sdk);
  WDT(timeout) raises ValueError above 8388 ms (RP2040, and RP2350 before 1.26) or 16777 ms;
  lightsleep(ms) may return early; the scratch registers survive all but power-on.
- WDT.feed() must come within the timeout, in a light sleep too.
"""

import time

from testing import eq, heap_locked, raises

from lwm2m.ports import reset, sleep, watchdog
from lwm2m.ports.watchdog import Watchdog


class Stopped(Exception):
    """The board is reset, or sleeps."""


class FakeEsp32:
    PWRON_RESET = 1
    HARD_RESET = 2
    WDT_RESET = 3
    DEEPSLEEP_RESET = 4
    SOFT_RESET = 5

    def __init__(self, cause=1):
        self.code = cause

    def reset_cause(self):
        return self.code

    def reset(self):
        raise Stopped("reset")

    def deepsleep(self, ms):
        raise Stopped("deepsleep %d" % ms)


class FakeRp2:
    PWRON_RESET = 1
    WDT_RESET = 3

    def __init__(self, cause=1):
        self.code = cause
        self.mem32 = {}
        for base in (0x40058000, 0x400D8000):
            self.mem32[base + 0x18] = 0x12345678
            self.mem32[base + 0x1C] = 0
        self.slept = []
        self.early = 0

    def reset_cause(self):
        return self.code

    def reset(self):
        self.code = 3
        for base in (0x40058000, 0x400D8000):
            self.mem32[base + 0x1C] = 0
        raise Stopped("reset")

    def start_watchdog(self):
        for base in (0x40058000, 0x400D8000):
            self.mem32[base + 0x1C] = 0x6AB73121

    def bite(self):
        self.code = 3

    def lightsleep(self, ms):
        assert ms < 4294967, "sleep too long"
        taken = self.early if len(self.slept) % 3 == 2 and self.early else ms
        self.slept.append(taken)
        self.clock.now += taken


class FakeClock:
    def __init__(self, machine):
        machine.clock = self
        self.now = 0

    def ticks_ms(self):
        return self.now % (1 << 30)

    def ticks_diff(self, a, b):
        return time.ticks_diff(a, b)

    def sleep_ms(self, ms):
        self.now += ms


class Implementation:
    def __init__(self, machine):
        self._machine = machine


class FakeSys:
    def __init__(self, platform, board):
        self.platform = platform
        self.implementation = Implementation(board)


def board(machine, platform="rp2", name="Raspberry Pi Pico W with RP2040"):
    for module in (reset, sleep, watchdog):
        module.machine = machine
        module.sys = FakeSys(platform, name)
    if platform == "rp2":
        sleep.time = FakeClock(machine)
    return machine


# --- the cause ------------------------------------------------------------------------------


def test_causes_of_the_esp32():
    names = ("unknown", "power_on", "hard", "watchdog", "deep_sleep", "soft")
    for code in range(6):
        board(FakeEsp32(code), "esp32", "Generic ESP32 module with ESP32")
        eq(reset.cause(), names[code])


RP2040 = "Raspberry Pi Pico W with RP2040"
RP2350 = "Raspberry Pi Pico 2 W with RP2350"


def test_reset_by_the_program_is_told_from_the_watchdog():
    for name in (RP2040, RP2350):
        machine = board(FakeRp2(), name=name)
        eq(reset.cause(), "power_on")
        machine.start_watchdog()
        raises(Stopped, machine.reset)
        eq(reset.cause(), "hard")
        machine.start_watchdog()
        machine.bite()
        eq(reset.cause(), "watchdog")


def test_cause_is_noted_before_boot_starts_a_watchdog():
    for name in (RP2040, RP2350):
        machine = board(FakeRp2(), name=name)
        reset.note()
        machine.start_watchdog()
        eq(reset.cause(), "power_on")
        raises(Stopped, machine.reset)
        reset.note()
        machine.start_watchdog()
        eq(reset.cause(), "hard")
        machine.bite()
        reset.note()
        machine.start_watchdog()
        # It bites again before anybody has asked: what was noted is of the start before.
        machine.bite()
        reset.note()
        eq(reset.cause(), "watchdog")
        raises(Stopped, sleep.deep_sleep, 1000)
        reset.note()
        machine.start_watchdog()
        eq(reset.cause(), "deep_sleep")


def test_only_the_register_of_the_board_is_written():
    for name, place, other in ((RP2040, 0x40058018, 0x400D8018), (RP2350, 0x400D8018, 0x40058018)):
        machine = board(FakeRp2(), name=name)
        before = dict(machine.mem32)
        reset.sleeping()
        assert machine.mem32[place] != 0x12345678
        machine.mem32[place] = 0x12345678
        eq(machine.mem32, before)
        machine.mem32[other] = 5
        reset.note()
        eq(machine.mem32[other], 5)


def test_no_cause_on_the_unix_port():
    board(object(), "linux")
    eq(reset.cause(), "unknown")


def test_error_code_of_the_device_object():
    eq(reset.error_code("watchdog"), 16)
    for cause in ("power_on", "hard", "deep_sleep", "soft", "unknown"):
        eq(reset.error_code(cause), 0)


# --- the watchdog ---------------------------------------------------------------------------


class FakeWdt:
    limit = None

    def __init__(self, id=0, timeout=5000):
        if self.limit and timeout > self.limit:
            raise ValueError("timeout exceeds %d" % self.limit)
        self.timeout = timeout
        self.fed = 0

    def feed(self):
        self.fed += 1


class Rp2040Wdt(FakeWdt):
    limit = 8388


class Rp2350Wdt(FakeWdt):
    limit = 16777


def test_timeout_is_what_the_board_can():
    for kind, wanted, real in (
        (FakeWdt, 30000, 30000),
        (Rp2040Wdt, 8388, 8388),
        (Rp2040Wdt, 8389, 8388),
        (Rp2040Wdt, 30000, 8388),
        (Rp2350Wdt, 16777, 16777),
        (Rp2350Wdt, 30000, 16777),
        (Rp2040Wdt, 1000, 1000),
    ):
        guard = Watchdog(wanted, kind)
        eq((guard.timeout_ms, guard.clamped), (real, real != wanted))
        eq(guard.timer.timeout, real)


def test_watchdog_of_the_board_is_found():
    machine = board(FakeRp2())
    machine.WDT = Rp2040Wdt
    assert isinstance(Watchdog(5000).timer, Rp2040Wdt)


def test_no_watchdog_is_an_error_that_says_so():
    board(object(), "linux")
    eq(str(raises(ValueError, Watchdog, 5000)), "watchdog_ms: no watchdog on linux")
    eq(str(raises(ValueError, Watchdog, 999, FakeWdt)), "watchdog_ms: 1000 at least")
    short = type("Short", (FakeWdt,), {"limit": 100})
    eq(str(raises(ValueError, Watchdog, 5000, short)), "watchdog_ms: 5000 is too long")


def test_a_wait_never_lasts_longer_than_the_watchdog():
    guard = Watchdog(8000, FakeWdt)
    eq([guard.within(ms) for ms in (0, 500, 4000, 4001, 3600000)], [0, 500, 4000, 4000, 4000])


def test_feeding_allocates_nothing():
    guard = Watchdog(8000, FakeWdt)
    heap_locked(guard.feed)
    heap_locked(guard.within, 100000)
    eq(guard.timer.fed, 1)


# --- deep sleep -----------------------------------------------------------------------------


def test_esp32_sleeps():
    board(FakeEsp32(), "esp32", "ESP32")
    eq(str(raises(Stopped, sleep.deep_sleep, 600000)), "deepsleep 600000")


def test_rp2_sleeps_and_starts_anew():
    machine = board(FakeRp2())
    eq(str(raises(Stopped, sleep.deep_sleep, 600000)), "reset")
    eq(machine.slept, [600000])
    eq(reset.cause(), "deep_sleep")


def test_rp2_sleeps_for_a_day_in_pieces():
    machine = board(FakeRp2())
    raises(Stopped, sleep.deep_sleep, 86400000)
    eq(machine.slept, [3600000] * 24)


def test_rp2_goes_on_sleeping_when_the_radio_wakes_it():
    machine = board(FakeRp2())
    machine.early = 1
    raises(Stopped, sleep.deep_sleep, 20000000)
    assert 20000000 <= sleep.time.now < 20000100, sleep.time.now
    assert 1 in machine.slept


class Biting:
    """A watchdog on the same clock: fails when it was not fed in time."""

    def __init__(self, clock):
        self.clock = clock
        self.feed()

    def feed(self):
        self.last = self.clock.now

    def within(self, ms):
        return min(ms, 4000)


def test_watchdog_does_not_end_the_sleep():
    machine = board(FakeRp2())
    guard = Biting(sleep.time)
    light = machine.lightsleep

    def checked(ms):
        light(ms)
        assert sleep.time.now - guard.last < 8000, "bitten"

    machine.lightsleep = checked
    raises(Stopped, sleep.deep_sleep, 60001, guard)
    assert sleep.time.now >= 60001


def test_no_sleep_on_the_unix_port():
    board(object(), "linux")
    raises(OSError, sleep.deep_sleep, 1000)
    raises(ValueError, sleep.deep_sleep, 0)
