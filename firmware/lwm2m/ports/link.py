"""A link to the network, whatever carries it: it comes, goes, and is never given up.

`Wifi` and `Ppp` fill it in. After a link is "connected" again, `after(client)` does what the
registrations need:

- nothing has changed but time: an Update over the sockets there are. It tells the server that
  we are back, keeps the observations, and finds out (4.04) when it has forgotten us;
- another address, or no registration: `client.reconnect()`. Fresh sockets, names resolved anew,
  and a server that knows its devices by their address learns the new one from a Register.
  It also ends the pause of a registration that has failed for want of a network.
"""

import random
from micropython import const

from lwm2m.clock import Clock, Deadline

# How often a link that is up, and one that is coming up, is looked at
_UP_MS = const(1000)
_COMING_MS = const(200)

# The radio is switched off and on after so many failures in a row
_ROUND = const(5)

# States: nothing wanted; waiting for the next attempt; an attempt is under way; it is up
_OFF = const(0)
_WAITING = const(1)
_COMING = const(2)
_LINKED = const(3)


class Link:
    """A link that is driven by `step()`. `clock` is a `Clock`, e.g. the client's.

    `on_event(event, link)` is called with "connecting", "connected", "lost", and why an attempt
    has failed: "no_answer" after `patience_s` seconds, "failed", and what the kind of link adds.
    `up` is True while there is a network, `address` ours (text), `renewed` whether it is another
    one than the last time, `attempts` the failures in a row, `error` the last reason (a status
    number of the driver, or an exception; None for silence), `pause_s` the seconds to the next
    attempt. `nic` is the driver.
    Waits at most `longest_s` seconds between attempts, `denied_s` when we were refused.
    """

    patience_s = 30
    longest_s = 60
    denied_s = 300
    address = error = nic = None
    renewed = False
    pause_s = attempts = 0

    def __init__(self, on_event=None, clock=None):
        self.on_event = on_event
        self.clock = clock or Clock()
        self.due = Deadline(self.clock)
        self.state = _WAITING

    @property
    def up(self):
        return self.state == _LINKED

    def isconnected(self):
        """True while there is a network, by the last look."""
        return self.state == _LINKED

    @property
    def rssi_dbm(self):
        """Signal strength in dBm, None when it is not known."""
        return None

    def step(self):
        """Look at the link and do what is due. Returns the milliseconds until the next look.

        Never raises for what the driver raises. Allocates: little, and nothing per look while
        the link is up (as far as the driver does not).
        """
        self.clock.update()
        state = self.state
        if state == _WAITING:
            left = self.due.left_ms()
            if left:
                return left
            self._begin()
        elif state == _COMING:
            if self.established():
                self._connected()
                return _UP_MS
            reason = self._judge()
            if not reason and not self.due.left_ms():
                self.error = None
                reason = "no_answer"
            if reason:
                self._failed(reason)
                return self.due.left_ms()
        elif state == _LINKED:
            if self.nic.isconnected():
                return _UP_MS
            self.emit("lost")
            self._begin()
        else:
            return _UP_MS
        return _COMING_MS

    def stop(self):
        """Leave the network and stay away, before a deep sleep for instance; `start` ends it."""
        self.state = _OFF
        if self.nic:
            self._try(self.close)

    def start(self):
        """Connect as soon as `step` is called."""
        self.due.after(0)
        self.state = _WAITING

    def renew(self):
        """Start over although the link looks well: for when no server has been reached for long.
        A driver may not notice that the access point, or the peer, has gone."""
        if self.state == _LINKED:
            self._try(self.close)
            self.emit("lost")
            self.start()

    def after(self, client):
        """To be called when the link is "connected": see the top of this module."""
        if self.renewed or not client.registered:
            client.reconnect()
        else:
            client.update()

    # What a kind of link does

    def open(self):
        """Start an attempt; raises OSError, RuntimeError."""

    def close(self):
        """End an attempt, or the link, so that another can be started."""

    def restart(self):
        """Start over from the very beginning, after several attempts in vain."""
        self.close()

    def established(self):
        """True when the attempt has succeeded."""
        return self.nic.isconnected()

    def verdict(self):
        """The event that ends the attempt, with `error` set; None while it may still succeed."""

    def locate(self):
        """Our address."""
        return self.nic.ipconfig("addr4")[0]

    # Transitions

    def emit(self, event):
        if self.on_event:
            self.on_event(event, self)

    def _try(self, action):
        # A driver that is asked to leave when it is not there raises what it likes.
        try:
            action()
        except (OSError, RuntimeError) as e:
            self.error = e

    def _judge(self):
        try:
            return self.verdict()
        except (OSError, RuntimeError) as e:
            self.error = e
            return "failed"

    def _begin(self):
        self.emit("connecting")
        self.state = _COMING
        self.due.after_s(self.patience_s)
        try:
            self.open()
        except (OSError, RuntimeError) as e:
            self.error = e
            self._failed("failed")

    def _connected(self):
        self.state = _LINKED
        self.attempts = 0
        self.error = None
        address = self.locate()
        self.renewed = self.address is not None and address != self.address
        self.address = address
        self.emit("connected")

    def _failed(self, reason):
        error = self.error
        self.attempts += 1
        self._try(self.close if self.attempts % _ROUND else self.restart)
        self.error = error
        # An access point may lock out who fails too often; a wrong one in a while may be chance.
        most_s = self.denied_s if reason == "wrong_password" else self.longest_s
        wait_s = min(1 << min(self.attempts, 9), most_s)
        # Up to half of it is chance, so that devices do not come back all at once.
        self.pause_s = wait_s - random.getrandbits(8) * wait_s // 512
        self.state = _WAITING
        self.due.after_s(self.pause_s)
        self.emit(reason)
