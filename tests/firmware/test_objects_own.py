"""Objects of an application: where values may come from, and the hooks."""

from object_checks import bench_of, creation, deletion, get, put, record, settle
from testing import eq, raises
from wire import CHANGED, CREATED, GET, POST, PUT, TLV

from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.types import BOOL, FLOAT, INT, MANDATORY, MULTI, OBJLNK, OPAQUE, RW, STR, E, R, W

BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, FORBIDDEN, CONFLICT = 0x80, 0x84, 0x85, 0x83, 0x89


class Valve(Object):
    """Every way in which a value can be there."""

    OID = 26241
    RESOURCES = (
        0, INT | R, "constant",
        1, INT | RW, "kept",
        2, INT | R, "asked",
        3, INT | RW, "computed",
        4, STR | RW, None,
        5, INT | R | MULTI, "row",
        6, INT | RW | MULTI, "some",
        7, OBJLNK | R, "link",
        8, E, "flush",
        9, E, "missing",
        10, OPAQUE | W, "secret",
        11, FLOAT | RW, "hooked",
        12, BOOL | R, "absent",
    )  # fmt: skip
    constant = 7
    kept = None
    row = (1, 2, 3)
    some = None
    link = (3, 0)
    secret = None
    _computed = 1

    def __init__(self, **values):
        self.calls = []
        super().__init__(**values)

    def asked(self):
        self.calls.append("asked")
        return 41 + 1

    @property
    def computed(self):
        return self._computed * 2

    @computed.setter
    def computed(self, value):
        self._computed = value

    def flush(self, args=None):
        self.calls.append(("flush", args))

    def read(self, rid, name):
        if rid == 11:
            return 0.5
        return super().read(rid, name)

    def check(self, rid, value):
        if rid == 1 and value > 100:
            raise Lwm2mError(CONFLICT)
        if rid == 11 and value < 0:
            raise Lwm2mError()

    def write(self, rid, name, value):
        if rid == 11:
            self.calls.append(("write", value))
        else:
            super().write(rid, name, value)

    def clear(self, rid, name):
        self.calls.append(("clear", rid))
        if rid not in (3, 11):
            super().clear(rid, name)


def at(rid):
    return "/26241/0/%d" % rid


def test_values_come_from_attributes_functions_properties_and_hooks():
    bench = bench_of(Valve())
    for rid, value in (
        (0, 7),
        (1, NOT_FOUND),
        (2, 42),
        (3, 2),
        (4, NOT_FOUND),
        (5, {0: 1, 1: 2, 2: 3}),
        (6, NOT_FOUND),
        (7, (3, 0)),
        (8, NOT_ALLOWED),
        (10, NOT_ALLOWED),
        (11, 0.5),
        (12, NOT_FOUND),
    ):
        eq((rid, get(bench, at(rid))), (rid, value))
    assert "asked" in bench.it.calls


def test_function_given_to_the_constructor_is_asked_each_time():
    numbers = [5, 6, 7]
    bench = bench_of(Valve(constant=lambda: numbers.pop(0)))
    eq([get(bench, at(0)) for _ in range(3)], [5, 6, 7])


def test_values_go_to_attributes_properties_and_hooks():
    bench = bench_of(Valve())
    it = bench.it
    for rid, value in ((1, 100), (3, 21), (4, "x"), (6, {4: 1, 9: -1}), (10, b"key"), (11, 2.5)):
        eq((rid, put(bench, at(rid), value)), (rid, CHANGED))
    eq((it.kept, it._computed, it.more, it.some), (100, 21, {4: "x"}, {4: 1, 9: -1}))
    eq((it.secret, it.calls), (b"key", [("write", 2.5)]))
    eq((get(bench, at(3)), get(bench, at(4)), get(bench, at(11))), (42, "x", 0.5))
    eq(get(bench, at(6) + "/9"), -1)


def test_check_refuses_with_its_code_and_nothing_is_written():
    bench = bench_of(Valve())
    it = bench.it
    eq(put(bench, at(1), 101), CONFLICT)
    eq(put(bench, at(11), -1.0), BAD_REQUEST)
    payload = record(3, INT, 9) + record(11, FLOAT, -1.0)
    for method in (PUT, POST):
        eq(bench.ask(method, "/26241/0", payload, format=TLV).code, BAD_REQUEST)
    eq((it.kept, it._computed, it.calls), (None, 1, []))


