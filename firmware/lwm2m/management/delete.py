"""Delete (LwM2M 1.1 Core §6.3.7). Loaded with the first of them, or with the removal of a server
account."""

from micropython import const

_DELETED = const(0x42)


def delete(peer, instance):
    """Delete an instance. Returns the response code."""
    remove(peer.client, instance)
    peer.client.changed()
    return _DELETED


def remove(client, instance):
    """Take an instance out of `client`, with the attributes that servers gave it and its access
    rights."""
    client.remove(instance)
    place = (instance.OID, instance.iid)
    for registration in client.registrations:
        # A new instance of that id is another one.
        for path in list(registration.attributes):
            if path[:2] == place:
                del registration.attributes[path]
    if client.access:
        client.access.deleted(client, instance)
