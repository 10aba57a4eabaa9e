"""The registration interface (LwM2M 1.1 Core §6.2) with one server, never giving up."""

from micropython import const

from lwm2m.clock import Deadline
from lwm2m.dispatch import Peer
from lwm2m.registration.messages import read_location, schedule, write_request

_POST = const(2)
_DELETE = const(4)
_CREATED = const(0x41)
_DELETED = const(0x42)
_CHANGED = const(0x44)
_PRECONDITION_FAILED = const(0x8C)
_TOO_LARGE = const(0x8D)

_NEVER_MS = const(3600000)

# States: nothing is going on; a pause; it connects; what is under way
_OFF = const(0)
_WAITING = const(1)
_CONNECTING = const(2)
_REGISTERING = const(3)
_UPDATING = const(4)
_REGISTERED = const(5)
_DEREGISTERING = const(6)

# Content of an Update: we are here, objects, lifetime, binding
_UPDATE = const(1)
_LINKS = const(2)
_TERM_LIFETIME = const(4)
_TERM_BINDING = const(8)

# A De-register waits for what is unanswered, and after the answer to a Disable
_GRACE_MS = const(2000)
_LINGER_MS = const(250)


class Registration(Peer):
    """The client's registration with one server.

    `security` and `server` are its instances of objects 0 and 1; `location` the path that the
    server gave, a list of bytes, or None; `attempts` failures in a row, `error` the last reason: a
    response code (4.13: the list of objects does not fit), an OSError, or None for a time-out.
    `state` is 0 when nothing is going on.
    """

    def __init__(self, client, security, server, transport):
        Peer.__init__(self, client, transport)
        self.security = security
        self.server = server
        self.version = "1.1"
        self.location = None
        self.attempts = 0
        self.state = _OFF
        # Content of the next Update, and of the request in flight
        self.dirty_fields = self.sent_fields = 0
        # Renewals of the transport, as the server knows
        self.renewals = 0
        # A De-register is wanted; seconds until a Register after it
        self.leaving = False
        self.disabled_s = 0
        self.lifetime_s = 0
        self.binding = ""
        self.due = Deadline(client.clock)

    @property
    def registered(self):
        """True while the server knows us."""
        return _UPDATING <= self.state <= _REGISTERED

    # What the client wants

    def start(self):
        """Register anew, over a fresh socket, after 1/x/14."""
        self.exchange.cancel()
        self.leaving = False
        self.disabled_s = 0
        self.wait(self.server.initial_delay_s or 0)
        self.client.wake()

    def stop(self, deregister=True):
        """De-register if registered, and end. `deregister=False`: only end."""
        self.disabled_s = 0
        if deregister and self.state >= _REGISTERING:
            self.leaving = True
            self.due.after(_GRACE_MS)
        else:
            self.end()
        self.client.wake()

    def disable(self, s):
        """De-register, and register again in `s` seconds (1/x/4)."""
        if self.state == _WAITING:
            self.wait(s)
        else:
            self.disabled_s = s
            self.leaving = True
            self.due.after(_LINGER_MS)
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
            if state == _WAITING:
                due = self.due.left_ms()
                if due or not self.exchange.free():
                    return due or left
                self.state = state = _CONNECTING
                transport.open(self.client.poll)
            left = min(left, transport.step())
        except OSError as e:
            self.fail(e)
            return 0
        if not transport.ready:
            return left
        if state == _CONNECTING and self.exchange.free():
            if self.leaving:
                self.end()
            else:
                self.request(_REGISTERING)
            return 0
        due = self.due.left_ms()
        if self.leaving and state != _DEREGISTERING:
            if due and (self.disabled_s or state != _REGISTERED or not self.exchange.free()):
                return min(due, left)
            self.exchange.cancel()
            if state == _REGISTERING:
                self.end()
            else:
                self.request(_DEREGISTERING)
            return 0
        if state != _REGISTERED or not self.exchange.free():
            return left
        if self.renewals != transport.renewals:
            self.renewals = transport.renewals
            self.dirty_fields |= _UPDATE
        if self.dirty_fields or not due:
            self.request(_UPDATING)
            return 0
        return min(due, left)

    # Requests

    def request(self, state):
        self.state = state
        server = self.server
        fields = self.dirty_fields
        if state == _REGISTERING:
            self.location = None
            fields = _LINKS | _TERM_LIFETIME | _TERM_BINDING
            if self.reporting:
                self.reporting.register()
        else:
            if server.lifetime_s != self.lifetime_s:
                fields |= _TERM_LIFETIME
            if server.binding != self.binding:
                fields |= _TERM_BINDING
        self.sent_fields = fields
        self.lifetime_s = server.lifetime_s
        self.binding = server.binding
        self.dirty_fields = 0
        if not self.exchange.request(_DELETE if state == _DEREGISTERING else _POST, self, state):
            self.fail(_TOO_LARGE)

    def on_build(self, out, outgoing):
        write_request(self, out, outgoing)

    # Outcomes

    def on_reply(self, message, tag):
        code = message.code
        state = self.state
        if state == _REGISTERING:
            if code == _CREATED:
                self.location = read_location(message)
                if self.location:
                    self.attempts = 0
                    if self.reporting:
                        self.reporting.registered()
                    self.done("registered")
                else:
                    self.fail(code)
            elif code == _PRECONDITION_FAILED and self.version != "1.0":
                self.version = "1.0"
                self.state = _CONNECTING
            else:
                self.fail(code)
        elif state == _UPDATING:
            if code == _CHANGED:
                self.done("updated")
            else:
                self.error = code
                self.client.emit("update_failed", self)
                self.state = _CONNECTING
        elif state == _DEREGISTERING:
            self.error = None if code == _DELETED else code
            self.end("deregister_failed" if self.error else "deregistered")

    def on_failure(self, tag, reason):
        if reason < 0:
            if self.reporting:
                self.reporting.on_failure(tag, reason)
            return
        error = reason if reason > 1 else self.exchange.error
        if self.state == _DEREGISTERING:
            self.error = error
            self.end("deregister_failed")
        elif self.state == _UPDATING:
            self.error = error
            self.client.emit("update_failed", self)
            self.wait(0)
        else:
            self.fail(error)

    # Transitions

    def done(self, event):
        self.error = None
        self.state = _REGISTERED
        if not self.leaving:
            schedule(self.due, self.lifetime_s)
        self.client.emit(event, self)

    def end(self, event=None):
        """Close the socket, and stay away for `disabled_s` or for good."""
        self.exchange.cancel()
        self.transport.close()
        self.location = None
        self.leaving = False
        self.state = _OFF
        if event:
            self.client.emit(event, self)
        if self.disabled_s:
            self.wait(self.disabled_s)
            self.disabled_s = 0
        elif self.reporting:
            self.reporting.close()
            self.reporting = None

    def wait(self, s):
        self.state = _WAITING
        self.due.after_s(s)

    def fail(self, error):
        """Wait for the next attempt, longer each time."""
        self.error = error
        if self.leaving:
            self.end()
            return
        self.exchange.cancel()
        self.transport.close()
        from lwm2m.registration.retry import pause_s

        self.attempts += 1
        self.wait(pause_s(self.server, self.attempts))
        self.client.emit("register_failed", self)
