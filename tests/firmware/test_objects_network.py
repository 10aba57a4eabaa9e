"""Connectivity Monitoring (4), Location (6), Connectivity Statistics (7), Portfolio (16),
BinaryAppDataContainer (19) and the test object (3442): what they do beyond being read."""

import time

from object_checks import bench_of, creation, deletion, get, put, record, rows, settle
from testing import eq, heap_locked, raises
from wire import CHANGED, CONTENT, CREATED, DELETED, GET, POST, PUT, TEXT, TLV

from lwm2m.objects.base import Lwm2mError
from lwm2m.objects.binary_app_data import BinaryAppDataContainer
from lwm2m.objects.connectivity_monitoring import ConnectivityMonitoring
from lwm2m.objects.connectivity_statistics import ConnectivityStatistics
from lwm2m.objects.location import Location
from lwm2m.objects.portfolio import Portfolio
from lwm2m.objects.test_object import TestObject
from lwm2m.types import MULTI, OPAQUE, STR, UINT

BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, FORBIDDEN = 0x80, 0x84, 0x85, 0x83


def execute(bench, path, payload=b""):
    return bench.ask(POST, path, payload).code


# Connectivity Monitoring (4)


def test_bearers_are_the_bearer_unless_told():
    bench = bench_of(ConnectivityMonitoring(bearer=41))
    eq(get(bench, "/4/0/0"), 41)
    eq(get(bench, "/4/0/1"), {0: 41})
    bench.it.bearers = (41, 21)
    eq(get(bench, "/4/0/1"), {0: 41, 1: 21})
    eq(get(bench_of(ConnectivityMonitoring(bearer=lambda: 22)), "/4/0/1"), {0: 22})


def test_monitoring_asks_functions():
    level = [-60]
    bench = bench_of(
        ConnectivityMonitoring(rssi_dbm=lambda: level[0], addresses=lambda: ("192.0.2.7", "::1"))
    )
    eq(get(bench, "/4/0/2"), -60)
    level[0] = -128
    eq(get(bench, "/4/0/2"), -128)
    eq(get(bench, "/4/0/4"), {0: "192.0.2.7", 1: "::1"})
    eq(get(bench, "/4/0/4/1"), "::1")
    eq(get(bench, "/4/0/5"), NOT_FOUND)


def test_monitoring_of_a_cell_is_in_more():
    bench = bench_of(ConnectivityMonitoring(bearer=7))
    bench.it.more = {7: ("iot.example",), 8: 268435455, 9: 1}
    eq(get(bench, "/4/0/7"), {0: "iot.example"})
    eq(get(bench, "/4/0/8"), 268435455)
    eq(get(bench, "/4/0/10"), NOT_FOUND)


# Location (6)


def test_fix_is_taken_over_as_a_whole():
    bench = bench_of(Location())
    bench.it.fix(47.5, -8.25, altitude=408.0, speed=1.5, velocity=b"\x00\x01", timestamp=1000)
    values = (47.5, -8.25, 408.0, NOT_FOUND, b"\x00\x01", 1000, 1.5)
    for rid in range(7):
        eq((rid, get(bench, "/6/0/%d" % rid)), (rid, values[rid]))
    bench.it.fix(0, 0, radius=12.5, timestamp=1001)
    values = (0, 0, NOT_FOUND, 12.5, NOT_FOUND, 1001, NOT_FOUND)
    for rid in range(7):
        eq((rid, get(bench, "/6/0/%d" % rid)), (rid, values[rid]))


def test_fix_counts_from_1970():
    location = Location()
    location.client = None
    location.fix(1, 2)
    now = int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)
    assert 0 <= now - location.timestamp <= 2


def test_fix_of_no_place_is_refused_and_changes_nothing():
    location = Location(latitude=1.0, longitude=2.0)
    for latitude, longitude in ((90.1, 0), (-91, 0), (0, 180.5), (0, -181), (float("nan"), 0)):
        raises(ValueError, location.fix, latitude, longitude)
    eq((location.latitude, location.longitude), (1.0, 2.0))
    for latitude, longitude in ((90, 180), (-90, -180)):
        location.fix(latitude, longitude)


