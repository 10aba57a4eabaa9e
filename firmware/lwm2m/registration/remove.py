"""The removal of a server account while the client runs (LwM2M 1.1 Core §E.1.3, Unbootstrapping).
Loaded with the first one.
"""

from micropython import const

from lwm2m.management.delete import remove
from lwm2m.registration.deregister import stop

_SECURITY = const(0)
_SERVER = const(1)


def remove_server(client, server, deregister=True):
    """Remove the account of `server`, an instance of Server or its ssid, in this order:

    - De-register, if the server knows us and `deregister` is not False; nothing waits for it while
      the client is offline. Nobody can call it back: `reconnect` leaves the account alone.
    - End its observations and its Sends, forget its attributes, close the socket.
    - With `Client.access`: give another owner to what it owned, and delete what nobody else could
      reach (objects.access_owner).
    - Remove its instances of Server and Security, and tell the other servers by an Update.
    - Emit "removed".

    Raises ValueError("server") if there is no such account.
    """
    if isinstance(server, int):
        ssid = server
        server = None
        for instance in client.objects:
            if instance.OID == _SERVER and instance.ssid == ssid:
                server = instance
    if not server or server.client is not client:
        raise ValueError("server")
    registration = server.registration
    if registration:
        stop(registration, deregister and not client.is_offline, forget)
    else:
        forget_instances(client, server)


def forget(registration):
    """Take an ended registration and its account out of the client."""
    from lwm2m.management.composite_blocks import forget

    client = registration.client
    client.registrations.remove(registration)
    forget(registration)
    forget_instances(client, registration.server)
    if client.store:
        client.store.save(client)
    client.emit("removed", registration)


def forget_instances(client, server):
    """Take the instances of Server and Security out of the client."""
    ssid = server.ssid
    if client.access:
        for instance in client.access.removed(client, ssid):
            remove(client, instance)
    if server.client:
        remove(client, server)
    for instance in list(client.objects):
        if instance.OID == _SECURITY and instance.ssid == ssid:
            remove(client, instance)
