"""What holds for every object that comes along: its table is the registry's, and whatever can be
read, written and executed can be, at every level, in TLV; what cannot is refused."""

from object_checks import bench_of, decoded, get, put, record, records, rows, tlv
from testing import eq
from wire import CHANGED, CONTENT, GET, POST, PUT, TLV

from lwm2m.objects.access_control import AccessControl
from lwm2m.objects.binary_app_data import BinaryAppDataContainer
from lwm2m.objects.checks import check_table
from lwm2m.objects.connectivity_monitoring import ConnectivityMonitoring
from lwm2m.objects.connectivity_statistics import ConnectivityStatistics
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.objects.ipso_ambient import (
    AnalogInput,
    Barometer,
    Direction,
    GenericSensor,
    Illuminance,
)
from lwm2m.objects.ipso_axes import Accelerometer, Gyrometer, Magnetometer
from lwm2m.objects.ipso_buzzer import Buzzer
from lwm2m.objects.ipso_input import DigitalInput, Presence, PushButton
from lwm2m.objects.ipso_light import Actuation, Dimmer, Light, PowerControl
from lwm2m.objects.ipso_output import AnalogOutput, DigitalOutput, SetPoint
from lwm2m.objects.ipso_power import Energy, PowerMeasurement
from lwm2m.objects.ipso_quantity import (
    Acidity,
    Altitude,
    Concentration,
    Conductivity,
    Current,
    Depth,
    Distance,
    Frequency,
    Load,
    Loudness,
    Percentage,
    Power,
    PowerFactor,
    Pressure,
    Rate,
    Voltage,
)
from lwm2m.objects.ipso_switch import MultiStateSelector, OnOffSwitch, UpDownControl
from lwm2m.objects.ipso_timer import Stopwatch, Timer
from lwm2m.objects.location import Location
from lwm2m.objects.portfolio import Portfolio
from lwm2m.objects.test_object import TestObject
from lwm2m.types import (
    BOOL,
    CORELNK,
    FLOAT,
    INT,
    MANDATORY,
    MULTI,
    OBJLNK,
    OPAQUE,
    STR,
    TIME,
    UINT,
    E,
    R,
    W,
)

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, NOT_ALLOWED = 0x80, 0x81, 0x84, 0x85

SENSORS = (Temperature, Humidity, Illuminance, Barometer, GenericSensor, AnalogInput)
QUANTITIES = (
    Voltage,
    Current,
    Frequency,
    Depth,
    Percentage,
    Altitude,
    Load,
    Pressure,
    Loudness,
    Concentration,
    Acidity,
    Conductivity,
    Power,
    PowerFactor,
    Distance,
    Rate,
)
IPSO = (
    SENSORS
    + QUANTITIES
    + (Direction, PowerMeasurement, Energy)
    + (Accelerometer, Magnetometer, Gyrometer)
    + (DigitalInput, PushButton, Presence, OnOffSwitch, UpDownControl, MultiStateSelector)
    + (DigitalOutput, AnalogOutput, SetPoint, Actuation, Light, PowerControl, Dimmer, Buzzer)
    + (Timer, Stopwatch)
)
CORE = (
    AccessControl,
    ConnectivityMonitoring,
    Location,
    ConnectivityStatistics,
    Portfolio,
    BinaryAppDataContainer,
    TestObject,
)


class Proving(Portfolio):
    def prove(self, args):
        return (b"proof",)


# The definitions, as the registry has them: rid, type and operations, "+" multiple, "!" mandatory

