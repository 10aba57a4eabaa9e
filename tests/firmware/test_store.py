# matrix
"""What a device remembers over a restart: attributes, in a file that survives a power cut."""

import json
import os

from bench import Bench
from testing import eq
from wire import CHANGED, GET, LINK, PUT, URI_QUERY

from lwm2m.objects.ipso import Temperature
from lwm2m.ports import safe_file
from lwm2m.store import Store

PATH = "test_store_%d.json" % id(Bench)


def clear():
    for path in (PATH, PATH + ".new"):
        try:
            os.remove(path)
        except OSError:
            pass


def device(uri="coap://localhost"):
    bench = Bench()
    bench.client.registrations[0].security.uri = uri
    bench.client.add(Temperature(unit="Cel"))
    Store(PATH).restore(bench.client)
    return bench.registered()


def attributes(bench, path, **values):
    options = [(URI_QUERY, ("%s=%s" % (name, values[name])).encode()) for name in sorted(values)]
    eq(bench.ask(PUT, path, options=options).code, CHANGED)


def kept(bench):
    return bench.ask(GET, "/3303", accept=LINK).payload


def test_attributes_outlive_a_restart():
    clear()
    bench = device()
    attributes(bench, "/3303/0", pmin=10, pmax=60)
    attributes(bench, "/3303/0/5700", gt=25.5, lt=-3)
    before = bench.registration.attributes
    after = device()
    eq(after.registration.attributes, before)
    eq(kept(after), kept(bench))
    assert b"pmin=10" in kept(after), kept(after)
    clear()


def test_they_belong_to_their_server():
    clear()
    attributes(device(), "/3303/0", pmin=10)
    eq(device("coap://192.0.2.7").registration.attributes, {})
    eq(device().registration.attributes, {(3303, 0): {"pmin": 10}})
    clear()


def test_unset_attributes_are_forgotten():
    clear()
    bench = device()
    attributes(bench, "/3303/0", pmin=10)
    eq(bench.ask(PUT, "/3303/0", options=[(URI_QUERY, b"pmin")]).code, CHANGED)
    eq(device().registration.attributes, {})
    clear()


def test_what_is_damaged_is_forgotten_and_written_anew():
    for text in (
        "",
        "{",
        "[]",
        '{"attributes": 3}',
        '{"attributes": {"coap://localhost 1": 3}}',
        '{"attributes": {"coap://localhost 1": {"/x": {"pmin": 3}}}}',
        '{"attributes": {"coap://localhost 1": {"/3303/0": {"pmin": "x"}}}}',
        '{"attributes": {"coap://localhost 1": {"/3303/0": [1]}}}',
        "\xff\x00",
    ):
        clear()
        with open(PATH, "w") as file:
            file.write(text)
        bench = device()
        eq(bench.registration.attributes, {})
        attributes(bench, "/3303/0", pmin=7)
        eq(device().registration.attributes, {(3303, 0): {"pmin": 7}})
    clear()


class Cut(BaseException):
    """The power goes."""


class Steps:
    """`os`, in which the power goes before the step `at`; `replace`: rename replaces."""

    def __init__(self, at, replace):
        self.at = at
        self.replace = replace

    def step(self):
        self.at -= 1
        if self.at < 0:
            raise Cut()

    def stat(self, path):
        return os.stat(path)

    def sync(self):
        self.step()

    def rename(self, old, new):
        self.step()
        if not self.replace and new in os.listdir():
            raise OSError(17)
        os.rename(old, new)

    def remove(self, path):
        self.step()
        os.remove(path)


def test_a_power_cut_at_any_step_leaves_the_old_or_the_new():
    for replace in (True, False):
        seen = set()
        for at in range(6):
            clear()
            Store(PATH).write({"attributes": {"old": {}}})
            safe_file.os = Steps(at, replace)
            try:
                Store(PATH).write({"attributes": {"new": {}}})
            except Cut:
                pass
            finally:
                safe_file.os = os
            found = Store(PATH).load()["attributes"]
            assert found in ({"old": {}}, {"new": {}}), found
            seen.add(list(found)[0])
        eq(seen, {"old", "new"})
    clear()


def test_a_half_written_file_is_not_taken_for_the_new_one():
    clear()
    Store(PATH).write({"attributes": {"old": {}}})
    text = json.dumps({"attributes": {"new": {}}})
    for n in range(len(text)):
        with open(PATH + ".new", "w") as file:
            file.write(text[:n])
        eq(Store(PATH).load(), {"attributes": {"old": {}}})
    clear()


def test_a_full_file_system_does_not_stop_the_device():
    clear()
    bench = device()
    bench.client.store.path = "no/such/folder/state.json"
    attributes(bench, "/3303/0", pmin=10)
    eq(bench.registration.attributes, {(3303, 0): {"pmin": 10}})
    clear()
