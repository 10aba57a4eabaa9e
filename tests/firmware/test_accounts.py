# heapsize: 4m
"""Accounts that come and go while the client runs: what of one is left when it is removed, and who
owns what it owned (LwM2M 1.1 Core §E.1.3).
"""

import asyncio
import gc
import os

from bench import Bench, ScriptedServer
from registration_bench import is_register
from testing import eq, raises
from wire import (
    CHANGED,
    CON,
    CONTENT,
    CREATED,
    DELETE,
    DELETED,
    GET,
    LOCATION_PATH,
    OBSERVE,
    POST,
    PUT,
    TEXT,
    encode,
    segments,
)

from lwm2m.client import Client
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.management.composite_blocks import reads, remember
from lwm2m.objects.access_control import CREATE, MAX_ID, READ, WRITE, Access, AccessControl
from lwm2m.objects.access_control import DELETE_RIGHT as MAY_DELETE
from lwm2m.objects.binary_app_data import BinaryAppDataContainer
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback
from lwm2m.types import E

ALL = 31
UNAUTHORIZED = 0x81


class Servers(Bench):
    """A client that is registered with as many servers."""

    def __init__(self, count=2):
        super().__init__()
        self.fars = [self.far]
        for _ in range(count - 1):
            self.join()
        if count:
            self.settle()

    def join(self):
        far = ScriptedServer(self)
        self.fars.append(far)
        return self.add_server(far)

    def settle(self):
        """Answer whatever the client sends, until it is silent. Returns (server, packet) of it."""
        seen = []
        while True:
            due = self.client.step()
            sent = [(i, packet) for i, far in enumerate(self.fars) for packet in far.take()]
            if not sent and due:
                return seen
            for i, packet in sent:
                if is_register(packet):
                    code = CREATED
                    options = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"%d" % i)]
                else:
                    code = DELETED if packet.code == DELETE else CHANGED
                    options = []
                if packet.code < 64:
                    far = self.fars[i]
                    far.end.send(*of(encode(2, code, packet.mid, packet.token, options)))
            seen += sent

    def paths(self, *oids):
        """The instances of some objects."""
        return ["/%d/%d" % (o.OID, o.iid) for o in self.client.objects if o.OID in oids]


def of(datagram):
    return datagram, len(datagram)


def observe(far, path, token=b"o"):
    options = [(OBSERVE, b"")] + segments(path) + [(17, b"")]
    eq(far.send(encode(CON, GET, 7, token, options))[0].code, CONTENT)


# What is left of an account


def test_removed_account_deregisters_first_and_leaves_nothing():
    bench = Servers()
    client = bench.client
    bench.client.add_format(SenmlCbor())
    temperature = client.add(Temperature(value=20.0))
    bench.settle()
    observe(bench.far, "/3303/0/5700")
    bench.registration.attributes[(3303, 0)] = {"pmin": 5}
    request = client.send("/3303/0/5700")
    # The Send waits for the Update that tells of the new instance: it is still to leave.
    ends = []
    client.on_notification = lambda status, observation: ends.append(status)
    saves = []

    class Store:
        def save(self, client):
            saves.append([registration.server.ssid for registration in client.registrations])

    client.store = Store()
    registration = bench.registration
    remember(registration, 112, [(3, 0)])
    bench.settle()
    eq(request.results, {1: True, 2: True})
    request = client.send("/3303/0/5700")
    client.remove_server(bench.server)
    seen = bench.settle()
    eq([packet.code for i, packet in seen if i == 0][-1], DELETE)
    eq(bench.events[-3:-1], ["deregistered", "removed"])
    eq(bench.events[-1], "updated")
    eq([other.server.ssid for other in client.registrations], [2])
    eq(bench.paths(0, 1), ["/0/1", "/1/1"])
    eq((registration.transport.ready, registration.reporting), (False, None))
    eq(ends, ["cancelled"])
    eq(request.results[2], True)
    assert request.results[1] is not None
    eq(saves, [[2]])
    eq([read for read in reads if read[0] is registration], [])
    # The other server learns that the instance of Server is gone, and goes on.
    update = [packet for i, packet in seen if i == 1][-1]
    assert b"</1/1>" in update.payload and b"</1/0>" not in update.payload, update.payload
    temperature.value = 21.0
    eq(bench.settle(), [])
    eq(bench.fars[1].ask(GET, "/3303/0/5700", accept=TEXT).payload, b"21.0")


