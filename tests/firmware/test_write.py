"""Write (LwM2M 1.1 Core §6.3.3)."""

from bench import Bench
from management_bench import (
    BAD_OPTION,
    BAD_REQUEST,
    BLOB,
    CONTINUE,
    NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_FORMAT,
    code,
    content,
    everything,
    made,
    refused,
)
from testing import eq
from wire import BLOCK1, CHANGED, LINK, OCTETS, POST, PUT, TEXT, TLV

from lwm2m.objects.base import Object
from lwm2m.types import BOOL, INT, RW, E, R


# Write


def test_write_resource_as_text():
    bench = made()
    eq(code(bench, PUT, "/26241/0/0", b"new", format=TEXT), CHANGED)
    eq(code(bench, PUT, "/26241/0/1", b"-8", format=TEXT), CHANGED)
    eq(code(bench, PUT, "/26241/0/7", b"1", format=TEXT), CHANGED)
    thing = bench.thing
    eq((thing.name, thing.level, thing.missing), ("new", -8, True))


def test_write_without_a_format_means_text():
    bench = made()
    eq(code(bench, PUT, "/26241/0/1", b"8"), CHANGED)
    eq(bench.thing.level, 8)


def test_write_empty_text():
    bench = made()
    eq(code(bench, PUT, "/26241/0/0", b"", format=TEXT), CHANGED)
    eq(bench.thing.name, "")


def test_write_octets():
    bench = made()
    eq(code(bench, PUT, "/26241/0/3", b"\x01\x02\x00", format=OCTETS), CHANGED)
    eq(bench.thing.blob, b"\x01\x02\x00")
    eq(code(bench, PUT, "/26241/0/10/1", b"\x09", format=OCTETS), CHANGED)
    eq(bench.thing.blobs, {1: b"\x09"})


def test_write_resource_as_tlv():
    bench = made()
    eq(code(bench, PUT, "/26241/0/1", b"\xc2\x01\x01\x00", format=TLV), CHANGED)
    eq(code(bench, PUT, "/26241/0/4", b"\xc3\x04new", format=TLV), CHANGED)
    eq(code(bench, PUT, "/26241/0/300", b"\xe1\x01\x2c\x05", format=TLV), CHANGED)
    eq((bench.thing.level, bench.thing.password, bench.thing.wide), (256, "new", 5))


def test_write_multiple_resource_replaces_it():
    bench = made()
    eq(code(bench, PUT, "/26241/0/6", b"\x86\x06\x41\x01\x05\x41\x07\x06", format=TLV), CHANGED)
    eq(bench.thing.levels, {1: 5, 7: 6})
    eq(code(bench, PUT, "/26241/0/6", b"\x80\x06", format=TLV), CHANGED)
    eq(bench.thing.levels, {})


def test_post_to_a_multiple_resource_updates_it():
    bench = made()
    eq(code(bench, POST, "/26241/0/6", b"\x86\x06\x41\x01\x05\x41\x03\x06", format=TLV), CHANGED)
    eq(bench.thing.levels, {0: 10, 1: 5, 3: 6})
    eq(code(bench, POST, "/26241/0/6", b"\x80\x06", format=TLV), CHANGED)
    eq(bench.thing.levels, {0: 10, 1: 5, 3: 6})


def test_write_of_one_resource_instance():
    bench = made()
    eq(code(bench, PUT, "/26241/0/6/3", b"99", format=TEXT), CHANGED)
    eq(bench.thing.levels, {0: 10, 3: 99})
    eq(code(bench, PUT, "/26241/0/6/3", b"\x41\x03\x05", format=TLV), CHANGED)
    eq(bench.thing.levels, {0: 10, 3: 5})


def test_write_does_not_change_a_dict_that_the_application_holds():
    bench = made()
    held = bench.thing.levels
    eq(code(bench, PUT, "/26241/0/6/3", b"99", format=TEXT), CHANGED)
    eq(held, {0: 10, 3: 13})


def test_write_of_an_instance_replaces_it():
    bench = made()
    payload = b"\xc1\x00n\x83\x06\x41\x05\x01"
    eq(code(bench, PUT, "/26241/0", payload, format=TLV), CHANGED)
    thing = bench.thing
    eq((thing.name, thing.levels), ("n", {5: 1}))
    # What was not mentioned is gone, what the server cannot write is not.
    eq((thing.level, thing.blob, thing.wide, thing.blobs), (None, None, None, None))
    eq((thing.value, thing.labels), (21.5, ("a", "b")))


