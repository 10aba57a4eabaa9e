"""TLV, content format 11542 (LwM2M 1.1 Core §7.4.3 and its examples), both ways."""

import struct

from format_model import DEVICE_VALUES, PATH, Model, hexed, thing
from testing import eq, heap_locked

from lwm2m.coap.builder import Builder
from lwm2m.formats.tlv import Tlv
from lwm2m.management.walk import represent
from lwm2m.types import BOOL, CORELNK, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME, UINT

CODEC = Tlv()


def emitted(model, depth=2, iid=0, size=2048):
    out = Builder(size)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload()
    represent(model, CODEC, out, (9999, iid, 0, 0), depth, 0, None)
    eq((out.more, out.broken), (False, False))
    n = out.finish()
    return bytes(out.buf[5:n])


def write(flags, value, rid=5):
    return emitted(Model(thing((rid, flags, value))))


def read(b, kinds, depth=2, path=(9999, 0, 5, 0)):
    """[(iid, rid, riid, value)], and "error" at the end if there was one."""
    codec = CODEC.reader()
    codec.open(b, 0, len(b), path, depth)
    found = []
    while codec.next():
        value = None
        if codec.riid != -2:
            value = codec.value(kinds.get(codec.rid, OPAQUE))
        found.append((codec.iid, codec.rid, codec.riid, value))
        assert len(found) <= len(b), "no end"
    if codec.error:
        found.append("error")
    return found


def value_of(flags, raw):
    """What the value `raw` of one resource is as this type, or "error"."""
    found = read(record(0xC0, 5, raw), {5: flags})
    return "error" if "error" in found else found[0][3]


def record(kind, number, raw):
    """One TLV record in its shortest form."""
    n = len(raw)
    length = b"" if n < 8 else bytes((n,)) if n < 256 else struct.pack(">H", n)
    if n > 65535:
        length = struct.pack(">I", n)[1:]
    first = kind | (n if n < 8 else len(length) << 3) | (0x20 if number > 255 else 0)
    return (
        bytes((first,))
        + (struct.pack(">H", number) if number > 255 else bytes((number,)))
        + length
        + raw
    )


# The examples of LwM2M 1.1 Core §7.4.3

DEVICE = hexed(
    """C8 00 14 4F 70 65 6E 20 4D 6F 62 69 6C 65 20 41 6C 6C 69 61 6E 63 65
    C8 01 16 4C 69 67 68 74 77 65 69 67 68 74 20 4D 32 4D 20 43 6C 69 65 6E 74
    C8 02 09 33 34 35 30 30 30 31 32 33
    C3 03 31 2E 30
    86 06 41 00 01 41 01 05
    88 07 08 42 00 0E D8 42 01 13 88
    87 08 41 00 7D 42 01 03 84
    C1 09 64
    C1 0A 0F
    83 0B 41 00 00
    C4 0D 51 82 42 8F
    C6 0E 2B 30 32 3A 30 30
    C1 10 55"""
)


def test_lwm2m_7_4_3_single_instance_of_device():
    eq(emitted(Model(thing(*DEVICE_VALUES))), DEVICE)


def test_lwm2m_7_4_3_single_instance_of_device_is_read():
    expected = []
    for rid, flags, value in DEVICE_VALUES:
        if flags & MULTI:
            expected += [(0, rid, i, value[i]) for i in range(len(value))]
        else:
            expected.append((0, rid, -1, value))
    eq(read(DEVICE, {rid: flags for rid, flags, _ in DEVICE_VALUES}), expected)


def test_lwm2m_7_4_3_object_with_one_instance():
    # "/3": the same records inside of an instance TLV of 0x79 bytes
    eq(emitted(Model(thing(*DEVICE_VALUES)), 1), b"\x08\x00\x79" + DEVICE)
    kinds = {rid: flags for rid, flags, _ in DEVICE_VALUES}
    eq(read(b"\x08\x00\x79" + DEVICE, kinds, 1), read(DEVICE, kinds))


