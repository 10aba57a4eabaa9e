# heapsize: 128k
"""Wi-Fi that is never given up, on fakes of the two drivers: there is no radio here.

The fakes follow what the drivers document and do (network.WLAN, MicroPython 1.25 to 1.29):

- ESP32 (ports/esp32/network_wlan.c): status() is 1000 idle, 1001 connecting, 1010 with an address,
  201 no access point, 202 wrong password, else the reason code as it came; 15 (handshake timed
  out, which is what most access points make of a wrong password) shows only when it was told not
  to reconnect by itself; the reason stays while the next attempt is under way; connect() while
  connecting raises OSError; status("rssi") without a link raises; active(True) needed first.
- CYW43 (extmod/network_cyw43.c): status() is 0 down, 1 joining, 2 no address, 3 up, -1 failed,
  -2 no access point, -3 wrong password, which is final; config() knows no reconnects; active(True)
  sets its own power management; the country counts when it is activated.
"""

import sys

from testing import eq, heap_locked, raises

from lwm2m.testing.fake_clock import FakeClock

SSID = "workshop"
PASSWORD = "correct horse"


class Air:
    """What there is to connect to: None for nothing. Addresses are given out in order."""

    def __init__(self):
        self.ssid = SSID
        self.password = PASSWORD
        self.addresses = ["192.0.2.7"]
        self.dhcp = True


class FakeWlan:
    def __init__(self, clock):
        self.clock = clock
        self.air = Air()
        self.calls = []
        self.is_active = False
        self.begun = None
        self.connected = False
        self.options = {}

    def now(self):
        return self.clock.s * 1000 + self.clock.ms

    def active(self, *value):
        if value:
            self.calls.append("active" if value[0] else "inactive")
            self.is_active = value[0]
            if not value[0]:
                self.begun = None
                self.connected = False
        return self.is_active

    def connect(self, ssid, key=None):
        self.calls.append("connect")
        if not self.is_active:
            raise OSError("Wifi Not Started")
        if self.begun is not None and not self.connected and self.pending():
            raise OSError("Wifi Internal State Error")
        self.begun = self.now()
        self.wanted = (ssid, key)

    def disconnect(self):
        self.calls.append("disconnect")
        if not self.is_active:
            raise OSError("Wifi Not Started")
        self.begun = None
        self.connected = False

    def pending(self):
        return self.now() - self.begun < 3000

    def outcome(self):
        """After three seconds: "ok", "no_ap", "auth", "no_ip"."""
        if not self.air or self.air.ssid != self.wanted[0]:
            return "no_ap"
        if self.air.password != self.wanted[1]:
            return "auth"
        return "ok" if self.air.dhcp else "no_ip"

    def settle(self):
        if self.connected and not self.air:
            self.connected = False
            self.begun = None
            self.drop()
        elif self.begun is not None and not self.connected and not self.pending():
            found = self.outcome()
            self.connected = found == "ok"
            if found == "no_ap" or found == "auth":
                self.begun = None
                self.fail(found)

    def isconnected(self):
        self.settle()
        return self.connected

    def ipconfig(self, name):
        eq(name, "addr4")
        return (self.air.addresses[0], "255.255.255.0")


class FakeEsp32(FakeWlan):
    reason = 0
    auth_reason = 15

    def config(self, **options):
        self.calls.append("config")
        self.options.update(options)

    def fail(self, found):
        self.reason = 201 if found == "no_ap" else self.auth_reason

    def drop(self):
        self.reason = 200

    def status(self, *name):
        self.settle()
        if name:
            eq(name, ("rssi",))
            if not self.connected:
                raise OSError("Wifi Not Connected")
            return -61
        if self.connected:
            self.reason = 0
            return 1010
        if self.reason in (201, 202):
            return self.reason
        if self.begun is not None:
            return 1001
        if self.reason == 15 and self.options.get("reconnects") != 0:
            return 1001
        return self.reason or 1000


class FakeCyw43(FakeWlan):
    code = 0

    def config(self, **options):
        self.calls.append("config")
        for name in options:
            if name != "pm":
                raise ValueError("unknown config param")
        self.options.update(options)

    def active(self, *value):
        if value and value[0]:
            self.country = sys.modules["network"].code
            self.options["pm"] = 0xA11142
        return super().active(*value)

    def connect(self, ssid, key=None):
        super().connect(ssid, key)
        self.code = 1

    def disconnect(self):
        super().disconnect()
        self.code = 0

    def fail(self, found):
        self.code = -2 if found == "no_ap" else -3

    def drop(self):
        self.code = 0

    def status(self, *name):
        self.settle()
        if name:
            return -58
        return 3 if self.connected else self.code