def test_write_of_an_instance_with_its_own_header():
    bench = made()
    eq(code(bench, POST, "/26241/0", b"\x03\x00\xc1\x00n", format=TLV), CHANGED)
    eq((bench.thing.name, bench.thing.level), ("n", 7))


def test_post_to_an_instance_is_a_partial_update():
    bench = made()
    payload = b"\xc1\x01\x2a\x83\x06\x41\x05\x01\xc1\x07\x01\xc3\x04new"
    eq(code(bench, POST, "/26241/0", payload, format=TLV), CHANGED)
    thing = bench.thing
    eq((thing.name, thing.level, thing.missing, thing.password), ("thing", 42, True, "new"))
    eq(thing.levels, {0: 10, 3: 13, 5: 1})
    eq((thing.blob, thing.wide), (b"\x00\xff", 300))


def test_replacing_write_without_a_mandatory_resource_is_4_00():
    refused(made(), BAD_REQUEST, PUT, "/26241/0", b"\xc1\x01\x01", format=TLV)
    refused(made(), BAD_REQUEST, PUT, "/26241/0", b"", format=TLV)


def test_write_to_what_is_not_there_is_4_04():
    bench = made()
    for method in (PUT, POST):
        for path in ("/9/0", "/26241/1", "/26241/0/11", "/26241/0/1/0", "/26241/9/1", "/x/0/1"):
            refused(bench, NOT_FOUND, method, path, b"1", format=TEXT)


def test_write_of_an_unknown_resource_of_an_instance_is_ignored():
    bench = made()
    payload = b"\xc1\x01\x2a\xc1\x63\x01"
    eq(code(bench, POST, "/26241/0", payload, format=TLV), CHANGED)
    eq((bench.thing.name, bench.thing.level), ("thing", 42))
    eq(code(bench, PUT, "/26241/0", b"\xc1\x00x" + payload, format=TLV), CHANGED)
    eq((bench.thing.name, bench.thing.level, bench.thing.wide), ("x", 42, None))


def test_write_to_read_only_is_4_05():
    bench = made()
    refused(bench, NOT_ALLOWED, PUT, "/26241/0/2", b"1.5", format=TEXT)
    refused(bench, NOT_ALLOWED, PUT, "/26241/0/8", b"\x83\x08\x41\x00x", format=TLV)
    refused(bench, NOT_ALLOWED, PUT, "/26241/0/8/0", b"x", format=TEXT)
    refused(bench, NOT_ALLOWED, POST, "/26241/0/8", b"\x83\x08\x41\x00x", format=TLV)
    refused(bench, NOT_ALLOWED, PUT, "/26241/0/5", b"1", format=TEXT)
    refused(
        bench, NOT_ALLOWED, POST, "/26241/0", b"\xc1\x01\x2a\xc4\x02\x00\x00\x00\x00", format=TLV
    )
    refused(bench, NOT_ALLOWED, PUT, "/3/0/0", b"x", format=TEXT)


def test_post_to_a_single_resource_is_4_05():
    refused(made(), NOT_ALLOWED, POST, "/26241/0/1", b"1", format=TEXT)
    refused(made(), NOT_ALLOWED, POST, "/26241/0/6/0", b"1", format=TEXT)


def test_write_in_an_unknown_format_is_4_15():
    bench = made()
    for path in ("/26241/0", "/26241/0/1", "/26241/0/6", "/26241/0/6/0"):
        for format in (LINK, 41, 50, 60, 110, 112, 11543, 65535):
            refused(bench, UNSUPPORTED_FORMAT, PUT, path, b"1", format=format)


def test_write_in_a_format_that_cannot_carry_it_is_4_15():
    bench = made()
    refused(bench, UNSUPPORTED_FORMAT, PUT, "/26241/0", b"1", format=TEXT)
    refused(bench, UNSUPPORTED_FORMAT, PUT, "/26241/0/6", b"1", format=TEXT)
    refused(bench, UNSUPPORTED_FORMAT, PUT, "/26241/0/1", b"1", format=OCTETS)
    refused(bench, UNSUPPORTED_FORMAT, PUT, "/26241/0", b"\xc1\x01\x01")