def test_lwm2m_7_4_3_manufacturer():
    eq(write(STR, "Open Mobile Alliance", 0), DEVICE[:23])


def test_lwm2m_7_4_3_object_with_two_instances():
    # Example of Access Control, instances 0 and 2
    expected = hexed(
        """08 00 0E C1 00 01 C1 01 00 83 02 41 7F 07 C1 03 7F
        08 02 12 C1 00 03 C1 01 00 87 02 41 7F 07 61 01 36 01 C1 03 7F"""
    )
    first = thing((0, INT, 1), (1, INT, 0), (2, INT | MULTI, {127: 7}), (3, INT, 127))
    second = thing(
        (0, INT, 3), (1, INT, 0), (2, INT | MULTI, {127: 7, 310: 1}), (3, INT, 127), iid=2
    )
    got = emitted(Model(first, second), 1)
    # A dict has no order here: the two items of /2/2/2 may be swapped.
    other = expected.replace(hexed("41 7F 07 61 01 36 01"), hexed("61 01 36 01 41 7F 07"))
    assert got in (expected, other), got.hex()
    eq(
        read(expected, {rid: INT for rid in range(4)}, 1),
        [
            (0, 0, -1, 1),
            (0, 1, -1, 0),
            (0, 2, 127, 7),
            (0, 3, -1, 127),
            (2, 0, -1, 3),
            (2, 1, -1, 0),
            (2, 2, 127, 7),
            (2, 2, 310, 1),
            (2, 3, -1, 127),
        ],
    )


def test_lwm2m_7_4_3_object_links():
    # Example of object 65 with links to 66:0 and 66:1, then 66:2 …
    expected = hexed("88 00 0C 44 00 00 42 00 00 44 01 00 42 00 01 C8 01 0D") + b"8613800755500"
    expected += hexed("C4 02 12 34 56 78")
    instance = thing(
        (0, OBJLNK | MULTI, ((66, 0), (66, 1))), (1, STR, "8613800755500"), (2, INT, 0x12345678)
    )
    eq(emitted(Model(instance)), expected)


# Integers

INTS = (
    (0, "00"),
    (1, "01"),
    (-1, "FF"),
    (127, "7F"),
    (-128, "80"),
    (128, "0080"),
    (-129, "FF7F"),
    (255, "00FF"),
    (32767, "7FFF"),
    (-32768, "8000"),
    (32768, "00008000"),
    (-32769, "FFFF7FFF"),
    (65535, "0000FFFF"),
    (0x3FFFFFFF, "3FFFFFFF"),
    (0x40000000, "40000000"),
    (-0x40000000, "C0000000"),
    (-0x40000001, "BFFFFFFF"),
    ((1 << 31) - 1, "7FFFFFFF"),
    (-(1 << 31), "80000000"),
    (1 << 31, "0000000080000000"),
    (-(1 << 31) - 1, "FFFFFFFF7FFFFFFF"),
    ((1 << 32) - 1, "00000000FFFFFFFF"),
    (1 << 32, "0000000100000000"),
    ((1 << 62) + 1, "4000000000000001"),
    ((1 << 63) - 1, "7FFFFFFFFFFFFFFF"),
    (-(1 << 63), "8000000000000000"),
)
UNSIGNED = (
    (0, "00"),
    (127, "7F"),
    (32767, "7FFF"),
    ((1 << 31) - 1, "7FFFFFFF"),
    (1 << 32, "0000000100000000"),
    ((1 << 63) - 1, "7FFFFFFFFFFFFFFF"),
    (1 << 63, "8000000000000000"),
    ((1 << 64) - 1, "FFFFFFFFFFFFFFFF"),
)


def test_integers_at_each_edge_of_width():
    for value, raw in INTS:
        b = record(0xC0, 5, hexed(raw))
        eq((value, write(INT, value)), (value, b))
        eq((value, write(TIME, value)), (value, b))
        eq(read(b, {5: INT}), [(0, 5, -1, value)])
        eq(read(b, {5: TIME}), [(0, 5, -1, value)])


