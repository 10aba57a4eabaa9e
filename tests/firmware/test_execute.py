"""Execute (LwM2M 1.1 Core §6.3.5), and handlers that refuse or fail."""

from bench import Bench
from management_bench import (
    BAD_REQUEST,
    INTERNAL,
    NOT_ALLOWED,
    NOT_FOUND,
    PARTIAL,
    UNSUPPORTED_FORMAT,
    Thing,
    code,
    made,
    refused,
)
from testing import eq
from wire import CHANGED, CONTENT, GET, LINK, OCTETS, POST, PUT, TEXT, TLV

from lwm2m.objects.base import Lwm2mError


# Execute


def test_execute_without_arguments():
    bench = made()
    eq(code(bench, POST, "/26241/0/5"), CHANGED)
    eq(bench.thing.runs, [None])


def test_execute_with_arguments():
    bench = made()
    for payload, args in (
        (b"0", {0: None}),
        (b"0='x'", {0: "x"}),
        (b"2,1='a b',9=''", {2: None, 1: "a b", 9: ""}),
        (b"0='\xc3\xbc,=1'", {0: "ü,=1"}),
        (b"0,1,2,3,4,5,6,7,8,9", {i: None for i in range(10)}),
    ):
        for format in (-1, TEXT):
            eq(code(bench, POST, "/26241/0/5", payload, format=format), CHANGED)
            eq(bench.thing.runs.pop(), args)


def test_execute_with_malformed_arguments_is_4_00():
    bench = made()
    for payload in MALFORMED:
        refused(bench, BAD_REQUEST, POST, "/26241/0/5", payload)
        refused(bench, BAD_REQUEST, POST, "/26241/0/5", payload, format=TEXT)


def test_execute_in_another_format_is_4_15():
    bench = made()
    for format in (TLV, LINK, OCTETS, 60):
        refused(bench, UNSUPPORTED_FORMAT, POST, "/26241/0/5", b"0", format=format)


def test_execute_of_what_is_not_executable_is_4_05():
    bench = made()
    for rid in (0, 1, 2, 3, 4, 7, 8):
        refused(bench, NOT_ALLOWED, POST, "/26241/0/%d" % rid)


def test_execute_of_what_is_not_there_is_4_04():
    bench = made()
    for path in ("/26241/0/11", "/26241/1/5", "/9/0/5", "/26241/0/5/0"):
        refused(bench, NOT_FOUND, POST, path)


def test_execute_without_a_method_is_4_04():
    refused(made(), NOT_FOUND, POST, "/26241/0/9")


MALFORMED = (
    b"a",
    b"10",
    b"0=",
    b"0='",
    b"0='x",
    b"0=x",
    b"0='x'y",
    b"0='x',",
    b",",
    b",0",
    b"0,,1",
    b"0,0",
    b"0='a',0='b'",
    b"0 ",
    b" 0",
    b"0='\xff'",
    b"='x'",
    b"0='x''",
    b"\x00",
    b"0=''x''",
)


class Moody(Thing):
    OID = 26242
    failing = None
    failure = None

    def check(self, rid, value):
        if self.failing == ("check", rid):
            raise self.failure

    def write(self, rid, name, value):
        if self.failing == ("write", rid):
            raise self.failure
        super().write(rid, name, value)

    def read(self, rid, name):
        if self.failing == ("read", rid):
            raise self.failure
        return super().read(rid, name)

    def run(self, args=None):
        if self.failing == ("run", 5):
            raise self.failure
        super().run(args)


def moody():
    bench = Bench()
    bench.thing = bench.client.add(Moody())
    return bench.registered()


def state(thing):
    failing = thing.failing
    thing.failing = None
    names = ("name", "level", "value", "blob", "password", "levels", "labels", "blobs", "wide")
    found = [getattr(thing, name) for name in names] + [getattr(thing, "missing", None)]
    thing.failing = failing
    return found


