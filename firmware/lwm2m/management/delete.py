"""Delete (LwM2M 1.1 Core §6.3.7). Loaded with the first of them."""

from micropython import const

_DELETED = const(0x42)


def delete(peer, instance):
    """Delete an instance. Returns the response code."""
    client = peer.client
    client.remove(instance)
    client.changed()
    place = (instance.OID, instance.iid)
    for registration in client.registrations:
        # A new instance of that id is another one.
        for path in list(registration.attributes):
            if path[:2] == place:
                del registration.attributes[path]
    if client.access:
        client.access.deleted(client, instance)
    return _DELETED