_SENSOR = "5700 F R ! 5601 F R 5602 F R 5603 F R 5604 F R 5605 - E 5701 S R 5750 S RW"
_QUANTITY = _SENSOR + " 5821 F RW"
_SWITCHED = "5850 B RW ! 5851 I RW 5852 I RW"
REGISTRY = {
    2: "0 I R ! 1 I R ! 2 I RW + 3 I RW !",
    4: "0 I R ! 1 I R + ! 2 I R ! 3 I R 4 S R + ! 5 S R + 6 I R 7 S R + 8 I R 9 I R 10 I R 11 I R"
    " 12 I R 13 I R",
    6: "0 F R ! 1 F R ! 2 F R 3 F R 4 O R 5 T R ! 6 F R",
    7: "0 I R 1 I R 2 I R 3 I R 4 I R 5 I R 6 - E ! 7 - E ! 8 I RW",
    16: "0 S RW + ! 1 - E 2 O R + 3 I R",
    19: "0 O RW + ! 1 I RW 2 T RW 3 S RW 4 S RW 5 I RW",
    3442: "0 - E 1 - E 2 - E 3 - E 4 S R + 5 - E 6 S RW + 110 S RW 120 I RW 125 U RW 130 F RW"
    " 140 B RW 150 O RW 160 T RW 170 L RW 180 C RW 1110 S RW + 1120 I RW + 1125 U RW +"
    " 1130 F RW + 1140 B RW + 1150 O RW + 1160 T RW + 1170 L RW + 1180 C RW +",
    3200: "5500 B R ! 5501 I R 5502 B RW 5503 I RW 5504 I RW 5505 - E 5750 S RW 5751 S R",
    3201: "5550 B RW ! 5551 B RW 5750 S RW",
    3202: "5600 F R ! 5601 F R 5602 F R 5603 F R 5604 F R 5605 - E 5750 S RW 5751 S R",
    3203: "5650 F RW ! 5603 F R 5604 F R 5750 S RW",
    3300: _SENSOR + " 5751 S R",
    3301: _SENSOR,
    3302: "5500 B R ! 5501 I R 5505 - E 5751 S R 5903 I RW 5904 I RW",
    3303: _SENSOR,
    3304: _SENSOR,
    3305: "5800 F R ! 5801 F R 5802 F R 5803 F R 5804 F R 5805 F R 5806 F W 5810 F R 5811 F R"
    " 5812 F R 5813 F R 5814 F R 5815 F R 5816 F W 5820 F R 5821 F RW 5822 - E 5605 - E",
    3306: _SWITCHED + " 5853 S RW 5750 S RW",
    3308: "5900 F RW ! 5701 S R 5706 S RW 5750 S RW",
    3311: _SWITCHED + " 5805 F R 5820 F R 5706 S RW 5701 S R 5750 S RW",
    3312: _SWITCHED + " 5805 F R 5820 F R 5750 S RW",
    3313: "5702 F R ! 5703 F R 5704 F R 5701 S R 5603 F R 5604 F R",
    3314: "5702 F R ! 5703 F R 5704 F R 5705 F R 5701 S R",
    3315: _SENSOR,
    3331: "5700 F R ! 5701 S R 5822 - E 5750 S RW",
    3332: "5705 F R ! 5601 F R 5602 F R 5605 - E 5750 S RW",
    3334: "5702 F R ! 5703 F R 5704 F R 5701 S R 5508 F R 5509 F R 5510 F R 5511 F R 5512 F R"
    " 5513 F R 5605 - E 5603 F R 5604 F R 5750 S RW",
    3338: "5850 B RW ! 5548 F RW 5521 F RW 5525 F RW ! 5750 S RW",
    3340: "5521 F RW ! 5538 F R 5525 F RW 5523 - E 5850 B RW 5501 I R 5544 F RW 5543 B R"
    " 5534 I RW 5526 I RW 5750 S RW",
    3342: "5500 B R ! 5501 I R 5852 I RW 5854 I RW 5750 S RW",
    3343: "5548 F RW ! 5852 I RW 5854 I RW 5750 S RW",
    3344: "5532 B R ! 5533 B R ! 5541 I RW 5542 I RW 5750 S RW",
    3346: _QUANTITY,
    3347: "5500 B R ! 5501 I R 5750 S RW",
    3348: "5547 I R ! 5750 S RW",
    3350: "5544 F RW ! 5850 B RW 5501 I R 5750 S RW",
}
for _oid in range(3316, 3331):
    REGISTRY[_oid] = _QUANTITY

_TYPES = {
    "S": STR,
    "I": INT,
    "U": UINT,
    "F": FLOAT,
    "B": BOOL,
    "O": OPAQUE,
    "T": TIME,
    "L": OBJLNK,
    "C": CORELNK,
    "-": 0,
}
_OPERATIONS = {"R": R, "W": W, "RW": R | W, "E": E}


def registered_rows(text):
    """{rid: flags} of a line of REGISTRY."""
    found = {}
    words = text.split()
    rid = 0
    while words:
        word = words.pop(0)
        if word in "+!":
            found[rid] |= MULTI if word == "+" else MANDATORY
        else:
            rid = int(word)
            found[rid] = _TYPES[words.pop(0)] | _OPERATIONS[words.pop(0)]
    return found


def test_tables_are_those_of_the_registry():
    seen = []
    for cls in CORE + IPSO:
        check_table(cls)
        expected = registered_rows(REGISTRY[cls.OID])
        got = {rid: flags for rid, flags, _ in rows(cls)}
        for rid in expected:
            eq((cls.OID, rid, got.get(rid)), (cls.OID, rid, expected[rid]))
        eq((cls.OID, sorted(got)), (cls.OID, sorted(expected)))
        eq(len(got), len(rows(cls)))
        seen.append(cls.OID)
    eq(sorted(seen), sorted(REGISTRY))


def test_every_object_can_be_made_with_nothing_but_an_instance_id():
    for cls in CORE + IPSO:
        instance = cls(iid=7)
        eq(instance.iid, 7)
        assert instance is not cls().iid