def test_unsigned_integers_to_64_bits():
    for value, raw in UNSIGNED:
        b = record(0xC0, 5, hexed(raw))
        eq((value, write(UINT, value)), (value, b))
        eq(read(b, {5: UINT}), [(0, 5, -1, value)])


def test_unsigned_integers_survive_their_way():
    for value in (128, 255, 256, 32768, 65535, 65536, 1 << 24, 1 << 31, (1 << 32) - 1, 1 << 63):
        eq(read(write(UINT, value), {5: UINT}), [(0, 5, -1, value)])


def test_unsigned_integers_at_minimal_length_as_gateways_write_them():
    for raw, value in (
        ("80", 128),
        ("FF", 255),
        ("8000", 32768),
        ("FFFF", 65535),
        ("011170", 70000),
        ("FFFFFF", 0xFFFFFF),
        ("80000000", 1 << 31),
        ("FFFFFFFF", (1 << 32) - 1),
        ("0100000000", 1 << 32),
        ("FFFFFFFFFF", (1 << 40) - 1),
        ("FFFFFFFFFFFF", (1 << 48) - 1),
        ("FFFFFFFFFFFFFF", (1 << 56) - 1),
        ("FFFFFFFFFFFFFFFF", (1 << 64) - 1),
    ):
        eq((raw, value_of(UINT, hexed(raw))), (raw, value))


def test_positive_integers_of_odd_length():
    for raw, value in (("011170", 70000), ("0000000001", 1), ("7FFFFFFFFFFFFF", (1 << 55) - 1)):
        for flags in (INT, UINT, TIME):
            eq((raw, value_of(flags, hexed(raw))), (raw, value))


def test_integers_of_odd_length_have_no_sign():
    # The format has no such widths: they come from gateways that write everything unsigned.
    for raw, value in (("FFFFFF", 0xFFFFFF), ("8000000000", 1 << 39), ("FF" * 7, (1 << 56) - 1)):
        for flags in (INT, UINT, TIME):
            eq((raw, value_of(flags, hexed(raw))), (raw, value))


def test_integers_longer_than_needed():
    for raw, value in (("0001", 1), ("00000001", 1), ("FFFF", -1), ("FFFFFFFFFFFFFFFE", -2)):
        eq((raw, value_of(INT, hexed(raw))), (raw, value))


def test_integers_of_no_or_too_many_bytes_are_errors():
    for flags in (INT, UINT, TIME):
        for raw in (b"", bytes(9), bytes(16)):
            eq(value_of(flags, raw), "error")


def test_time_beyond_small_integers():
    eq(write(TIME, 1893456000, 13), b"\xc4\x0d\x70\xdb\xd8\x80")  # the year 2030
    eq(write(TIME, 2524608000, 13), b"\xc8\x0d\x08\x00\x00\x00\x00\x96\x7a\x76\x00")  # 2050


# Floats

DOUBLE = 1.0 + 1e-9 != 1.0
FLOATS = (0.0, 1.0, -1.0, 21.5, -40.25, 0.125, 65536.0, 2.0**127, -(2.0**-126))


def unpacked(b):
    """The float in a record with an id of one byte: exactly one, of 4 or 8 bytes."""
    if b[0] == 0xC4:
        eq(len(b), 6)
        return struct.unpack(">f", b[2:])[0]
    eq((b[0], b[2], len(b)), (0xC8, 8, 11))
    return struct.unpack(">d", b[3:])[0]


def test_float_that_a_single_holds():
    for value in FLOATS:
        eq(unpacked(write(FLOAT, value)), value)


def test_float_that_a_single_does_not_hold_loses_nothing():
    if not DOUBLE:
        return
    for value in (21.3, 0.1, -1e300, 1.0 + 2.0**-29, 2.0**128, 2.0**-127, 5e-324):
        eq(write(FLOAT, value), b"\xc8\x05\x08" + struct.pack(">d", value))