def test_fix_tells_what_has_changed():
    seen = []
    location = Location()
    location.changed = seen.append
    location.fix(1, 2)
    eq(seen, list(range(7)))


# Connectivity Statistics (7)


def counted(bench):
    return [get(bench, "/7/0/%d" % rid) for rid in (2, 3, 4, 5)]


def test_statistics_count_from_start_to_stop():
    bench = bench_of(ConnectivityStatistics())
    it = bench.it
    it.count_tx(1000)
    eq(counted(bench), [0, 0, 0, 0])
    eq(execute(bench, "/7/0/6"), CHANGED)
    for _ in range(3):
        it.count_tx(996)
    it.count_rx(500)
    eq(counted(bench), [3, 0, 1024, 900])
    eq(execute(bench, "/7/0/7"), CHANGED)
    it.count_tx(5000)
    eq(counted(bench), [3, 0, 1024, 900])
    eq(execute(bench, "/7/0/6"), CHANGED)
    eq(counted(bench), [0, 0, 0, 0])


def test_statistics_stop_after_the_period():
    bench = bench_of(ConnectivityStatistics())
    eq(put(bench, "/7/0/8", 60), CHANGED)
    eq(execute(bench, "/7/0/6"), CHANGED)
    bench.advance(59000)
    bench.it.count_tx(996)
    bench.advance(1000)
    bench.it.count_tx(9999)
    eq(counted(bench), [1, 0, 1024, 1024])
    # The period counts from the next start, and 0 is none.
    eq(put(bench, "/7/0/8", 0), CHANGED)
    eq(execute(bench, "/7/0/6"), CHANGED)
    for _ in range(30):
        bench.clock.advance(86400000)
    bench.it.count_rx(996)
    eq((bench.it.rx_kb, bench.it.counts), (1, True))


def test_statistics_count_beyond_small_integers():
    it = ConnectivityStatistics()
    it.start()
    it.overhead = 0
    it.tx_kb = 3 << 20
    it.count_tx(1023)
    it.count_tx(1)
    eq(it.tx_kb, (3 << 20) + 1)


def test_statistics_allocate_nothing():
    it = ConnectivityStatistics()
    it.start()
    it.count_tx(100)
    heap_locked(it.count_tx, 100)
    heap_locked(it.count_rx, 100)


def test_statistics_of_a_transport():
    bench = bench_of(ConnectivityStatistics())
    it = bench.it
    it.overhead = 0
    it.measure(bench.registration)
    eq(execute(bench, "/7/0/6"), CHANGED)
    it.start()
    sent = bench.ask(GET, "/7/0/8", accept=TEXT)
    eq(sent.code, CONTENT)
    # A request of CON, GET, token of 3 bytes, path of 3 segments and Accept; its answer
    eq(it._messages, 2)
    eq((it._rx, it._tx), (14, 4 + 3 + 1 + 1 + 1))


def test_statistics_reset_the_counts_of_sms():
    it = ConnectivityStatistics()
    it.more = {0: 5}
    it.start()
    eq(it.more, {0: 0})


# Portfolio (16)


class Proving(Portfolio):
    failure = None

    def prove(self, args):
        if self.failure:
            raise self.failure
        return {0: b"signed", 1: (args or {}).get(0, "").encode()}


def test_identity_is_a_list_that_servers_write():
    bench = bench_of(Portfolio(identity={0: "host", 3: "1.0"}))
    eq(get(bench, "/16/0/0"), {0: "host", 3: "1.0"})
    payload = record(0, STR | MULTI, {1: "Acme", 3: "1.1"})
    eq(bench.ask(POST, "/16/0/0", payload, format=TLV).code, CHANGED)
    eq(get(bench, "/16/0/0"), {0: "host", 1: "Acme", 3: "1.1"})
    eq(put(bench, "/16/0/0", {2: "T"}), CHANGED)
    eq(get(bench, "/16/0/0"), {2: "T"})
    eq(get(bench, "/16/0/0/1"), NOT_FOUND)