def test_malformed_values_are_4_00():
    bench = made()
    for rid, payload, format in (
        (1, b"abc", TEXT),
        (1, b"", TEXT),
        (1, b"1.5", TEXT),
        (1, b"9223372036854775808", TEXT),
        (7, b"2", TEXT),
        (7, b"true", TEXT),
        (0, b"\xff\xfe", TEXT),
        (3, b"?", TEXT),
        (1, b"\xc0\x01", TLV),
        (1, b"\xc8\x01\x09" + bytes(9), TLV),
        (7, b"\xc1\x07\x02", TLV),
        (0, b"\xc2\x00\xff\xfe", TLV),
        (1, b"\xc1\x01", TLV),
        (1, b"\xc1", TLV),
        (1, b"", TLV),
        (1, b"\xc1\x00\x05", TLV),
        (1, b"\x81\x01\x05", TLV),
        (1, b"\x41\x00\x05", TLV),
        (6, b"\xc1\x06\x05", TLV),
        (6, b"\x83\x06\x41\x00", TLV),
        (6, b"\x83\x06\xc1\x00\x05", TLV),
        (1, b"\xc1\x01\x05\xc1\x00\x05", TLV),
    ):
        refused(bench, BAD_REQUEST, PUT, "/26241/0/%d" % rid, payload, format=format)


def test_malformed_write_of_a_resource_instance_is_4_00():
    bench = made()
    for payload in (b"\x41\x00\x05", b"\xc1\x06\x05", b"\x41\x03", b"", b"\x83\x06\x41\x00\x05"):
        refused(bench, BAD_REQUEST, PUT, "/26241/0/6/3", payload, format=TLV)
    refused(bench, BAD_REQUEST, PUT, "/26241/0/6/3", b"x", format=TEXT)


def test_instance_write_truncated_at_every_byte_changes_nothing():
    bench = made()
    payload = b"\xc1\x00n\xc2\x01\x01\x00\x86\x06\x41\x00\x05\x41\x01\x06\xc3\x04new\xc1\x07\x01"
    whole = (0, 3, 7, 15, 20)
    for n in range(len(payload)):
        if n not in whole:
            refused(bench, BAD_REQUEST, POST, "/26241/0", payload[:n], format=TLV)
            refused(bench, BAD_REQUEST, PUT, "/26241/0", payload[:n], format=TLV)
    eq(code(bench, POST, "/26241/0", payload, format=TLV), CHANGED)


def test_one_bad_value_among_good_ones_changes_nothing():
    good = (b"\xc1\x00n", b"\xc2\x01\x01\x00", b"\x83\x06\x41\x00\x05", b"\xc3\x04new")
    for bad in (
        b"\xc1\x07\x02",
        b"\xc0\x01",
        b"\xc1\x00\xff",
        b"\xc1\x06\x01",
        b"\x83\x01\x41\x00\x01",
    ):
        for at in range(len(good) + 1):
            payload = b"".join(good[:at]) + bad + b"".join(good[at:])
            refused(made(), BAD_REQUEST, POST, "/26241/0", payload, format=TLV)
            refused(made(), BAD_REQUEST, PUT, "/26241/0", payload, format=TLV)


def test_put_without_payload_and_format_is_4_00():
    refused(made(), BAD_REQUEST, PUT, "/26241/0/0")


def test_empty_post_to_an_instance_changes_nothing():
    bench = made()
    before = everything(bench)
    eq(code(bench, POST, "/26241/0", b"", format=TLV), CHANGED)
    eq(everything(bench), before)


def test_first_block_of_a_larger_write_is_not_taken_for_the_whole():
    # RFC 7959 §2.5: Block1 is critical. As long as it is not served, it must not be ignored.
    bench = made()
    for rid, payload, format in ((3, b"x" * 16, OCTETS), (0, b"y" * 16, TEXT)):
        before = everything(bench)
        answer = bench.ask(
            PUT, "/26241/0/%d" % rid, payload, format=format, options=[(BLOCK1, 0 << 4 | 8)]
        )
        assert answer.code in (BAD_OPTION, TOO_LARGE, 0x5F), answer
        eq(everything(bench), before)


def test_later_block_of_a_larger_write_is_not_taken_for_the_whole():
    bench = made()
    before = everything(bench)
    answer = bench.ask(PUT, "/26241/0/3", b"tail", format=OCTETS, options=[(BLOCK1, 1 << 4)])
    assert answer.code >= 0x80, answer
    eq(everything(bench), before)


def test_only_block_of_a_write_is_a_write():
    bench = made()
    answer = bench.ask(PUT, "/26241/0/3", b"all", format=OCTETS, options=[(BLOCK1, 6)])
    eq((answer.code, bench.thing.blob), (CHANGED, b"all"))


def put_in_blocks(bench, path, payload, szx, format):
    """Write in blocks; returns the codes of the answers, which echo the block."""
    codes = []
    size = 16 << szx
    for offset in range(0, len(payload), size):
        part = payload[offset : offset + size]
        more = 8 if offset + size < len(payload) else 0
        block1 = offset // size << 4 | more | szx
        answer = bench.ask(PUT, path, part, format=format, options=[(BLOCK1, block1)])
        codes.append(answer.code)
        if answer.code < 0x80:
            eq(answer.uint(BLOCK1) & ~8, block1 & ~8)
    return codes