def test_float_infinities_nan_and_minus_zero():
    inf = float("inf")
    eq(unpacked(write(FLOAT, inf)), inf)
    eq(unpacked(write(FLOAT, -inf)), -inf)
    nan = unpacked(write(FLOAT, float("nan")))
    assert nan != nan, nan
    eq(write(FLOAT, -0.0)[-8:].lstrip(b"\xc4\x05")[0], 0x80)


def test_float_that_is_an_int():
    eq(unpacked(write(FLOAT, 21)), 21.0)


def test_float_is_read_at_both_widths():
    eq(value_of(FLOAT, struct.pack(">f", 21.5)), 21.5)
    eq(value_of(FLOAT, struct.pack(">d", 21.3)), 21.3)


def test_float_of_another_width_is_an_error():
    for n in (0, 1, 2, 3, 5, 6, 7, 9):
        eq(value_of(FLOAT, bytes(n)), "error")


# The other types

LENGTHS = (0, 1, 7, 8, 31, 32, 62, 63, 64, 65, 255, 256, 1000)


def test_strings_of_every_header():
    for n in LENGTHS:
        text = ("abcdefghij" * 100)[:n]
        b = record(0xC0, 5, text.encode())
        eq((n, write(STR, text)), (n, b))
        eq((n, write(CORELNK, text)), (n, b))
        eq(read(b, {5: STR}), [(0, 5, -1, text)])


def test_strings_beyond_ascii():
    for n in range(1, 70):
        for text in ("ü" * n, "x" * (n - 1) + "€", "𝄞" * n, "é" + "x" * n):
            b = record(0xC0, 5, text.encode())
            eq(write(STR, text), b)
            eq(read(b, {5: STR}), [(0, 5, -1, text)])


def test_string_with_a_zero_inside():
    for text in ("a\x00b", "\x00", "abc\x00", "x\x00" * 20, "ü\x00x"):
        eq((text, write(STR, text)), (text, record(0xC0, 5, text.encode())))


def test_string_kept_as_bytes():
    for n in LENGTHS:
        eq((n, write(STR, b"x" * n)), (n, record(0xC0, 5, b"x" * n)))


def test_string_that_is_not_utf8_is_an_error():
    for raw in (b"\xff", b"abc\x80", b"\xc3", b"\xe2\x82"):
        eq((raw, value_of(STR, raw)), (raw, "error"))
        eq((raw, value_of(CORELNK, raw)), (raw, "error"))


def test_opaque_of_every_header():
    for n in LENGTHS:
        raw = bytes(i * 31 & 255 for i in range(n))
        for kind in (bytes, bytearray, memoryview):
            eq((n, write(OPAQUE, kind(raw))), (n, record(0xC0, 5, raw)))
        eq(read(record(0xC0, 5, raw), {5: OPAQUE}), [(0, 5, -1, raw)])


def test_opaque_of_70000_bytes_has_a_length_of_3_bytes():
    got = emitted(Model(thing((5, OPAQUE, bytes(70000)))), size=70100)
    eq(got[:5], b"\xd8\x05\x01\x11\x70")
    eq(len(got), 70005)


def test_bool():
    eq(write(BOOL, True), b"\xc1\x05\x01")
    eq(write(BOOL, False), b"\xc1\x05\x00")
    eq((value_of(BOOL, b"\x01"), value_of(BOOL, b"\x00")), (True, False))
    for raw in (b"", b"\x02", b"\xff", b"\x00\x01", b"1"):
        eq((raw, value_of(BOOL, raw)), (raw, "error"))


def test_objlnk():
    eq(write(OBJLNK, (66, 1)), b"\xc4\x05\x00\x42\x00\x01")
    eq(write(OBJLNK, (65535, 65535)), b"\xc4\x05\xff\xff\xff\xff")
    eq(value_of(OBJLNK, b"\x00\x42\x00\x01"), (66, 1))
    for n in (0, 1, 2, 3, 5, 8):
        eq((n, value_of(OBJLNK, bytes(n))), (n, "error"))


