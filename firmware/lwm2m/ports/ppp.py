"""PPP over a serial line on `network.PPP`: a modem, or a board without a radio. Loaded with
lwm2m.supervisor when config.json has `network`, or by the application.

In stock firmware of the ESP32; on the RP2040 in builds with MICROPY_PY_NETWORK_PPP_LWIP.
What the drivers do, and what is done about it here:

- lwIP's (rp2): closing takes two frames and seconds, in the background; until it has ended the
  link calls itself connected, and `connect` raises EALREADY: the next attempt waits. The object
  is never replaced: a dropped one, when it is collected, takes the line's interrupt away.
- ESP32's: wants `active(True)` first, and `active(False)` before the next attempt; up to
  MicroPython 1.25 that blocks for up to 8 s, and its status is None.
- The line is read in its interrupt (RXIDLE). It is read at each step too: one that never falls
  idle has no such interrupt.
- A line that is cut is not noticed by any of them: see `Link.renew`.
"""

import network
from micropython import const

from lwm2m.ports.link import Link

# status(): below zero a reason of lwIP (PPPERR_…), above these the protocol is at work
_ACTIVE = const(1)
_AUTHFAIL = const(-7)


class Ppp(Link):
    """PPP on `uart`, any stream with `irq`; 4096 bytes of `rxbuf` take what a burst brings.

    `user` and `password`: log in with CHAP, or with PAP if `pap` is true. Further event:
    "wrong_password", when the peer refuses them. Raises ValueError without PPP in the firmware.
    """

    def __init__(self, uart, user=None, password=None, pap=False, on_event=None, clock=None):
        if not hasattr(network, "PPP"):
            raise ValueError("network.kind: no ppp in this MicroPython")
        super().__init__(on_event, clock)
        self.nic = nic = network.PPP(uart)
        self.esp32 = hasattr(nic, "active")
        self.asked = False
        self._terms = {}
        if user is not None:
            if self.esp32:
                security = nic.AUTH_PAP if pap else nic.AUTH_CHAP
                self._terms = {"authmode": security, "username": user, "password": password or ""}
            else:
                security = nic.SEC_PAP if pap else nic.SEC_CHAP
                self._terms = {"security": security, "user": user, "key": password or ""}

    def step(self):
        if not self.esp32:
            self._try(self.nic.poll)
        return super().step()

    def open(self):
        nic = self.nic
        self.asked = False
        if self.esp32:
            nic.active(False)
            nic.active(True)
        elif nic.status() > _ACTIVE:
            nic.disconnect()
            return
        self.asked = True
        nic.connect(**self._terms)

    def close(self):
        if self.esp32:
            self.nic.active(False)
        else:
            self.nic.disconnect()

    def established(self):
        return self.asked and self.nic.isconnected()

    def verdict(self):
        status = self.nic.status()
        if not self.asked:
            # The link before has taken its time to end: now it is our turn.
            if status <= _ACTIVE:
                self.asked = True
                self.nic.connect(**self._terms)
            return None
        if status is None or status >= 0:
            return None
        self.error = status
        return "wrong_password" if status == _AUTHFAIL else "failed"


def over_uart(uart=0, tx=0, rx=1, baud=115200, **terms):
    """A `Ppp` on the board's UART number `uart` with the pins `tx` and `rx`.

    Allocates: 4096 bytes for what is received.
    """
    from machine import UART, Pin

    return Ppp(UART(uart, baud, tx=Pin(tx), rx=Pin(rx), rxbuf=4096), **terms)
