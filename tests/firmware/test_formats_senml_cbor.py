# matrix
"""SenML CBOR, content formats 112 and 322 (RFC 8428 §6, LwM2M 1.1 Core §7.4.5), both ways."""

from format_checks import (
    ALL,
    EDGES,
    Large,
    bench_of,
    check_no_allocation,
    check_round_trips,
    check_truncations,
    check_windows,
    check_writes,
    client_of,
    read,
    represented,
    single,
    state,
    value_of,
)
from format_model import DEVICE_VALUES, hexed, thing
from testing import eq
from vectors_cbor import cbor
from vectors_senml_cbor import BAD, DEVICE, PATH5, WHOLE, field, one, records
from wire import CHANGED, CONTENT, FETCH, GET, IPATCH

from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.types import BOOL, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME, UINT

CODEC = SenmlCbor()
ETCH = SenmlEtchCbor()

KINDS = {rid: flags for rid, flags, _ in DEVICE_VALUES}


def expected_records():
    out = []
    for rid, flags, value in DEVICE:
        if flags & MULTI:
            out += [((9999, 0, rid, i), value[i]) for i in sorted(value)]
        else:
            out.append(((9999, 0, rid), value))
    return out


def test_lwm2m_7_4_5_device_instance():
    client = client_of(thing(*DEVICE_VALUES))
    eq(represented(CODEC, client, (9999, 0, 0, 0), 2), WHOLE)
    eq(read(CODEC, WHOLE, KINDS), expected_records())


def test_the_bytes_of_a_record():
    # [{bn: "/3/0/13", v: 1700000000}]
    b = hexed("81 a2 21 67 2f332f302f3133 02 1a 6553f100")
    eq(single(CODEC, TIME, 1700000000, (3, 0, 13, 0)), b)
    # [{bn: "/3/0/6/", n: "0", v: 1}, {n: "1", v: 5}]
    b = hexed("82 a3 21 67 2f332f302f362f 00 61 30 02 01 a2 00 61 31 02 05")
    eq(single(CODEC, INT | MULTI, (1, 5), (3, 0, 6, 0)), b)
    # [{bn: "/3/0/6/1", v: 5}]
    b = hexed("81 a2 21 68 2f332f302f362f31 02 05")
    eq(represented(CODEC, None, (3, 0, 6, 1), 4, INT | MULTI, (1, 5)), b)
    eq(
        single(CODEC, OBJLNK, (66, 1)),
        hexed("81 a2 21 69 2f393939392f302f35 63766c6f 64 36363a31"),
    )


def test_object_with_instances():
    client = client_of(thing((5, INT, 1)), thing((5, INT, 2), iid=300))
    b = cbor([((-2, "/9999/"), (0, "0/5"), (2, 1)), ((0, "300/5"), (2, 2))])
    eq(represented(CODEC, client, (9999, 0, 0, 0), 1), b)
    eq(read(CODEC, b, {5: INT}, 1), [((9999, 0, 5), 1), ((9999, 300, 5), 2)])


def test_nothing_is_an_empty_array():
    eq(represented(CODEC, client_of(thing((5, INT, None))), (9999, 0, 0, 0), 2), b"\x80")
    eq(represented(CODEC, client_of(), (9999, 0, 0, 0), 1), b"\x80")
    eq(single(CODEC, INT | MULTI, {}), b"\x80")
    eq(read(CODEC, b"\x80", {}), [])
    eq(read(CODEC, b"\x9f\xff", {}), [])


def test_every_value_survives_its_way():
    check_round_trips(CODEC)


def test_more_than_23_records():
    values = {i: i for i in range(300)}
    b = single(CODEC, INT | MULTI, values)
    eq(b[:3], b"\x99\x01\x2c")
    found = read(CODEC, b, {5: INT}, 3)
    eq(sorted(found), [((9999, 0, 5, i), i) for i in range(300)])


def test_ids_of_every_length():
    for n in (0, 9, 10, 99, 100, 999, 1000, 9999, 10000, 65535):
        b = single(CODEC, INT, 7, (n, n, n, 0))
        eq(b, cbor([((-2, "/%d/%d/%d" % (n, n, n)), (2, 7))]))
        eq(read(CODEC, b, {n: INT}, 3, (n, n, n, 0)), [((n, n, n), 7)])


def test_windows_show_the_same():
    check_windows(CODEC, [(22, OPAQUE, Large(300)), (23, INT | MULTI, {i: i for i in range(40)})])


def test_large_opaque_in_an_instance_is_streamed():
    large = Large(3000)
    client = client_of(thing((5, OPAQUE, large)))
    whole = cbor([((-2, "/9999/0/"), (0, "5"), (8, large.whole()))])
    b = b""
    while len(b) < len(whole):
        b += represented(CODEC, client, (9999, 0, 0, 0), 2, skip=len(b), count=256)
    eq(b, whole)


