"""The registration interface (LwM2M 1.1 Core §6.2) for one server: Register, Update before the
lifetime ends, De-register, and never giving up.
"""

import random
from micropython import const

from lwm2m.coap.exchange import Exchange
from lwm2m.dispatch import serve
from lwm2m.clock import Deadline

_POST = const(2)
_DELETE = const(4)
_CREATED = const(0x41)
_DELETED = const(0x42)
_CHANGED = const(0x44)
_PRECONDITION_FAILED = const(0x8C)
_TOO_LARGE = const(0x8D)

_LOCATION_PATH = const(8)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_LINK = const(40)

_NEVER_MS = const(3600000)

# States
_OFF = const(0)
_WAITING = const(1)
_REGISTERING = const(2)
_REGISTERED = const(3)
_UPDATING = const(4)
_DEREGISTERING = const(5)

# What the next Update has to say
_UPDATE = const(1)
_LINKS = const(2)
_TERMS = const(4)

# An Update is sent this long before the lifetime ends, or at half of a short lifetime: time for
# a whole sequence of retransmissions (MAX_TRANSMIT_WAIT, RFC 7252 §4.8.2) and a new Register.
_LEAD_S = const(100)
# Back-off of a server that does not answer, unless 1/x/17..20 say otherwise
_FIRST_RETRY_S = const(4)
_LAST_RETRY_S = const(300)
# How long leaving waits for the answer to a Register
_GRACE_MS = const(2000)
# Defaults of 1/x/17..20 (LwM2M 1.1 §6.2.1), in force as soon as one of them is set
_RETRY_COUNT = const(5)
_RETRY_TIMER_S = const(60)
_SEQUENCE_DELAY_S = const(86400)


