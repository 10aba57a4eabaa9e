"""Access Control (object 2): the decision, as a table, and its enforcement with two servers."""

from bench import Bench, ScriptedServer
from object_checks import get, put, record
from testing import eq, heap_locked
from wire import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    DELETED,
    GET,
    LINK,
    POST,
    PUT,
    TEXT,
    TLV,
    encode,
    segments,
)

from lwm2m.objects.access_control import (
    CREATE,
    DELETE_RIGHT as MAY_DELETE,
    EXECUTE,
    MAX_ID,
    READ,
    WRITE,
    Access,
    AccessControl,
    allowed,
    created,
    deleted,
    find_acl,
    protect,
)
from lwm2m.objects.binary_app_data import BinaryAppDataContainer
from lwm2m.objects.device import Device
from lwm2m.types import INT, MULTI, RW

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, NOT_ALLOWED = 0x80, 0x81, 0x84, 0x85
ALL = READ | WRITE | EXECUTE | MAY_DELETE | CREATE


class World:
    """As much of a client as the decision looks at, with `servers` servers."""

    def __init__(self, servers, *objects):
        self.objects = list(objects)
        for ssid in range(1, servers + 1):
            self.objects.append(_Instance(1, ssid - 1))

    def find(self, oid, iid=-1):
        for instance in self.objects:
            if instance.OID == oid and (iid < 0 or instance.iid == iid):
                return instance
        return None

    def add(self, instance):
        instance.iid = 100 + len(self.objects)
        self.objects.append(instance)
        return instance

    def remove(self, instance):
        self.objects.remove(instance)


class _Instance:
    def __init__(self, oid, iid):
        self.OID = oid
        self.iid = iid


def acl(oid, iid, owner=MAX_ID, entries=None, own_iid=0):
    return AccessControl(iid=own_iid, target_oid=oid, target_iid=iid, owner=owner, acl=entries)


def test_constants_are_the_bits_of_the_acl_resource():
    eq((READ, WRITE, EXECUTE, MAY_DELETE, CREATE), (1, 2, 4, 8, 16))


def test_rights_of_one_instance():
    # owner, entries, ssid -> rights (LwM2M 1.1 Core 8.2.1)
    for owner, entries, ssid, expected in (
        (1, None, 1, ALL),
        (1, {}, 1, ALL),
        (1, None, 2, 0),
        (1, {0: READ}, 1, ALL),  # the owner needs no entry, and the default is for others
        (1, {0: READ}, 2, READ),
        (1, {1: READ}, 1, READ),  # but an entry of its own counts
        (1, {1: 0}, 1, 0),
        (1, {2: WRITE}, 1, ALL),
        (1, {2: WRITE}, 2, WRITE),
        (1, {2: WRITE}, 3, 0),
        (1, {2: WRITE, 0: READ | EXECUTE}, 3, READ | EXECUTE),
        (1, {2: 0, 0: ALL}, 2, 0),  # its own entry replaces the default
        (MAX_ID, None, 1, 0),
        (MAX_ID, {0: READ}, 1, READ),
        (MAX_ID, {1: ALL}, 1, ALL),
    ):
        got = acl(3, 0, owner, entries).rights(ssid)
        eq((owner, entries, ssid, got), (owner, entries, ssid, expected))


def test_decision_for_each_operation():
    for bits in range(32):
        world = World(2, _Instance(3, 0), acl(3, 0, 1, {2: bits}))
        for operation in (READ, WRITE, EXECUTE, MAY_DELETE):
            eq(allowed(world, 2, 3, 0, operation), bits & operation == operation)
            eq(allowed(world, 1, 3, 0, operation), True)
        eq(allowed(world, 2, 3, 0, READ | WRITE), bits & 3 == 3)


def test_one_server_may_do_everything():
    world = World(1, _Instance(3, 0), acl(3, 0, MAX_ID, {0: 0}))
    for operation in (0, READ, WRITE, EXECUTE, MAY_DELETE, CREATE):
        eq(allowed(world, 1, 3, 0, operation), True)
        eq(allowed(world, 1, 2, 0, operation), True)


def test_without_access_control_everybody_may_do_everything():
    world = World(3, _Instance(3, 0))
    for operation in (0, READ, WRITE, EXECUTE, MAY_DELETE, CREATE):
        eq(allowed(world, 2, 3, 0, operation), True)


def test_instance_without_an_acl_is_closed():
    world = World(2, _Instance(3, 0), _Instance(6, 0), acl(3, 0, 1))
    eq(allowed(world, 1, 6, 0, READ), False)
    eq(allowed(world, 2, 6, 0, READ), False)


def test_discover_is_always_allowed():
    world = World(2, _Instance(3, 0), acl(3, 0, 1, {0: 0}))
    eq(allowed(world, 2, 3, 0, 0), True)
    eq(allowed(world, 2, 6, 0, 0), True)


