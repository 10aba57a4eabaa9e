"""New owners for what a server owned whose account is removed (LwM2M 1.1 Core §E.1.3). Loaded with
the first such removal.
"""

from micropython import const

_ACCESS_CONTROL = const(2)
_ACL = const(2)
_OWNER = const(3)

# Rights
_WRITE = const(2)
_DELETE_RIGHT = const(8)

# Security, Server, Access Control and Device stay, whoever owns them: the client needs them.
_LAST_THAT_STAYS = const(3)


def change_owner(client, ssid):
    """Take the server `ssid` out of all rights. Where it was the owner, the server with the most
    of Write and Delete is the owner next, of several the one with the lowest ssid.

    Returns the instances that it owned and that nobody else had a right on. Without another server
    all stays as it is, for the one that comes under that ssid.
    """
    others = []
    for registration in client.registrations:
        if registration.server.ssid != ssid:
            others.append(registration.server.ssid)
    others.sort()
    unreachable = []
    if not others:
        return unreachable
    for acl in list(client.objects):
        if acl.OID != _ACCESS_CONTROL:
            continue
        if acl.acl and ssid in acl.acl:
            others_rights = {other: acl.acl[other] for other in acl.acl if other != ssid}
            acl.write(_ACL, "acl", others_rights)
            acl.changed(_ACL)
        if acl.owner != ssid:
            continue
        if not reachable(acl, others) and acl.target_oid > _LAST_THAT_STAYS:
            instance = client.find(acl.target_oid, acl.target_iid)
            if instance:
                unreachable.append(instance)
                continue
        acl.write(_OWNER, "owner", next_owner(acl, others))
        acl.changed(_OWNER)
    return unreachable


def reachable(acl, servers):
    """True if one of `servers` has a right."""
    for ssid in servers:
        if acl.rights(ssid):
            return True
    return False


def next_owner(acl, servers):
    """The one of `servers` that is the next owner: the first with the most of Write and Delete."""
    best = servers[0]
    most = -1
    for ssid in servers:
        rights = acl.rights(ssid)
        count = bool(rights & _WRITE) + bool(rights & _DELETE_RIGHT)
        if count > most:
            best = ssid
            most = count
    return best
