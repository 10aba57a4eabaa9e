"""An observation (LwM2M 1.1 Core §6.4.1): its state, what changes it, and how a notification is
written. Loaded with the first Observe.
"""

import sys
from micropython import const

from lwm2m.management.walk import represent
from lwm2m.reporting.conditions import ObservedPath, left

_CONTENT = const(0x45)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_INTERNAL = const(0xA0)
_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)
_READ = const(1)

# 17 years, as none
_FOREVER_S = const(0x1FFFFFFF)

# Reason of a failure (coap.outgoing)
_RESET = const(1)


class Observation(ObservedPath):
    """One observation of one server. `codec` writes its notifications; `number` is that of the
    answer to the Observe, `paths` those of a composite one, which has no `path`.

    Its state changes by its methods; it is set here, because a new attribute allocates. It reports
    to `reporting` (`push`, `next_number`, `remove`, `on_acknowledged`, `on_timeout`, `on_reset`).
    Allocates: 335 to 450 bytes.
    """

    # Observed paths of a composite observation, else None
    parts = None
    # Attributes in the query of the Observe, in the place of all written ones; None without
    request_attributes = None
    # Attributes in force, seconds: pmin, pmax, epmin, epmax; and con, hqmax
    attributes = {}
    # Periods of object 1 that are in force too: pmin (1), pmax (2)
    server_defaults = 3
    # Notifications stored for the server (storing.Stored), None while there are none
    stored = None
    # Message ids of the last two notifications that were not confirmable, -1: none
    mid = -1
    previous_mid = -1
    # Response code of the next notification; an error ends the observation (RFC 7641 §4.2)
    code = _CONTENT

    def __init__(self, reporting, token, codec, number, path, paths=None):
        self.observation = self
        # A notification is to be sent as soon as pmin allows
        self.due = False
        # What is due is only what the server has read when it repeated its Observe
        self.already_read = False
        # In the chain of those that the next step looks at
        self.scheduled = False
        # Next one in that chain
        self.next_scheduled = None
        # No longer observed
        self.ended = False
        self.reporting = reporting
        self.token = token
        self.codec = codec
        # Sequence number of the last notification (RFC 7641 §4.4)
        self.number = number
        # Number of Registers at its beginning: a later one ends it
        self.register_count = reporting.register_count
        # Times (s, ms): last notification, last evaluation, last ACK
        clock = reporting.client.clock
        self.notified_s = self.evaluated_s = self.last_acked_s = clock.s
        self.notified_ms = self.evaluated_ms = clock.ms
        if paths is None:
            self.path = path
            self.place(reporting.client)
        else:
            self.parts = [ObservedPath(self, other) for other in paths]
            for part in self.parts:
                part.place(reporting.client)

    @property
    def registration(self):
        """The registration of the server that observes."""
        return self.reporting.registration

    def paths(self):
        """The paths of a composite observation, else None."""
        return [part.path for part in self.parts] if self.parts else None

    def same(self, other):
        """True if `other` observes the same paths in the same format."""
        return (
            self.codec is other.codec and self.path == other.path and self.paths() == other.paths()
        )

    # Time

    def look(self):
        """Evaluate what has changed, or everything after epmax, but no sooner than epmin allows.
        Returns the milliseconds until this is to be done again without a change."""
        clock = self.reporting.client.clock
        attributes = self.attributes
        epmax = attributes.get("epmax") or _FOREVER_S
        wait = left(clock, self.evaluated_s, self.evaluated_ms, epmax)
        if wait:
            if not self.changed:
                return wait
            epmin = attributes.get("epmin") or 0
            early = left(clock, self.evaluated_s, self.evaluated_ms, epmin)
            if early:
                return min(wait, early)
        self.evaluated_s = clock.s
        self.evaluated_ms = clock.ms
        hit = False
        if not self.parts:
            hit = self.evaluate()
        else:
            self.changed = False
            for part in self.parts:
                if (part.changed or not wait) and part.evaluate():
                    hit = self.due = True
        if hit:
            self.due = True
            self.already_read = False
        return left(clock, clock.s, clock.ms, epmax)

    def refusal(self):
        """The response code that ends it, because nothing is there or may be read, else 0."""
        if self.parts:
            return 0
        path = self.path
        instance = self.instance
        if not instance or not instance.client or (self.index >= 0 and self.seen is None):
            if not self.place(self.reporting.client):
                return _NOT_FOUND
        iid = path[1] if len(path) > 1 else -1
        if not self.reporting.registration.allowed(path[0], iid, _READ):
            return _UNAUTHORIZED
        return 0

    # What changes its state

    def schedule(self, last):
        """Join the chain of those that the next step looks at, behind `last` if there is one.
        False if it is in the chain."""
        if self.scheduled:
            return False
        self.scheduled = True
        if last:
            last.next_scheduled = self
        return True

    def unschedule(self):
        """Leave that chain at its head. Returns the next one."""
        following = self.next_scheduled
        self.next_scheduled = None
        self.scheduled = False
        return following

    def use(self, attributes, server_defaults, request_attributes):
        """Take `attributes` into force (management.attributes)."""
        self.attributes = attributes
        self.server_defaults = server_defaults
        self.request_attributes = request_attributes
        self.reporting.push(self)

    def mark_notified(self):
        """Note that what was seen last is notified now."""
        clock = self.reporting.client.clock
        self.notified_s = clock.s
        self.notified_ms = clock.ms
        self.due = False
        for part in self.parts or ():
            part.mark_notified()
        if self.index >= 0:
            ObservedPath.mark_notified(self)

    def store(self, stored):
        """Note that `stored` (storing.Stored) has what was seen last."""
        self.stored = stored
        self.already_read = False
        self.mark_notified()

    def inherit(self, stored):
        """Take over what an observation that this one replaces has stored. The value that the
        server has just read follows it once more: the newest comes last."""
        stored.restart()
        self.stored = stored
        self.due = self.already_read = True

    def renumber(self):
        """Give the next notification a number of its own."""
        self.number = self.reporting.next_number()

    def sent(self, mid=-1):
        """Note that a notification has left, with `mid` if it is not confirmable."""
        if mid >= 0:
            self.previous_mid = self.mid
            self.mid = mid
        stored = self.stored
        if stored and stored.in_flight:
            stored.sent()
        else:
            self.mark_notified()

    def unsent(self):
        """Note that a notification could not leave, or has not arrived: it is due again."""
        stored = self.stored
        if stored and stored.in_flight:
            stored.unsent()
        else:
            self.due = True

    def acknowledged(self, message=None, tag=None):
        """Note that the server has what was in flight."""
        self.last_acked_s = self.reporting.client.clock.s
        stored = self.stored
        if stored and not stored.acknowledged():
            self.stored = None
        self.reporting.on_acknowledged(self)

    def timed_out(self):
        """Note that the server has not answered."""
        if not self.ended:
            self.unsent()
        self.reporting.on_timeout(self)

    def rejected(self):
        """Note that the server does not know of it (RFC 7641 §3.6)."""
        self.reporting.on_reset(self)

    def end(self, code=0):
        """Note that it is no longer observed; with `code` the server is still to learn why."""
        self.ended = True
        if code:
            self.code = code
            self.stored = None

    # Its notification

    def write(self, out):
        """Write a notification of what there is now. Allocates: nothing for a number."""
        out.uint(_OBSERVE, self.number)
        out.uint(_CONTENT_FORMAT, self.codec.FORMAT)
        out.payload()
        self.represent(out)
        if out.more or out.broken:
            from lwm2m.management.read_block import read_block

            peer = self.reporting.registration
            message = peer.client.message
            message.block2 = message.size2 = -1
            out.observe = self.number
            path = self.path or self.paths()
            depth = len(path) if self.path else 0
            read_block(peer, message, out, self.codec, path, depth, self.flags, self.content())
            out.observe = -1
            out.more = False  # The server asks for the rest.

    def represent(self, out):
        """Write the payload through its codec."""
        peer = self.reporting.registration
        path = self.path
        if self.parts:
            represent(peer, self.codec, out, self.paths(), 0, 0, None)
        else:
            represent(peer, self.codec, out, path, len(path), self.flags, self.content())

    # An owner of messages (coap.outgoing)

    def on_build(self, out, outgoing):
        if self.code < 128:
            try:
                stored = self.stored
                if stored and stored.in_flight:
                    # What is sent once more is sent unchanged.
                    if not stored.unacknowledged:
                        self.renumber()
                    stored.write(self, out)
                else:
                    if not outgoing.retransmissions:
                        self.renumber()
                    seen = self.seen
                    try:
                        self.write(out)
                    finally:
                        if outgoing.retransmissions:
                            # A server with the first one takes this for a copy of it.
                            self.seen = seen
            except MemoryError:
                raise
            except Exception as e:
                # It could be read a moment ago, and cannot any more.
                sys.print_exception(e)
                out.rewind()
                self.reporting.remove(self)
                self.end(_INTERNAL)
        out.buf[1] = self.code

    on_reply = acknowledged

    def on_failure(self, tag, reason):
        if reason == _RESET:
            self.rejected()
        else:
            self.timed_out()