def test_account_can_be_removed_at_once():
    bench = Servers()
    client = bench.client
    client.remove_server(1, deregister=False)
    eq(bench.events[-1], "removed")
    eq(bench.paths(0, 1), ["/0/1", "/1/1"])
    seen = bench.settle()
    eq([i for i, _ in seen], [1])
    raises(ValueError, client.remove_server, 1)
    raises(ValueError, client.remove_server, bench.server)


def test_deregister_without_an_answer_ends_in_the_removal_too():
    bench = Servers()
    bench.client.remove_server(bench.server)
    sent = bench.watch(80)
    eq({packet.code for _, packet in sent}, {DELETE})
    sent = bench.watch(20, far=bench.fars[1])
    eq(sent[0][1].code, POST)
    eq(bench.events[-2:], ["deregister_failed", "removed"])
    eq(len(bench.client.registrations), 1)


def test_account_is_removed_in_every_state():
    def prepare(state):
        bench = Servers(0)
        registration = bench.registration
        client = bench.client
        if state == "registering":
            client.step()
        elif state == "retrying":
            client.step()
            bench.far.reply(bench.far.take()[0], 0xA3)
        elif state != "new":
            bench.registered()
            if state == "updating":
                client.update()
                client.step()
            elif state == "disabled":
                registration.disable(10)
                for _, packet in bench.watch(1):
                    bench.far.reply(packet, DELETED)
            elif state == "being disabled":
                registration.disable(10)
            elif state == "being deregistered":
                client.deregister()
                client.step()
            elif state == "deregistered":
                client.deregister(False)
            elif state == "offline":
                client.offline()
        return bench

    for state in (
        "new",
        "registering",
        "retrying",
        "registered",
        "updating",
        "disabled",
        "being disabled",
        "being deregistered",
        "deregistered",
        "offline",
    ):
        for at_once in (False, True):
            bench = prepare(state)
            bench.far.take()
            client = bench.client
            client.remove_server(bench.server, not at_once)
            # Nothing calls it back.
            if client.registrations:
                bench.registration.start()
                bench.registration.disable(5)
                client.reconnect()
                client.deregister()
                bench.watch(120)
            eq((state, at_once, client.registrations), (state, at_once, []))
            eq((state, bench.paths(0, 1)), (state, []))
            eq((state, bench.events[-1]), (state, "removed"))
            sent = bench.watch(100)
            eq((state, sent), (state, []))
            assert client.ended


def test_client_goes_on_with_an_account_that_is_added_after_a_removal():
    bench = Servers(1)
    bench.client.remove_server(1)
    bench.settle()
    server = bench.join()
    eq((server.ssid, bench.paths(0, 1)), (1, ["/0/0", "/1/0"]))
    bench.settle()
    assert bench.client.registered


def test_server_may_be_removed_by_its_own_request():
    class Own(Object):
        OID = 26241
        RESOURCES = (1, E, "go")

        def go(self):
            self.client.remove_server(1, deregister=False)

    bench = Servers()
    bench.client.add(Own())
    bench.settle()
    bench.far.send(encode(CON, POST, 9, b"x", segments("/26241/0/1")))
    bench.settle()
    eq([registration.server.ssid for registration in bench.client.registrations], [2])


def test_two_accounts_have_two_short_server_ids():
    bench = Servers()
    eq(str(raises(ValueError, bench.client.add_server, "coap://localhost", 2)), "ssid")
    eq(bench.paths(0, 1), ["/0/0", "/0/1", "/1/0", "/1/1"])


