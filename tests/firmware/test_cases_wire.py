# heapsize: 4m
"""Decisions of F-24 on what goes over the wire; each test has the number of its case
(docs/cases.md)."""

from bench import Bench
from registration_bench import one
from testing import eq
from wire import CHANGED, CON, CONTENT, FETCH, GET, NON, POST, PUT, TEXT

from lwm2m.formats.json import Json
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature

JSON, SENML_JSON, ETCH_JSON = 11543, 110, 320


def measuring():
    bench = Bench().registered()
    for make in (Json, SenmlJson, SenmlEtchJson, SenmlCbor, SenmlEtchCbor):
        bench.client.add_format(make())
    bench.client.add(Device(manufacturer="Acme"))
    bench.client.add(Temperature(value=1.5))
    bench.client.step()
    bench.far.reply(one(bench.far.take()), CHANGED)
    return bench


def test_f_24_a_non_request_is_answered_non():
    bench = measuring()
    for code, path, payload, format in (
        (GET, "/3303/0/5700", b"", -1),
        (GET, "/3303/9", b"", -1),
        (PUT, "/3/0/14", b"+02:00", TEXT),
        (POST, "/3303/0/5605", b"", -1),
    ):
        answer = bench.far.ask(code, path, payload, format=format, kind=NON)
        eq((path, answer.type), (path, NON))
        # Nothing waits for an acknowledgement.
        eq([outgoing.state for outgoing in bench.registration.exchange.outgoing], [0])
    eq(bench.far.ask(GET, "/3303/0/5700", kind=CON).code, CONTENT)


def test_f_24_a_base_name_ends_in_a_slash_where_names_follow():
    bench = measuring()
    for format in (JSON, SENML_JSON):
        for path, start in (
            ("/3303", b'"bn":"/3303/"'),
            ("/3303/0", b'"bn":"/3303/0/"'),
            ("/3303/0/5700", b'"bn":"/3303/0/5700"'),
        ):
            payload = bench.far.ask(GET, path, accept=format).payload
            assert start in payload, (path, payload)
            eq(payload.count(b'"bn"'), 1)
            eq((path, b'"n":' in payload), (path, path != "/3303/0/5700"))


def test_f_24_an_answer_to_a_composite_has_whole_names():
    bench = measuring()
    wanted = b'[{"n":"/3303/0"},{"n":"/3/0/0"}]'
    payload = bench.far.ask(FETCH, "", wanted, format=ETCH_JSON, accept=SENML_JSON).payload
    assert b'"bn"' not in payload, payload
    assert b'"n":"/3303/0/5700"' in payload and b'"n":"/3/0/0"' in payload, payload