def test_rfc7959_write_in_blocks_of_each_size():
    for szx in range(7):
        bench = made()
        codes = put_in_blocks(bench, "/26241/0/3", BLOB[:300], szx, OCTETS)
        eq(codes, [CONTINUE] * (len(codes) - 1) + [CHANGED])
        eq(bench.thing.blob, BLOB[:300])


def test_rfc7959_write_of_an_instance_in_blocks():
    bench = made()
    payload = b"\xc8\x00\x28" + b"n" * 40 + b"\xc1\x01\x2a"
    eq(put_in_blocks(bench, "/26241/0", payload, 0, TLV)[-1], CHANGED)
    eq((bench.thing.name, bench.thing.level), ("n" * 40, 42))


def test_rfc7959_block_that_is_missing_is_4_08():
    bench = made()
    before = everything(bench)
    eq(code(bench, PUT, "/26241/0/3", bytes(16), format=OCTETS, options=[(BLOCK1, 8)]), CONTINUE)
    answer = bench.ask(PUT, "/26241/0/3", bytes(16), format=OCTETS, options=[(BLOCK1, 2 << 4 | 8)])
    eq(answer.code, 0x88)
    eq(everything(bench), before)


def test_rfc7959_block_0_starts_anew():
    bench = made()
    eq(code(bench, PUT, "/26241/0/3", b"x" * 16, format=OCTETS, options=[(BLOCK1, 8)]), CONTINUE)
    eq(put_in_blocks(bench, "/26241/0/3", b"y" * 40, 0, OCTETS)[-1], CHANGED)
    eq(bench.thing.blob, b"y" * 40)


def test_rfc7959_repeated_block_is_taken_once():
    bench = made()
    for mid, part, block1 in (
        (1, b"a" * 16, 8),
        (1, b"a" * 16, 8),
        (2, b"b" * 16, 1 << 4 | 8),
        (2, b"b" * 16, 1 << 4 | 8),
        (3, b"c", 2 << 4),
        (3, b"c", 2 << 4),
    ):
        answer = bench.ask(
            PUT, "/26241/0/3", part, format=OCTETS, mid=mid, options=[(BLOCK1, block1)]
        )
        eq(answer.code, CHANGED if mid == 3 else CONTINUE)
    eq(bench.thing.blob, b"a" * 16 + b"b" * 16 + b"c")


def test_rfc7959_malformed_block1_is_4_00():
    bench = made()
    before = everything(bench)
    for part, block1 in ((bytes(16), 7), (bytes(15), 8), (bytes(17), 8), (bytes(17), 0), (b"", 8)):
        answer = bench.ask(PUT, "/26241/0/3", part, format=OCTETS, options=[(BLOCK1, block1)])
        eq((part, block1, answer.code), (part, block1, BAD_REQUEST))
        eq(everything(bench), before)


class Valve(Object):
    OID = 26243
    # fmt: off
    RESOURCES = (
        5850, BOOL | RW, "open",
        5536, INT | R, "flow",
        5523, E, "flush",
    )
    # fmt: on
    open = False
    flow = 0
    flushed = 0

    def flush(self):
        self.flushed += 1


# A user's own object, as the docstring of objects/base.py shows it


def test_own_object_in_a_dozen_lines():
    bench = Bench()
    valve = bench.client.add(Valve(flow=3))
    bench.registered()
    eq(content(bench, "/26243/0/5850"), (TEXT, b"0"))
    eq(code(bench, PUT, "/26243/0/5850", b"1", format=TEXT), CHANGED)
    eq((valve.open, content(bench, "/26243/0/5536")), (True, (TEXT, b"3")))
    eq(code(bench, POST, "/26243/0/5523"), CHANGED)
    eq(valve.flushed, 1)
    eq(code(bench, PUT, "/26243/0/5536", b"1", format=TEXT), NOT_ALLOWED)
    eq(content(bench, "/26243/0", LINK)[1].count(b"<"), 4)


def test_value_may_be_a_function_or_a_property():
    class Computed(Object):
        OID = 26244
        RESOURCES = (0, INT | R, "called", 1, INT | R, "property_")

        def called(self):
            return 5

        @property
        def property_(self):
            return 6

    bench = Bench()
    bench.client.add(Computed())
    bench.registered()
    eq(content(bench, "/26244/0/0"), (TEXT, b"5"))
    eq(content(bench, "/26244/0/1"), (TEXT, b"6"))
