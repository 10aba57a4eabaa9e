"""The registration interface (LwM2M 1.1 Core §6.2) for one server: Register, Update before the
lifetime ends, De-register, and never giving up.
"""

import random
from micropython import const

from lwm2m.coap.exchange import Exchange
from lwm2m.interfaces.management import serve
from lwm2m.ports.clock import Deadline

_POST = const(2)
_DELETE = const(4)
_CREATED = const(0x41)
_DELETED = const(0x42)
_CHANGED = const(0x44)
_NOT_FOUND = const(0x84)
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

# An Update is sent this long before the lifetime ends, or at half of a short lifetime: time for
# a whole sequence of retransmissions (MAX_TRANSMIT_WAIT, RFC 7252 §4.8.2) and a new Register.
_LEAD_S = const(100)
# Back-off of a server that does not answer, unless 1/x/17..20 say otherwise
_FIRST_RETRY_S = const(4)
_LAST_RETRY_S = const(300)
# Defaults of 1/x/17..20 (LwM2M 1.1 §6.2.1), in force as soon as one of them is set
_RETRY_COUNT = const(5)
_RETRY_TIMER_S = const(60)
_SEQUENCE_DELAY_S = const(86400)


class Registration:
    """The client's registration with one server.

    `security` and `server` are its instances of objects 0 and 1, `location` the path the server
    gave (a list of bytes) or None, `attempts` failures in a row, `error` the last reason: a
    response code (4.13 also for a list of objects that does not fit into `mtu`), an OSError, or
    None for a time-out.
    """

    def __init__(self, client, security, server, transport):
        self.client = client
        self.security = security
        self.server = server
        self.transport = transport
        self.exchange = Exchange(
            transport, self, client.clock, client.message, client.builder, client.mtu, client.ring
        )
        self.version = "1.1"
        self.location = None
        self.attempts = 0
        self.error = None
        self.state = _OFF
        self._pending = 0
        self._leaving = False
        self._disabled_s = 0
        self._sent_lifetime_s = 0
        self._sent_binding = ""
        self.due = Deadline(client.clock)
        server.registration = self

    @property
    def registered(self):
        """True while the server knows us, as far as we know."""
        return self.state == _REGISTERED or self.state == _UPDATING

    @property
    def off(self):
        """True when nothing is going on and nothing will."""
        return self.state == _OFF

    # What the client wants

    def start(self):
        """Register as soon as the initial delay (1/x/14) allows. Nothing if already under way."""
        if self.state == _OFF:
            self._leaving = False
            self._wait(self.server.initial_delay_s or 0)

    def stop(self, deregister=True):
        """De-register if registered, and end. `deregister=False`: end without a word."""
        if deregister and (self.registered or self.state == _DEREGISTERING):
            self._leaving = True
        else:
            self._end()

    def disable(self, seconds):
        """De-register, and register again after that time (1/x/4)."""
        self._disabled_s = seconds
        self._leaving = True

    def update(self, links=False):
        """Send an Update soon; `links`: with the list of objects."""
        self._pending |= _UPDATE | (_LINKS if links else 0)

    def reconnect(self):
        """Register again at once, over a fresh socket."""
        if self.state != _OFF:
            self.exchange.cancel()
            self._wait(0)

    def step(self):
        """Do what is due: milliseconds until the next thing. Allocates only when it sends."""
        left = self.exchange.step()
        state = self.state
        if state == _OFF:
            return _NEVER_MS
        if state == _WAITING:
            due = self.due.left_ms()
            if due:
                return due
            self._register(True)
            return 0
        if state != _REGISTERED or not self.exchange.idle:
            return left
        due = self.due.left_ms()
        if self._leaving:
            self._deregister()
        elif self._pending or not due:
            self._update()
        else:
            return due
        return 0

    # Requests

    def _register(self, reopen):
        try:
            if reopen:
                self.transport.open()
        except OSError as e:
            self.error = e
            self._failed()
            return
        self.state = _REGISTERING
        self._pending = 0
        self.location = None
        client = self.client
        out = self.exchange.request(_POST)
        out.option(_URI_PATH, b"rd")
        out.uint(_CONTENT_FORMAT, _LINK)
        out.option(_URI_QUERY, "lwm2m=" + self.version)
        out.option(_URI_QUERY, ("ep=" + client.endpoint).encode())
        self._lifetime_and_binding(out)
        out.payload()
        client.codec(_LINK).objects(out, client)
        self._send()

    def _send(self):
        if not self.exchange.send(_POST):
            self.error = _TOO_LARGE
            self._failed()

    def _lifetime_and_binding(self, out):
        server = self.server
        self._sent_lifetime_s = server.lifetime_s
        self._sent_binding = binding = server.binding
        out.option(_URI_QUERY, "lt=%d" % server.lifetime_s)
        queue = self.version != "1.0" and "Q" in binding
        out.option(_URI_QUERY, "b=" + (binding.replace("Q", "") if queue else binding))
        if queue:
            out.option(_URI_QUERY, b"Q")

    def _to_location(self, code):
        out = self.exchange.request(code)
        for segment in self.location:
            out.option(_URI_PATH, segment)
        return out

    def _update(self):
        self.state = _UPDATING
        links = self._pending & _LINKS
        self._pending = 0
        out = self._to_location(_POST)
        server = self.server
        if links:
            out.uint(_CONTENT_FORMAT, _LINK)
        if server.lifetime_s != self._sent_lifetime_s or server.binding != self._sent_binding:
            self._lifetime_and_binding(out)
        if links:
            out.payload()
            self.client.codec(_LINK).objects(out, self.client)
        self._send()

    def _deregister(self):
        self.state = _DEREGISTERING
        self._to_location(_DELETE)
        self.exchange.send(_DELETE)

    # Answers

    def on_request(self, message, out):
        return serve(self.client, message, out)

    def on_repeat(self, message, out, code):
        """Nothing to add: no answer to a changing request carries options yet."""

    def on_reply(self, message, tag):
        code = message.code
        state = self.state
        if state == _REGISTERING:
            if code == _CREATED:
                self._registered(message)
            elif code == _PRECONDITION_FAILED and self.version != "1.0":
                # The server does not speak our version: try the next lower one (§6.2.1.1).
                self.version = "1.0"
                self._register(False)
            else:
                self.error = code
                self._failed()
        elif state == _UPDATING:
            if code == _CHANGED:
                self._up("update_done")
            else:
                # 4.04: the server has forgotten us. Whatever else it says, we are not
                # registered the way we think: register again at once.
                self.error = code
                self.client.emit("update_failed", self)
                self._register(False)
        elif state == _DEREGISTERING:
            self.error = None if code == _DELETED else code
            self._end()

    def on_failure(self, tag, reset):
        self.error = self.exchange.error
        self.exchange.error = None
        if self.state == _DEREGISTERING:
            self._end()
        elif self.state == _UPDATING:
            self.client.emit("update_failed", self)
            self._register(True)
        else:
            self._failed()

    # Transitions

    def _registered(self, message):
        location = []
        while message.option(_LOCATION_PATH, len(location)):
            location.append(message.text())
        self.location = location
        self.attempts = 0
        self._up("registration_done")

    def _up(self, event):
        self.error = None
        self.state = _REGISTERED
        lifetime_s = self._sent_lifetime_s
        if not lifetime_s:
            self.due.after_s(0x1FFFFFFF)  # for ever (§6.2.1)
        elif lifetime_s > 2 * _LEAD_S:
            self.due.after_s(lifetime_s - _LEAD_S)
        else:
            self.due.after(lifetime_s * 500)
        self.client.emit(event, self)

    def _end(self):
        was = self.state
        self.exchange.cancel()
        self.transport.close()
        self.location = None
        self._leaving = False
        self.state = _OFF
        if was == _DEREGISTERING:
            if self.error is None:
                self.client.emit("deregistration_done", self)
            else:
                self.client.emit("deregistration_failed", self)
        if self._disabled_s:
            self._wait(self._disabled_s)
            self._disabled_s = 0

    def _wait(self, seconds):
        self.state = _WAITING
        self.due.after_s(seconds)

    def _failed(self):
        """Wait for the next attempt: longer each time, and never give up."""
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
        elif self.attempts % (_RETRY_COUNT if count is None else count or 1):
            wait_s = (timer_s or _RETRY_TIMER_S) << min(self.attempts - 1, 16)
        else:
            # The sequence has failed: a long pause, then the next one.
            self.attempts = 0
            wait_s = server.sequence_delay_s or _SEQUENCE_DELAY_S
        self._wait(wait_s)
        self.client.emit("registration_failed", self)
