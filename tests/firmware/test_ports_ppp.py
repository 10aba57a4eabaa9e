"""PPP that is never given up, on fakes of the drivers; the real one runs on the emulated RP2040.

The fakes follow the sources of MicroPython 1.25 and later:

- lwIP's (extmod/network_ppp_lwip.c): status() is 0 inactive, 1 active, 3 connecting, 4 connected,
  or minus the error of lwIP; connect() raises EALREADY in states 3 and 4; disconnect() ends in the
  background, for a silent peer after 6 s, with state 0; poll() reads the line.
- ESP32's up to 1.25 (ports/esp32/network_ppp.c): connect() raises unless active(True) came before,
  and EALREADY until active(False); no poll, no disconnect; status() is None.
"""

import errno
import sys

from testing import eq, raises

from lwm2m.testing.fake_clock import FakeClock


class Peer:
    """The other end of the line: answers after a second, or not; may refuse the password."""

    def __init__(self):
        self.alive = True
        self.key = None


class FakeLwip:
    SEC_NONE = 0
    SEC_PAP = 1
    SEC_CHAP = 2

    def __init__(self, uart):
        self.uart = uart
        self.state = 0
        self.error = 0
        self.since = 0
        self.closing = False
        self.polls = 0
        self.made.append(self)

    def now(self):
        return self.clock.s * 1000 + self.clock.ms

    def connect(self, security=0, user=None, key=None):
        self.settle()
        if self.state > 2:
            raise OSError(errno.EALREADY)
        self.terms = (security, user, key)
        self.state = 3
        self.since = self.now()
        self.closing = False

    def disconnect(self):
        self.settle()
        if self.state > 2 and not self.closing:
            self.closing = True
            self.since = self.now()

    def settle(self):
        passed = self.now() - self.since
        if self.closing:
            if passed >= (100 if self.peer.alive else 6000):
                self.state = 0
                self.closing = False
        elif self.state == 3 and self.peer.alive and passed >= 1000:
            if self.peer.key == self.terms[2]:
                self.state = 4
            else:
                self.state = 2
                self.error = 7

    def drop(self):
        self.state = 2
        self.error = 6

    def status(self):
        self.settle()
        return -self.error if self.state == 2 else self.state

    def isconnected(self):
        self.settle()
        return self.state == 4

    def poll(self):
        self.polls += 1
        return -1 if self.state <= 2 else 0

    def ipconfig(self, name):
        eq(name, "addr4")
        return ("10.0.0.2", "255.255.255.255")


class FakeEsp32:
    AUTH_NONE = 0
    AUTH_PAP = 1
    AUTH_CHAP = 2

    def __init__(self, uart):
        self.is_active = self.task = False
        self.since = 0
        self.made.append(self)

    def active(self, value):
        self.is_active = value
        if not value:
            self.task = False

    def connect(self, authmode=0, username=None, password=None):
        if not self.is_active:
            raise OSError("must be active")
        if self.task:
            raise OSError(errno.EALREADY)
        self.task = True
        self.terms = (authmode, username, password)
        self.since = self.clock.s

    def drop(self):
        self.since = 1 << 28

    def status(self):
        return None

    def isconnected(self):
        good = self.task and self.peer.alive and self.peer.key == self.terms[2]
        return good and self.clock.s - self.since >= 1

    def ipconfig(self, name):
        eq(name, "addr4")
        return ("10.0.0.2", "255.255.255.255")


class FakeNetwork:
    pass


sys.modules["network"] = FakeNetwork()

from lwm2m.ports import ppp  # noqa: E402
from lwm2m.ports.ppp import Ppp  # noqa: E402

DRIVERS = (FakeLwip, FakeEsp32)


class Rig:
    def __init__(self, driver, **terms):
        self.clock = driver.clock = FakeClock()
        self.peer = driver.peer = Peer()
        self.made = driver.made = []
        ppp.network = FakeNetwork()
        ppp.network.PPP = driver
        self.events = []
        self.ppp = Ppp("uart", on_event=self.note, clock=self.clock, **terms)
        self.driver = self.made[0]

    def note(self, event, link):
        self.events.append(event)

    def run(self, seconds):
        end = self.clock.s + seconds
        while self.clock.s < end:
            self.clock.advance(min(self.ppp.step(), 500))


def test_connects():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.run(3)
        eq(rig.events, ["connecting", "connected"])
        eq(rig.ppp.address, "10.0.0.2")
        assert rig.ppp.up
        eq(rig.ppp.rssi_dbm, None)


def test_line_is_read_at_each_step():
    rig = Rig(FakeLwip)
    rig.run(10)
    assert rig.driver.polls > 10


def test_silent_peer():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.peer.alive = False
        rig.run(31)
        eq(rig.events[:2], ["connecting", "no_answer"])
        eq(rig.ppp.error, None)
        rig.run(400)
        assert set(rig.events) == {"connecting", "no_answer"}, rig.events
        rig.peer.alive = True
        rig.run(100)
        eq(rig.events[-1], "connected")


def test_object_is_never_replaced():
    rig = Rig(FakeLwip)
    rig.peer.alive = False
    rig.run(1000)
    eq(len(rig.made), 1)


def test_lost_and_back():
    for driver in DRIVERS:
        rig = Rig(driver)
        rig.run(3)
        rig.driver.drop()
        rig.run(3)
        eq(rig.events[:4], ["connecting", "connected", "lost", "connecting"])
        rig.driver.since = 0
        rig.run(100)
        eq(rig.events[-1], "connected")


def test_renew_waits_for_the_link_before_to_end():
    rig = Rig(FakeLwip)
    rig.run(3)
    rig.peer.alive = False
    rig.ppp.renew()
    rig.run(3)
    eq(rig.driver.state, 4)
    eq(rig.events, ["connecting", "connected", "lost", "connecting"])
    rig.run(5)
    eq(rig.driver.state, 3)
    rig.peer.alive = True
    rig.run(5)
    eq(rig.events[-1], "connected")
    assert "failed" not in rig.events


def test_login():
    for driver in DRIVERS:
        for pap, security in ((False, 2), (True, 1)):
            rig = Rig(driver, user="dev1", password="let me in", pap=pap)
            rig.peer.key = "let me in"
            rig.run(3)
            eq(rig.driver.terms, (security, "dev1", "let me in"))
            assert rig.ppp.up


def test_refused_login():
    rig = Rig(FakeLwip, user="dev1", password="wrong")
    rig.peer.key = "let me in"
    rig.run(3)
    eq(rig.events[:2], ["connecting", "wrong_password"])
    eq(rig.ppp.error, -7)
    rig.peer.key = "wrong"
    rig.run(30)
    eq(rig.events[-1], "connected")


def test_firmware_without_ppp():
    ppp.network = FakeNetwork()
    eq(str(raises(ValueError, Ppp, "uart")), "network.kind: no ppp in this MicroPython")