def test_identity_cannot_be_left_out():
    bench = bench_of(Portfolio(identity={0: "host"}))
    eq(bench.ask(PUT, "/16/0", b"", format=TLV).code, BAD_REQUEST)
    eq(get(bench, "/16/0/0"), {0: "host"})


def test_proof_without_a_method_does_not_exist():
    eq(execute(bench_of(Portfolio()), "/16/0/1"), NOT_FOUND)


def test_proof_is_stored_with_its_status():
    bench = bench_of(Proving())
    eq(get(bench, "/16/0/3"), NOT_FOUND)
    eq(execute(bench, "/16/0/1", b"0='n'"), CHANGED)
    eq(get(bench, "/16/0/2"), {0: b"signed", 1: b"n"})
    eq(get(bench, "/16/0/3"), 1)


def test_proof_that_fails_leaves_no_data():
    bench = bench_of(Proving())
    eq(execute(bench, "/16/0/1"), CHANGED)
    bench.it.failure = Lwm2mError(FORBIDDEN)
    eq(execute(bench, "/16/0/1"), FORBIDDEN)
    eq((get(bench, "/16/0/2"), get(bench, "/16/0/3")), (NOT_FOUND, 2))


# BinaryAppDataContainer (19)


def test_container_is_created_filled_and_deleted_by_a_server():
    bench = bench_of(TestObject())
    bench.client.allow_create(BinaryAppDataContainer)
    settle(bench)
    eq(creation(bench, record(0, OPAQUE | MULTI, {0: b"abc"}), 5), CREATED)
    eq(get(bench, "/19/5/0"), {0: b"abc"})
    eq(get(bench, "/19/5/1"), NOT_FOUND)
    payload = record(0, OPAQUE | MULTI, {4: b"d" * 200})
    eq(bench.ask(POST, "/19/5/0", payload, format=TLV).code, CHANGED)
    eq(get(bench, "/19/5/0"), {0: b"abc", 4: b"d" * 200})
    eq(creation(bench, record(0, OPAQUE | MULTI, {0: b"x"}), 5), BAD_REQUEST)
    eq(creation(bench, b"", 6), BAD_REQUEST)  # Data is mandatory
    eq(bench.client.find(19, 6), None)
    eq(creation(bench, record(0, OPAQUE | MULTI, {0: b"x"}) + b"\xc1\x01\x03", 6), BAD_REQUEST)
    eq(bench.client.find(19, 6), None)
    eq(deletion(bench, "/19/5"), [DELETED])
    eq(bench.client.find(19), None)


def test_containers_do_not_share_their_data():
    one, other = BinaryAppDataContainer(), BinaryAppDataContainer()
    one.data[0] = b"x"
    eq(other.data, {})
    one, other = Portfolio(), Portfolio()
    one.identity[0] = "x"
    eq(other.identity, {})


# The test object (3442)

INITIAL = {
    110: "initial value",
    120: 1024,
    125: 1 << 63,
    140: True,
    150: b"\x01\x23\x45\x67\x89\xab\xcd\xef",
    160: 946684800,
    170: (3, 0),
    180: "</3442>",
}
NOTHING = {
    110: "",
    120: 0,
    125: 0,
    130: 0.0,
    140: False,
    150: b"",
    160: 0,
    170: (65535, 65535),
    180: "",
}


