"""An observation (LwM2M 1.1 Core §6.4.1): its state, and how it is written. Loaded with the first
Observe.
"""

import sys
from micropython import const

from lwm2m.management.walk import represent
from lwm2m.reporting.conditions import Watch

_CONTENT = const(0x45)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_INTERNAL = const(0xA0)
_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)
_READ = const(1)


class Observation(Watch):
    """One observation: `token`, `codec`, `registration`; a composite one has `parts`, a watch for
    each path, and no `path`.

    `pmin`, `pmax`, `epmin`, `epmax` (0: none), `con`, `hqmax` (None: none) are the attributes in
    force; `s` and `ms` when it was told last; `mid` and `before` the message ids of
    the last two that were not confirmable, `number` the sequence number,
    and `code` the response code of the last notification.
    Allocates: about 350 bytes, and 500 when all of it is in use.
    """

    path = con = hqmax = parts = own = after = queue = None
    pmin = pmax = epmin = epmax = 0
    # Whether the defaults in object 1 count too, for pmin (1) and pmax (2)
    defaults = 3
    # How many of its samples are in flight, and how many were sent and not acknowledged, to be
    # sent once more as they were
    count = tried = 0
    mid = before = -1
    code = _CONTENT
    # To be told, and only if that is not known anyhow; changed since it was looked at; in the
    # chain; ended
    due = again = touched = marked = over = False

    def __init__(self, reports, token, codec):
        self.owner = self
        self.reports = reports
        self.registration = reports.registration
        self.token = token
        self.codec = codec
        self.turn = reports.turn
        self.number = 0
        # When it was told, when it was looked at, and when somebody was known to listen
        clock = reports.client.clock
        self.s = self.since_s = self.sure_s = clock.s
        self.ms = self.since_ms = clock.ms

    def start(self, message):
        """Begin, once `message` was answered with the first value."""
        from lwm2m.reporting.establish import establish

        establish(self, message)

    def look(self, forced):
        """Evaluate what has changed, or, when `forced`, everything."""
        self.touched = False
        clock = self.reports.client.clock
        self.since_s = clock.s
        self.since_ms = clock.ms
        if not self.parts:
            return self.evaluate()
        hit = False
        for part in self.parts:
            if (forced or part.changed) and part.evaluate():
                hit = True
        return hit

    def told(self):
        """Take note that what was seen last is told, now."""
        clock = self.reports.client.clock
        self.s = clock.s
        self.ms = clock.ms
        self.due = False
        for part in self.parts or ():
            part.tell()
        if self.index >= 0:
            self.tell()

    def refusal(self):
        """0, or why there is nothing to be told any more: a response code."""
        if self.parts:
            return 0
        client = self.reports.client
        path = self.path
        iid = path[1] if len(path) > 1 else -1
        instance = self.instance
        if not instance or not instance.client or (self.index >= 0 and self.last is None):
            if not self.place(client):
                return _NOT_FOUND
        if not self.registration.allowed(path[0], iid, _READ):
            return _UNAUTHORIZED
        return 0

    def write(self, out):
        """Write what there is now as a notification: options and payload. Allocates: nothing for
        a number."""
        out.uint(_OBSERVE, self.number)
        out.uint(_CONTENT_FORMAT, self.codec.FORMAT)
        out.payload()
        self.represent(out)
        if out.more or out.broken:
            from lwm2m.management.read_block import read_block

            client = self.reports.client
            message = client.message
            message.block2 = message.size2 = -1
            out.observe = self.number
            path = self.path or self.paths()
            depth = len(path) if self.path else 0
            read_block(
                self.registration,
                message,
                out,
                self.codec,
                path,
                depth,
                self.flags,
                self.content(),
            )
            out.observe = -1
            out.more = False  # the server asks for the rest

    def represent(self, out):
        """Write what it observes through its codec."""
        path = self.path
        if self.parts:
            represent(self.registration, self.codec, out, self.paths(), 0, 0, None)
        else:
            represent(
                self.registration, self.codec, out, path, len(path), self.flags, self.content()
            )

    def content(self):
        """What is to be told of a resource: its value, or for a resource instance those that are
        there; None for an object or an instance. A value that has just gone is told once more:
        that it has gone is told next."""
        if self.index < 0:
            return None
        value = self.read()
        if value is None:
            value = self.value
        else:
            self.last = value
        return {self.path[3]: value} if len(self.path) > 3 else value

    def paths(self):
        """The paths of a composite observation, else None."""
        return [part.path for part in self.parts] if self.parts else None

    def key(self):
        """(content format, path or paths): what makes it the same as another one."""
        return (self.codec.FORMAT, self.path or tuple(self.paths()))

    # For the exchange layer

    def on_build(self, out, outgoing):
        if self.code < 128:
            try:
                if self.count:
                    from lwm2m.reporting.storing import write

                    write(self, out)
                else:
                    last = self.last
                    self.write(out)
                    if outgoing.retransmissions:
                        # Whoever got the first transmission takes this one for a copy: what has
                        # changed since is still to be told.
                        self.last = last
            except Exception as e:
                # It could be read a moment ago, and cannot any more.
                sys.print_exception(e)
                out.rewind()
                self.reports.end(self, _INTERNAL)
        out.buf[1] = self.code

    def on_reply(self, message, tag):
        self.reports.acknowledged(self)

    def on_failure(self, tag, reason):
        if reason == 1:
            self.reports.rejected(self)
        else:
            self.reports.timed_out(self)
