"""The end of a registration: De-register (LwM2M 1.1 Core §6.2.3), for good, or for the time of a
Disable (1/x/4). Loaded with the first of them.
"""

from micropython import const

from lwm2m.clock import Deadline

# States of a Registration
_WAITING = const(1)
_CONNECTING = const(2)
_REGISTERING = const(3)
_REGISTERED = const(5)
_DEREGISTERING = const(6)

# A De-register waits for what is unanswered, and after the answer to a Disable
_GRACE_MS = const(2000)
_LINGER_MS = const(250)


def stop(registration, deregister):
    """Do what `Registration.stop` says."""
    if deregister and registration.state >= _REGISTERING:
        registration.deregister(Deregistration(registration, _GRACE_MS))
    else:
        Deregistration(registration, 0).end()


def disable(registration, s):
    """Do what `Registration.disable` says."""
    if registration.state == _WAITING:
        registration.wait(s)
        registration.client.wake()
    else:
        registration.deregister(Deregistration(registration, _LINGER_MS, s))


class Deregistration:
    """A De-register that is wanted, for good or for `pause_s` seconds, and what follows it.

    What is unanswered is given up after `ms` milliseconds. The registration calls `step`, `fail`
    and `end`. Allocates: about 60 bytes.
    """

    def __init__(self, registration, ms, pause_s=0):
        self.registration = registration
        self.pause_s = pause_s
        self.due = Deadline(registration.client.clock)
        self.due.after(ms)

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
        registration.close()
        if event:
            registration.client.emit(event, registration)
        if self.pause_s:
            registration.wait(self.pause_s)
        else:
            registration.end()
        registration.client.wake()
