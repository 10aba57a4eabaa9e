"""Information reporting (LwM2M 1.1 Core §6.4) to one server: what it observes, when it is told.

A change only marks the observations of it (`notify`); `step` looks at what is marked and at what
is due by time, so that a step costs as much as has changed, however much is observed. Nothing is
allocated for a value that is a number. Loaded with the first Observe or Send.

For each notification `client.on_notification(status, observation)` is called with "sent" (it was
not confirmable), "acknowledged", "timed_out", or "dropped" (it had no room in the queue, or could
not be written); and with "cancelled" when the observation has ended.
"""

import sys
from micropython import const

from lwm2m.reporting.notify import Delivery
from lwm2m.reporting.conditions import Index, ids
from lwm2m.clock import Deadline

_NOT_FOUND = const(0x84)

_NEVER_MS = const(3600000)
_LONGEST_S = const(3600)
# When to look again at what could not be read
_AGAIN_MS = const(1000)


def reporting_of(peer):
    """The Reporting of a peer, made when there is none."""
    if not peer.reporting:
        peer.attach(Reporting(peer))
    return peer.reporting


class Reporting(Delivery):
    """What one server observes and is sent. Allocates: about 300 bytes."""

    # How many observations are accepted; more are answered as plain reads (RFC 7641 §4.1).
    LIMIT = 250
    # How many samples an observation keeps while the server is away, unless hqmax says
    HISTORY = 50

    def __init__(self, registration):
        super().__init__(registration)
        self.observations = []
        self.index = Index()
        # The chain of those to be looked at in the next step
        self.head = self.tail = None
        # Ended observations with samples for a server that has forgotten us
        self.kept = {}
        # Counts Registers
        self.turn = 0
        self.due = Deadline(self.client.clock)
        self.due.after(_NEVER_MS)

    # What is observed

    def add(self, observation):
        """Begin an observation whose first value the server has just been told."""
        self.observations.append(observation)
        for watch in observation.parts or (observation,):
            self.index.add(watch)
        observation.told()
        self.push(observation)

    def forget(self, observation):
        """End an observation without a word to the server."""
        if observation in self.observations:
            observation.over = True
            self.observations.remove(observation)
            for watch in observation.parts or (observation,):
                self.index.remove(watch)
            if observation in self.stuck:
                self.stuck.remove(observation)
            outgoing = self.exchange.in_flight(observation)
            if outgoing:
                outgoing.cancel()
            self.fate("cancelled", observation)

    def end(self, observation, code):
        """End an observation, and tell the server why (RFC 7641 §4.2)."""
        self.forget(observation)
        observation.code = code
        observation.queue = None
        observation.count = 0

    def open(self):
        """A Register is on its way, and goes before what is in flight."""
        self.turn += 1
        for observation in self.observations:
            outgoing = self.exchange.in_flight(observation)
            if outgoing:
                outgoing.cancel()
                observation.count = 0
                observation.due = not observation.queue
                self.hold(observation)

    def clear(self):
        """The server has taken a Register: it has forgotten what it had observed before that.
        Samples wait for the same to be observed again, until the next Register."""
        for observation in self.kept.values():
            for _ in observation.queue:
                self.fate("dropped", observation)
        self.kept = {}
        for observation in list(self.observations):
            if observation.turn < self.turn:
                if observation.queue:
                    self.kept[observation.key()] = observation
                self.forget(observation)
        self.stuck = [other for other in self.stuck if other in self.observations]
        self.resets = 0

    def close(self):
        """The registration has ended, and with it all observations."""
        for observation in list(self.observations):
            self.forget(observation)
        for job in list(self.jobs):
            job.on_failure(job, 0)

    # Changes

    def notify(self, oid, iid=-1, rid=-1):
        """Something has changed: /oid/iid/rid, or all below. `oid` may be a text, "/3303/0/5700".
        Allocates: nothing for numbers."""
        if isinstance(oid, str):
            oid, iid, rid = ids(oid)[:3]
        if oid == 1:
            self.due.after(0)  # the terms of a server: look at all
        self.index.mark(oid, iid, rid)

    def push(self, observation):
        """Look at it in the next step."""
        if observation.marked:
            return
        observation.marked = True
        if self.head:
            self.tail.after = observation
        else:
            self.head = observation
            self.client.wake()
        self.tail = observation

    # Time

    def step(self):
        """Look at what has changed and what is due: milliseconds until the next look."""
        due = self.due
        if not due.left_ms():
            due.after(_NEVER_MS)
            for observation in self.observations:
                self.push(observation)
        if self.stuck or self.jobs:
            self._resume()
        observation = self.head
        self.head = self.tail = None
        while observation:
            after = observation.after
            observation.after = None
            observation.marked = False
            try:
                if not observation.over or observation.code >= 128:
                    self.look(observation)
            except Exception as e:
                # What cannot be read, or has no form in its format, is not told.
                sys.print_exception(e)
                observation.told()
                self.fate("dropped", observation)
                if due.left_ms() > _AGAIN_MS:
                    due.after(_AGAIN_MS)
            observation = after
        return 0 if self.head else due.left_ms()

    def look(self, observation):
        """Evaluate it if it has changed, and tell it if it is time."""
        if observation.code >= 128:
            self.send(observation, True)
            return
        clock = self.client.clock
        server = self.registration.server
        wait = _NEVER_MS
        epmax = observation.epmax
        forced = epmax and not left(clock, observation.since_s, observation.since_ms, epmax)
        if forced or observation.touched:
            if not forced and observation.epmin:
                s = observation.since_s
                wait = left(clock, s, observation.since_ms, observation.epmin)
            if forced or not observation.epmin or not wait:
                wait = _NEVER_MS
                if observation.look(forced):
                    observation.due = True
                    observation.again = False
        code = observation.refusal()
        if code:
            self.end(observation, code)
            self.send(observation, True)
            return
        if epmax:
            wait = min(wait, left(clock, observation.since_s, observation.since_ms, epmax))
        pmin = observation.pmin
        if observation.defaults & 1:
            pmin = max(pmin, server.pmin_s or 0)
        pmax = observation.pmax
        if observation.defaults & 2 and server.pmax_s:
            pmax = min(pmax or server.pmax_s, server.pmax_s)
        if pmax < pmin:
            pmax = 0
        if pmax and not left(clock, observation.s, observation.ms, pmax):
            observation.due = True
        if observation.due:
            early = left(clock, observation.s, observation.ms, pmin)
            if early:
                wait = min(wait, early)
            elif observation.index >= 0 and observation.read() is None:
                self.end(observation, _NOT_FOUND)
                self.send(observation, True)
                return
            else:
                self.tell(observation)
        if observation.queue:
            self.flush(observation)
        if pmax and not observation.due:
            wait = min(wait, left(clock, observation.s, observation.ms, pmax))
        if wait < self.due.left_ms():
            self.due.after(wait)

    def tell(self, observation):
        """Send a notification, or keep it for when it can be sent."""
        con = self.confirmable(observation)
        storing = self.registration.server.storing and observation.hqmax != 0
        # What has been kept goes before what is new, whatever the server wants by now.
        if observation.queue or (storing and (con or not self.ready)):
            from lwm2m.reporting.storing import keep

            if keep(observation) or observation.queue:
                self.flush(observation)
                return
        slot = self.exchange.in_flight(observation)
        if slot:
            # The newest value takes the place of the one that is not acknowledged yet, as a
            # message of its own (RFC 7641 §4.5.2): the next transmission carries it.
            mid = self.exchange.message_ids.next()
            if mid >= 0:
                slot.mid = mid
                observation.number = self.advance()
                observation.told()
            return
        self.send(observation, con)


def left(clock, s, ms, period_s):
    """Milliseconds until `period_s` seconds after the time (s, ms), at most an hour. Allocates:
    nothing."""
    s += period_s - clock.s
    if s > _LONGEST_S:
        return _NEVER_MS
    ms += s * 1000 - clock.ms
    return ms if ms > 0 else 0
