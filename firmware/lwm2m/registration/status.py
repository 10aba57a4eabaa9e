"""The state of a server account, for applications that show or watch it. Loaded by them:

    from lwm2m.registration.status import Status

    status = Status(client.registrations[0])
    print(status.state, status.attempts, status.error)

The states, in the order in which they follow each other:

    waiting         a Register comes after 1/x/14, or as soon as nothing else is unanswered
    connecting      the association is being made (a handshake)
    registering     a Register is unanswered
    registered      the server knows us, and nothing of the registration is under way
    updating        an Update is unanswered; the server still knows us
    retrying        a Register has failed: it waits for the next attempt
    disabled        it stays away for the time of a Disable
    suspended       the client is offline: whatever it was, nothing is sent
    deregistering   a De-register is wanted or unanswered
    deregistered    it has ended, and only `start` or `Client.reconnect` begin again
"""

from micropython import const

_NEVER_MS = const(3600000)

# States of a Registration
_WAITING = const(1)
_REGISTERING = const(3)
_REGISTERED = const(5)

_NAMES = {
    -1: "disabled",
    0: "deregistered",
    1: "waiting",
    2: "connecting",
    3: "registering",
    4: "updating",
    5: "registered",
    6: "deregistering",
}


class Status:
    """A snapshot of `registration`.

    `state` is one of the above, `registered` True while the server knows us; `pending` counts our
    messages and separate responses that are unanswered or still to be given; `attempts` are the
    failures in a row, `error` the reason of the last one.
    Times are in seconds from now: `register_s` since the last Register that was accepted,
    `update_s` since that or the last Update; `next_s` until the next Register or Update (0: as
    soon as possible), `notify_s` since the last notification of what is observed now, and
    `next_notify_s` until the next one without a change, if that is within an hour. None where
    there is none.
    Allocates: about 150 bytes.
    """

    def __init__(self, registration):
        client = registration.client
        client.clock.update()
        now_s = client.clock.s
        state = registration.state
        self.registered = registration.registered
        self.attempts = registration.attempts
        self.error = registration.error
        self.state = _NAMES[state]
        if client.is_offline and state:
            self.state = "suspended"
        elif registration.leaving:
            self.state = "deregistering"
        elif state == _WAITING and self.attempts:
            self.state = "retrying"
        exchange = registration.exchange
        self.pending = len(exchange.separate)
        for outgoing in exchange.outgoing:
            self.pending += bool(outgoing.state)
        self.register_s = _since(now_s, registration.registered_s)
        self.update_s = _since(now_s, registration.updated_s)
        self.next_s = None
        if state <= _WAITING and state or state == _REGISTERED:
            self.next_s = max(0, registration.due.s - now_s)
            if registration.dirty_fields and state == _REGISTERED:
                self.next_s = 0
        self.notify_s = self.next_notify_s = None
        if registration.reporting:
            self._look(registration.reporting, now_s)

    def _look(self, reporting, now_s):
        from lwm2m.reporting.conditions import due_ms

        next_ms = _NEVER_MS
        for observation in reporting.observations:
            since_s = now_s - observation.notified_s
            self.notify_s = since_s if self.notify_s is None else min(self.notify_s, since_s)
            next_ms = min(
                next_ms, due_ms(observation, reporting.client.clock, reporting.registration.server)
            )
        if next_ms < _NEVER_MS:
            self.next_notify_s = (next_ms + 999) // 1000


def _since(now_s, s):
    return None if s is None else now_s - s
