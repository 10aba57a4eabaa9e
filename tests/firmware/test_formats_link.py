"""Link format, content format 40 (RFC 6690): Discover and the list of objects."""

from bench import Bench
from testing import eq, heap_locked
from wire import GET, LINK

from lwm2m.coap.builder import Builder
from lwm2m.formats.link import Link
from lwm2m.objects.base import Object
from lwm2m.registration.messages import write_links
from lwm2m.types import BOOL, INT, MULTI, RW, STR, E, R, W


class Thing(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, STR | RW, "name",
        1, INT | R | MULTI, "levels",
        2, INT | R, "missing",
        3, E, "reset",
        4, STR | W, "password",
        5, E, "nothing",
        6, BOOL | RW | MULTI, "switches",
    )
    # fmt: on
    name = "n"
    switches = ()

    def __init__(self, **values):
        self.levels = {0: 1, 7: 2, 300: 3}
        super().__init__(**values)

    def reset(self):
        pass


class Versioned(Thing):
    OID = 26242
    VERSION = "2.0"


def discovered(path, *instances):
    bench = Bench()
    for instance in instances:
        bench.client.add(instance)
    answer = bench.registered().ask(GET, path, accept=LINK)
    eq((answer.code, answer.uint(12)), (0x45, LINK))
    return answer.payload


def test_discover_object():
    eq(
        discovered("/26241", Thing()),
        b"</26241>,</26241/0>,</26241/0/0>,</26241/0/1>;dim=3,</26241/0/3>"
        b",</26241/0/4>,</26241/0/6>;dim=0",
    )


def test_discover_object_of_several_instances():
    eq(
        discovered("/26241", Thing(iid=7, levels=None), Thing(iid=2, levels=None, name=None)),
        b"</26241>,</26241/2>,</26241/2/3>,</26241/2/4>,</26241/2/6>;dim=0"
        b",</26241/7>,</26241/7/0>,</26241/7/3>,</26241/7/4>,</26241/7/6>;dim=0",
    )


def test_discover_object_with_a_version():
    got = discovered("/26242", Versioned())
    assert got.startswith((b'</26242>;ver="2.0",</26242/0>', b"</26242>;ver=2.0,</26242/0>")), got


def test_discover_instance():
    eq(
        discovered("/26241/0", Thing()),
        b"</26241/0>,</26241/0/0>,</26241/0/1>;dim=3,</26241/0/3>,</26241/0/4>,</26241/0/6>;dim=0",
    )


def test_discover_resource():
    eq(discovered("/26241/0/0", Thing()), b"</26241/0/0>")
    eq(discovered("/26241/0/3", Thing()), b"</26241/0/3>")
    eq(discovered("/26241/0/4", Thing()), b"</26241/0/4>")


def test_discover_multiple_resource():
    links = b"</26241/0/1>;dim=3,</26241/0/1/0>,</26241/0/1/7>,</26241/0/1/300>"
    eq(discovered("/26241/0/1", Thing()), links)


class Model:
    def __init__(self, *instances):
        self.objects = instances
        self.classes = {}
        self.codecs = ()


def listed(*instances):
    out = Builder(2048)
    out.begin(0, 2, 1, b"", 0, 0)
    out.payload()
    write_links(Model(*instances), Link(), out)
    n = out.finish()
    return bytes(out.buf[5:n]) if n > 4 else b""


class Plain(Object):
    def __init__(self, oid, iid, version=None):
        super().__init__(iid=iid)
        self.OID = oid
        self.VERSION = version


def test_list_of_instances():
    eq(listed(Plain(3, 0), Plain(3303, 0), Plain(3303, 1)), b"</3/0>,</3303/0>,</3303/1>")


def test_security_and_oscore_are_not_listed():
    eq(listed(Plain(0, 0), Plain(0, 1), Plain(1, 0), Plain(21, 0)), b"</1/0>")


def test_object_with_a_version_is_listed_first_and_once():
    got = listed(Plain(1, 0), Plain(5, 0, "1.1"), Plain(5, 1, "1.1"), Plain(6, 0))
    eq(got.replace(b'"', b""), b"</1/0>,</5>;ver=1.1,</5/0>,</5/1>,</6/0>")


def test_empty_list():
    eq(listed(), b"")


def test_large_ids():
    eq(listed(Plain(42768, 65534), Plain(65534, 10)), b"</42768/65534>,</65534/10>")


def test_list_allocates_nothing():
    def register(codec, out, model):
        out.rewind()
        out.payload()
        write_links(model, codec, out)

    out = Builder(1152)
    out.begin(0, 2, 1, b"", 0, 0)
    codec = Link()
    model = Model(Plain(1, 0), Versioned(iid=0), Plain(42768, 65534))
    register(codec, out, model)  # the first time takes the codec's attributes
    heap_locked(register, codec, out, model)
