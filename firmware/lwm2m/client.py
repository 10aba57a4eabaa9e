"""The front door of a device: a client that owns all state and no loop."""

import gc
import select
import sys
from micropython import const

from lwm2m import driver
from lwm2m.clock import Clock
from lwm2m.coap.builder import Builder
from lwm2m.coap.message import Message
from lwm2m.formats.link import Link

_TLV = const(11542)


class Client:
    """An LwM2M client with the endpoint name `endpoint`.

    `mtu` bytes of the largest datagram to send, at least 128 (576 carries blocks of 512 bytes;
    up to 1280 are received); for each server `ring` changing requests that are remembered, and
    `nstart` confirmable messages in flight; `body_limit` bytes of the largest write in blocks
    that no stream takes; `clock` a `Clock`.
    `on_event(event, registration)` is called with "registered", "register_failed", "updated",
    "update_failed", "deregistered", "deregister_failed", "removed"; the attribute
    `on_notification` as reporting.scheduler says.
    Raises ValueError naming the invalid argument. Allocates: a buffer of `mtu` bytes.
    """

    on_notification = None
    # For the application to set: objects.access_control.Access, and lwm2m.store.Store
    access = store = None

    # step() and wait(ms): one turn of the loop
    step = driver.step
    wait = driver.wait

    def __init__(
        self, endpoint: str, mtu=576, ring=32, clock=None, on_event=None, nstart=1, body_limit=2048
    ):
        # "ep=" and the name go into an option of 255 bytes.
        if not endpoint or not isinstance(endpoint, str) or len(endpoint.encode()) > 252:
            raise ValueError("endpoint")
        if mtu < 128 or ring < 1:
            raise ValueError("mtu or ring")
        gc.collect()  # of what the imports have left: else it stays between what is for good
        self.builder = Builder(mtu)
        self.message = Message()
        self.endpoint = endpoint
        self.mtu = mtu
        self.ring = ring
        self.nstart = nstart
        self.body_limit = body_limit
        # Number of changes that servers have made
        self.revision = 0
        # Classes that servers may instantiate, by object id
        self.classes = {}
        # An event was emitted since the last step; nothing is sent
        self.event = self.is_offline = False
        self.clock = clock or Clock()
        self.on_event = on_event
        # Instances, ordered by object id and instance id
        self.objects = []
        self.registrations = []
        self.codecs = [Link()]
        self.timers = []
        self.poll = select.poll()

    def add(self, instance):
        """Add an object instance, without an `iid` as the lowest free one, and return it. Raises
        ValueError if the id is taken."""
        instance.attach(self)
        self.update(True)
        self.notify(instance.OID, instance.iid)
        return instance

    def remove(self, instance):
        """Take an instance away."""
        instance.attach(None)
        self.update(True)
        self.notify(instance.OID, instance.iid)

    def find(self, oid: int, iid: int = -1):
        """The instance /oid/iid (default: the first one of the object), or None."""
        for instance in self.objects:
            if instance.OID == oid and (iid < 0 or instance.iid == iid):
                return instance
        return None

    def allow_create(self, cls):
        """Let servers create instances of the object class `cls`, and delete them."""
        self.classes[cls.OID] = cls
        self.update(True)

    def codec(self, format: int):
        """The codec of a content format, or None. Allocates: nothing after the first TLV."""
        for codec in self.codecs:
            if codec.FORMAT == format:
                return codec
        if format == _TLV:
            # Loaded with the first read or write
            from lwm2m.formats.tlv import Tlv

            self.codecs.append(Tlv())
            return self.codecs[-1]
        return None

    def add_format(self, codec):
        """Speak one more content format than TLV."""
        self.codecs.append(codec)

    def add_server(
        self, uri: str, ssid=None, lifetime_s: int = 86400, binding="U", transport=None, **terms
    ):
        """Add a server account, and register with it (registration.accounts.add_server). Returns
        its instance of Server. Raises ValueError naming the invalid argument."""
        from lwm2m.registration.accounts import add_server

        return add_server(self, uri, ssid, lifetime_s, binding, transport, terms)

    def wake(self):
        """Called when something is due soon; a driver puts its own in place."""

    async def run(self):
        """Drive the client under asyncio until `deregister` has done its work."""
        from lwm2m.aio import drive

        await drive(self)

    def notify(self, oid, iid: int = -1, rid: int = -1):
        """Say that /oid/iid/rid has changed, or all below: observers are notified as their
        conditions say. A sensor's value does this by itself. Allocates: nothing."""
        for registration in self.registrations:
            if registration.reporting:
                registration.reporting.changed(oid, iid, rid)

    def send(self, *paths: str):
        """Send the values at `paths`, such as "/3303/0", to every server (LwM2M 1.1 §6.4.6): a
        `SendRequest`, which learns the outcome."""
        from lwm2m.reporting.send import send

        return send(self, paths)

    def defer(self):
        """Answer the request being served later: the SeparateResponse to do it with."""
        from lwm2m.coap.separate import defer

        return defer(self)

    def after(self, ms: int, callback):
        """Call `callback()` in `ms` milliseconds."""
        from lwm2m.timers import add

        add(self, ms, callback)

    def emit(self, event: str, registration):
        """Call `on_event`, and print an exception in it."""
        self.event = True
        if self.on_event:
            try:
                self.on_event(event, registration)
            except Exception as e:
                self.collect()  # It may have been a MemoryError.
                sys.print_exception(e)

    def collect(self, counter=None):
        """Collect garbage after a MemoryError, so that the program can go on, and have the lost
        message counted by `counter` (coap.exchange). Allocates: nothing."""
        gc.collect()
        if counter:
            counter(0)
        for name in sys.modules:
            if not sys.modules.get(name):
                # MicroPython notes the name of a module before there is memory for it, and the
                # next import of that would crash.
                sys.modules.pop(name, None)
                break

    def changed(self):
        """Note that a server has changed something. Allocates: nothing."""
        self.revision += 1

    @property
    def registered(self) -> bool:
        """True when every server knows us."""
        for registration in self.registrations:
            if not registration.registered:
                return False
        return bool(self.registrations)

    @property
    def ended(self) -> bool:
        """True when `deregister` has done its work."""
        for registration in self.registrations:
            if registration.state:
                return False
        return True

    def remove_server(self, server, deregister: bool = True):
        """Remove the account of `server`, an instance of Server or its ssid, after a De-register
        unless that is False (registration.remove). Raises ValueError("server")."""
        from lwm2m.registration.remove import remove_server

        remove_server(self, server, deregister)

    def update(self, links: bool = False):
        """Send an Update to every server soon."""
        for registration in self.registrations:
            registration.update(links)

    def reconnect(self):
        """Register anew with every server."""
        for registration in self.registrations:
            registration.start()

    def deregister(self, send: bool = True):
        """De-register from every server, until `ended`. `send=False`: only end."""
        from lwm2m.registration.deregister import stop

        for registration in list(self.registrations):
            stop(registration, send)

    def stop(self, deregister: bool = True, timeout_ms: int = 5000):
        """De-register and wait. Under asyncio use `deregister`."""
        from lwm2m.timers import finish

        finish(self, deregister, timeout_ms)

    def offline(self):
        """Send nothing until `online`. Registrations stay as they are, and notifications are
        stored as 1/x/6 says."""
        self.is_offline = True

    def online(self):
        """Go on: there is a network again."""
        self.is_offline = False
        self.wake()
