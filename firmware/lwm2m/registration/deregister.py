"""The end of a registration: De-register (LwM2M 1.1 Core §6.2.3), for good, or for the time of a
Disable (1/x/4). Loaded with the first of them.
"""

from micropython import const

from lwm2m.clock import Deadline

# States of a Registration
_AWAY = const(-1)
_WAITING = const(1)
_CONNECTING = const(2)
_REGISTERING = const(3)
_REGISTERED = const(5)
_DEREGISTERING = const(6)

# A De-register waits for what is unanswered, and after the answer to a Disable
_GRACE_MS = const(2000)
_LINGER_MS = const(250)


def stop(registration, deregister, then=None):
    """De-register if registered, and end; `deregister` False: only end. Then call
    `then(registration)`."""
    leaving = registration.leaving
    then = then or (leaving and leaving.then)
    if deregister and registration.state >= _REGISTERING:
        registration.deregister(Deregistration(registration, _GRACE_MS, 0, then))
    else:
        Deregistration(registration, 0, 0, then).end()


def disable(registration, s):
    """Do what `Registration.disable` says."""
    leaving = registration.leaving
    if registration.state <= _WAITING:
        registration.wait(s, 0, _AWAY)
        registration.client.wake()
    elif not leaving or leaving.free():
        registration.deregister(Deregistration(registration, _LINGER_MS, s))


class Deregistration:
    """A De-register that is wanted, for good or for `pause_s` seconds, and `then(registration)`.

    What is unanswered is given up after `ms` milliseconds. The registration calls `step`, `fail`,
    `end` and `free`. Allocates: about 80 bytes.
    """

    def __init__(self, registration, ms, pause_s=0, then=None):
        self.registration = registration
        self.pause_s = pause_s
        self.then = then
        self.due = Deadline(registration.client.clock)
        self.due.after(ms)

    def free(self):
        """True when the registration may go on: nothing else is to follow."""
        return not self.then

    def step(self, left):
        """Send the De-register when it is time: milliseconds until the next look, at most
        `left`."""
        registration = self.registration
        exchange = registration.exchange
        state = registration.state
        if state == _DEREGISTERING:
            return left
        if state != _CONNECTING:
            due = self.due.left_ms()
            if due and (self.pause_s or state != _REGISTERED or not exchange.free()):
                return min(due, left)
        exchange.cancel()
        if state <= _REGISTERING:
            self.end()
        else:
            registration.request(_DEREGISTERING)
        return 0

    def fail(self):
        """Note that the De-register has failed, or what went before it."""
        deregistering = self.registration.state == _DEREGISTERING
        self.end("deregister_failed" if deregistering else None)

    def end(self, event=None):
        """Close the association, and stay away for `pause_s` seconds or for good."""
        registration = self.registration
        if registration.reporting and not self.pause_s:
            registration.reporting.close()
            registration.attach(None)
        registration.close()
        if event:
            registration.client.emit(event, registration)
        if self.pause_s:
            registration.wait(self.pause_s, 0, _AWAY)
        if self.then:
            self.then(registration)
        registration.client.wake()
