"""Why the board has started, and how to make it start again.

    device.report_error(error_code(cause()))     # 3/0/11
    Device(reboot=reset)

The RP2040 and RP2350 know only two causes, power-on and watchdog, and `machine.reset()` and
`machine.deepsleep()` are the second: `reset` here, and `lwm2m.ports.sleep`, leave a mark in a
register that survives, the fourth scratch register of the watchdog. The first call of `cause`
takes it away, and is what tells the truth; after a soft reset it says "watchdog" again.
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

# SCRATCH3 in the datasheets of the RP2040 (§4.7.6) and the RP2350 (§12.9.7)
_SCRATCH3_RP2040 = const(0x40058018)
_SCRATCH3_RP2350 = const(0x400D8018)
# A mark is the word "Lw", which chance will not have left there, and a number
_MARK = const(0x4C770000)
HARD = const(1)
DEEP_SLEEP = const(2)


def cause():
    """Why the board has started: "power_on" (also a brown-out), "hard" (reset button or
    `machine.reset`), "watchdog", "deep_sleep", "soft", or "unknown", as on the unix port."""
    if not hasattr(machine, "reset_cause"):
        return "unknown"
    number = machine.reset_cause()
    found = "unknown"
    for constant, name in _CAUSES:
        if getattr(machine, constant, None) == number:
            found = name
            break
    if sys.platform == "rp2":
        place = _place()
        mark = machine.mem32[place]
        machine.mem32[place] = 0
        if found == "watchdog":
            if mark == _MARK | HARD:
                found = "hard"
            elif mark == _MARK | DEEP_SLEEP:
                found = "deep_sleep"
    return found


def mark(kind):
    """Let the reset that follows be told from one by the watchdog: HARD or DEEP_SLEEP."""
    if sys.platform == "rp2":
        machine.mem32[_place()] = _MARK | kind


def reset():
    """Reset the board. Does not return."""
    mark(HARD)
    machine.reset()


def error_code(cause):
    """The error code of resource 3/0/11 for a cause: 16, a device's own, after the watchdog has
    bitten, else 0."""
    return _WATCHDOG_ERROR if cause == "watchdog" else 0


def _place():
    return _SCRATCH3_RP2350 if "RP2350" in sys.implementation._machine else _SCRATCH3_RP2040
