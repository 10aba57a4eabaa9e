"""The registration interface (LwM2M 1.1 Core §6.2) with one server, never giving up."""

from micropython import const

from lwm2m.clock import Deadline
from lwm2m.dispatch import Peer
from lwm2m.registration.messages import changed, locate, on_build, schedule

_POST = const(2)
_DELETE = const(4)
_CREATED = const(0x41)
_DELETED = const(0x42)
_CHANGED = const(0x44)
_PRECONDITION_FAILED = const(0x8C)
_TOO_LARGE = const(0x8D)

_NEVER_MS = const(3600000)

# States: a pause that a Disable asked for; nothing is going on; a pause; it connects; what is
# under way
_OFF = const(0)
_WAITING = const(1)
_CONNECTING = const(2)
_REGISTERING = const(3)
_UPDATING = const(4)
_REGISTERED = const(5)
_DEREGISTERING = const(6)

# Content of an Update (registration.messages): we are here, objects
_UPDATE = const(1)
_LINKS = const(2)


class Registration(Peer):
    """The client's registration with one server.

    `security` and `server` are its instances of objects 0 and 1; `lwm2m` the version of LwM2M to
    ask for, `version` that which is in force: "1.0", "1.1" or "1.2"; `location` the path that the
    server gave, a list of bytes, or None; `attempts` failures in a row, `error` the last reason: a
    response code (4.13: the list of objects does not fit), an OSError, or None for a time-out.
    `state` is 0 when nothing is going on; `leaving` is the Deregistration under way, or None.
    """

    def __init__(self, client, security, server, transport, lwm2m, path, queries):
        Peer.__init__(self, client, transport)
        # Path and queries of the server's URI
        self.path = path
        self.queries = queries
        self.security = security
        self.server = server
        # Versions of LwM2M: wanted, and in force
        self.lwm2m = self.version = lwm2m
        self.location = self.error = None
        # Times of the last Register, and of it or the last Update, on the client's clock
        self.registered_s = self.updated_s = None
        self.attempts = 0
        self.state = _OFF
        # Content of the next Update, and of the request in flight
        self.dirty_fields = self.sent_fields = 0
        # Renewals of the transport, as the server knows
        self.renewals = 0
        self.leaving = None
        self.lifetime_s = 0
        self.binding = ""
        self.due = Deadline(client.clock)

    @property
    def registered(self):
        """True while the server knows us."""
        return _UPDATING <= self.state <= _REGISTERED

    # What the client wants

    def start(self):
        """Register anew, over a fresh socket, after 1/x/14; not when the account goes."""
        if self.leaving and not self.leaving.free():
            return
        self.exchange.cancel()
        self.leaving = None
        self.wait(self.server.initial_delay_s or 0)
        self.client.wake()

    def disable(self, s):
        """De-register, and register again in `s` seconds (1/x/4)."""
        from lwm2m.registration.deregister import disable

        disable(self, s)

    def deregister(self, leaving):
        """Follow the Deregistration `leaving` from the next step on."""
        self.leaving = leaving
        self.client.wake()

    def update(self, links=False):
        """Send an Update soon, with `links` or not."""
        self.dirty_fields |= _UPDATE | (_LINKS if links else 0)
        self.client.wake()

    def step(self):
        """Do what is due: milliseconds until the next. Allocates when it sends."""
        left = self.reporting.step() if self.reporting else _NEVER_MS
        if self.client.is_offline:
            return left
        state = self.state
        if self.dirty_fields & self.sent_fields & _LINKS and _REGISTERING <= state <= _UPDATING:
            # Another list is another message.
            self.exchange.cancel()
            self.dirty_fields |= self.sent_fields
            self.request(state)
        left = min(left, self.exchange.step())
        state = self.state
        if state == _OFF:
            return _NEVER_MS
        transport = self.transport
        try:
            if state <= _WAITING:
                due = self.due.left_ms()
                if due or not self.exchange.free():
                    return due or left
                transport.open(self.client.poll)
                self.state = state = _CONNECTING
            left = min(left, transport.step())
        except OSError as e:
            self.fail(e)
            return 0
        if not transport.ready:
            return left
        if self.leaving:
            return self.leaving.step(left)
        if state != _REGISTERED:
            if state == _CONNECTING and self.exchange.free():
                self.request(_REGISTERING)
                return 0
            return left
        if self.renewals != transport.renewals:
            self.renewals = transport.renewals
            self.dirty_fields |= _UPDATE
        due = self.due.left_ms()
        if self.dirty_fields or not due:
            if not self.exchange.free():
                return left
            self.request(_UPDATING)
            return 0
        return min(due, left)

    # Requests

    def request(self, state):
        if state == _REGISTERING:
            self.location = None
            if self.reporting:
                self.reporting.register()
        self.state = state
        self.sent_fields = changed(self)
        self.dirty_fields = 0
        self.lifetime_s = self.server.lifetime_s
        self.binding = self.server.binding
        sent = self.exchange.request(_DELETE if state == _DEREGISTERING else _POST, self, state)
        if not sent:
            # Without a message id time helps; what does not fit is as if it were refused.
            self.fail(None if sent is None else _TOO_LARGE)

    on_build = on_build

    # Outcomes

    def on_reply(self, message, tag):
        code = message.code
        self.error = None
        if tag == _DEREGISTERING and code == _DELETED:
            self.leaving.end("deregistered")
            return
        if tag == _UPDATING and code == _CHANGED:
            self.done("updated")
            return
        if tag == _REGISTERING and code == _CREATED:
            self.location = locate(message)
            if self.location:
                self.registered_s = self.client.clock.s
                self.attempts = 0
                if self.reporting:
                    self.reporting.registered()
                self.done("registered")
                return
        self.fail(code)

    def on_failure(self, tag, reason):
        if reason >= 0:
            self.fail(reason if reason > 1 else self.exchange.error)
        elif self.reporting:
            self.reporting.on_failure(tag, reason)

    # Transitions

    def done(self, event):
        self.state = _REGISTERED
        self.updated_s = self.client.clock.s
        schedule(self.due, self.lifetime_s, self.exchange)
        self.client.emit(event, self)

    def fail(self, error):
        """Do what follows the failure of a request or of the connection."""
        self.error = error
        if self.leaving:
            self.leaving.fail()
        else:
            from lwm2m.registration.retry import fail

            fail(self, error)

    def wait(self, s, attempts=0, state=_WAITING, version=None):
        """Register in `s` seconds over a fresh socket, or in the state _CONNECTING at once over
        this one; in a version of LwM2M (default: the one that is wanted). So many more `attempts`
        have failed."""
        self.attempts += attempts
        self.version = version or self.lwm2m
        self.state = state
        self.due.after_s(s)

    def close(self):
        """Forget what is in flight, and close the socket."""
        self.transport.close()
        self.exchange.cancel()
        self.location = self.leaving = None
        self.state = _OFF
