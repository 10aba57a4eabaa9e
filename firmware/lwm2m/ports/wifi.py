"""Wi-Fi on `network.WLAN`, of the ESP32 and of the Pico W (CYW43), without blocking. Loaded with
lwm2m.supervisor when config.json has `network`, or by the application.

What the drivers do, and what is done about it here:

- ESP32: reconnects by itself for ever, and hides behind "connecting" that the password is wrong;
  told not to, it says why. `connect` leaves the status of the attempt before as it is: a failure
  is believed only after it has had the time to be overwritten. `connect` raises while an attempt
  is under way: `disconnect` comes first.
- CYW43: does not try again by itself; says "wrong password" when the signal is poor, so that this
  too is tried again. Forgets the power management when it is activated, so it is set after that;
  reads the country only when it is activated, so that is set before.
- Both: activated twice, some versions start over; so only when it is not active.
"""

import network
import sys
from micropython import const

from lwm2m.ports.link import Link

# A failure that is shown earlier than this after `connect` may be that of the attempt before.
_BELIEVE_S = const(5)

_WRONG_PASSWORD = "wrong_password"
_NO_ACCESS_POINT = "no_access_point"

# status() of the CYW43: below zero, and final. Of the ESP32: 200 and above, or a reason code of
# IEEE 802.11 (§9.4.1.7), of which 2, 14 and 15 are what a wrong password looks like.
_VERDICTS = {
    -1: "failed",
    -2: _NO_ACCESS_POINT,
    -3: _WRONG_PASSWORD,
    2: _WRONG_PASSWORD,
    14: _WRONG_PASSWORD,
    15: _WRONG_PASSWORD,
    201: _NO_ACCESS_POINT,
    202: _WRONG_PASSWORD,
    204: _WRONG_PASSWORD,
    210: _NO_ACCESS_POINT,
    211: _NO_ACCESS_POINT,
    212: _NO_ACCESS_POINT,
}
_STAT_IDLE = const(1000)
_STAT_CONNECTING = const(1001)


class Wifi(Link):
    """A station in the network `ssid` (1 to 32 bytes), `password` None for an open one.

    `hostname` up to 32 characters, `country` two letters, `pm` power management as the driver's
    `config(pm=…)` takes it (`network.WLAN.PM_NONE`: quick answers for more current), default: the
    driver's own. Further events: "wrong_password", "no_access_point".
    Raises ValueError with the name of an argument that cannot be.
    """

    patience_s = 20

    def __init__(
        self, ssid, password=None, hostname=None, country=None, pm=None, on_event=None, clock=None
    ):
        if not ssid or len(ssid.encode()) > 32:
            raise ValueError("ssid")
        if hostname and len(hostname) > 32:
            raise ValueError("hostname")
        if country and len(country) != 2:
            raise ValueError("country")
        super().__init__(on_event, clock)
        self.ssid = ssid
        self._password = password
        self.pm = pm
        self.esp32 = sys.platform == "esp32"
        if country:
            network.country(country)
        if hostname:
            network.hostname(hostname)
        self.nic = network.WLAN(network.STA_IF)

    @property
    def rssi_dbm(self):
        """Signal strength in dBm, None when there is no link."""
        if self.up:
            try:
                return self.nic.status("rssi")
            except (OSError, RuntimeError):
                pass
        return None

    def open(self):
        nic = self.nic
        if not nic.active():
            nic.active(True)
            if self.pm is not None:
                nic.config(pm=self.pm)
        if self.esp32:
            nic.config(reconnects=0)
        self._try(nic.disconnect)
        if self._password:
            nic.connect(self.ssid, self._password)
        else:
            nic.connect(self.ssid)

    def close(self):
        self.nic.disconnect()

    def restart(self):
        self._try(self.close)
        self.nic.active(False)

    def verdict(self):
        status = self.nic.status()
        if self.esp32:
            early = self.due.left_ms() > (self.patience_s - _BELIEVE_S) * 1000
            if early or status in (_STAT_IDLE, _STAT_CONNECTING):
                return None
        elif status >= 0:
            return None
        self.error = status
        return _VERDICTS.get(status, "failed")