def test_a_hundred_rounds_leave_nothing_behind():
    bench = Servers(1)
    bench.client.access = Access()
    client = bench.client
    client.add(Temperature(value=20.0))
    bench.settle()

    def round():
        bench.join()
        bench.settle()
        observe(bench.fars[1], "/3303/0/5700")
        registration = client.registrations[1]
        registration.attributes[(3303,)] = {"pmin": 1}
        client.remove_server(registration.server)
        bench.settle()
        bench.fars.pop()
        bench.events.clear()

    used = []
    for i in range(100):
        round()
        if i in (9, 99):
            gc.collect()
            used.append(gc.mem_alloc())
    assert used[1] - used[0] < 200, used
    eq((len(client.registrations), client.timers, bench.paths(0, 1)), (1, [], ["/0/0", "/1/0"]))


def test_a_hundred_rounds_leave_no_socket_open():
    before = open_files()
    client = Client("dev", clock=FakeClock())
    for _ in range(100):
        server = client.add_server("coap://127.0.0.1:9")
        client.step()
        assert client.registrations[0].transport.sock
        client.remove_server(server, deregister=False)
    client.step()
    for _ in client.poll.ipoll(0):
        raise AssertionError("a socket is still waited for")
    eq(open_files(), before)


def test_end_of_all_is_the_end_of_those_that_are_being_removed():
    bench = Servers(3)
    client = bench.client
    for ssid in (1, 2):
        client.remove_server(ssid)
    client.deregister(False)
    eq(bench.events[-2:], ["removed", "removed"])
    eq([registration.server.ssid for registration in client.registrations], [3])
    assert client.ended


def test_accounts_come_and_go_under_asyncio():
    return come_and_go()


async def come_and_go():
    before = open_files()
    client = Client("dev")
    client.add_server("coap://127.0.0.1:9")
    task = asyncio.create_task(client.run())
    for _ in range(30):
        server = client.add_server("coap://127.0.0.1:9")
        while not server.registration.transport.sock:
            await asyncio.sleep_ms(0)
        await asyncio.sleep_ms(0)
        client.remove_server(server, deregister=False)
        await asyncio.sleep_ms(0)
    eq(len(client.registrations), 1)
    client.deregister(False)
    await task
    eq(len(asyncio.core._io_queue.map), 0)
    eq(open_files(), before)