def test_scalars_allocate_nothing():
    check_no_allocation(CODEC)


def test_truncated_at_every_byte():
    check_truncations(CODEC, WHOLE, KINDS)


# Reading


def test_forms_of_one_record():
    for b in (
        one(PATH5, (2, 7)),
        one((2, 7), PATH5),
        one((2, 7), (-2, "/9999/0/5")),
        one((-2, "/9999/"), (0, "0/5"), (2, 7)),
        one((0, "0/5"), (2, 7), (-2, "/9999/")),
        one((-2, "/9999/0/5/"), (2, 7)),
        one(PATH5, (2, 7), (6, 1700000000)),
        one(PATH5, (2, 7), (6, -5.5), (-3, 1.0e9), (7, 60), (1, "Cel"), (-4, "Cel"), (-1, 10)),
        one(PATH5, (2, 7), ("foo", [1, ((2, 3),), None, b"x"]), (99, 1), (-50, "x"), ("", 1)),
        cbor([((-2, "/9999/0/"),), ((0, "5"), (2, 7))]),
        b"\x9f\xbf\x00\x69/9999/0/5\x02\x07\xff\xff",
        b"\x9f" + one(PATH5, (2, 7))[1:] + b"\xff",
        b"\x98\x01\xb8\x02" + one(PATH5, (2, 7))[2:],
    ):
        eq((b, value_of(CODEC, b, INT)), (b, 7))


def test_base_name_holds_until_the_next():
    b = cbor(
        [
            ((-2, "/9999/0/"), (0, "1"), (2, 1)),
            ((0, "2"), (2, 2)),
            ((-2, "/9999/0/8/"), (0, "3"), (2, 3)),
            ((0, "4"), (2, 4)),
        ]
    )
    eq(
        read(CODEC, b, {1: INT, 2: INT, 8: INT}),
        [((9999, 0, 1), 1), ((9999, 0, 2), 2), ((9999, 0, 8, 3), 3), ((9999, 0, 8, 4), 4)],
    )


def test_malformed_packs_are_errors():
    for b in BAD:
        for depth in (1, 2, 3):
            if depth == 1 and b"/9999/1/5" in b:
                continue  # a place of its own
            eq((b, depth, value_of(CODEC, b, INT, depth)), (b, depth, "error"))


def test_another_resource_than_that_of_the_path_is_an_error():
    b = one((0, "/9999/0/6"), (2, 7))
    eq(read(CODEC, b, {6: INT}, 3), ["error"])
    eq(read(CODEC, b, {6: INT}, 2), [((9999, 0, 6), 7)])
    b = one((0, "/9999/0/5/1"), (2, 7))
    eq(read(CODEC, b, {5: INT}, 4), ["error"])
    eq(read(CODEC, one(PATH5, (2, 7)), {5: INT}, 4), ["error"])


def test_values_of_another_type_are_errors():
    for flags, value in ALL:
        b = one(PATH5, field(flags, value))
        eq((value, value_of(CODEC, b, flags)), (value, value))
        group = field(flags, value)[0]
        for other in (STR, INT, FLOAT, BOOL, OPAQUE, OBJLNK):
            if field(other, (0, 0) if other == OBJLNK else None)[0] != group:
                eq((value, value_of(CODEC, b, other)), (value, "error"))
        if value == 21.5:
            eq(value_of(CODEC, b, INT), "error")
    for label, value in ((2, "7"), (3, 7), (4, 1), (8, "x"), ("vlo", 1), (3, b"x"), (2, True)):
        for flags in (STR, INT, FLOAT, BOOL, OPAQUE, OBJLNK):
            eq(value_of(CODEC, one(PATH5, (label, value)), flags), "error")


def test_integers_out_of_range_are_refused():
    for flags, value in ((INT, 1 << 63), (UINT, -1), (TIME, (1 << 64) - 1)):
        eq(value_of(CODEC, one(PATH5, (2, value)), flags), "error")
    for value in EDGES:
        eq(value_of(CODEC, one(PATH5, (2, value)), FLOAT), float(value))


def test_writes_through_a_client():
    check_writes(
        CODEC,
        records,
        lambda flags, value, path, depth: represented(
            CODEC, None, path, depth, flags, {path[3]: value[path[3]]} if depth == 4 else value
        ),
        BAD + [records([(1, INT, 9), (2, UINT, -1)]), records([(1, INT, 9), (9, STR, "x")])],
    )


def test_read_through_a_client():
    bench, part = bench_of(CODEC)
    bench.registered()
    part.more = None
    for path, depth in (("/9999", 1), ("/9999/0", 2)):
        answer = bench.ask(GET, path, accept=112)
        eq((answer.code, answer.uint(12)), (CONTENT, 112))
        eq(
            answer.payload,
            represented(CODEC, bench.registration, (9999, 0, 0, 0), depth),
        )
    eq(bench.ask(GET, "/9999/0/1", accept=112).payload, single(CODEC, INT, 1, (9999, 0, 1, 0)))