def test_ids_of_two_bytes():
    for rid in (0, 255, 256, 5700, 65534):
        b = record(0xC0, rid, b"\x07")
        eq(write(INT, 7, rid), b)
        eq(read(b, {rid: INT}), [(0, rid, -1, 7)])


def test_multiple_resource_from_dict_and_tuple():
    eq(write(INT | MULTI, {3: 5}), b"\x83\x05\x41\x03\x05")
    eq(write(INT | MULTI, (5, 6)), b"\x86\x05\x41\x00\x05\x41\x01\x06")
    eq(write(INT | MULTI, {300: 5}), b"\x84\x05\x61\x01\x2c\x05")
    eq(write(INT | MULTI, ()), b"\x80\x05")
    eq(write(INT | MULTI, {}), b"\x80\x05")


def test_multiple_resource_without_instances_is_told():
    eq(read(b"\x80\x05", {5: INT | MULTI}), [(0, 5, -2, None)])


def test_multiple_resource_of_long_values():
    values = ("x" * 200, "y" * 300, "€" * 30)
    items = b"".join([record(0x40, i, values[i].encode()) for i in range(3)])
    eq(write(STR | MULTI, values), record(0x80, 5, items))


def test_resource_that_does_not_exist_is_left_out():
    eq(emitted(Model(thing((0, INT, None), (1, INT, 1), (2, STR, None)))), b"\xc1\x01\x01")
    eq(emitted(Model(thing((0, INT, None))), 1), b"\x00\x00")


def test_read_of_a_resource_instance():
    eq(read(b"\x41\x03\x07", {5: INT | MULTI}, 3), [(0, 5, 3, 7)])
    eq(read(b"\x41\x03\x07", {5: INT | MULTI}, 4, (9999, 0, 5, 3)), [(0, 5, 3, 7)])


def test_ids_longer_than_needed_are_read():
    eq(read(b"\xe1\x00\x05\x07", {5: INT}), [(0, 5, -1, 7)])


def test_lengths_longer_than_needed_are_read():
    eq(read(b"\xc8\x05\x01\x07", {5: INT}), [(0, 5, -1, 7)])
    eq(read(b"\xd0\x05\x00\x01\x07", {5: INT}), [(0, 5, -1, 7)])
    eq(read(b"\xd8\x05\x00\x00\x01\x07", {5: INT}), [(0, 5, -1, 7)])


def test_empty_payload_has_no_records():
    eq(read(b"", {}), [])


# Malformed


def test_truncated_at_every_byte():
    kinds = {rid: flags for rid, flags, _ in DEVICE_VALUES}
    ends = set()
    for stop in (0, 23, 48, 60, 65, 73, 84, 93, 96, 99, 104, 110, 118, 121):
        ends.add(stop)
    for n in range(len(DEVICE)):
        got = read(DEVICE[:n], kinds)
        eq((n, "error" in got), (n, n not in ends))
        got = read(b"\x08\x00\x79" + DEVICE[:n], kinds, 1)
        eq((n, got), (n, ["error"]))


def test_records_before_an_error_are_right():
    kinds = {rid: flags for rid, flags, _ in DEVICE_VALUES}
    whole = read(DEVICE, kinds)
    for n in range(len(DEVICE)):
        got = [r for r in read(DEVICE[:n], kinds) if r != "error"]
        eq(got, whole[: len(got)])


def test_lengths_too_long_are_errors():
    for b in (
        b"\xc2\x05\x01",
        b"\xc8\x05\x02\x01",
        b"\xc8\x05\xff",
        b"\xd0\x05\xff\xff\x01",
        b"\xd8\x05\xff\xff\xff\x01",
        b"\xc8\x05",
        b"\xd0\x05\x00",
        b"\xd8\x05\x00\x00",
        b"\xe1\x05",
        b"\xc1",
    ):
        eq((b, read(b, {5: OPAQUE})), (b, ["error"]))