class Registration:
    """The client's registration with one server.

    `security` and `server` are its instances of objects 0 and 1; `location` is the path that the
    server gave (a list of bytes) or None, `lifetime_s` and `binding` what it was told, `attempts`
    failures in a row, `error` the last reason: a response code (4.13 also for a list of objects
    that does not fit into `mtu`), an OSError, or None for a time-out. `state` is 0 when nothing is
    going on and nothing will.
    """

    # What it observes and is sent (reporting.scheduler)
    reports = None

    def __init__(self, client, security, server, transport):
        self.client = client
        self.security = security
        self.server = server
        self.transport = transport
        self.exchange = Exchange(transport, self, client)
        self.version = "1.1"
        self.location = None
        self.attempts = 0
        self.error = None
        self.state = _OFF
        self.pending = self.said = 0
        # What this server has created lately, and the attributes it has written
        self.created = []
        self.attributes = None
        self.leaving = False
        self.disabled_s = 0
        self.lifetime_s = 0
        self.binding = ""
        self.due = Deadline(client.clock)
        server.registration = self

    @property
    def registered(self):
        """True while the server knows us, as far as we know."""
        return self.state == _REGISTERED or self.state == _UPDATING

    # What the client wants

    def start(self):
        """Register anew, over a fresh socket, as soon as the initial delay (1/x/14) allows."""
        self.exchange.cancel()
        self.leaving = False
        self.disabled_s = 0
        self.wait(self.server.initial_delay_s or 0)
        self.client.wake()

    def stop(self, deregister=True):
        """De-register if registered, and end. `deregister=False`: end without a word."""
        self.disabled_s = 0
        if deregister and self.state >= _REGISTERING:
            self.leaving = True
            if self.state == _REGISTERING:
                self.due.after(_GRACE_MS)
        else:
            self.end()
        self.client.wake()

    def disable(self, s):
        """De-register, and register again after that time (1/x/4)."""
        self.disabled_s = s
        self.leaving = True
        self.client.wake()

    def update(self, links=False):
        """Send an Update soon; `links`: with the list of objects."""
        self.pending |= _UPDATE | (_LINKS if links else 0)
        self.client.wake()

    def step(self):
        """Do what is due: milliseconds until the next thing. Allocates only when it sends."""
        left = self.reports.step() if self.reports else _NEVER_MS
        left = min(left, self.exchange.step())
        state = self.state
        if state == _OFF:
            return _NEVER_MS
        if state == _WAITING:
            due = self.due.left_ms()
            if due or not self.exchange.free():
                return due or left
            self.register(True)
            return 0
        if state == _REGISTERING and self.leaving:
            # Nobody knows whether we are registered: the answer may still come, but not for long.
            due = self.due.left_ms()
            if not due:
                self.end()
            return min(due, left)
        if state != _REGISTERED or not self.exchange.free():
            return left
        due = self.due.left_ms()
        if self.transport.renewed:
            self.transport.renewed = False
            self.pending |= _UPDATE
        if self.leaving:
            self.request(_DEREGISTERING)
        elif self.pending or not due:
            self.request(_UPDATING)
        else:
            return min(due, left)
        return 0

    # Requests

    def register(self, open):
        if self.leaving:
            self.end()
            return
        try:
            if open:
                self.transport.open()
        except OSError as e:
            self.error = e
            self._failed()
            return
        self.request(_REGISTERING)

    def request(self, state):
        self.state = state
        server = self.server
        said = self.pending
        if state == _REGISTERING:
            self.location = None
            said = _LINKS | _TERMS
            if self.reports:
                self.reports.open()
        elif server.lifetime_s != self.lifetime_s or server.binding != self.binding:
            said |= _TERMS
        # A retransmission says the same again, whatever has changed since.
        self.said = said
        self.lifetime_s = server.lifetime_s
        self.binding = server.binding
        self.pending = 0
        if not self.exchange.request(_DELETE if state == _DEREGISTERING else _POST, state):
            self.error = _TOO_LARGE
            self._failed()

    def on_build(self, out, tag):
        """Write the request that is in flight: Register, Update or De-register (§6.2)."""
        client = self.client
        said = self.said
        if tag == _REGISTERING:
            out.option(_URI_PATH, b"rd")
        else:
            for segment in self.location:
                out.option(_URI_PATH, segment)
            if tag == _DEREGISTERING:
                return
        if said & _LINKS:
            out.uint(_CONTENT_FORMAT, _LINK)
        if tag == _REGISTERING:
            out.option(_URI_QUERY, "lwm2m=" + self.version)
            out.option(_URI_QUERY, ("ep=" + client.endpoint).encode())
        if said & _TERMS:
            binding = self.binding
            out.option(_URI_QUERY, "lt=%d" % self.lifetime_s)
            queue = self.version != "1.0" and "Q" in binding
            out.option(_URI_QUERY, "b=" + (binding.replace("Q", "") if queue else binding))
            if queue:
                out.option(_URI_QUERY, b"Q")
        if said & _LINKS:
            self.exchange.payload(out)
            client.codec(_LINK).objects(out, client)

    # Answers

    def on_request(self, message, out):
        self.client.current = self
        return serve(self.client, message, out)

    def on_repeat(self, message, out):
        from lwm2m.management.create import place

        for mid, oid, iid in self.created:
            if mid == message.mid:
                place(out, oid, iid)

    def on_stream(self, message):
        from lwm2m.management.write_stream import open_stream

        self.client.current = self
        return open_stream(self.client, message)

    def on_reply(self, message, tag):
        code = message.code
        state = self.state
        if state == _REGISTERING:
            if code == _CREATED:
                self.location = location = []
                while message.option(_LOCATION_PATH, len(location)):
                    location.append(message.text())
                self.attempts = 0
                if self.reports:
                    self.reports.clear()
                self.done("registered")
            elif code == _PRECONDITION_FAILED and self.version != "1.0":
                # The server does not speak our version: try the next lower one (§6.2.1.1).
                self.version = "1.0"
                self.register(False)
            else:
                self.error = code
                self._failed()
        elif state == _UPDATING:
            if code == _CHANGED:
                self.done("updated")
            else:
                # 4.04: the server has forgotten us. Whatever else it says, we are not
                # registered the way we think: register again at once.
                self.error = code
                self.client.emit("update_failed", self)
                self.register(False)
        elif state == _DEREGISTERING:
            self.error = None if code == _DELETED else code
            self.end("leave_failed" if self.error else "deregistered")

    def on_failure(self, tag, reason):
        if reason < 0:
            if self.reports:
                self.reports.discard(tag)
            return
        self.error = reason if reason > 1 else self.exchange.error
        self.exchange.error = None
        if self.state == _DEREGISTERING:
            self.end("leave_failed")
        elif self.state == _UPDATING:
            self.client.emit("update_failed", self)
            self.register(True)
        else:
            self._failed()

    # Transitions

    def done(self, event):
        self.error = self.exchange.error = None
        self.state = _REGISTERED
        lifetime_s = self.lifetime_s
        if not lifetime_s:
            self.due.after_s(0x1FFFFFFF)  # for ever (§6.2.1)
        elif lifetime_s > 2 * _LEAD_S:
            self.due.after_s(lifetime_s - _LEAD_S)
        else:
            self.due.after(lifetime_s * 500)
        self.client.emit(event, self)

    def end(self, event=None):
        """Close the socket and do nothing more, unless it is only for a while."""
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
        elif self.reports:
            self.reports.close()

    def wait(self, s):
        self.state = _WAITING
        self.due.after_s(s)

    def _failed(self):
        """Wait for the next attempt: longer each time, and never give up."""
        if self.leaving:
            self.end()
            return
        self.exchange.cancel()
        self.transport.close()
        self.attempts += 1
        server = self.server
        timer_s = server.retry_timer_s
        count = server.retry_count
        if timer_s is None and count is None:
            wait_s = min(_FIRST_RETRY_S << min(self.attempts - 1, 8), _LAST_RETRY_S)
            # Half of it is chance, so that a server which comes back is not met by all its
            # devices at once.
            wait_s -= random.getrandbits(8) * wait_s // 512
        else:
            # Attempts make a sequence, each pause twice the one before; so do sequences.
            count = count or _RETRY_COUNT
            n = self.attempts % count
            if n:
                wait_s = (timer_s or _RETRY_TIMER_S) << min(n - 1, 9)
            else:
                n = self.attempts // count
                wait_s = (server.sequence_delay_s or _SEQUENCE_DELAY_S) << min(n - 1, 5)
        self.wait(wait_s)
        self.client.emit("register_failed", self)
