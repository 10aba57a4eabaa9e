"""Delete (LwM2M 1.2 Core §6.3.7), of resource instances too. Loaded with the first of them, or
with the removal of a server account."""

from micropython import const

from lwm2m.formats.codec import instances
from lwm2m.management.transaction import apply

_DELETED = const(0x42)
_BAD_REQUEST = const(0x80)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)

_R = const(0x10)
_W = const(0x20)
_MULTI = const(0x80)
_MANDATORY = const(0x100)


def delete(peer, instance):
    """Delete an instance. Returns the response code."""
    remove(peer.client, instance)
    peer.client.changed()
    return _DELETED


def remove(client, instance):
    """Take an instance out of `client`, with the attributes that servers gave it and its access
    rights."""
    _forget(client, (instance.OID, instance.iid))
    client.remove(instance)
    if client.access:
        client.access.deleted(client, instance)


def delete_item(peer, instance, index, riid):
    """Delete the resource instance `riid` of the resource at `index`. Returns the response code:
    4.05 for what cannot be taken away."""
    client = peer.client
    rid = instance.RESOURCES[index]
    if instance.RESOURCES[index + 1] & _R:
        value = instance.value_at(index)
        if value is None or riid not in instances(value):
            return _NOT_FOUND
    values = {}
    if stage_removal(instance, rid, riid, values):
        from lwm2m.management.refusal import refuse

        refuse(_NOT_ALLOWED, instance, rid, "mandatory")
    apply(client, [(instance, values)])
    _forget(client, (instance.OID, instance.iid, rid, riid))
    return _DELETED


def stage_removal(instance, rid, riid, values):
    """Stage in `values`, as transaction.stage does, that a resource goes, or one of its instances
    (`riid` not -1). What is not there needs not go. Returns 0, or the response code of a mistake:
    a mandatory resource keeps its value, and one that is multiple an instance."""
    index = instance.index_of(rid)
    if index < 0:
        return _NOT_FOUND
    flags = instance.RESOURCES[index + 1]
    if not flags & _W:
        return _NOT_ALLOWED
    if riid < 0:
        values[index] = None
    elif not flags & _MULTI:
        return _BAD_REQUEST
    else:
        items = values.get(index)
        if items is None:
            old = instance.value_at(index) or ()
            items = values[index] = {item: old[item] for item in instances(old)}
        items.pop(riid, None)
    return _BAD_REQUEST if flags & _MANDATORY and not values[index] else 0


def _forget(client, path):
    # What comes under that path later is another one.
    depth = len(path)
    gone = False
    for registration in client.registrations:
        for other in list(registration.attributes):
            if other[:depth] == path:
                del registration.attributes[other]
                gone = True
    if gone and client.store:
        client.store.save(client)