def test_single_instance_objects_have_instance_0():
    for cls in (ConnectivityMonitoring, Location, ConnectivityStatistics):
        eq(cls().iid, 0)


# What each resource may be written with, where its type alone does not say it

GOOD = {
    (2, 2): ({0: 1, 2: 31},),
    (2, 3): (65535, 1),
    (7, 8): (0, 60),
    (19, 1): (0, 2, 101, 254),
    (19, 3): ("", "x" * 32),
    (19, 4): ("YG", "\u00e9" * 16),
    (19, 5): (0, 65535),
    (3200, 5503): (0, 20),
    (3200, 5504): (1, 2, 3),
    (3203, 5650): (0.0, 1.0, 0.25),
    (3302, 5903): (0, 5000),
    (3302, 5904): (0, 5000),
    (3338, 5548): (0.0, 100.0),
    (3338, 5521): (0.0, 0.5),
    (3338, 5525): (0.0, 0.5),
    (3340, 5521): (0.0, 0.5, 86400.0),
    (3340, 5525): (0.0, 0.5),
    (3340, 5526): (0, 1, 2, 3, 4),
    (3340, 5534): (0, 5),
    (3340, 5544): (0.0, 12.5),
    (3343, 5548): (0.0, 100.0),
    (3344, 5541): (0, 5),
    (3344, 5542): (0, 5),
    (3350, 5544): (0.0, 12.5),
}
BAD = {
    (2, 2): ({0: 32}, {0: -1}, {65535: 1}),
    (2, 3): (0, -1, 65536),
    (7, 8): (-1, 1 << 32),
    (19, 1): (-1, 3, 100, 255, 65536),
    (19, 3): ("x" * 33,),
    (19, 4): ("\u00e9" * 17,),
    (19, 5): (-1, 65536),
    (3200, 5503): (-1, 1 << 40),
    (3200, 5504): (0, 4, -1),
    (3203, 5650): (-0.5, 1.5),
    (3302, 5903): (-1,),
    (3302, 5904): (-1, 1 << 40),
    (3338, 5548): (-0.5, 100.5),
    (3338, 5521): (-1.0, 1e12),
    (3338, 5525): (-1.0,),
    (3340, 5521): (-1.0, 1e12),
    (3340, 5525): (-1.0,),
    (3340, 5526): (-1, 5),
    (3340, 5534): (-1,),
    (3340, 5544): (-1.0,),
    (3343, 5548): (-0.5, 100.5),
    (3344, 5541): (-1,),
    (3344, 5542): (-1,),
    (3350, 5544): (-1.0,),
}
for _oid in (3306, 3311, 3312):
    GOOD[_oid, 5851] = (0, 100, 7)
    BAD[_oid, 5851] = (-1, 101)
for _oid in (3306, 3311, 3312, 3342, 3343):
    GOOD[_oid, 5852] = (3600, 0)
    BAD[_oid, 5852] = (-1, 1 << 40)
for _oid in (3342, 3343):
    GOOD[_oid, 5854] = (3600, 0)
    BAD[_oid, 5854] = (-1,)

SAMPLES = {
    STR: ("", "text", "\u00e9\u4e16"),
    CORELNK: ("</3/0>", ""),
    INT: (0, -1, 127, 128, -32769, 1 << 31, -(1 << 63), (1 << 63) - 1),
    UINT: (0, 255, 1 << 31, 1 << 63, (1 << 64) - 1),
    FLOAT: (0.0, -2.5, 1048576.0),
    BOOL: (True, False),
    OPAQUE: (b"", b"\x00\xff", b"x" * 300),
    TIME: (0, 946684800, 1 << 32),
    OBJLNK: ((3, 0), (65535, 65535)),
}


def samples(oid, rid, flags):
    good = GOOD.get((oid, rid))
    if good:
        return good
    plain = SAMPLES[flags & 15]
    if flags & MULTI:
        return ({}, {0: plain[0]}, {i * 9: plain[i] for i in range(len(plain))})
    return plain


def readable(instance):
    """{rid: flags} of what a read of the instance must contain."""
    table = instance.RESOURCES
    return {
        table[i]: table[i + 1]
        for i in range(0, len(table), 3)
        if table[i + 1] & R and instance.value_at(i) is not None
    }


