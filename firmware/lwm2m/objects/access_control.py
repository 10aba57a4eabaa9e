"""Access Control (object 2): which server may do what (LwM2M 1.1 Core §8).

    client.add(AccessControl(target_oid=3, target_iid=0, owner=1, acl={2: READ, 0: 0}))

    client.access = Access()

`allowed` is the decision. It does not apply to bootstrap, nor to a device with one server.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

# Rights, as bits of an ACL entry. Observe and Write-Attributes need READ, Discover needs none.
READ = const(1)
WRITE = const(2)
EXECUTE = const(4)
DELETE_RIGHT = const(8)
CREATE = const(16)

# No instance and no server has this id: as `target_iid` it stands for the object, whose entry
# tells who may create instances; as `owner` for nobody, so only bootstrap changes the instance.
MAX_ID = const(65535)

_INT = const(2)
_R = const(0x10)
_RW = const(0x30)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

_SERVER = const(1)
_ACCESS_CONTROL = const(2)
_ACL = const(2)
_OWNER = const(3)
_ALL = const(31)


class AccessControl(Object):
    """The rights on /target_oid/target_iid, or on creating instances (`target_iid` MAX_ID).

    `acl` {short server id: rights}, where 0 stands for every server that has no entry of its own;
    `owner` the short server id that may change this instance. An owner without an entry of its
    own has all rights.
    """

    OID = 2
    # fmt: off
    RESOURCES = (
        0, _INT | _R | _MANDATORY, "target_oid",
        1, _INT | _R | _MANDATORY, "target_iid",
        2, _INT | _RW | _MULTI, "acl",
        3, _INT | _RW | _MANDATORY, "owner",
    )
    # fmt: on
    target_oid = target_iid = owner = MAX_ID
    acl = None

    def rights(self, ssid):
        """The rights of a server as bits (§8.2.1). Allocates: nothing."""
        acl = self.acl
        if acl and ssid in acl:
            return acl[ssid]
        if ssid == self.owner:
            return _ALL
        return acl.get(0, 0) if acl else 0

    def check(self, rid, value):
        if rid == _OWNER:
            if not 0 < value <= MAX_ID:
                raise Lwm2mError()
        elif rid == _ACL:
            for ssid in value:
                if ssid >= MAX_ID or not 0 <= value[ssid] <= _ALL:
                    raise Lwm2mError()


def find_acl(client, oid, iid):
    """The AccessControl instance for /oid/iid, or None. Allocates: nothing."""
    for acl in client.objects:
        if acl.OID == _ACCESS_CONTROL and acl.target_iid == iid and acl.target_oid == oid:
            return acl
    return None


def allowed(client, ssid, oid, iid, operation):
    """True when the server `ssid` may do `operation` (rights, ored; 0: Discover) on /oid/iid.

    For CREATE `iid` does not matter. `iid` -1 asks for the object as a whole: True if there is
    an instance for which it holds. Allocates: nothing. LwM2M 1.1 Core §8.2.
    """
    if not operation:
        return True
    servers = 0
    guarded = False
    for instance in client.objects:
        if instance.OID == _SERVER:
            servers += 1
        elif instance.OID == _ACCESS_CONTROL:
            guarded = True
    if servers < 2 or not guarded:
        return True
    if operation & CREATE:
        iid = MAX_ID
    elif iid < 0:
        found = False
        for instance in client.objects:
            if instance.OID == oid:
                found = True
                if allowed(client, ssid, oid, instance.iid, operation):
                    return True
        return not found
    if oid == _ACCESS_CONTROL:
        # Everybody may see the rights, their owner may change them; instances come and go with
        # what they protect.
        if operation == READ:
            return True
        acl = client.find(oid, iid)
        return bool(acl) and operation & ~(READ | WRITE) == 0 and acl.owner == ssid
    acl = find_acl(client, oid, iid)
    return bool(acl) and not operation & ~acl.rights(ssid)


def created(client, ssid, oid, iid):
    """A server has created /oid/iid: it owns it, with all rights (§8.1.2). Returns the new
    AccessControl instance, or None on a device without access control."""
    if not client.find(_ACCESS_CONTROL) or oid == _ACCESS_CONTROL or find_acl(client, oid, iid):
        return None
    return client.add(AccessControl(target_oid=oid, target_iid=iid, owner=ssid))


def deleted(client, oid, iid):
    """/oid/iid is gone: so is its AccessControl instance."""
    acl = find_acl(client, oid, iid)
    if acl:
        client.remove(acl)


def protect(client, acl, owner=MAX_ID, create=()):
    """Add what is missing, once everything else was added: an AccessControl instance for each
    object instance without one, and for each object id in `create`."""
    for instance in list(client.objects):
        oid = instance.OID
        if oid and oid != _ACCESS_CONTROL and not find_acl(client, oid, instance.iid):
            client.add(
                AccessControl(target_oid=oid, target_iid=instance.iid, owner=owner, acl=dict(acl))
            )
    for oid in create:
        if not find_acl(client, oid, MAX_ID):
            client.add(AccessControl(target_oid=oid, owner=owner, acl=dict(acl)))


class Access:
    """Put as `access` into a client, it enforces the rights there and keeps the instances of
    AccessControl in step with those that servers create and delete."""

    def allowed(self, peer, oid, iid, right):
        """True when the server of the registration `peer` may do it. Allocates: nothing."""
        return allowed(peer.client, peer.server.ssid, oid, iid, right)

    def created(self, peer, instance):
        """Note that `peer` has created an instance, or has come with its instance of Server."""
        created(peer.client, peer.server.ssid, instance.OID, instance.iid)

    def removed(self, client, ssid):
        """Note that the account of the server `ssid` goes: others own what it owned. Returns the
        instances that nobody else could reach, a list: they are to be deleted."""
        from lwm2m.objects.access_owner import change_owner

        return change_owner(client, ssid)

    def deleted(self, client, instance):
        """Note that an instance is gone."""
        deleted(client, instance.OID, instance.iid)
