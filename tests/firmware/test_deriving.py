"""What programs may do to the classes of the package, and what is refused, wherever they are: in
RAM, packed, or in ROM, where a class has its dictionary in flash."""

import gc

from bench import Bench
from testing import eq, raises

import lwm2m.client as client_module
from lwm2m import codes
from lwm2m.client import Client
from lwm2m.clock import Clock, Deadline
from lwm2m.errors import Lwm2mError
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.text import Text
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.transport.udp import Udp
from lwm2m.types import FLOAT, INT, R

IN_ROM = codes.__file__.startswith("build/rom/")


FOR_PROGRAMS = (
    Client, Clock, Lwm2mError, Text, SenmlCbor, Object, Device, Temperature, Humidity, Udp,
)  # fmt: skip


class Probe(Object):
    OID = 26241
    RESOURCES = (0, INT | R, "level", 1, FLOAT | R, "ratio")
    level = 7

    @property
    def ratio(self):
        return self.level / 2


class Corrected(Temperature):
    """Overrides a method, and calls the one that it overrides."""

    offset = 1.5

    def __init__(self, **given):
        super().__init__(**given)
        self.count = 0

    def _set(self, value):
        self.count += 1


class Both(Corrected, Probe):
    pass


def classes():
    """Every class that the modules of this test have."""
    given = list(FOR_PROGRAMS)
    for name in dir(client_module):
        value = getattr(client_module, name)
        if name[0] != "_" and isinstance(value, type) and value not in given:
            given.append(value)
    return given


def test_classes_for_programs_can_be_derived_of_and_no_other_in_rom():
    count = 0
    for base in classes():
        try:
            derived = type("Derived", (base,), {"of_derived": 1})
        except TypeError:
            assert IN_ROM and base not in FOR_PROGRAMS, base
            continue
        gc.collect()
        assert issubclass(derived, base)
        eq(derived.of_derived, 1)
        assert not hasattr(base, "of_derived"), base
        count += 1
    assert count > 8, count


def test_class_in_rom_says_that_no_class_can_derive_of_it():
    def derive():
        class Wrong(Deadline):
            pass

    if IN_ROM:
        eq(str(raises(TypeError, derive)), "no class can derive of one that is in ROM")
    deadline = Deadline(Clock())
    assert type(deadline) is Deadline
    deadline.after(5)
    eq(deadline.ms, 5)


def test_derived_objects_are_served():
    bench = Bench()
    bench.client.add(Probe(iid=0))
    bench.client.add(Corrected(iid=1))
    bench.registered()
    eq(bench.ask(1, "/26241/0/0").payload, b"7")
    eq(bench.ask(1, "/26241/0/1").payload, b"3.5")
    eq(Both(iid=2).ratio, 3.5)
    assert isinstance(Both(iid=2), Object)


def test_properties_of_a_derived_class_work_in_what_derives_of_it():
    class Double(Probe):
        @property
        def ratio(self):
            return self.level * 2

    eq((Double(iid=0).ratio, Probe(iid=0).ratio), (14, 3.5))


def test_methods_of_an_instance_can_be_replaced():
    probe = Probe(iid=0)
    probe.level = 9
    eq((probe.ratio, Probe.level), (4.5, 7))
    clock = Clock(lambda: 5)
    clock.update = lambda: "replaced"
    eq(clock.update(), "replaced")


def test_errors_of_the_package_are_raised_and_caught():
    class Mine(Lwm2mError):
        pass

    try:
        raise Mine(codes.NOT_FOUND)
    except Lwm2mError as e:
        assert isinstance(e, Exception)
        eq(e.args[0], codes.NOT_FOUND)


def test_attribute_of_a_class_in_rom_cannot_be_set():
    if IN_ROM:
        raises(AttributeError, setattr, Temperature, "unit", "K")
        raises(AttributeError, setattr, client_module, "Client", None)
        assert client_module.Client is Client
    # A class of the program's own is always its own.
    Probe.level = 8
    eq(Probe(iid=0).level, 8)
    Probe.level = 7


def test_modules_of_another_build_than_the_rom_are_refused():
    if IN_ROM:
        import _lwm2m

        e = raises(ImportError, _lwm2m.of_build, "none")
        assert "these modules are of build none" in str(e), e
    assert codes.NOT_FOUND == 0x84
