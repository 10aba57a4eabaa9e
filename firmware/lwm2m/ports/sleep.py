"""Deep sleep: the board uses next to nothing, and starts anew when it wakes.

    backup.save(state)
    link.stop()
    deep_sleep(600000, watchdog)                 # does not return

- ESP32: `machine.deepsleep`. The memory is lost but for `lwm2m.ports.backup`; `reset.cause()` is
  "deep_sleep" afterwards. The watchdog sleeps too.
- RP2040, RP2350: there is no such state. It is a light sleep, with the memory kept and about 1 mA,
  and then a reset, which is what `machine.deepsleep` does there; done in pieces here, because one
  piece ends after 71 minutes, when the radio has something to say, and when the watchdog bites.
- unix: none; raises OSError.

An update that has been activated needs a reset first: a boot loader checks it at a reset only.
"""

import errno
import machine
import sys
import time
from micropython import const

from lwm2m.ports.reset import sleeping

_LONGEST_MS = const(3600000)
# A light sleep that ends at once, because the radio has something to say, is not asked for again
# in the same millisecond.
_PAUSE_MS = const(5)


def deep_sleep(ms, watchdog=None):
    """Sleep for `ms` milliseconds, then start anew. Does not return.

    `watchdog` is the `Watchdog`, if one has been started. Raises OSError where there is no sleep,
    ValueError when `ms` is below 1.
    """
    if ms < 1:
        raise ValueError("ms")
    if sys.platform == "esp32":
        machine.deepsleep(ms)
    elif sys.platform == "rp2":
        _doze(ms, watchdog)
        sleeping()
        machine.reset()
    else:
        raise OSError(errno.EOPNOTSUPP)


def _doze(ms, watchdog):
    while ms > 0:
        piece = min(ms, _LONGEST_MS)
        if watchdog:
            watchdog.feed()
            piece = watchdog.within(piece)
        start = time.ticks_ms()
        machine.lightsleep(piece)
        slept = time.ticks_diff(time.ticks_ms(), start)
        if slept < piece:
            time.sleep_ms(min(_PAUSE_MS, piece - slept))
            slept = time.ticks_diff(time.ticks_ms(), start)
        ms -= slept
