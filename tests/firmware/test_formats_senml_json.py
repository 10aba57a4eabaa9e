"""SenML JSON, content formats 110 and 320 (RFC 8428 §5, LwM2M 1.1 Core §7.4.5), both ways."""

from format_checks import (
    ALL,
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
from format_model import DEVICE_VALUES, thing
from testing import eq, raises
from vectors_senml_json import BAD, CODEC, WHOLE, one, records
from wire import CHANGED, CONTENT, FETCH, GET, IPATCH

from lwm2m.formats.senml_json import SenmlEtchJson
from lwm2m.types import BOOL, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME, UINT

ETCH = SenmlEtchJson()

KINDS = {rid: flags for rid, flags, _ in DEVICE_VALUES}


def test_lwm2m_7_4_5_device_instance():
    client = client_of(thing(*DEVICE_VALUES))
    eq(represented(CODEC, client, (9999, 0, 0, 0), 2), WHOLE)


def test_lwm2m_7_4_5_device_instance_is_read():
    expected = []
    for rid, flags, value in DEVICE_VALUES:
        if flags & MULTI:
            expected += [((9999, 0, rid, i), value[i]) for i in range(len(value))]
        else:
            expected.append(((9999, 0, rid), value))
    eq(read(CODEC, WHOLE, KINDS), expected)
    spread = (
        WHOLE.replace(b",", b"\n\t , \r").replace(b":", b" :\n").replace(b"+02 :\n00", b"+02:00")
    )
    spread = (
        b" " + spread.replace(b"{", b" { ").replace(b"}", b" } ").replace(b"]", b" ] ") + b"\n"
    )
    eq(read(CODEC, spread, KINDS), expected)


def test_the_characters_of_a_record():
    for flags, value, text in (
        (INT, -5, b'"v":-5'),
        (INT, -(1 << 63), b'"v":-9223372036854775808'),
        (UINT, (1 << 64) - 1, b'"v":18446744073709551615'),
        (TIME, 1700000000, b'"v":1700000000'),
        (FLOAT, 21.5, b'"v":21.5'),
        (FLOAT, 21, b'"v":21'),
        (BOOL, True, b'"vb":true'),
        (BOOL, False, b'"vb":false'),
        (STR, 'a"\\\n\x1fü/\x7f', b'"vs":"a\\"\\\\\\u000a\\u001f\xc3\xbc/\x7f"'),
        (STR, b"bytes", b'"vs":"bytes"'),
        (OBJLNK, (66, 1), b'"vlo":"66:1"'),
        (OPAQUE, b"", b'"vd":""'),
        (OPAQUE, b"\xfb", b'"vd":"-w"'),
        (OPAQUE, b"\xff\xef", b'"vd":"_-8"'),
        (OPAQUE, b"foo", b'"vd":"Zm9v"'),
        (OPAQUE, b"foob", b'"vd":"Zm9vYg"'),
        (OPAQUE, b"fooba", b'"vd":"Zm9vYmE"'),
        (OPAQUE, bytearray(b"foobar"), b'"vd":"Zm9vYmFy"'),
    ):
        eq(single(CODEC, flags, value), b'[{"bn":"/9999/0/5",' + text + b"}]")
    eq(
        single(CODEC, INT | MULTI, (1, 5), (3, 0, 6, 0)),
        b'[{"bn":"/3/0/6/","n":"0","v":1},{"n":"1","v":5}]',
    )
    eq(
        represented(CODEC, None, (3, 0, 6, 1), 4, INT | MULTI, (1, 5)),
        b'[{"bn":"/3/0/6/1","v":5}]',
    )


def test_nothing_is_an_empty_array():
    eq(represented(CODEC, client_of(thing((5, INT, None))), (9999, 0, 0, 0), 2), b"[]")
    eq(single(CODEC, INT | MULTI, {}), b"[]")
    eq(read(CODEC, b" [ ] ", {}), [])


def test_object_with_instances():
    client = client_of(thing((5, INT, 1)), thing((5, INT, 2), iid=300))
    b = b'[{"bn":"/9999/","n":"0/5","v":1},{"n":"300/5","v":2}]'
    eq(represented(CODEC, client, (9999, 0, 0, 0), 1), b)
    eq(read(CODEC, b, {5: INT}, 1), [((9999, 0, 5), 1), ((9999, 300, 5), 2)])


def test_infinities_and_nan_have_no_form():
    for value in (float("inf"), float("-inf"), float("nan")):
        raises(ValueError, single, CODEC, FLOAT, value)
    bench, part = bench_of(CODEC)
    bench.registered()
    part.level = float("nan")
    eq(bench.ask(GET, "/9999/0/3", accept=110).code, 0xA0)
    eq(bench.ask(GET, "/9999/0/2", accept=110).code, CONTENT)


def test_every_value_survives_its_way():
    check_round_trips(CODEC)


def test_windows_show_the_same():
    check_windows(CODEC, [(22, OPAQUE, Large(301)), (23, INT | MULTI, {i: i for i in range(40)})])


def test_large_opaque_is_streamed():
    for n in (3000, 3001, 3002):
        large = Large(n)
        client = client_of(thing((5, OPAQUE, large)))
        whole = represented(CODEC, client, (9999, 0, 0, 0), 2, size=5000)
        eq(read(CODEC, whole, {5: OPAQUE}), [((9999, 0, 5), large.whole())])
        large.reads = 0
        b = b""
        while len(b) < len(whole):
            b += represented(CODEC, client, (9999, 0, 0, 0), 2, skip=len(b), count=512)
        eq(b, whole)
        assert large.reads < 100, large.reads  # what is passed over is not read


def test_scalars_allocate_nothing():
    check_no_allocation(CODEC)


def test_truncated_at_every_byte():
    check_truncations(CODEC, WHOLE, KINDS)
    b = b'[{"n":"\\u002f9999/0/5","vs":"\\ud834\\udd1e\\n","t":-1.5e+3,"x":{"y":[true,null,1]}}]'
    check_truncations(CODEC, b, {5: STR}, 3)


# Reading


def test_forms_of_one_record():
    for b in (
        b'[{"n":"/9999/0/5","v":7}]',
        b'[{"v":7,"n":"/9999/0/5"}]',
        b'[{"v":7,"bn":"/9999/0/5"}]',
        b'[{"bn":"/9999/","n":"0/5","v":7}]',
        b'[{"n":"0/5","v":7,"bn":"/9999/"}]',
        b'[{"n":"\\/9999\\/0\\/5","v":7}]',
        b'[{"\\u006e":"/9999/0/\\u0035","v":7}]',
        b'[{"n":"/9999/0/5","v":7,"t":1.5e9,"bt":-1,"ut":0,"u":"Cel","bu":"x","bver":10}]',
        b'[{"n":"/9999/0/5","v":7,"foo":[1,{"a":[],"b":{}},null],"":false,"x":"\\ud834\\udd1e"}]',
        b'[{"bn":"/9999/0/"},{"n":"5","v":7}]',
        b'\n[ { "n" : "/9999/0/5" , "v" : 7 } ]\t',
    ):
        eq((b, value_of(CODEC, b, INT)), (b, 7))


def test_numbers():
    for text, value in (
        ("0", 0),
        ("-0", 0),
        ("-1", -1),
        ("9223372036854775807", (1 << 63) - 1),
        ("-9223372036854775808", -(1 << 63)),
    ):
        eq((text, value_of(CODEC, one('"v":' + text), INT)), (text, value))
    eq(value_of(CODEC, one('"v":18446744073709551615'), UINT), (1 << 64) - 1)
    for flags, text in (
        (INT, "9223372036854775808"),
        (INT, "-9223372036854775809"),
        (TIME, "18446744073709551615"),
        (UINT, "18446744073709551616"),
        (UINT, "-1"),
        (INT, "1" * 400),
        (INT, "1.5"),
        (FLOAT, "1e999"),
        (FLOAT, "-1e999"),
        (FLOAT, "1" * 400),
    ):
        eq((text, value_of(CODEC, one('"v":' + text), flags)), (text, "error"))
    for text, value in (
        ("0", 0.0),
        ("21.5", 21.5),
        ("-2.15e1", -21.5),
        ("215E-1", 21.5),
        ("0.5e+1", 5.0),
        ("7", 7.0),
        ("1e-999", 0.0),
    ):
        got = value_of(CODEC, one('"v":' + text), FLOAT)
        eq((text, got, type(got)), (text, value, float))
    for text in (
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "1.e1",
        "0x1",
        "1_0",
        "NaN",
        "Infinity",
    ):
        for flags in (INT, FLOAT):
            eq((text, value_of(CODEC, one('"v":' + text), flags)), (text, "error"))
    for text in ("00", "-01", "1 0", "--1", "1-", "1,", "inf", "nan", "true", "null", '"1"', "[]"):
        for flags in (INT, FLOAT):
            eq((text, value_of(CODEC, one('"v":' + text), flags)), (text, "error"))


def test_strings():
    for text, value in (
        ("", ""),
        ('\\"\\\\\\/\\b\\f\\n\\r\\t', '"\\/\b\f\n\r\t'),
        ("\\u0041\\u00fc\\u20AC\\u20ac", "Aü€€"),
        ("\\ud834\\udd1e", "𝄞"),
        ("𝄞ü", "𝄞ü"),
        ("\\u0000", "\x00"),
        ("\\uffff", "\uffff"),
    ):
        eq((text, value_of(CODEC, one('"vs":"%s"' % text), STR)), (text, value))
    for text in (
        "\\",
        "\\x",
        "\\u",
        "\\u12",
        "\\u123g",
        "\\u 123",
        "\\u+123",
        "\\ud834",
        "\\ud834x",
        "\\ud834\\n",
        "\\ud834\\u0041",
        "\\udd1e",
        "\\ud834\\ud834",
        "\n",
        "\x00",
        "\x1f",
        '"',
        "\\U0041",
    ):
        eq((text, value_of(CODEC, one('"vs":"%s"' % text), STR)), (text, "error"))
    for raw in (b"\xff", b"\xc3", b"\xe2\x82", b"\x80"):
        b = b'[{"n":"/9999/0/5","vs":"' + raw + b'"}]'
        eq((b, value_of(CODEC, b, STR)), (b, "error"))


def test_opaque():
    for text, value in (("", b""), ("-w", b"\xfb"), ("_-8", b"\xff\xef"), ("AAAA", bytes(3))):
        eq(value_of(CODEC, one('"vd":"%s"' % text), OPAQUE), value)
    # Servers send the other alphabet, and padding.
    for text, value in (("+w", b"\xfb"), ("/-8", b"\xff\xef"), ("-w==", b"\xfb")):
        eq(value_of(CODEC, one('"vd":"%s"' % text), OPAQUE), value)
    for text in ("A", "AAAAA", "-w=", "-x", "__9", "AA A", "AA\\nAA", "ü"):
        eq((text, value_of(CODEC, one('"vd":"%s"' % text), OPAQUE)), (text, "error"))


def test_malformed_packs_are_errors():
    for b in BAD:
        for depth in (1, 2, 3):
            eq((b, depth, value_of(CODEC, b, INT, depth)), (b, depth, "error"))


def test_values_of_another_type_are_errors():
    fields = {STR: '"vs":"1"', INT: '"v":1', BOOL: '"vb":true', OPAQUE: '"vd":"AA"'}
    fields[OBJLNK] = '"vlo":"1:1"'
    for flags in fields:
        for other in fields:
            got = value_of(CODEC, one(fields[other]), flags)
            eq((flags, other, got == "error"), (flags, other, flags != other))
    for text in ('"vs":1', '"v":"1"', '"vb":1', '"vb":"true"', '"vd":1', '"vlo":1', '"vlo":[1,1]'):
        for flags in (STR, INT, FLOAT, BOOL, OPAQUE, OBJLNK):
            eq((text, value_of(CODEC, one(text), flags)), (text, "error"))
    for link in ("", "1", "1:", ":1", "1:2:3", "65536:0", "0:65536", "01:1", "-1:1", " 1:1"):
        eq((link, value_of(CODEC, one('"vlo":"%s"' % link), OBJLNK)), (link, "error"))


def test_writes_through_a_client():
    check_writes(
        CODEC,
        records,
        lambda flags, value, path, depth: represented(CODEC, None, path, depth, flags, value),
        BAD[:45] + [records([(1, INT, 9), (2, INT, -1)]), records([(1, INT, 9), (9, STR, "x")])],
    )


def test_read_through_a_client():
    bench, part = bench_of(CODEC)
    bench.registered()
    for path, depth in (("/9999", 1), ("/9999/0", 2)):
        answer = bench.ask(GET, path, accept=110)
        eq((answer.code, answer.uint(12)), (CONTENT, 110))
        eq(answer.payload, represented(CODEC, bench.registration, (9999, 0, 0, 0), depth))
    eq(bench.ask(GET, "/9999/0/1", accept=110).payload, b'[{"bn":"/9999/0/1","v":1}]')


def test_composite_through_a_client():
    bench, part = bench_of(CODEC, ETCH)
    bench.registered()
    paths = b'[{"n":"/9999/0/1"},{"bn":"/9999/0/8/","n":"2"},{"bn":"","n":"/9999/0/77"}]'
    expected = b'[{"n":"/9999/0/1","v":1},{"n":"/9999/0/8/2","v":7}]'
    for format in (110, 320):
        answer = bench.ask(FETCH, "/", paths, format=format)
        eq((answer.code, answer.uint(12), answer.payload), (CONTENT, 110, expected))
        eq(bench.ask(FETCH, "/", b"[]", format=format).code, 0x80)
        eq(bench.ask(FETCH, "/", paths[:-1], format=format).code, 0x80)
    b = b'[{"n":"/9999/0/1","v":33},{"n":"/9999/0/8/2","v":44}]'
    eq(bench.ask(IPATCH, "/", b, format=320).code, CHANGED)
    eq((part.number, part.list), (33, {0: 5, 2: 44}))
    old = state(part)
    for last in (b'"n":"/9999/0/9","vs":"x"', b'"n":"/9999/0/2","v":-1', b'"n":"/9999/0/2"'):
        b = b'[{"n":"/9999/0/1","v":66},{' + last + b"}]"
        assert bench.ask(IPATCH, "/", b, format=110).code >> 5 == 4
    eq(state(part), old)


def test_first_record_without_a_value_has_none():
    reader = CODEC.reader()
    b = b'[{"n":"/9999/0/5"}]'
    reader.open(b, 0, len(b), (0, 0, 0, 0), 0)
    eq(
        (reader.next(), reader.has_value, reader.value(INT), reader.error),
        (True, False, None, True),
    )


def test_every_type_is_named():
    eq(sorted(set(flags for flags, _ in ALL)), list(range(1, 10)))
