"""The front door: a client that owns all state and no loop.

    client = Client("urn:dev:mac:2465d8fffe0a11c0")
    client.add_server("coap://192.0.2.10", lifetime_s=300)
    client.add(Device(manufacturer="Acme"))
    while True:
        client.wait(client.step())

or `await client.run()` under asyncio.
"""

import select
import sys
import time
from micropython import const

from lwm2m.coap.builder import Builder
from lwm2m.coap.message import Message
from lwm2m.formats.link import Link
from lwm2m.formats.tlv import Tlv
from lwm2m.registration.registration import Registration
from lwm2m.objects.security import Security
from lwm2m.objects.server import Server
from lwm2m.clock import Clock

_NEVER_MS = const(3600000)
# Datagrams handled in one step before timers get their turn
_BURST = const(8)


class Client:
    """An LwM2M 1.1 client with the endpoint name `endpoint`.

    `mtu` bytes of the largest datagram to send, at least 128 (576 carries blocks of 512 bytes,
    1088 those of 1024; up to 1280 are received in any case); `ring` changing requests that are
    remembered for deduplication, for each server; `nstart` confirmable messages in flight at once;
    `body_limit` bytes of the largest write in blocks, if no stream takes it; `clock` a `Clock`.
    `on_event(event, registration)` is called with "registered", "register_failed", "updated",
    "update_failed", "deregistered", "leave_failed".
    Raises ValueError with the name of an argument that cannot be. Allocates: a buffer of `mtu`
    bytes.
    """

    # Called as on_notify(fate, observation) for each notification (reporting.scheduler)
    on_notify = None

    def __init__(
        self, endpoint, mtu=576, ring=32, clock=None, on_event=None, nstart=1, body_limit=2048
    ):
        if not endpoint or not isinstance(endpoint, str):
            raise ValueError("endpoint")
        if mtu < 128 or ring < 1:
            raise ValueError("mtu or ring")
        self.builder = Builder(mtu)
        self.message = Message()
        self.endpoint = endpoint
        self.mtu = mtu
        self.ring = ring
        self.nstart = nstart
        self.body_limit = body_limit
        # Counts the changes that servers have made; the registration whose request is served
        self.revision = 0
        self.current = None
        # Classes of which servers may create instances, by object id; who enforces access rights
        self.classes = {}
        self.access = None
        self.event = False
        self.clock = clock or Clock()
        self.on_event = on_event
        # Instances, ordered by object id and instance id
        self.objects = []
        self.registrations = []
        self.codecs = [Link(), Tlv()]
        self.timers = []
        self.poll = select.poll()
        # Exponent of the largest block (RFC 7959 §2.2) that fits beside 64 bytes of header
        self.block_size = 6
        while self.block_size and (16 << self.block_size) + 64 > mtu:
            self.block_size -= 1

    # What the device has

    def add(self, instance):
        """Add an object instance and return it.

        Without an `iid` it gets the lowest free one. Raises ValueError if the id is taken.
        """
        iid = instance.iid
        if iid is None:
            iid = 0
            while self.find(instance.OID, iid):
                iid += 1
            instance.iid = iid
        elif self.find(instance.OID, iid):
            raise ValueError("/%d/%d: is there already" % (instance.OID, iid))
        i = 0
        for other in self.objects:
            if (other.OID, other.iid) > (instance.OID, iid):
                break
            i += 1
        self.objects.insert(i, instance)
        instance.client = self
        self.update(True)
        self.notify(instance.OID, instance.iid)
        return instance

    def remove(self, instance):
        """Take an instance away again."""
        self.objects.remove(instance)
        instance.client = None
        self.update(True)
        self.notify(instance.OID, instance.iid)

    def find(self, oid, iid=-1):
        """The instance /oid/iid (default: the first one of the object), or None."""
        for instance in self.objects:
            if instance.OID == oid and (iid < 0 or instance.iid == iid):
                return instance
        return None

    def allow_create(self, cls):
        """Let servers create instances of the object class `cls`, and delete them."""
        self.classes[cls.OID] = cls
        self.update(True)

    def codec(self, format):
        """The codec of a content format, or None. Allocates: nothing."""
        for codec in self.codecs:
            if codec.FORMAT == format:
                return codec
        return None

    def add_format(self, codec):
        """Speak one more content format, e.g. `formats.text.Text()`; TLV is always there."""
        self.codecs.append(codec)

    def add_server(self, uri, ssid=None, lifetime_s=86400, binding="U", transport=None, **terms):
        """Add a server account: an instance of Security and one of Server. Returns the latter.

        `uri` "coap://host[:port]", `ssid` short server id, 1 to 65534 (default: the next free
        one), `lifetime_s` up to 536870911, 0 for ever;
        `terms` are further resources of object 1, e.g. `retry_timer_s=30`. `transport` replaces
        the UDP socket. Raises ValueError for what cannot be, and for coaps:// without a secure
        transport: nothing is ever sent in clear to a server that was meant to be secure.
        """
        secure, host, port = parse_uri(uri)
        if secure and not (transport and transport.secure):
            raise ValueError("uri: coaps:// needs a secure transport")
        if not isinstance(lifetime_s, int) or not 0 <= lifetime_s < 0x20000000:
            raise ValueError("lifetime_s")
        if ssid is None:
            ssid = 1
            for registration in self.registrations:
                ssid = max(ssid, registration.server.ssid + 1)
        if not 0 < ssid < 65535:
            raise ValueError("ssid")
        if not transport:
            from lwm2m.transport.udp import Udp

            transport = Udp(host, port)
        transport.poller = self.poll
        server = Server(ssid=ssid, lifetime_s=lifetime_s, binding=binding, **terms)
        security = self.add(Security(uri=uri, ssid=ssid))
        self.add(server)
        registration = Registration(self, security, server, transport)
        self.registrations.append(registration)
        registration.start()
        return server

    # Driving it

    def step(self):
        """Handle what has arrived and what is due.

        Returns the milliseconds until it wants to run again (at most an hour, 0 after an event).
        Never raises for what comes from the network. Allocates: each received datagram.
        """
        self.clock.update()
        due = _NEVER_MS
        # What one server asks may be work for the registration with another: first all of them
        # are heard, then all of them get their turn.
        for registration in self.registrations:
            burst = _BURST
            while burst and registration.exchange.poll():
                burst -= 1
            if not burst:
                due = 0
        if self.timers:
            from lwm2m.timers import run

            due = min(due, run(self))
        for registration in self.registrations:
            due = min(due, registration.step())
        if self.event:
            # The application's turn: it may wait for just this.
            self.event = False
            return 0
        return due

    def wake(self):
        """Called when something is to be done soon; a driver that waits puts its own in place."""

    # What servers observe, and get

    def notify(self, oid, iid=-1, rid=-1):
        """Say that /oid/iid/rid has changed, or everything below: who observes it is told as soon
        as its conditions hold. Setting a value of a sensor does this by itself.
        Allocates: nothing."""
        for registration in self.registrations:
            if registration.reports:
                registration.reports.notify(oid, iid, rid)

    def send(self, *paths):
        """Send the values at `paths`, such as "/3303/0", to every server (LwM2M 1.1 §6.4.6).
        Returns a `Report`, which knows what has become of it."""
        from lwm2m.reporting.send import send

        return send(self, paths)

    def wait(self, ms):
        """Block until a datagram arrives, but at most `ms` milliseconds."""
        for registration in self.registrations:
            if registration.transport.sock:
                for _ in self.poll.ipoll(ms):
                    return
                return
        time.sleep_ms(ms)

    async def run(self):
        """Drive the client under asyncio until `leave` has done its work."""
        from lwm2m.aio import drive

        await drive(self)

    def after(self, ms, callback):
        """Call `callback()` in `ms` milliseconds, from `step`."""
        from lwm2m.timers import add

        add(self, ms, callback)

    def later(self):
        """For a handler that needs time: returns an object with `answer(code, payload, format)`,
        to be called when it is done; the server is told to wait (RFC 7252 §5.2.2). Up to 8 for
        each server; more are refused with 5.03."""
        from lwm2m.coap.separate import Later

        return Later(self.current.exchange, self)

    def emit(self, event, registration):
        """Tell the application; an exception in its handler is printed and forgotten."""
        self.event = True
        if self.on_event:
            try:
                self.on_event(event, registration)
            except Exception as e:
                sys.print_exception(e)

    # What the application may want

    @property
    def registered(self):
        """True when every server knows us."""
        for registration in self.registrations:
            if not registration.registered:
                return False
        return bool(self.registrations)

    @property
    def ended(self):
        """True when `leave` has done its work."""
        for registration in self.registrations:
            if registration.state:
                return False
        return True

    def update(self, links=False):
        """Send an Update to every server soon; `links`: with the list of objects."""
        for registration in self.registrations:
            registration.update(links)

    def reconnect(self):
        """Register anew with every server, over fresh sockets; also after `leave`."""
        for registration in self.registrations:
            registration.start()

    def leave(self, deregister=True):
        """Start to de-register from every server; `ended` tells when it is done."""
        for registration in self.registrations:
            registration.stop(deregister)

    def stop(self, deregister=True, timeout_ms=5000):
        """De-register and wait for it, at most `timeout_ms`. Not under asyncio: `leave` there."""
        from lwm2m.timers import finish

        self.leave(deregister)
        finish(self, timeout_ms)


def parse_uri(uri):
    """(secure, host, port) of "coap[s]://host[:port]", IPv6 in brackets. Raises ValueError."""
    place = ""
    secure = False
    if isinstance(uri, str) and uri.startswith(("coap://", "coaps://")):
        secure = uri[4] == "s"
        place = uri[uri.index("//") + 2 :].rstrip("/")
    host, colon, port = place.rpartition(":")
    if not colon or place[-1:] == "]":
        host = place
        port = 5684 if secure else 5683
    else:
        port = int(port) if port.isdigit() else 0
    if host[:1] == "[" and host[-1] == "]":
        host = host[1:-1]
    elif ":" in host:
        host = ""  # an IPv6 address needs its brackets
    for c in "/?#@":
        if c in host:
            host = ""
    if not host or not 0 < port < 65536:
        raise ValueError("uri: coap://host[:port] is needed")
    return secure, host, port