# Composite


def composed(codec, client, paths, skip=0, count=-1):
    return represented(codec, client, paths, 0, skip=skip, count=count)


def test_composite_answer():
    client = client_of(
        thing((5, INT, 1), (6, STR, "x"), (7, INT | MULTI, {3: 9, 4: 10})),
        thing((5, INT, 2), iid=2),
    )
    paths = [(9999, 0, 5), (9999, 2), (9999, 0, 7, 4), (9999, 0, 99), (1, 0, 1), (9999, 0, 7, 9)]
    b = cbor(
        [
            ((0, "/9999/0/5"), (2, 1)),
            ((0, "/9999/2/5"), (2, 2)),
            ((0, "/9999/0/7/4"), (2, 10)),
        ]
    )
    eq(composed(CODEC, client, paths), b)
    eq(
        read(CODEC, b, {5: INT, 7: INT}, 0),
        [((9999, 0, 5), 1), ((9999, 2, 5), 2), ((9999, 0, 7, 4), 10)],
    )
    whole = composed(CODEC, client, [(9999,)])
    eq(composed(CODEC, client, [(9999, 0, 5), (9999,), (9999, 2, 5), (9999,)]), whole)
    eq(composed(CODEC, client, [()]), whole)
    eq(composed(CODEC, client, [(9998,)]), b"\x80")
    b = b""
    while len(b) < len(whole):
        b += composed(CODEC, client, [(9999,)], len(b), 16)
    eq(b, whole)


def test_composite_paths():
    b = cbor([((0, "/3/0/0"),), ((-2, "/9999/"), (0, "1/8/3")), ((0, "2"),), ((0, ""),)])
    eq(
        read(CODEC, b, {}, 0),
        [((3, 0, 0), None), ((9999, 1, 8, 3), None), ((9999, 2), None), ((9999,), None)],
    )
    eq(read(CODEC, one((0, "/")), {}, 0), [((), None)])
    eq(read(CODEC, one((0, "")), {}, 0), ["error"])
    eq(read(CODEC, one((0, "/3/0"), (2, 1)), {}, 0), ["error"])


def test_first_record_without_a_value_has_none():
    reader = CODEC.reader()
    b = one(PATH5)
    reader.open(b, 0, len(b), (0, 0, 0, 0), 0)
    eq(
        (reader.next(), reader.has_value, reader.value(INT), reader.error),
        (True, False, None, True),
    )


def test_composite_through_a_client():
    bench, part = bench_of(CODEC, ETCH)
    bench.registered()
    paths = cbor([((0, "/9999/0/1"),), ((0, "/9999/0/8/2"),), ((0, "/9999/0/77"),), ((0, "/0"),)])
    expected = cbor([((0, "/9999/0/1"), (2, 1)), ((0, "/9999/0/8/2"), (2, 7))])
    for format in (112, 322):
        answer = bench.ask(FETCH, "/", paths, format=format)
        eq((answer.code, answer.uint(12), answer.payload), (CONTENT, 112, expected))
        eq(bench.ask(FETCH, "/", b"\x80", format=format).code, 0x80)
        eq(bench.ask(FETCH, "/", paths[:-1], format=format).code, 0x80)
    b = cbor(
        [((0, "/9999/0/1"), (2, 33)), ((0, "/9999/0/8/2"), (2, 44)), ((0, "/9999/1/1"), (2, 55))]
    )
    eq(bench.ask(IPATCH, "/", b, format=322).code, 0x84)
    other = bench.client.add(type(part)())
    bench.client.step()
    bench.far.take()
    eq(bench.ask(IPATCH, "/", b, format=322).code, CHANGED)
    eq((part.number, part.list, other.number), (33, {0: 5, 2: 44}, 55))
    old = state(part)
    for last in (((0, "/9999/0/9"), (3, "x")), ((0, "/9999/0/2"), (2, -1)), ((0, "/9999/0/2"),)):
        b = cbor([((0, "/9999/0/1"), (2, 66)), last])
        assert bench.ask(IPATCH, "/", b, format=112).code >> 5 == 4
    eq(state(part), old)
    eq(bench.ask(GET, "/9999/0", accept=322).code, 0x86)


def test_decimal_fractions():
    # RFC 8428 §6 allows them for every number
    b = b"\x81\xa3\x00\x69/9999/0/5\x06\xc4\x82\x21\x01\x02\xc4\x82\x20\x18\xd7"
    eq(value_of(CODEC, b, FLOAT), 21.5)
    eq(value_of(CODEC, b, INT), "error")
    check_truncations(CODEC, b, {5: FLOAT}, 3)
