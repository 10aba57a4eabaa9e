"""Versions of LwM2M on the device: what a server may ask for in the version that the registration
says, a row of docs/conformance.md each; and the way from one version to another (docs/cases.md).
"""

from bench import Bench, ScriptedServer
from testing import eq, raises
from wire import (
    CHANGED,
    CREATED,
    DELETED,
    LOCATION_PATH,
    URI_QUERY,
)

from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson
from lwm2m.objects.device import Device
from lwm2m.objects.test_object import TestObject

BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, NOT_ACCEPTABLE = 0x80, 0x84, 0x85, 0x86
PRECONDITION_FAILED, UNSUPPORTED_FORMAT, UNAVAILABLE = 0x8C, 0x8F, 0xA3
JSON, CBOR, LWM2M_CBOR, ETCH_JSON, ETCH_CBOR = 11543, 60, 11544, 320, 322
LOCATION = [(LOCATION_PATH, b"7")]
VERSIONS = ("1.0", "1.1", "1.2")

T = "/3442/0"


def made(version, formats=True, **terms):
    """A client that is registered with a version and speaks every format."""
    bench = Bench(lwm2m=version, **terms)
    if formats:
        for codec in (Cbor, Json, Lwm2mCbor, SenmlJson, SenmlCbor, SenmlEtchJson, SenmlEtchCbor):
            bench.client.add_format(codec())
    bench.client.add(Device(manufacturer="Acme"))
    bench.thing = bench.client.add(TestObject())
    bench.thing.more[1120] = {0: 10, 3: 13}
    bench.register = bench.far.accept_register()
    return bench


def version_of(register):
    return register.all(URI_QUERY)[0]


# The way from one version to another


def only(packets):
    eq(len(packets), 1)
    return packets[0]


def test_version_falls_back_to_1_1_and_1_0_at_4_12():
    bench = Bench(binding="UQ")
    bench.client.step()
    register = only(bench.far.take())
    mids = [register.mid]
    for version, binding in (("1.1", [b"b=U", b"Q"]), ("1.0", [b"b=UQ"])):
        register = only(bench.far.reply(register, PRECONDITION_FAILED))
        eq(version_of(register), b"lwm2m=" + version.encode())
        eq(register.all(URI_QUERY)[3:], binding)
        mids.append(register.mid)
    eq(len(set(mids)), 3)
    bench.far.reply(register, CREATED, LOCATION)
    eq((bench.events, bench.registration.version), (["registered"], "1.0"))


def fallen_back():
    bench = Bench(lifetime_s=60)
    bench.client.step()
    register = only(bench.far.take())
    register = only(bench.far.reply(register, PRECONDITION_FAILED))
    bench.far.reply(register, CREATED, LOCATION)
    assert bench.client.registered
    eq(bench.registration.version, "1.1")
    return bench


def test_version_wanted_is_asked_for_again_with_the_next_registration():
    def update_refused(bench):
        bench.client.update()
        bench.client.step()
        return only(bench.far.reply(only(bench.far.take()), NOT_FOUND))

    def reconnected(bench):
        bench.client.reconnect()
        bench.client.step()
        return only(bench.far.take())

    def disabled(bench):
        bench.registration.disable(5)
        (_, farewell) = only(bench.watch(1))
        bench.far.reply(farewell, DELETED)
        return bench.watch(6)[0][1]

    def silent(bench):
        return [packet for _, packet in bench.watch(200) if packet.path() == b"/rd"][0]

    for way in (update_refused, reconnected, disabled, silent):
        eq(version_of(way(fallen_back())), b"lwm2m=1.2")
    # An Update that is accepted changes nothing.
    bench = fallen_back()
    bench.client.update()
    bench.client.step()
    bench.far.reply(only(bench.far.take()), CHANGED)
    eq(bench.registration.version, "1.1")


def test_version_that_is_refused_altogether_is_asked_for_again_after_a_pause():
    bench = Bench()
    bench.client.step()
    register = only(bench.far.take())
    for _ in range(2):
        register = only(bench.far.reply(register, PRECONDITION_FAILED))
    eq(bench.far.reply(register, PRECONDITION_FAILED), [])
    eq(bench.events, ["register_failed"])
    eq(version_of(bench.watch(30)[0][1]), b"lwm2m=1.2")


def test_version_is_an_argument_of_the_server():
    for version in VERSIONS:
        eq(version_of(made(version).register), b"lwm2m=" + version.encode())
    bench = Bench()
    for version in ("1.3", "2.0", 1.1, None, ""):
        error = raises(ValueError, Bench.add_server, bench, bench.far, lwm2m=version)
        eq(str(error), "lwm2m")
    client = bench.client
    client.add_server("coap://localhost", transport=ScriptedServer(bench).near)
    eq(client.registrations[-1].lwm2m, "1.1")
