"""JSON of LwM2M 1.0, content format 11543 (LwM2M 1.0 §6.4.4), both ways."""

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
    value_of,
)
from format_model import DEVICE_VALUES, thing
from testing import eq, raises
from vectors_json import BAD, CODEC, WHOLE, records
from wire import CONTENT, FETCH, GET

from lwm2m.types import BOOL, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR

KINDS = {rid: flags for rid, flags, _ in DEVICE_VALUES}


def test_lwm2m_6_4_4_device_instance():
    client = client_of(thing(*DEVICE_VALUES))
    eq(represented(CODEC, client, (9999, 0, 0, 0), 2), WHOLE)
    expected = []
    for rid, flags, value in DEVICE_VALUES:
        if flags & MULTI:
            expected += [((9999, 0, rid, i), value[i]) for i in range(len(value))]
        else:
            expected.append(((9999, 0, rid), value))
    eq(read(CODEC, WHOLE, KINDS), expected)
    check_truncations(CODEC, WHOLE, KINDS)


def test_the_characters_of_a_record():
    for flags, value, text in (
        (INT, -5, b'"v":-5'),
        (FLOAT, 21.5, b'"v":21.5'),
        (BOOL, True, b'"bv":true'),
        (STR, 'a"ü', b'"sv":"a\\"\xc3\xbc"'),
        (OBJLNK, (66, 1), b'"ov":"66:1"'),
        (OPAQUE, b"\xfb", b'"sv":"+w=="'),
        (OPAQUE, b"\xff\xef", b'"sv":"/+8="'),
        (OPAQUE, b"foo", b'"sv":"Zm9v"'),
    ):
        eq(single(CODEC, flags, value), b'{"bn":"/9999/0/5","e":[{' + text + b"}]}")
    eq(
        single(CODEC, INT | MULTI, (1, 5), (3, 0, 6, 0)),
        b'{"bn":"/3/0/6/","e":[{"n":"0","v":1},{"n":"1","v":5}]}',
    )
    b = represented(CODEC, None, (3, 0, 6, 1), 4, INT | MULTI, (1, 5))
    eq(b, b'{"bn":"/3/0/6/1","e":[{"v":5}]}')


def test_nothing_has_no_records():
    client = client_of(thing((5, INT, None)))
    b = b'{"bn":"/9999/0/","e":[]}'
    eq(represented(CODEC, client, (9999, 0, 0, 0), 2), b)
    eq(read(CODEC, b, {}), [])


def test_every_value_survives_its_way():
    check_round_trips(CODEC)


def test_windows_show_the_same():
    check_windows(CODEC, [(22, OPAQUE, Large(301)), (23, INT | MULTI, {i: i for i in range(40)})])


def test_scalars_allocate_nothing():
    check_no_allocation(CODEC)


def test_infinities_and_nan_have_no_form():
    for value in (float("inf"), float("-inf"), float("nan")):
        raises(ValueError, single, CODEC, FLOAT, value)


def test_forms_of_one_record():
    for b in (
        b'{"bn":"/9999/0/5","e":[{"v":7}]}',
        b'{"e":[{"v":7}],"bn":"/9999/0/5"}',
        b'{"e":[{"n":"5","v":7}],"bt":25462634,"bn":"/9999/0/"}',
        b'{"bn":"/","e":[{"n":"9999/0/5","v":7,"t":-5}]}',
        b'{"bn":"","e":[{"n":"/9999/0/5","v":7}]}',
        b'{"bn":"/9999/0/5","e":[{"n":"","v":7}],"x":[{"y":{}}]}',
        b' { "e" : [ { "v" : 7 } ] } ',
        b'{"e":[{"n":"","v":7}]}',
    ):
        eq((b, value_of(CODEC, b, INT)), (b, 7))
    # without a base name, the path of the request is meant
    b = b'{"e":[{"n":"5","v":7}]}'
    eq(read(CODEC, b, {5: INT}, 2), [((9999, 0, 5), 7)])
    eq(read(CODEC, b'{"e":[{"n":"3","v":7}]}', {5: INT}, 3), [((9999, 0, 5, 3), 7)])
    eq(read(CODEC, b'{"e":[{"n":"0/5","v":7}]}', {5: INT}, 1), [((9999, 0, 5), 7)])


def test_malformed_is_an_error():
    for b in BAD:
        for depth in (1, 2, 3):
            eq((b, depth, value_of(CODEC, b, INT, depth)), (b, depth, "error"))


def test_values_of_another_type_are_errors():
    fields = {STR: '"sv":"A"', INT: '"v":1', BOOL: '"bv":true', OBJLNK: '"ov":"1:1"'}
    for flags in (STR, INT, FLOAT, BOOL, OBJLNK, OPAQUE):
        for other in fields:
            got = value_of(CODEC, b'{"e":[{%s}]}' % fields[other].encode(), flags)
            wrong = flags != other and not (flags == FLOAT and other == INT)
            eq((flags, other, got == "error"), (flags, other, wrong))
    for text in ("A", "AAAAA", "-w=", "+x==", "AA==AA==", "A===", "====", "=", "Zm9v="):
        b = b'{"e":[{"sv":"%s"}]}' % text.encode()
        eq((text, value_of(CODEC, b, OPAQUE)), (text, "error"))
    eq(value_of(CODEC, b'{"e":[{"sv":"+w=="}]}', OPAQUE), b"\xfb")


def test_writes_through_a_client():
    check_writes(
        CODEC,
        records,
        lambda flags, value, path, depth: represented(CODEC, None, path, depth, flags, value),
        BAD[:26] + [records([(1, INT, 9), (2, INT, -1)]), records([(1, INT, 9), (9, STR, "x")])],
    )


def test_read_through_a_client():
    bench, part = bench_of(CODEC)
    bench.registered()
    answer = bench.ask(GET, "/9999/0", accept=11543)
    eq((answer.code, answer.uint(12)), (CONTENT, 11543))
    eq(answer.payload, represented(CODEC, bench.registration, (9999, 0, 0, 0), 2))
    eq(bench.ask(FETCH, "/", WHOLE, format=11543).code, 0x8F)  # has no composite
