"""LwM2M CBOR, content format 11544 (LwM2M 1.2 Core §7.4.7), both ways."""

from format_checks import (
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
from vectors_lwm2m_cbor import BAD, WHOLE, tree
from wire import CHANGED, CONTENT, FETCH, GET, IPATCH

from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.types import FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME

CODEC = Lwm2mCbor()

KINDS = {rid: flags for rid, flags, _ in DEVICE_VALUES}


def expected_records():
    out = []
    for rid, flags, value in DEVICE_VALUES:
        if flags & MULTI:
            out += [((9999, 0, rid, i), value[i]) for i in range(len(value))]
        else:
            out.append(((9999, 0, rid), value))
    return out


def test_device_instance():
    client = client_of(thing(*DEVICE_VALUES))
    b = represented(CODEC, client, (9999, 0, 0, 0), 2)
    eq(b[:8], hexed("a1 19270f a1 00 bf 00"))
    eq(b[-1], 0xFF)
    eq(read(CODEC, b, KINDS), expected_records())
    eq(read(CODEC, WHOLE, KINDS), expected_records())
    # the same but for the open map and the tag of the time
    body = b[7:-1].replace(b"\xc1\x1a", b"\x1a")
    eq(body, cbor(tree(DEVICE_VALUES))[1:])


def test_the_bytes_of_a_value():
    eq(single(CODEC, INT, 7, (3, 0, 9, 0)), hexed("a1 03 a1 00 a1 09 07"))
    eq(single(CODEC, TIME, 7, (3, 0, 13, 0)), hexed("a1 03 a1 00 a1 0d c1 07"))
    eq(single(CODEC, STR, "x", (3303, 0, 5701, 0)), hexed("a1 190ce7 a1 00 a1 191645 6178"))
    eq(single(CODEC, INT | MULTI, (1, 5), (3, 0, 6, 0)), hexed("a1 03 a1 00 a1 06 a2 00 01 01 05"))
    b = represented(CODEC, None, (3, 0, 6, 1), 4, INT | MULTI, (1, 5))
    eq(b, hexed("a1 03 a1 00 a1 06 a1 01 05"))


def test_object_with_instances():
    client = client_of(thing((5, INT, 1)), thing((5, INT, 2), iid=300))
    b = represented(CODEC, client, (9999, 0, 0, 0), 1)
    eq(b, hexed("a1 19270f bf 00 bf 05 01 ff 19012c bf 05 02 ff ff"))
    eq(read(CODEC, b, {5: INT}, 1), [((9999, 0, 5), 1), ((9999, 300, 5), 2)])


def test_nothing():
    b = represented(CODEC, client_of(thing((5, INT, None))), (9999, 0, 0, 0), 2)
    eq(b, hexed("a1 19270f a1 00 bf ff"))
    eq(read(CODEC, b, {}), [])
    eq(read(CODEC, b"\xa0", {}), [])
    b = single(CODEC, INT | MULTI, {})
    eq(b, hexed("a1 19270f a1 00 a1 05 a0"))
    eq(read(CODEC, b, {}, 3), [((9999, 0, 5, -2), None)])


def test_every_value_survives_its_way():
    check_round_trips(CODEC)


def test_windows_show_the_same():
    check_windows(CODEC, [(22, OPAQUE, Large(300)), (23, INT | MULTI, {i: i for i in range(40)})])


def test_scalars_allocate_nothing():
    check_no_allocation(CODEC)


def test_truncated_at_every_byte():
    check_truncations(CODEC, WHOLE, KINDS)
    check_truncations(CODEC, single(CODEC, INT | MULTI, (1, 5)), {5: INT}, 3)


def compound(*pairs):
    """A map whose keys are paths."""
    out = bytes((0xA0 | len(pairs),))
    for path, value in pairs:
        out += cbor(list(path)) + cbor(value)
    return out


def test_keys_of_every_form():
    for b in (
        hexed("a1 19270f a1 00 a1 05 07"),
        hexed("bf 19270f bf 00 bf 05 07 ff ff ff"),
        hexed("a1 83 19270f 00 05 07"),
        hexed("a1 82 19270f 00 a1 05 07"),
        hexed("a1 19270f a1 82 00 05 07"),
        hexed("a1 81 19270f a1 81 00 a1 81 05 07"),
        hexed("a1 1b000000000000270f a1 1800 a1 190005 07"),
    ):
        eq((b, value_of(CODEC, b, INT)), (b, 7))
    b = compound(((9999, 0, 5, 2), 8), ((9999, 0), ((5, ((3, 9), (4, 10))),)))
    eq(read(CODEC, b, {5: INT}), [((9999, 0, 5, i), 6 + i) for i in (2, 3, 4)])


def test_malformed_is_an_error():
    for b in BAD:
        for depth in (1, 2, 3):
            eq((b, depth, value_of(CODEC, b, INT, depth)), (b, depth, "error"))


def test_another_place_than_that_of_the_path_is_an_error():
    b = hexed("a1 83 19270f 00 06 07")
    eq(read(CODEC, b, {6: INT}, 2), [((9999, 0, 6), 7)])
    eq(read(CODEC, b, {6: INT}, 3), ["error"])
    b = hexed("a1 83 19270f 01 06 07")
    eq(read(CODEC, b, {6: INT}, 1), [((9999, 1, 6), 7)])
    eq(read(CODEC, b, {6: INT}, 2), ["error"])


def test_values_of_another_type_are_errors():
    for value, right in ((7, (INT, FLOAT)), ("1:1", (STR, OBJLNK)), (b"x", (OPAQUE,))):
        for flags in (INT, FLOAT, STR, OBJLNK, OPAQUE):
            got = value_of(CODEC, compound(((9999, 0, 5), value)), flags)
            eq((value, flags, got == "error"), (value, flags, flags not in right))


def test_writes_through_a_client():
    def records(values):
        return cbor(((9999, ((0, tree(values)),)),))

    check_writes(
        CODEC,
        records,
        lambda flags, value, path, depth: represented(CODEC, None, path, depth, flags, value),
        BAD + [records([(1, INT, 9), (2, INT, -1)]), records([(1, INT, 9), (9, STR, "x")])],
    )


def test_read_through_a_client():
    bench, part = bench_of(CODEC)
    bench.registered()
    for path, depth in (("/9999", 1), ("/9999/0", 2)):
        answer = bench.ask(GET, path, accept=11544)
        eq((answer.code, answer.uint(12)), (CONTENT, 11544))
        eq(answer.payload, represented(CODEC, bench.registration, (9999, 0, 0, 0), depth))


def test_composite_through_a_client():
    bench, part = bench_of(CODEC)
    bench.registered()
    paths = compound(((9999, 0, 1), None), ((9999, 0, 8, 2), None), ((9999, 0, 77), None))
    answer = bench.ask(FETCH, "/", paths, format=11544)
    eq((answer.code, answer.uint(12)), (CONTENT, 11544))
    eq(answer.payload, hexed("bf 83 19270f 00 01 01 84 19270f 00 08 02 07 ff"))
    eq(read(CODEC, answer.payload, {1: INT, 8: INT}, 0), [((9999, 0, 1), 1), ((9999, 0, 8, 2), 7)])
    paths = compound(((9999, 0, 8), None))
    answer = bench.ask(FETCH, "/", paths, format=11544)
    eq(
        sorted(read(CODEC, answer.payload, {8: INT}, 0)),
        [((9999, 0, 8, 0), 5), ((9999, 0, 8, 2), 7)],
    )
    b = compound(((9999, 0, 1), 33), ((9999, 0, 8, 2), 44))
    eq(bench.ask(IPATCH, "/", b, format=11544).code, CHANGED)
    eq((part.number, part.list), (33, {0: 5, 2: 44}))
    old = state(part)
    b = compound(((9999, 0, 1), 66), ((9999, 0, 9), "x"))
    eq(bench.ask(IPATCH, "/", b, format=11544).code, 0x85)
    eq(bench.ask(FETCH, "/", b"\xa0", format=11544).code, 0x80)
    eq(state(part), old)