class FakeNetwork:
    STA_IF = 0
    code = "XX"
    name = "board"

    def WLAN(self, interface):
        eq(interface, 0)
        return self.wlan

    def country(self, code):
        eq(len(code), 2)
        self.code = code

    def hostname(self, name):
        self.name = name


sys.modules["network"] = FakeNetwork()

from lwm2m.ports import wifi  # noqa: E402
from lwm2m.ports.wifi import Wifi  # noqa: E402


class Platform:
    def __init__(self, platform):
        self.platform = platform


class Rig:
    """A `Wifi` on a driver, with the events it told and the seconds of each."""

    def __init__(self, driver, password=PASSWORD, **terms):
        self.clock = FakeClock()
        network = sys.modules["network"] = wifi.network = FakeNetwork()
        self.driver = network.wlan = driver(self.clock)
        wifi.sys = Platform("esp32" if driver is FakeEsp32 else "rp2")
        self.events = []
        self.wifi = Wifi(SSID, password, on_event=self.note, clock=self.clock, **terms)

    def note(self, event, link):
        assert link is self.wifi
        self.events.append((self.clock.s, event))

    def run(self, seconds):
        end = self.clock.s + seconds
        while self.clock.s < end:
            due = self.wifi.step()
            assert 0 < due <= 301000, due
            self.clock.advance(min(due, 1000))

    def names(self):
        return [event for _, event in self.events]


DRIVERS = (FakeEsp32, FakeCyw43)


def test_connects():
    for driver in DRIVERS:
        rig = Rig(driver)
        assert not rig.wifi.up and not rig.wifi.isconnected() and rig.wifi.rssi_dbm is None
        rig.run(6)
        eq(rig.events[0], (0, "connecting"))
        eq(rig.names(), ["connecting", "connected"])
        assert 3 <= rig.events[1][0] <= 4, rig.events
        assert rig.wifi.up and rig.wifi.isconnected()
        eq(rig.wifi.address, "192.0.2.7")
        eq(rig.wifi.rssi_dbm, -61 if driver is FakeEsp32 else -58)
        rig.run(600)
        eq(rig.names(), ["connecting", "connected"])


def test_open_network_has_no_password():
    for driver in DRIVERS:
        rig = Rig(driver, password=None)
        rig.driver.air.password = None
        rig.run(6)
        eq(rig.names(), ["connecting", "connected"])


def test_activated_once_and_only_when_needed():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.run(6)
        rig.driver.air = None
        rig.run(20)
        rig.driver.air = Air()
        rig.run(60)
        eq(rig.driver.calls.count("active"), 1)
        eq(rig.names()[-1], "connected")


def test_country_and_hostname_before_and_power_management_after_the_activation():
    rig = Rig(FakeCyw43, country="DE", hostname="weather-1", pm=0xA11140)
    rig.run(6)
    eq(rig.driver.country, "DE")
    eq(rig.driver.options["pm"], 0xA11140)
    eq(sys.modules["network"].name, "weather-1")


def test_driver_power_management_is_left_alone():
    rig = Rig(FakeCyw43)
    rig.run(6)
    assert "config" not in rig.driver.calls


def test_wrong_password_is_told_from_no_access_point():
    for driver in DRIVERS:
        rig = Rig(driver, password="wrong horse")
        rig.run(8)
        eq(rig.names()[:2], ["connecting", "wrong_password"])
        eq(rig.wifi.error, 15 if driver is FakeEsp32 else -3)
        rig = Rig(driver)
        rig.driver.air.ssid = "elsewhere"
        rig.run(8)
        eq(rig.names()[:2], ["connecting", "no_access_point"])
        eq(rig.wifi.error, 201 if driver is FakeEsp32 else -2)


def test_esp32_that_says_202():
    rig = Rig(FakeEsp32, password="wrong horse")
    rig.driver.auth_reason = 202
    rig.run(8)
    eq(rig.names()[:2], ["connecting", "wrong_password"])


def test_wrong_password_that_becomes_right():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.driver.air.password = "another"
        rig.run(40)
        assert "connected" not in rig.names()
        rig.driver.air.password = PASSWORD
        rig.run(600)
        eq(rig.names()[-1], "connected")
        eq(rig.wifi.attempts, 0)


