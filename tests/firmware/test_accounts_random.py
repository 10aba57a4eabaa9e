# heapsize: 4m
"""Accounts under everything that an application, a server and a network may do to them, by chance:
whatever it is, each account is whole or gone, nothing is raised, and in the end all is well.
"""

import random

from bench import Bench, ScriptedServer
from registration_bench import is_register
from testing import eq
from wire import (
    ACK,
    CHANGED,
    CON,
    CREATED,
    DELETE,
    DELETED,
    GET,
    LOCATION_PATH,
    OBSERVE,
    POST,
    RST,
    encode,
    segments,
    uint_bytes,
)

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.objects.access_control import Access, protect
from lwm2m.objects.ipso import Temperature
from lwm2m.registration.status import Status

CONTINUE = 0x5F
BLOCK1 = 27
CODES = (0x80, 0x83, 0x84, 0x8C, 0xA0, 0xA3, 0x41)


class World(Bench):
    """A client, its servers with moods, and dice."""

    def __init__(self, seed):
        random.seed(seed)
        self.fars = {}
        # With the smaller one a list of objects goes in blocks.
        super().__init__(lifetime_s=600, mtu=self.one_of((128, 1152)))
        self.fars[self.server.ssid] = self.far
        self.client.add_format(SenmlCbor())
        self.temperature = self.client.add(Temperature(value=0.0))
        self.log = []

    def dice(self, n):
        return random.getrandbits(16) % n

    def one_of(self, things):
        return things[self.dice(len(things))] if things else None

    # What an application does

    def act(self):
        client = self.client
        kind = self.dice(14)
        # One that stays at least: the last one would take no rights with it.
        ssids = [
            registration.server.ssid
            for registration in client.registrations
            if not registration.leaving or registration.leaving.free()
        ]
        ssid = self.one_of(ssids)
        self.log.append((kind, ssid))
        if kind == 0 and len(ssids) < 4:
            far = ScriptedServer(self)
            far.near.steps = self.dice(4)  # those of a handshake
            server = self.add_server(far, 600, initial_delay_s=self.dice(3) * 5)
            self.fars[server.ssid] = far
        elif kind == 1 and len(ssids) > 1:
            client.remove_server(ssid)
        elif kind == 2 and len(ssids) > 1:
            client.remove_server(ssid, deregister=False)
        elif kind == 3:
            client.offline()
        elif kind in (4, 5):
            client.online()
        elif kind == 6:
            client.reconnect()
        elif kind == 7:
            client.deregister(self.dice(2))
        elif kind == 8:
            client.update(self.dice(2))
        elif kind == 9 and ssid:
            client.find(1, self.iid_of(ssid)).disable_timeout_s = 1 + self.dice(60)
            client.find(1, self.iid_of(ssid)).disable()
        elif kind == 10:
            client.send("/3303/0/5700")
        elif kind == 11 and not client.access:
            client.access = Access()
            protect(client, {0: 31}, owner=ssid or 1)
        else:
            self.temperature.value = float(self.dice(50))

    def iid_of(self, ssid):
        for instance in self.client.objects:
            if instance.OID == 1 and instance.ssid == ssid:
                return instance.iid
        raise AssertionError("no Server with ssid %d" % ssid)

    # What servers and the network do

    def answer(self, far, packet, kind):
        """Answer a request of the client: well, badly, or not at all."""
        if packet.code >= 64:
            far.end.send(*of(encode(RST if kind == 1 else ACK, 0, packet.mid, b"")))
        elif kind == 0:
            pass
        elif kind == 1:
            far.end.send(*of(encode(RST, 0, packet.mid, b"")))
        elif kind == 2:
            far.end.send(*of(encode(ACK, self.one_of(CODES), packet.mid, packet.token)))
        else:
            options = []
            block = packet.uint(BLOCK1)
            if block >= 0 and block & 8:
                code = CONTINUE
            elif is_register(packet):
                code = CREATED
                options = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"%d" % self.dice(99))]
            else:
                code = DELETED if packet.code == DELETE else CHANGED
            if block >= 0:
                options.append((BLOCK1, uint_bytes(block)))
            far.end.send(*of(encode(ACK, code, packet.mid, packet.token, options)))

    def servers(self, good):
        for far in self.fars.values():
            for packet in far.take():
                if packet.type == CON:
                    self.answer(far, packet, 9 if good else self.dice(8))
            if not good and not self.dice(4):
                self.ask(far)
            if not good and not self.dice(20):
                far.near.error = None if far.near.error else OSError(113)
            if not good and not self.dice(20):
                far.near.refusal = None if far.near.refusal else OSError(104)
            if good:
                far.near.error = far.near.refusal = None

    def ask(self, far):
        path = self.one_of(("/3303/0/5700", "/1", "/3303", "/1/0/4", "/1/0/8"))
        code = POST if path[-2:] in ("/4", "/8") else GET
        options = [(OBSERVE, b"")] if code == GET and self.dice(2) else []
        options += segments(path)
        far.mid += 1
        far.end.send(*of(encode(CON, code, far.mid, bytes((far.mid & 255,)), options)))

    # What has to be so at any time

    def check(self):
        client = self.client
        ssids = [registration.server.ssid for registration in client.registrations]
        eq(len(set(ssids)), len(ssids))
        for oid in (0, 1):
            eq(sorted(o.ssid for o in client.objects if o.OID == oid), sorted(ssids))
        for registration in client.registrations:
            Status(registration)
            assert registration.server.registration is registration
        for instance in client.objects:
            assert instance.client is client
            if instance.OID == 2:
                assert instance.owner in ssids or instance.owner == 65535, instance.owner
                for ssid in instance.acl or ():
                    assert not ssid or ssid in ssids, (instance.acl, ssids)

    def turn(self, good=False):
        self.servers(good)
        due = self.client.step()
        assert 0 <= due <= 3600000, due
        self.check()
        return due


def of(datagram):
    return datagram, len(datagram)


def play(seed):
    world = World(seed)
    client = world.client
    for _ in range(120):
        if not world.dice(3):
            world.act()
            world.check()
        due = world.turn()
        world.clock.advance(min(due, 1 + world.dice(20000)))
    # From now on everybody means well.
    client.online()
    client.reconnect()
    for _ in range(400):
        due = world.turn(good=True)
        world.clock.advance(min(due, 4000))
        if client.registered:
            break
    assert client.registered, [Status(r).state for r in client.registrations]
    for registration in client.registrations[1:]:
        client.remove_server(registration.server)
    client.deregister()
    for _ in range(400):
        if client.ended and len(client.registrations) == 1:
            break
        due = world.turn(good=True)
        world.clock.advance(min(due, 1000))
    assert client.ended
    eq(len(client.registrations), 1)
    eq(client.registrations[0].reporting, None)


def test_accounts_are_whole_or_gone_whatever_happens():
    for seed in range(60):
        try:
            play(seed)
        except BaseException:
            print("seed", seed)
            raise