def read_at_all_levels(bench):
    it = bench.it
    oid, iid = it.OID, it.iid
    path = "/%d/%d" % (oid, iid)
    there = readable(it)
    answer = bench.ask(GET, "/%d" % oid, accept=TLV)
    eq((oid, answer.code), (oid, CONTENT))
    whole = records(answer.payload)
    eq([(kind, number) for kind, number, _ in whole], [(0, iid)])
    answer = bench.ask(GET, path, accept=TLV)
    eq((oid, answer.code, answer.payload), (oid, CONTENT, whole[0][2]))
    items = records(answer.payload)
    eq(sorted(rid for _, rid, _ in items), sorted(there))
    for item in items:
        rid = item[1]
        value = decoded(there[rid], item)
        eq((rid, get(bench, "%s/%d" % (path, rid))), (rid, value))
        for riid in value if there[rid] & MULTI else ():
            eq(get(bench, "%s/%d/%d" % (path, rid, riid)), value[riid])
        if there[rid] & MULTI:
            eq(get(bench, "%s/%d/%d" % (path, rid, 60000)), NOT_FOUND)
    for rid, flags, _ in rows(type(it)):
        if rid not in there:
            code = bench.ask(GET, "%s/%d" % (path, rid), accept=TLV).code
            eq((oid, rid, code), (oid, rid, NOT_FOUND if flags & R else NOT_ALLOWED))
    eq(bench.ask(GET, path + "/9999", accept=TLV).code, NOT_FOUND)


def write_everything(bench):
    it = bench.it
    path = "/%d/%d" % (it.OID, it.iid)
    for rid, flags, _ in rows(type(it)):
        where = "%s/%d" % (path, rid)
        if not flags & W:
            code = bench.ask(PUT, where, b"1", format=0).code
            eq((where, code), (where, NOT_ALLOWED))
            continue
        for value in samples(it.OID, rid, flags):
            eq((where, value, put(bench, where, value)), (where, value, CHANGED))
            if flags & R:
                eq((where, get(bench, where)), (where, value))
        before = get(bench, where) if flags & R else None
        for value in BAD.get((it.OID, rid), ()):
            eq((where, value, put(bench, where, value)), (where, value, BAD_REQUEST))
        kind = flags & 15
        if kind not in (STR, OPAQUE, CORELNK) and not flags & MULTI:
            # No width that a number, a truth value or a link can have
            for content in (b"", b"\x01\x02\x03\x04\x05\x06\x07\x08\x09"):
                code = bench.ask(PUT, where, tlv(0xC0, rid, content), format=TLV).code
                eq((where, content, code), (where, content, BAD_REQUEST))
        if flags & R:
            eq((where, get(bench, where)), (where, before))


def execute_everything(bench):
    it = bench.it
    for rid, flags, name in rows(type(it)):
        where = "/%d/%d/%d" % (it.OID, it.iid, rid)
        if flags & E:
            there = getattr(it, name, None) is not None
            for arguments in (b"", b"0='x'"):
                code = bench.ask(POST, where, arguments).code
                eq((where, code), (where, CHANGED if there else NOT_FOUND))
        elif not flags & MULTI:
            eq((where, bench.ask(POST, where).code), (where, NOT_ALLOWED))


def sweep(cls):
    bench = bench_of(cls(iid=0))
    read_at_all_levels(bench)
    write_everything(bench)
    read_at_all_levels(bench)
    execute_everything(bench)
    read_at_all_levels(bench)


def test_core_objects_at_every_level():
    for cls in CORE + (Proving,):
        sweep(cls)


def test_ipso_sensors_at_every_level():
    for cls in IPSO[:28]:
        sweep(cls)


def test_ipso_inputs_and_outputs_at_every_level():
    for cls in IPSO[28:]:
        sweep(cls)


def test_replacing_write_puts_optional_values_back_to_nothing():
    """Whatever can be written is written whole; what it does not mention is gone, and the instance
    still reads."""
    for cls in CORE + IPSO:
        bench = bench_of(cls(iid=0))
        path = "/%d/0" % cls.OID
        full = b""
        least = b""
        for rid, flags, _ in rows(cls):
            if flags & W:
                full += record(rid, flags, samples(cls.OID, rid, flags)[-1])
                if flags & MANDATORY:
                    least += record(rid, flags, samples(cls.OID, rid, flags)[-1])
        if not full:
            continue
        for payload in (full, least, full):
            code = bench.ask(PUT, path, payload, format=TLV).code
            eq((path, code), (path, CHANGED))
            read_at_all_levels(bench)


def test_a_write_with_one_mistake_changes_nothing():
    for cls in CORE + IPSO:
        bench = bench_of(cls(iid=0))
        path = "/%d/0" % cls.OID
        good = [
            record(rid, flags, samples(cls.OID, rid, flags)[-1])
            for rid, flags, _ in rows(cls)
            if flags & W
        ]
        if not good:
            continue
        before = bench.ask(GET, path, accept=TLV).payload
        for rid, flags, _ in rows(cls):
            for value in BAD.get((cls.OID, rid), ()):
                payload = b"".join(good) + record(rid, flags, value)
                for method in (PUT, POST):
                    code = bench.ask(method, path, payload, format=TLV).code
                    eq((path, rid, value, code), (path, rid, value, BAD_REQUEST))
        eq(bench.ask(GET, path, accept=TLV).payload, before)