def test_create_is_decided_by_the_object_not_by_an_instance():
    for entries, ssid, expected in (
        ({2: CREATE}, 2, True),
        ({2: CREATE}, 3, False),
        ({0: CREATE}, 3, True),
        ({2: ALL & ~CREATE}, 2, False),
        (None, 2, False),
    ):
        world = World(3, acl(19, MAX_ID, MAX_ID, entries), acl(19, 0, 1, {0: ALL}))
        for iid in (-1, 0, 5, MAX_ID):
            eq(allowed(world, ssid, 19, iid, CREATE), expected)
    # The right to create on an instance means nothing.
    world = World(2, acl(19, 0, 1, {2: ALL}))
    eq(allowed(world, 2, 19, -1, CREATE), False)


def test_object_as_a_whole_is_readable_if_one_instance_is():
    world = World(2, _Instance(19, 0), _Instance(19, 1), acl(19, 0, 1), acl(19, 1, 1, {2: READ}))
    eq(allowed(world, 2, 19, -1, READ), True)
    eq(allowed(world, 2, 19, -1, WRITE), False)
    eq(allowed(world, 1, 19, -1, WRITE), True)
    # Of an object without instances there is nothing to hide.
    eq(allowed(world, 2, 16, -1, READ), True)


def test_access_control_itself_is_read_by_all_and_written_by_its_owner():
    world = World(2, acl(3, 0, 1, own_iid=0), acl(6, 0, MAX_ID, own_iid=1))
    for ssid, iid, operation, expected in (
        (1, 0, READ, True),
        (2, 0, READ, True),
        (1, 0, WRITE, True),
        (2, 0, WRITE, False),
        (1, 1, WRITE, False),
        (MAX_ID, 0, WRITE, False),
        (1, 0, MAY_DELETE, False),
        (1, 0, EXECUTE, False),
        (1, 0, CREATE, False),
        (1, 9, WRITE, False),
        (2, -1, READ, True),
    ):
        got = allowed(world, ssid, 2, iid, operation)
        eq((ssid, iid, operation, got), (ssid, iid, operation, expected))


def test_find_acl():
    first, second = acl(3, 0), acl(3, MAX_ID)
    world = World(2, first, second)
    assert find_acl(world, 3, 0) is first
    assert find_acl(world, 3, MAX_ID) is second
    eq(find_acl(world, 3, 1), None)
    eq(find_acl(world, 4, 0), None)


def test_decision_allocates_nothing():
    world = World(2, _Instance(3, 0), acl(3, 0, 1, {0: READ}))
    allowed(world, 2, 3, 0, READ)
    eq(heap_locked(allowed, world, 2, 3, 0, READ), True)
    eq(heap_locked(allowed, world, 2, 3, -1, WRITE), False)


def test_created_and_deleted_keep_acl_instances_in_step():
    world = World(2, _Instance(3, 0), acl(3, 0, 1))
    world.add(_Instance(19, 4))
    new = created(world, 2, 19, 4)
    eq((new.target_oid, new.target_iid, new.owner, new.acl), (19, 4, 2, None))
    eq(allowed(world, 2, 19, 4, MAY_DELETE), True)
    eq(allowed(world, 1, 19, 4, READ), False)
    deleted(world, 19, 4)
    eq(find_acl(world, 19, 4), None)
    deleted(world, 19, 4)
    # No access control before: none after
    eq(created(World(2, _Instance(3, 0)), 2, 19, 4), None)


# In a client with two servers


class Two(Bench):
    """Servers 1 and 2, a device, and access control."""

    def __init__(self, *rights):
        super().__init__()
        self.other = ScriptedServer(self)
        self.add_server(self.other)
        self.client.add(Device(manufacturer="Acme", utc_offset="Z", reboot=lambda: None))
        self.client.allow_create(BinaryAppDataContainer)
        for right in rights:
            self.client.add(right)
        self.client.access = Access()
        self.step()

    def step(self):
        self.client.step()
        for far in (self.far, self.other):
            for packet in far.take():
                far.reply(packet, CREATED, [(8, b"rd"), (8, b"1")])
        for far in (self.far, self.other):
            far.take()

    def codes(self, method, path, payload=b"", format=-1, accept=-1):
        """The response codes that both servers get."""
        fars = (self.far, self.other)
        return tuple(self.code(far, method, path, payload, format, accept) for far in fars)

    def code(self, far, method, path, payload=b"", format=-1, accept=-1):
        """The response code that one server gets; Updates upon that are answered."""
        options = segments(path)
        options += [(CONTENT_FORMAT, format)] if format >= 0 else []
        options += [(ACCEPT, accept)] if accept >= 0 else []
        far.mid += 1
        code = None
        packets = far.send(encode(CON, method, far.mid, b"t", options, payload))
        for _ in range(4):
            for packet in packets:
                if packet.type == ACK:
                    code = packet.code
                else:
                    far.reply(packet, CHANGED)
            self.client.step()
            for other in (self.far, self.other):
                if other is not far:
                    for packet in other.take():
                        other.reply(packet, CHANGED)
            packets = far.take()
        return code