def test_replacing_write_clears_what_it_does_not_mention():
    bench = bench_of(Valve(kept=5))
    eq(bench.ask(PUT, "/26241/0", record(3, INT, 9), format=TLV).code, CHANGED)
    eq((bench.it.kept, bench.it._computed), (None, 9))
    eq(sorted(bench.it.calls), [("clear", rid) for rid in (1, 4, 6, 10, 11)])


def test_partial_write_leaves_the_rest():
    bench = bench_of(Valve(kept=5))
    eq(bench.ask(POST, "/26241/0", record(3, INT, 9), format=TLV).code, CHANGED)
    eq((bench.it.kept, bench.it._computed, bench.it.calls), (5, 9, []))


def test_methods_are_executed_with_their_arguments():
    bench = bench_of(Valve())
    for payload in (b"", b"1,0='a'"):
        eq(bench.ask(POST, at(8), payload).code, CHANGED)
    eq(bench.it.calls, [("flush", None), ("flush", {0: "a", 1: None})])
    eq(bench.ask(POST, at(9)).code, NOT_FOUND)
    eq(bench.ask(POST, at(0)).code, NOT_ALLOWED)


def test_function_given_to_the_constructor_is_executed():
    calls = []
    bench = bench_of(Valve(flush=lambda: calls.append(1)))
    eq(bench.ask(POST, at(8)).code, CHANGED)
    eq(calls, [1])


def test_execute_hook_sees_everything():
    class Hooked(Valve):
        def execute(self, rid, name, args):
            if rid == 8:
                raise Lwm2mError(FORBIDDEN)
            self.calls.append((rid, name, args))

    bench = bench_of(Hooked())
    eq(bench.ask(POST, at(8)).code, FORBIDDEN)
    bench.it.missing = True
    eq(bench.ask(POST, at(9), b"2").code, CHANGED)
    eq(bench.it.calls, [(9, "missing", {2: None})])


def test_read_hook_may_refuse():
    class Hidden(Valve):
        def read(self, rid, name):
            if rid == 0:
                raise Lwm2mError(FORBIDDEN)
            return super().read(rid, name)

    bench = bench_of(Hidden())
    eq(get(bench, at(0)), FORBIDDEN)
    eq(get(bench, at(7)), (3, 0))


def test_handler_that_fails_gives_everything_back():
    class Failing(Valve):
        def write(self, rid, name, value):
            super().write(rid, name, value)
            if rid == 4 and value == "bad":
                raise OSError(5)

    bench = bench_of(Failing(kept=5))
    payload = record(1, INT, 6) + record(4, STR, "bad") + record(6, INT | MULTI, {0: 9})
    eq(bench.ask(POST, "/26241/0", payload, format=TLV).code, 0xA0)
    eq((get(bench, at(1)), get(bench, at(4)), get(bench, at(6))), (5, NOT_FOUND, NOT_FOUND))


class Note(Object):
    """What servers may create, twice at most, with a title."""

    OID = 26243
    LIMIT = 2
    RESOURCES = (
        0, STR | RW | MANDATORY, "title",
        1, INT | RW, "colour",
        2, INT | R | MANDATORY, "length",
    )  # fmt: skip
    title = ""

    @property
    def length(self):
        return len(self.title)

    def check(self, rid, value):
        if rid == 1 and not 0 <= value < 8:
            raise Lwm2mError()


def test_own_objects_are_created_with_checked_values():
    bench = bench_of(Valve())
    bench.client.allow_create(Note)
    settle(bench)
    oid = Note.OID
    title = record(0, STR, "buy milk")
    eq(creation(bench, record(1, INT, 3), 4, oid), BAD_REQUEST)  # without the title
    eq(creation(bench, title + record(1, INT, 8), 4, oid), BAD_REQUEST)  # check refuses
    eq(bench.client.find(oid), None)
    # What is read-only or unknown is not processed.
    more = record(1, INT, 7) + record(2, INT, 3) + record(9, INT, 8)
    eq(creation(bench, title + more, 4, oid), CREATED)
    eq((get(bench, "/26243/4/0"), get(bench, "/26243/4/2")), ("buy milk", 8))
    eq(creation(bench, title, -1, oid), CREATED)
    eq(get(bench, "/26243/0/0"), "buy milk")
    eq(creation(bench, title, -1, oid) >> 5, 4)  # there are two already
    eq(deletion(bench, "/26243/4"), [0x42])
    eq(bench.ask(GET, "/26243/4", accept=TLV).code, NOT_FOUND)
    eq(creation(bench, title, 9, oid), CREATED)


def test_unknown_names_are_refused():
    raises(ValueError, Valve, pressure=1)
    raises(ValueError, Note, calls=1)