def test_item_longer_than_its_resource_is_an_error():
    eq(read(b"\x83\x05\x42\x00\x01\x01\xc1\x06\x01", {5: INT | MULTI}), ["error"])
    eq(read(b"\x82\x05\x41\x00\x01", {5: INT | MULTI}), ["error"])


def test_resource_longer_than_its_instance_is_an_error():
    eq(read(b"\x03\x00\xc2\x05\x01\x01\xc1\x06\x01", {5: INT}, 1), ["error"])


def test_wrong_nesting_is_an_error():
    for b in (
        record(0x80, 5, record(0xC0, 1, b"a")),  # a resource in a multiple resource
        record(0x80, 5, record(0x80, 1, record(0x40, 0, b"a"))),  # a multiple one in another
        record(0x80, 5, record(0x00, 0, b"")),  # an instance in a multiple resource
        record(0x00, 0, record(0x00, 0, record(0xC0, 1, b"a"))),  # an instance in an instance
        record(0x00, 0, record(0x40, 0, b"a")),  # a resource instance in an instance
        record(0x40, 0, b"a"),  # a resource instance in an instance
    ):
        for depth in (1, 2):
            eq((b, read(b, {}, depth)), (b, ["error"]))


def test_instance_other_than_that_of_the_path_is_an_error():
    eq(read(record(0x00, 1, record(0xC0, 5, b"a")), {}, 2), ["error"])
    eq(read(record(0x00, 0, record(0xC0, 5, b"a")), {}, 2), [(0, 5, -1, b"a")])


def test_random_bytes_never_raise():
    x = 0xBEEF
    for _ in range(3000):
        b = bytearray()
        x = (x ^ x << 7) & 0xFFFF
        for _ in range(1 + x % 24):
            x = (x ^ x << 7) & 0xFFFF
            x ^= x >> 9
            x = (x ^ x << 8) & 0xFFFF
            b.append((x & 255, x & 7, 0xC1, 0x41, 0x83, 0x03, x & 0xC7, x & 255)[x >> 13])
        for depth in (1, 2, 3, 4):
            for flags in (INT, STR, FLOAT, BOOL, OBJLNK):
                read(b, {rid: flags for rid in range(8)}, depth)


def test_mutations_of_a_valid_payload_never_raise():
    kinds = {rid: flags for rid, flags, _ in DEVICE_VALUES}
    x = 0x1234
    for i in range(len(DEVICE)):
        for _ in range(12):
            x = (x ^ x << 7) & 0xFFFF
            x ^= x >> 9
            x = (x ^ x << 8) & 0xFFFF
            b = bytearray(DEVICE)
            b[i] = x & 255
            read(b, kinds)


# Memory


def emit_into(out, model):
    out.rewind()
    out.payload()
    represent(model, CODEC, out, PATH, 2, 0, None)


def test_scalars_allocate_nothing():
    out = Builder(1152)
    out.begin(0, 0x45, 1, b"", 0, 0)
    for flags, value in (
        [(INT, value) for value, _ in INTS]
        + [(TIME, value) for value, _ in INTS]
        + [(UINT, value) for value, _ in UNSIGNED]
        + [(FLOAT, value) for value in (0.0, 21.5, 21.3, -1e300, float("inf"))]
        + [(STR, value) for value in ("", "x", "ü" * 10, "x" * 63, b"", b"x" * 255)]
        + [(OPAQUE, bytes(n)) for n in (0, 1, 33, 255)]
        + [(BOOL, True), (OBJLNK, (3, 0))]
    ):
        model = Model(thing((5, flags, value)))
        heap_locked(emit_into, out, model)
        n = out.finish()
        eq(bytes(out.buf[5:n]), write(flags, value))


def test_malformed_records_allocate_nothing():
    def walk(codec, b):
        codec.open(b, 0, len(b), PATH, 1)
        while codec.next():
            pass

    codec = CODEC.reader()
    walk(codec, DEVICE)  # the first time takes the reader's attributes
    heap_locked(walk, codec, DEVICE)
    for n in range(len(DEVICE)):
        heap_locked(walk, codec, DEVICE[:n])