def right(oid, iid, owner, entries=None):
    return AccessControl(target_oid=oid, target_iid=iid, owner=owner, acl=entries)


def test_read_write_execute_as_the_acl_says():
    bench = Two(right(3, 0, 1, {2: READ}))
    eq(bench.codes(GET, "/3/0/0", accept=TEXT), (CONTENT, CONTENT))
    eq(bench.codes(PUT, "/3/0/14", b"+02:00", TEXT), (CHANGED, UNAUTHORIZED))
    eq(bench.codes(POST, "/3/0/4"), (CHANGED, UNAUTHORIZED))
    eq(bench.codes(GET, "/1/0/0", accept=TEXT), (UNAUTHORIZED, UNAUTHORIZED))
    eq(bench.codes(GET, "/3/0", accept=LINK), (CONTENT, CONTENT))


def test_default_entry_is_for_servers_without_one():
    bench = Two(right(3, 0, MAX_ID, {1: READ | WRITE, 0: EXECUTE}))
    eq(bench.codes(GET, "/3/0/0", accept=TEXT), (CONTENT, UNAUTHORIZED))
    eq(bench.codes(PUT, "/3/0/14", b"Z", TEXT), (CHANGED, UNAUTHORIZED))
    eq(bench.codes(POST, "/3/0/4"), (UNAUTHORIZED, CHANGED))


def test_refused_write_changes_nothing():
    bench = Two(right(3, 0, 1, {2: READ}))
    eq(bench.other.ask(PUT, "/3/0/14", b"+05:00", format=TEXT).code, UNAUTHORIZED)
    eq(bench.other.ask(GET, "/3/0/14", accept=TEXT).payload, b"Z")


def test_owner_manages_its_acl_and_nobody_else_does():
    bench = Two(right(3, 0, 1, {2: READ}))
    payload = record(2, INT | MULTI, {2: READ | WRITE})
    eq(bench.other.ask(PUT, "/2/0/2", payload, format=TLV).code, UNAUTHORIZED)
    eq(bench.other.ask(GET, "/2/0/3", accept=TEXT).payload, b"1")
    eq(put(bench, "/2/0/2", {2: READ | WRITE}), CHANGED)
    eq(get(bench, "/2/0/2"), {2: READ | WRITE})
    eq(bench.other.ask(PUT, "/3/0/14", b"+05:00", format=TEXT).code, CHANGED)
    # Handed over: from now on the other one manages it.
    eq(put(bench, "/2/0/3", 2), CHANGED)
    eq(put(bench, "/2/0/3", 1), UNAUTHORIZED)
    eq(bench.other.ask(PUT, "/2/0/2", payload, format=TLV).code, CHANGED)


def test_what_an_acl_refers_to_cannot_be_written():
    bench = Two(right(3, 0, 1))
    for rid in (0, 1):
        eq(put(bench, "/2/0/%d" % rid, 5), NOT_ALLOWED)


def test_rights_that_do_not_exist_are_refused():
    bench = Two(right(3, 0, 1))
    for value in ({2: 32}, {2: -1}, {65535: 1}):
        eq((value, put(bench, "/2/0/2", value)), (value, BAD_REQUEST))
    for value in (0, -1, 65536):
        eq((value, put(bench, "/2/0/3", value)), (value, BAD_REQUEST))
    eq(get(bench, "/2/0/2"), NOT_FOUND)


def test_creator_owns_what_it_creates_until_it_deletes_it():
    bench = Two(right(19, MAX_ID, MAX_ID, {2: CREATE}))
    payload = record(0, 6 | RW | MULTI, {0: b"x"})
    eq(bench.code(bench.far, POST, "/19", payload, TLV), UNAUTHORIZED)
    eq(bench.client.find(19), None)
    eq(bench.code(bench.other, POST, "/19", payload, TLV), CREATED)
    eq(find_acl(bench.client, 19, 0).owner, 2)
    eq(bench.codes(GET, "/19/0", accept=TLV), (UNAUTHORIZED, CONTENT))
    eq(bench.codes(DELETE, "/19/0"), (UNAUTHORIZED, DELETED))
    eq(find_acl(bench.client, 19, 0), None)
    eq(bench.client.find(19), None)


def test_protect_adds_what_is_missing():
    bench = Two(right(3, 0, 1))
    protect(bench.client, {0: READ}, create=(19,))
    client = bench.client
    eq(find_acl(client, 3, 0).owner, 1)
    eq(find_acl(client, 1, 0).acl, {0: READ})
    eq(find_acl(client, 1, 1).acl, {0: READ})
    eq(find_acl(client, 19, MAX_ID).acl, {0: READ})
    eq([find_acl(client, oid, 0) for oid in (0, 2)], [None, None])
    n = len(client.objects)
    protect(client, {0: READ}, create=(19,))
    eq(len(client.objects), n)
    assert find_acl(client, 1, 0).acl is not find_acl(client, 1, 1).acl
