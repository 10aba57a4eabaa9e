"""Notification attributes that the device sets itself (LwM2M 1.1 Core §5.1.2). Loaded by the
application that imports it.

    client.add_server("coap://192.0.2.10")
    assign(client, "/", con=1)                         # where nothing else is said: confirmable
    assign(client, "/3303/0/5700", pmin=10, gt=30)
    Store("state.json").restore(client)                # what servers have written goes before
"""

from micropython import const

from lwm2m.management.attributes import own, parse, replace
from lwm2m.reporting.index import parse_path

_R = const(0x10)


def assign(client, path, ssid=None, **attributes):
    """Set notification attributes of `path`, "/3303/0/5700" or above or below, for every server or
    for the one with the short server id `ssid`; None unsets one. They are as if the server had
    written them: Discover lists them, it can change them, a Store keeps them.

    Those of "/" hold for all paths, and remain in force when the attributes in an Observe take
    the place of all that is written.
    Raises ValueError naming the invalid argument, and for attributes that contradict what a
    server has written; then this server and those behind it are left as they are.
    Allocates: a dict for each server.
    """
    where = ()
    if path != "/":
        where = tuple(i for i in parse_path(path) if i >= 0)
    kind = 0
    if len(where) > 2:
        instance = client.find(where[0], where[1])
        index = instance.locate(where, len(where)) if instance else -2
        if index < 0 or not instance.RESOURCES[index + 1] & _R:
            raise ValueError("path: no such resource")
        kind = instance.RESOURCES[index + 1] & 15
    values = {}
    for name in attributes:
        value = attributes[name]
        # A bool is a number, too.
        values[name] = parse(name, None if value is None else str(value + 0), kind)
        if values[name] is False:
            raise ValueError(name)
    peers = [peer for peer in client.registrations if ssid in (None, peer.server.ssid)]
    if not peers:
        raise ValueError("ssid: no such server")
    if where not in own:
        own.append(where)
    for peer in peers:
        merged = dict(peer.attributes.get(where, {}))
        merged.update(values)
        for name in values:
            if merged[name] is None:
                del merged[name]
        if not replace(peer, where, merged):
            raise ValueError("attributes contradict each other")