def test_pauses_grow_and_end():
    for driver, password, longest_s in (
        (FakeEsp32, PASSWORD, 60),
        (FakeCyw43, PASSWORD, 60),
        (FakeEsp32, "wrong horse", 300),
        (FakeCyw43, "wrong horse", 300),
    ):
        rig = Rig(driver, password)
        if password == PASSWORD:
            rig.driver.air = None
        rig.run(7200)
        failed = [s for s, event in rig.events if event not in ("connecting", "connected")]
        begun = [s for s, event in rig.events if event == "connecting"]
        pauses = [begun[i + 1] - failed[i] for i in range(len(begun) - 1)]
        assert len(pauses) > 20, len(pauses)
        assert max(pauses) <= longest_s + 1, pauses
        assert pauses[0] <= 3, pauses
        assert min(pauses[-8:]) >= longest_s // 2 - 1, pauses
        assert rig.wifi.attempts == len(failed)


def test_radio_is_switched_off_and_on_after_many_failures():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.driver.air = None
        rig.run(300)
        n = rig.names().count("no_access_point")
        eq(rig.driver.calls.count("inactive"), n // 5)
        assert n >= 5, n


def test_no_address_ends_the_attempt():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.driver.air.dhcp = False
        rig.run(19)
        eq(rig.names(), ["connecting"])
        rig.run(3)
        eq(rig.names()[:2], ["connecting", "no_answer"])
        eq(rig.wifi.error, None)
        rig.driver.air.dhcp = True
        rig.run(30)
        eq(rig.names()[-1], "connected")


def test_lost_and_back():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.run(6)
        assert rig.wifi.renewed is False, "there was none before"
        rig.driver.air = None
        rig.run(30)
        eq(rig.names()[2:4], ["lost", "connecting"])
        assert not rig.wifi.up
        rig.driver.air = Air()
        rig.run(90)
        eq(rig.names()[-1], "connected")
        assert rig.wifi.renewed is False, "the same address"
        rig.driver.air = None
        rig.run(30)
        rig.driver.air = Air()
        rig.driver.air.addresses = ["192.0.2.8"]
        rig.run(90)
        eq((rig.wifi.address, rig.wifi.renewed), ("192.0.2.8", True))


def test_stale_status_of_the_esp32_is_not_believed():
    rig = Rig(FakeEsp32)
    rig.driver.reason = 202  # of a run before a soft reset
    rig.run(6)
    eq(rig.names(), ["connecting", "connected"])


def test_driver_that_raises():
    for driver in DRIVERS:
        rig = Rig(driver)
        working = rig.driver.connect

        def broken(*args):
            raise error

        for error in (OSError(5), RuntimeError("Wifi Unknown Error 0x0102")):
            rig.driver.connect = broken
            rig.run(100)
            eq(rig.names()[-1], "failed")
            assert rig.wifi.error is error
        rig.driver.connect = working
        rig.run(100)
        eq(rig.names()[-1], "connected")


def test_other_reasons_are_a_failure_with_their_number():
    rig = Rig(FakeEsp32)
    rig.driver.auth_reason = 205
    rig.driver.air.password = "x"
    rig.run(8)
    eq(rig.names()[:2], ["connecting", "failed"])
    eq(rig.wifi.error, 205)


def test_stop_and_start():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.run(6)
        rig.wifi.stop()
        assert not rig.driver.connected
        rig.run(1000)
        eq(rig.names(), ["connecting", "connected"])
        rig.wifi.start()
        rig.run(6)
        eq(rig.names(), ["connecting", "connected"] * 2)


def test_renew_starts_over():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.wifi.renew()
        eq(rig.events, [])
        rig.run(6)
        rig.wifi.renew()
        rig.run(6)
        eq(rig.names(), ["connecting", "connected", "lost", "connecting", "connected"])


class FakeClient:
    def __init__(self, registered):
        self.registered = registered
        self.done = ""

    def update(self):
        self.done = "update"

    def reconnect(self):
        self.done = "reconnect"


def test_what_the_registrations_need_afterwards():
    rig = Rig(FakeEsp32)
    for registered, renewed, expected in (
        (True, False, "update"),
        (True, True, "reconnect"),
        (False, False, "reconnect"),
        (False, True, "reconnect"),
    ):
        rig.wifi.renewed = renewed
        client = FakeClient(registered)
        rig.wifi.after(client)
        eq((registered, renewed, client.done), (registered, renewed, expected))


def test_arguments_that_cannot_be():
    for terms in ({"hostname": "h" * 33}, {"country": "DEU"}):
        error = raises(ValueError, Wifi, SSID, **terms)
        eq(str(error), list(terms)[0])
    for ssid in ("", "x" * 33, "ä" * 17):
        eq(str(raises(ValueError, Wifi, ssid)), "ssid")


def test_password_is_not_shown():
    rig = Rig(FakeEsp32)
    assert PASSWORD not in repr(rig.wifi)


def test_looking_at_a_link_that_is_up_allocates_nothing():
    rig = Rig(FakeEsp32)
    rig.run(6)
    heap_locked(rig.wifi.step)