def open_files():
    """How many files this process has open, where the system tells."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None


# Owners


class Rights(Servers):
    """Three servers, and access control: `acls` are (oid, iid, owner, acl)."""

    def __init__(self, *acls):
        super().__init__(3)
        self.client.add(Device())
        self.client.add(Temperature(value=20.0))
        self.client.allow_create(BinaryAppDataContainer)
        for oid, iid, owner, entries in acls:
            self.client.add(
                AccessControl(target_oid=oid, target_iid=iid, owner=owner, acl=entries)
            )
        self.client.access = Access()
        self.settle()

    def rights(self, oid, iid):
        """(owner, acl) of an instance, None if it has none."""
        for acl in self.client.objects:
            if acl.OID == 2 and (acl.target_oid, acl.target_iid) == (oid, iid):
                return acl.owner, acl.acl
        return None

    def remove(self, ssid):
        self.client.remove_server(ssid)
        self.settle()


def test_new_owner_is_the_server_with_most_of_write_and_delete():
    for entries, owner in (
        ({1: ALL, 2: READ, 3: WRITE}, 3),
        ({2: WRITE, 3: WRITE | MAY_DELETE}, 3),
        ({2: MAY_DELETE, 3: READ | CREATE}, 2),
        ({2: WRITE, 3: MAY_DELETE}, 2),  # as many: the lowest short server id
        ({0: WRITE, 2: READ}, 3),  # the default counts for who has no entry
        ({0: READ}, 2),
    ):
        bench = Rights((3303, 0, 1, entries))
        bench.remove(1)
        expected = {ssid: entries[ssid] for ssid in entries if ssid != 1}
        eq((entries, bench.rights(3303, 0)), (entries, (owner, expected)))
        assert bench.client.find(3303)


def test_other_owners_stay_and_lose_the_entry_only():
    bench = Rights((3303, 0, 2, {1: ALL, 3: READ}), (3, 0, MAX_ID, {1: ALL}))
    bench.remove(1)
    eq(bench.rights(3303, 0), (2, {3: READ}))
    eq(bench.rights(3, 0), (MAX_ID, {}))


def test_what_nobody_else_can_reach_is_deleted():
    bench = Rights((3303, 0, 1, {1: ALL, 2: 0}), (3, 0, 1, None), (1, 1, 1, None), (1, 0, 1, None))
    temperature = bench.client.find(3303)
    bench.fars[1].ask(PUT, "/3303", b"", options=[(15, b"pmin=3")])
    eq(list(bench.client.registrations[1].attributes), [(3303,)])
    bench.remove(1)
    eq((bench.client.find(3303), bench.rights(3303, 0)), (None, None))
    temperature.value = 30.0  # an object of nobody
    # What a client needs stays, and has an owner.
    assert bench.client.find(3)
    eq((bench.rights(3, 0), bench.rights(1, 1)), ((2, None), (2, None)))
    # Its own instance of Server has gone with its rights.
    eq(bench.rights(1, 0), None)


def test_rights_to_create_have_a_new_owner_too():
    bench = Rights((19, MAX_ID, 1, {1: CREATE, 3: CREATE}), (16, MAX_ID, 1, None))
    bench.remove(1)
    eq((bench.rights(19, MAX_ID), bench.rights(16, MAX_ID)), ((2, {3: CREATE}), (2, None)))


def test_last_server_takes_nothing_with_it():
    bench = Rights((3303, 0, 1, None), (3, 0, 2, {1: READ}))
    bench.remove(2)
    bench.remove(3)
    eq((bench.rights(3303, 0), bench.rights(3, 0)), ((1, None), (1, {1: READ})))
    bench.remove(1)
    assert bench.client.find(3303) and bench.client.find(3)
    eq((bench.rights(3303, 0), bench.rights(3, 0)), ((1, None), (1, {1: READ})))


def test_new_owner_is_notified():
    bench = Rights((3303, 0, 1, {2: WRITE}))
    observe(bench.fars[1], "/2/0/3")
    bench.client.remove_server(1)
    notified = [packet for i, packet in bench.settle() if i == 1 and packet.code == CONTENT]
    eq([packet.payload for packet in notified], [b"2"])


def test_account_that_comes_owns_its_instance_of_server():
    bench = Rights((3303, 0, 1, {0: READ}))
    server = bench.join()
    bench.settle()
    eq((server.ssid, bench.rights(1, server.iid)), (4, (4, None)))
    far = bench.fars[3]
    eq(far.ask(PUT, "/1/%d/2" % server.iid, b"7", format=TEXT).code, CHANGED)
    eq(bench.fars[1].ask(PUT, "/1/%d/2" % server.iid, b"8", format=TEXT).code, UNAUTHORIZED)
    eq(far.ask(PUT, "/3303/0/5601", b"8", format=TEXT).code, UNAUTHORIZED)
    bench.remove(4)
    eq((bench.rights(1, 3), bench.rights(3303, 0)), (None, (1, {0: READ})))


def test_rights_that_are_there_before_the_account_stay():
    bench = Rights((1, 3, 1, {0: READ}))
    bench.join()
    eq(bench.rights(1, 3), (1, {0: READ}))


def test_account_that_comes_where_there_are_no_rights_has_none():
    bench = Servers(2)
    bench.client.access = Access()
    bench.join()
    eq(bench.client.find(2), None)


def test_without_enforcement_nothing_is_deleted():
    bench = Rights((3303, 0, 1, None))
    bench.client.access = None
    bench.remove(1)
    assert bench.client.find(3303)


def test_account_without_a_registration_is_removed_too():
    from lwm2m.objects.security import Security
    from lwm2m.objects.server import Server

    client = Client("dev", clock=FakeClock())
    client.add(Security(uri="coap://localhost", ssid=7))
    client.add(Server(ssid=7))
    client.add(Security(uri="coap://localhost", ssid=8))
    client.remove_server(7)
    eq([(o.OID, o.ssid) for o in client.objects], [(0, 8)])


def test_loopback_is_closed_by_a_removal():
    near = Loopback()
    client = Client("dev", clock=FakeClock())
    client.add_server("coap://localhost", transport=near)
    client.step()
    eq(near.ready, True)
    client.remove_server(1, deregister=False)
    eq(near.ready, False)