def test_initial_values_of_the_test_object():
    bench = bench_of(TestObject())
    for _ in range(2):
        for rid in INITIAL:
            eq((rid, get(bench, "/3442/0/%d" % rid)), (rid, INITIAL[rid]))
            eq((rid, get(bench, "/3442/0/%d" % (rid + 1000))), (rid, {0: INITIAL[rid]}))
        assert abs(get(bench, "/3442/0/130") - 3.14159) < 1e-5
        assert abs(get(bench, "/3442/0/1130/0") - 3.14159) < 1e-5
        # And again after they were written and reset
        for rid in NOTHING:
            eq(put(bench, "/3442/0/%d" % rid, NOTHING[rid]), CHANGED)
        eq(execute(bench, "/3442/0/0"), CHANGED)


def test_cleared_values_of_the_test_object():
    bench = bench_of(TestObject())
    eq(execute(bench, "/3442/0/2"), CHANGED)
    for rid in NOTHING:
        eq((rid, get(bench, "/3442/0/%d" % rid)), (rid, NOTHING[rid]))
        eq((rid, get(bench, "/3442/0/%d" % (rid + 1000))), (rid, {}))


def test_random_values_of_the_test_object_can_be_read_and_written_back():
    bench = bench_of(TestObject())
    seen = set()
    for _ in range(50):
        eq(execute(bench, "/3442/0/1"), CHANGED)
        for rid in INITIAL:
            value = get(bench, "/3442/0/%d" % rid)
            if rid != 170:  # a link to nothing, which a server may not write
                eq((rid, put(bench, "/3442/0/%d" % rid, value)), (rid, CHANGED))
            if rid == 125:
                seen.add(value.bit_length() if hasattr(value, "bit_length") else value > 1 << 32)
            many = get(bench, "/3442/0/%d" % (rid + 1000))
            assert len(many) <= 10
        answer = bench.ask(GET, "/3442/0/1125", accept=TLV)
        eq(answer.code, CONTENT)
    assert len(seen) > 1, "the widths do not vary"


def test_execute_keeps_its_arguments():
    bench = bench_of(TestObject())
    eq(get(bench, "/3442/0/4"), {})
    eq(execute(bench, "/3442/0/3", b"3='stringValue',4"), CHANGED)
    eq(get(bench, "/3442/0/4"), {3: "stringValue", 4: ""})
    eq(execute(bench, "/3442/0/1"), CHANGED)
    eq(get(bench, "/3442/0/4/3"), "stringValue")
    eq(execute(bench, "/3442/0/3", b"'"), BAD_REQUEST)
    eq(execute(bench, "/3442/0/3"), CHANGED)
    eq(get(bench, "/3442/0/4"), {})
    eq(bench.it.executions, 2)


def test_send_of_the_test_object_is_there_when_it_is_set():
    bench = bench_of(TestObject())
    eq(execute(bench, "/3442/0/5"), NOT_FOUND)
    calls = []
    bench.it.send = lambda args=None: calls.append((bench.it.paths, args))
    eq(put(bench, "/3442/0/6", {0: "/3/0"}), CHANGED)
    eq(execute(bench, "/3442/0/5", b"0='110'"), CHANGED)
    eq(calls, [({0: "/3/0"}, {0: "110"})])


def test_test_objects_are_created_and_deleted():
    bench = bench_of(TestObject())
    bench.client.allow_create(TestObject)
    settle(bench)
    payload = record(125, UINT, (1 << 64) - 1) + record(1110, STR | MULTI, {7: "x"})
    eq(creation(bench, payload, 9, 3442), CREATED)
    eq(get(bench, "/3442/9/125"), (1 << 64) - 1)
    eq(get(bench, "/3442/9/1110"), {7: "x"})
    eq(get(bench, "/3442/9/110"), "initial value")
    eq(get(bench, "/3442/0/125"), 1 << 63)
    eq(creation(bench, b"", -1, 3442), CREATED)
    eq(get(bench, "/3442/1/110"), "initial value")
    eq(deletion(bench, "/3442/9"), [DELETED])
    eq(bench.client.find(3442, 9), None)
    assert bench.client.find(3442, 0)
    eq(len(rows(TestObject)), 25)