def fail(failing, failure, expected, method, path, payload=b"", **more):
    bench = moody()
    thing = bench.thing
    thing.failing = failing
    thing.failure = failure
    before = state(thing)
    answer = bench.ask(method, path, payload, **more)
    eq((failing, hex(answer.code)), (failing, hex(expected)))
    eq(answer.options, [])
    assert 0 < len(str(answer.payload, "utf-8")) <= 64, answer.payload
    eq((failing, state(thing)), (failing, before))
    # The loop is alive.
    thing.failing = None
    eq(code(bench, GET, "/26242/0/1"), CONTENT)
    eq(code(bench, PUT, "/26242/0/1", b"5", format=TEXT), CHANGED)


# Handlers that refuse or fail


def test_handler_refuses_with_its_own_code():
    for refusal in (0x80, 0x81, 0x83, 0x86, 0x89, 0x8D, 0xA1, 0xA3):
        error = Lwm2mError(refusal)
        fail(("read", 1), error, refusal, GET, "/26242/0/1")
        fail(("check", 1), error, refusal, PUT, "/26242/0/1", b"1", format=TEXT)
        fail(("write", 1), error, refusal, PUT, "/26242/0/1", b"1", format=TEXT)
        fail(("run", 5), error, refusal, POST, "/26242/0/5")


def test_handler_refuses_with_4_00_by_default():
    fail(("check", 1), Lwm2mError(), BAD_REQUEST, PUT, "/26242/0/1", b"1", format=TEXT)


def test_handler_that_fails_is_5_00():
    for error in (
        ValueError("x"),
        OSError(5),
        KeyError(),
        RuntimeError(),
        TypeError(),
    ):
        fail_everywhere(error, INTERNAL)


def test_handler_without_memory_is_5_03():
    fail_everywhere(MemoryError(), 0xA3)


def fail_everywhere(error, answer):
    fail(("read", 1), error, answer, GET, "/26242/0/1")
    fail(("read", 1), error, answer, GET, "/26242/0")
    fail(("read", 8), error, answer, GET, "/26242")
    fail(("read", 6), error, answer, GET, "/26242/0", accept=LINK)
    fail(("check", 1), error, answer, PUT, "/26242/0/1", b"1", format=TEXT)
    fail(("write", 1), error, answer, PUT, "/26242/0/1", b"1", format=TEXT)
    fail(("run", 5), error, answer, POST, "/26242/0/5")


def test_refused_value_of_several_changes_nothing():
    for rid in (0, 1, 6, 4, 7, 300):
        fail(("check", rid), Lwm2mError(0x86), 0x86, POST, "/26242/0", PARTIAL, format=TLV)


def test_failed_write_of_readable_resources_changes_nothing():
    payload = PARTIAL.replace(b"\xc3\x04new", b"")
    for rid in (0, 1, 6, 7, 300):
        fail(("write", rid), ValueError("x"), INTERNAL, POST, "/26242/0", payload, format=TLV)
        fail(("write", rid), Lwm2mError(0x86), 0x86, POST, "/26242/0", payload, format=TLV)
        fail(("write", rid), Lwm2mError(0x86), 0x86, PUT, "/26242/0", payload, format=TLV)


def test_failed_write_with_a_write_only_resource_changes_nothing():
    for rid in (0, 1, 6, 7, 300):
        fail(("write", rid), ValueError("x"), INTERNAL, POST, "/26242/0", PARTIAL, format=TLV)


def test_value_of_a_wrong_python_type_is_5_00_and_the_loop_lives():
    bench = made()
    for value in ("text", (1,), b"x", {}):
        bench.thing.level = value
        eq(code(bench, GET, "/26241/0/1"), INTERNAL)
        eq(code(bench, GET, "/26241/0"), INTERNAL)
    bench.thing.level = 1
    eq(code(bench, GET, "/26241/0/1"), CONTENT)
