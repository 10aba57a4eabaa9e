"""The cause of the start of the board. Loaded with lwm2m.supervisor, or by the application.

    device.report_error(error_code(cause()))     # 3/0/11
    Device(reboot=machine.reset)

The RP2040 and RP2350 know only two causes, power-on and watchdog, and use the watchdog for
`machine.reset()` and `machine.deepsleep()` too. What tells them apart is in the watchdog's scratch
registers, which survive: pico-sdk leaves a number in the fifth when a watchdog is started and 0
when the chip is reset on purpose (hardware_watchdog/watchdog.c); the fourth is used here. So ask
before a watchdog is started, and once: after a soft reset the answer may be "watchdog".
"""

import machine
import sys
from micropython import const

_CAUSES = (
    ("PWRON_RESET", "power_on"),
    ("HARD_RESET", "hard"),
    ("WDT_RESET", "watchdog"),
    ("DEEPSLEEP_RESET", "deep_sleep"),
    ("SOFT_RESET", "soft"),
)

# 16 to 32 are a device's own error codes (LwM2M 1.1 Core §E.4).
_WATCHDOG_ERROR = const(16)

# SCRATCH3 in the datasheets of the RP2040 (§4.7.6) and the RP2350 (§12.9.7); SCRATCH4 follows.
_SCRATCH3_RP2040 = const(0x40058018)
_SCRATCH3_RP2350 = const(0x400D8018)
_STARTED = const(0x6AB73121)

# In SCRATCH3: the word "Lw", which chance will not have left there, and what was noted
_MARK = const(0x4C770000)
_SLEPT = const(0x4C770008)


def cause():
    """The cause of the start: "power_on" (also a brown-out), "hard" (reset button or
    `machine.reset`), "watchdog", "deep_sleep", "soft", or "unknown", as on the unix port."""
    mark = _take()
    if _MARK <= mark < _SLEPT:
        return _CAUSES[mark - _MARK][1]
    return _find(mark)


def note():
    """For boot.py, before it starts a watchdog: lets the next `cause` still tell the truth."""
    place = _place()
    if place:
        why = _find(_take())
        for i in range(len(_CAUSES)):
            if _CAUSES[i][1] == why:
                machine.mem32[place] = _MARK + i


def sleeping():
    """The reset that follows is the end of a deep sleep."""
    place = _place()
    if place:
        machine.mem32[place] = _SLEPT


def error_code(cause):
    """The error code of resource 3/0/11 for a cause: 16, a device's own, after the watchdog has
    bitten, else 0."""
    return _WATCHDOG_ERROR if cause == "watchdog" else 0


def _find(mark):
    if not hasattr(machine, "reset_cause"):
        return "unknown"
    number = machine.reset_cause()
    found = "unknown"
    for constant, name in _CAUSES:
        if getattr(machine, constant, None) == number:
            found = name
            break
    place = _place()
    if place and found == "watchdog":
        if mark == _SLEPT:
            return "deep_sleep"
        if machine.mem32[place + 4] != _STARTED:
            return "hard"
    return found


def _place():
    if sys.platform != "rp2":
        return 0
    return _SCRATCH3_RP2350 if "RP2350" in sys.implementation._machine else _SCRATCH3_RP2040


def _take():
    place = _place()
    if not place:
        return 0
    mark = machine.mem32[place]
    machine.mem32[place] = 0
    return mark
