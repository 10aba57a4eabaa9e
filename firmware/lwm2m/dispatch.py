"""A CoAP request becomes an operation (LwM2M 1.1 Core §6.3, §6.4) becomes a response code: what
its path names, and whether its sender may do that.

Rights are asked for what a request names, here and in `management.operation`, which goes on from
here when something is to be changed; and where an operation passes from one instance to the next
(management.read, management.walk, management.composite).
"""

import gc
from micropython import const

from lwm2m.coap.exchange import Exchange

_GET = const(1)

_CONTENT = const(0x45)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)

_LOCATION_PATH = const(8)
_LINK = const(40)

# Access rights (LwM2M 1.1 Core §8)
_DISCOVER = const(0)
_READ = const(1)


class Peer:
    """A server whose requests are served. A subclass may decide otherwise what it is `allowed`.

    `client`, `transport`; `exchange`, which it owns (coap.exchange); `version` of LwM2M, "1.1";
    `attributes` {path: {name: value}} are those that it has written; `created` its recent Creates
    (message id, oid, iid); `reporting` is what it observes and is sent (reporting.scheduler), or
    None; `read` and `operate` the functions of these names once they are loaded.
    """

    reporting = None

    def __init__(self, client, transport):
        self.client = client
        self.transport = transport
        self.exchange = Exchange(transport, self, client)
        self.attributes = {}
        self.created = []
        self.read = self.operate = None

    def allowed(self, oid, iid, right):
        """True when it may do what takes `right` (objects.access_control; 0: Discover) on
        /oid/iid; iid -1 asks for the object as a whole. Security and OSCORE are closed to every
        server (LwM2M 1.1 §E.1). Allocates: nothing."""
        if not oid or oid == 21:
            return False
        access = self.client.access
        return not access or access.allowed(self, oid, iid, right)

    def attach(self, reporting):
        """Observe and send by `reporting` from now on."""
        self.reporting = reporting

    def on_request(self, message, out):
        """Carry out the request `message`, write options and payload of the answer to `out` and
        return its response code. Raises Lwm2mError, or what a handler raises. Allocates: nothing
        to read a scalar."""
        if message.observe < 0:
            return dispatch(self, message, out)
        from lwm2m.reporting.observe import begin, observe

        attributes = observe(self, message, out)
        code = dispatch(self, message, out)
        if code == _CONTENT and not self.exchange.deferred:
            begin(self, message, out.observe, attributes)
        return code

    def on_repeat(self, message, out):
        for mid, oid, iid in self.created:
            if mid == message.mid:
                out.option(_LOCATION_PATH, str(oid))
                out.option(_LOCATION_PATH, str(iid))

    def on_stream(self, message):
        from lwm2m.management.write_stream import open_stream

        return open_stream(self, message)


def dispatch(peer, message, out):
    """Find what a request names, ask for the right, and carry out the operation. Returns the
    response code; may raise `Lwm2mError`."""
    depth = message.depth
    if depth < 0:
        return _NOT_FOUND
    code = message.code
    client = peer.client
    if not depth:
        if code == _GET:
            return _NOT_ALLOWED
        from lwm2m.management.composite import composite

        return composite(peer, message, out)
    path = message.path
    oid = path[0]
    iid = path[1] if depth > 1 else -1
    # The first instance of an object, or the instance itself
    instance = client.find(oid, iid)
    index = instance.locate(path, depth) if instance else -1
    right = _DISCOVER
    if index < -1 or not (instance or (depth == 1 and oid in client.classes)):
        return _NOT_FOUND if peer.allowed(oid, iid, right) else _UNAUTHORIZED
    if code == _GET and message.accept != _LINK:
        right = _READ
    if not peer.allowed(oid, iid, right):
        return _UNAUTHORIZED
    flags = instance.RESOURCES[index + 1] if index >= 0 else 0
    if code == _GET:
        read = peer.read
        if not read:
            # Kept, because an import allocates. What is loaded while the client runs stays for
            # good: in the place of garbage, not behind it.
            gc.collect()
            from lwm2m.management.read import read

            peer.read = read
        return read(peer, message, out, instance, index, flags)
    operate = peer.operate
    if not operate:
        # A device that is only read does not pay for being changed.
        gc.collect()
        from lwm2m.management.operation import operate

        peer.operate = operate
    return operate(peer, message, out, instance, index, flags)
