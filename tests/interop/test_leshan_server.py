"""Our client, registered with Eclipse Leshan's demo server and managed through its REST interface.

Its answers carry response codes as it names them, e.g. CONTENT(205); its event stream carries
every CoAP message, as text. `make test` has a few of these tests, `make interop` all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from lwm2m_host.checkout import find_root

from tests.interop.leshan.programs import Json, LeshanServer
from tests.interop.leshan.station import ENDPOINT, Join, Station, join, links, node
from tests.interop.peers import PATIENCE_S

__all__ = ["join"]  # a fixture

EVERYTHING = {
    0: "grüß Gott",
    1: -9007199254740993,
    2: {"value": 9223372036854775807},
    3: 0.1,
    4: True,
    5: "0001feff",
    6: "2100-01-01T00:00:00Z",
    7: {"objectId": 3303, "objectInstanceId": 0},
    8: {"0": "zero", "300": "three hundred"},
    9: {"0": -1, "1": 128},
    10: "read only",
}


@pytest.fixture(scope="module")
def leshan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeshanServer]:
    """One server for all tests that do not end it: it takes a second to start."""
    server = LeshanServer(tmp_path_factory.mktemp("leshan"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        print(f"--- Leshan, started in {server.started_in_s:.1f} s:\n{server.log.read_text()}")


@pytest.fixture
async def device(join: Join, leshan: LeshanServer) -> Station:
    """Our device, registered."""
    return await join(leshan, uri=leshan.uri, lifetime_s=60)


# --- registration ---------------------------------------------------------------------------


async def test_int_101_leshan_registers_us(device: Station):
    found = await device.leshan.registration(ENDPOINT)
    assert found
    assert (found["lwM2mVersion"], found["lifetime"], found["bindingMode"]) == ("1.1", 60, "U")
    assert found["rootPath"] == "/"
    assert found["additionalRegistrationAttributes"] == {}
    assert not found["queuemode"]


async def test_leshan_takes_our_links_and_versions(device: Station):
    found = await device.leshan.registration(ENDPOINT)
    assert found
    assert links(found["objectLinks"]) == {
        "/1": {"ver": "1.1"},
        "/1/0": {},
        "/3": {"ver": "1.1"},
        "/3/0": {},
        "/3303/0": {},
        "/26241/0": {},
        "/26241/1": {},
    }


@pytest.mark.slow
async def test_leshan_has_a_definition_for_each_of_our_objects(device: Station):
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{device.leshan.web}/objectspecs/{ENDPOINT}")
    versions = {item["id"]: item["version"] for item in answer.json()}
    assert versions == {1: "1.1", 3: "1.1", 3303: "1.0", 26241: "1.0"}


async def test_int_102_lifetime_written_by_leshan_is_in_our_update(device: Station):
    async with device.leshan.events(ENDPOINT) as events:
        assert await device.write("/1/0/1", 90) == "CHANGED(204)"
        update = await events.wait("UPDATED")
    assert update["registration"]["lifetime"] == 90
    assert await device.read("/1/0/1") == 90


async def test_int_104_registration_update_trigger(device: Station):
    async with device.leshan.events(ENDPOINT) as events:
        assert await device.status("POST", "/1/0/8") == "CHANGED(204)"
        update = await events.wait("UPDATED")
    assert update["registration"]["lifetime"] == 60


async def test_int_103_deregistration(device: Station):
    async with device.leshan.events(ENDPOINT) as events:
        assert await device.interrupt() == 0
        await events.wait("DEREGISTRATION")
    assert await device.leshan.registration(ENDPOINT) is None


@pytest.mark.slow
async def test_leshan_restarts_and_we_register_anew(join: Join, tmp_path: Path):
    leshan = LeshanServer(tmp_path)
    leshan.start()
    try:
        device = await join(leshan, uri=leshan.uri, lifetime_s=6)
        before = await leshan.registration(ENDPOINT)
        leshan.stop()
        leshan.start()
        after = await leshan.until(ENDPOINT)
        assert before
        assert after
        assert before["registrationId"] != after["registrationId"]
        assert await device.read("/3/0/0") == "MicroPython"
        assert await device.interrupt() == 0
    finally:
        leshan.stop()


@pytest.mark.slow
async def test_main_py_registers_with_leshan(join: Join, leshan: LeshanServer):
    device = await join(
        leshan,
        find_root() / "firmware" / "main.py",
        endpoint="urn:dev:os:weather",
        server=leshan.uri,
        lifetime_s=60,
        device={"manufacturer": "Acme"},
    )
    assert await device.read("/3/0/0") == "Acme"
    assert set(await device.read("/3304/0")) >= {5700, 5701, 5601, 5602}


# --- Read and Discover ----------------------------------------------------------------------


@pytest.mark.slow
async def test_int_201_leshan_reads_a_resource_of_each_type(device: Station):
    for rid, value in EVERYTHING.items():
        assert await device.read(f"/26241/0/{rid}") == value, rid


async def test_int_201_leshan_reads_a_resource_of_each_type_in_tlv(device: Station):
    for rid, value in EVERYTHING.items():
        assert await device.read(f"/26241/0/{rid}", format="TLV") == value, rid


@pytest.mark.slow
async def test_int_201_leshan_reads_in_text(device: Station):
    for rid in (0, 1, 2, 3, 4, 6, 7):
        assert await device.read(f"/26241/0/{rid}", format="TEXT") == EVERYTHING[rid], rid


@pytest.mark.slow
async def test_leshan_reads_in_opaque(device: Station):
    assert await device.read("/26241/0/5", format="OPAQUE") == EVERYTHING[5]


@pytest.mark.parametrize("format", ["JSON", "CBOR", "SENML_JSON", "SENML_CBOR"])
@pytest.mark.slow
async def test_leshan_asks_for_a_format_that_the_device_has_not_loaded(
    device: Station, format: str
):
    assert await device.status("GET", "/3/0/0", format=format) == "NOT_ACCEPTABLE(406)"


@pytest.mark.slow
async def test_leshan_asks_for_an_instance_in_text(device: Station):
    assert await device.status("GET", "/3/0", format="TEXT") == "NOT_ACCEPTABLE(406)"


@pytest.mark.slow
async def test_leshan_leaves_the_format_to_us(device: Station):
    """Our links carry no ct=: it asks without Accept, and takes what comes."""
    async with device.leshan.events(ENDPOINT) as events:
        await device.read("/3/0")
        request = await events.request("GET")
        answer = await events.wait("COAPLOG", lambda it: it["code"] == "2.05")
    assert request["options"] == 'Uri-Path: "3", "0"'
    assert answer["options"] == 'Content-Format: "application/vnd.oma.lwm2m+tlv"'


@pytest.mark.slow
async def test_leshan_reads_an_instance(device: Station):
    assert await device.read("/26241/0") == EVERYTHING


@pytest.mark.slow
async def test_leshan_reads_an_object(device: Station):
    assert await device.read("/26241") == {0: EVERYTHING, 1: {0: "second"}}


@pytest.mark.slow
async def test_int_222_leshan_reads_the_device_object(device: Station):
    found = await device.read("/3/0")
    assert found[7] == {"0": 3800, "1": 70000}
    assert found[11] == {"0": 0}
    assert found[22] == {"0": {"objectId": 3303, "objectInstanceId": 0}}


@pytest.mark.parametrize("path", ["/9", "/9/0", "/3/1", "/3/0/99", "/3/0/17"])
@pytest.mark.slow
async def test_leshan_reads_what_is_not_there(device: Station, path: str):
    assert await device.status("GET", path) == "NOT_FOUND(404)"


@pytest.mark.parametrize("path", ["/26241/0/11", "/26241/0/12"])
@pytest.mark.slow
async def test_leshan_reads_what_is_not_readable(device: Station, path: str):
    assert await device.status("GET", path) == "METHOD_NOT_ALLOWED(405)"


@pytest.mark.slow
async def test_leshan_may_not_read_the_security_object(device: Station):
    assert await device.status("GET", "/0/0") == "UNAUTHORIZED(401)"


async def test_leshan_discovers_an_object(device: Station):
    found = await device.discover("/26241")
    assert {"/26241/0", "/26241/0/0", "/26241/0/11", "/26241/0/12", "/26241/1"} <= set(found)
    assert "/26241/1/1" not in found


@pytest.mark.slow
async def test_leshan_discovers_an_instance(device: Station):
    found = await device.discover("/3303/0")
    assert found == {
        path: {} for path in ("/3303/0", *(f"/3303/0/{n}" for n in (5700, 5601, 5602, 5605, 5701)))
    }


@pytest.mark.slow
async def test_leshan_discovers_only_what_is_there(device: Station):
    found = await device.discover("/1/0")
    assert set(found) == {"/1/0", *(f"/1/0/{rid}" for rid in (0, 1, 2, 4, 5, 6, 7, 8))}


@pytest.mark.slow
async def test_leshan_discovers_how_many_instances_a_resource_has(device: Station):
    assert await device.discover("/26241/0/8") == {
        "/26241/0/8": {"dim": "2"},
        "/26241/0/8/0": {},
        "/26241/0/8/300": {},
    }


@pytest.mark.slow
async def test_leshan_writes_attributes_and_discovers_them(device: Station):
    wanted = {"pmin": 10, "pmax": 60, "gt": 30, "lt": 10, "st": 2}
    assert await device.status("PUT", "/3303/0/5700/attributes", **wanted) == "CHANGED(204)"
    found = (await device.discover("/3303/0"))["/3303/0/5700"]
    assert {name: float(value) for name, value in found.items()} == wanted


# --- Write ----------------------------------------------------------------------------------

# No time after 2038: this milestone writes it in 32 bits.
VALUES = [
    (0, "über 🌍"),
    (0, ""),
    (1, 0),
    (1, -1),
    (1, 127),
    (1, 128),
    (1, -129),
    (1, 70000),
    (1, -9007199254740993),
    (3, 2.5),
    (3, -1e300),
    (4, False),
    (5, "00ff00"),
    (6, "2030-01-02T03:04:05Z"),
    (8, {"0": "a", "7": "b"}),
    (9, {"0": 1, "65534": -70000}),
]


@pytest.mark.parametrize("format", [None, "TLV"])
@pytest.mark.slow
async def test_int_227_leshan_writes_a_resource_of_each_type(device: Station, format: str | None):
    options = {"format": format} if format else {}
    for rid, value in VALUES:
        path = f"/26241/0/{rid}"
        assert await device.write(path, value, **options) == "CHANGED(204)", (rid, value)
        assert await device.read(path) == value, rid


@pytest.mark.slow
async def test_leshan_writes_in_text(device: Station):
    for rid, value in VALUES:
        if rid < 5 or rid == 6:
            path = f"/26241/0/{rid}"
            assert await device.write(path, value, format="TEXT") == "CHANGED(204)", (rid, value)
            assert await device.read(path) == value, rid


@pytest.mark.slow
async def test_leshan_writes_in_a_format_that_the_device_has_not_loaded(device: Station):
    code = await device.write("/26241/0/1", 5, format="SENML_JSON")
    assert code == "UNSUPPORTED_CONTENT_FORMAT(415)"
    assert await device.read("/26241/0/1") == EVERYTHING[1]


@pytest.mark.slow
async def test_int_227_leshan_replaces_an_instance(device: Station):
    assert await device.write("/26241/0", {0: "new", 1: 4}) == "CHANGED(204)"
    assert await device.read("/26241/0") == {0: "new", 1: 4, 10: "read only"}


async def test_int_226_leshan_updates_an_instance(device: Station):
    assert await device.write("/26241/0", {1: 4, 4: False}, replace="false") == "CHANGED(204)"
    assert await device.read("/26241/0") == EVERYTHING | {1: 4, 4: False}


@pytest.mark.slow
async def test_leshan_updates_resource_instances(device: Station):
    code = await device.write("/26241/0/9", {"1": 7, "5": 8}, replace="false")
    assert code == "CHANGED(204)"
    assert await device.read("/26241/0/9") == {"0": -1, "1": 7, "5": 8}


@pytest.mark.slow
async def test_leshan_writes_what_is_read_only(device: Station):
    assert await device.write("/26241/0/10", "x") == "METHOD_NOT_ALLOWED(405)"
    assert await device.read("/26241/0/10") == "read only"


@pytest.mark.slow
async def test_a_write_that_fails_in_the_middle_changes_nothing(device: Station):
    code = await device.write("/26241/0", {0: "new", 1: 4, 10: "x"}, replace="false")
    assert code == "METHOD_NOT_ALLOWED(405)"
    assert await device.read("/26241/0") == EVERYTHING


@pytest.mark.slow
async def test_leshan_writes_what_can_only_be_written(device: Station):
    assert await device.write("/26241/0/11", "secret") == "CHANGED(204)"


@pytest.mark.slow
async def test_leshan_writes_and_reads_in_blocks(device: Station):
    large = bytes(range(256)).hex() * 7
    async with device.leshan.events(ENDPOINT) as events:
        assert await device.write("/26241/0/5", large) == "CHANGED(204)"
        last = await events.wait("COAPLOG", lambda it: it["code"] == "2.04")
        assert "num=3" in last["options"]
    assert await device.read("/26241/0/5") == large
    assert await device.read("/26241/0") == EVERYTHING | {5: large}


@pytest.mark.slow
async def test_leshan_writes_more_than_we_take(device: Station):
    assert await device.write("/26241/0/5", "ab" * 3000) == "REQUEST_ENTITY_TOO_LARGE(413)"
    assert await device.read("/26241/0/5") == EVERYTHING[5]


# --- all formats ----------------------------------------------------------------------------

TREES = ["JSON", "SENML_JSON", "SENML_CBOR"]


@pytest.fixture
async def polyglot(join: Join, leshan: LeshanServer) -> Station:
    """Our device, with all the formats that Leshan has."""
    return await join(leshan, uri=leshan.uri, lifetime_s=60, formats=True, creatable=True)


@pytest.mark.parametrize("format", [*TREES, "CBOR"])
@pytest.mark.slow
async def test_leshan_reads_a_resource_of_each_type_in_each_format(polyglot: Station, format: str):
    for rid, value in EVERYTHING.items():
        if format == "CBOR" and rid in (8, 9):
            continue
        assert await polyglot.read(f"/26241/0/{rid}", format=format) == value, rid


@pytest.mark.parametrize("format", TREES)
@pytest.mark.slow
async def test_leshan_reads_instances_and_objects_in_each_format(polyglot: Station, format: str):
    assert await polyglot.read("/26241/0", format=format) == EVERYTHING
    assert await polyglot.read("/26241", format=format) == {0: EVERYTHING, 1: {0: "second"}}
    assert (await polyglot.read("/3/0", format=format))[7] == {"0": 3800, "1": 70000}


@pytest.mark.parametrize("format", [*TREES, "CBOR"])
@pytest.mark.slow
async def test_leshan_writes_a_resource_of_each_type_in_each_format(
    polyglot: Station, format: str
):
    for rid, value in VALUES:
        if format == "CBOR" and rid in (8, 9):
            continue
        path = f"/26241/0/{rid}"
        assert await polyglot.write(path, value, format=format) == "CHANGED(204)", (rid, value)
        assert await polyglot.read(path) == value, rid


@pytest.mark.slow
async def test_leshan_writes_opaque_values_in_another_base64(polyglot: Station):
    """In SenML JSON, where this milestone uses "+", "/" and "=" as other base64 does."""
    code = await polyglot.write("/26241/0/5", "00fbf0ff", format="SENML_JSON")
    assert code == "CHANGED(204)"
    assert await polyglot.read("/26241/0/5") == "00fbf0ff"


@pytest.mark.parametrize("format", TREES)
@pytest.mark.slow
async def test_leshan_replaces_and_updates_an_instance_in_each_format(
    polyglot: Station, format: str
):
    code = await polyglot.write("/26241/0", {1: 4, 4: False}, replace="false", format=format)
    assert code == "CHANGED(204)"
    assert await polyglot.read("/26241/0") == EVERYTHING | {1: 4, 4: False}
    values = {0: "new", 8: {"3": "c"}}
    assert await polyglot.write("/26241/0", values, format=format) == "CHANGED(204)"
    assert await polyglot.read("/26241/0") == values | {10: "read only"}


@pytest.mark.parametrize("format", TREES)
@pytest.mark.slow
async def test_leshan_creates_an_instance_in_each_format(polyglot: Station, format: str):
    body = {"id": 7, "resources": [node(0, "made"), node(9, {"0": 5})]}
    assert await polyglot.status("POST", "/26241", body, format=format) == "CREATED(201)"
    assert await polyglot.read("/26241/7") == {0: "made", 9: {"0": 5}}


# --- Execute --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "seen"), [(None, "None"), ("0='a b',3", "[(0, 'a b'), (3, None)]")]
)
async def test_int_241_leshan_executes(device: Station, arguments: str | None, seen: str):
    assert await device.status("POST", "/26241/0/12", text=arguments) == "CHANGED(204)"
    await device.wait_output(f"executed 0 {seen}\n", PATIENCE_S)


@pytest.mark.slow
async def test_leshan_executes_what_is_not_executable(device: Station):
    assert await device.status("POST", "/26241/0/0") == "METHOD_NOT_ALLOWED(405)"


@pytest.mark.slow
async def test_leshan_reboots_the_device(device: Station):
    assert await device.status("POST", "/3/0/4") == "CHANGED(204)"
    await device.wait_output("rebooting", PATIENCE_S)


# --- Create and Delete ----------------------------------------------------------------------


@pytest.fixture
async def creatable(join: Join, leshan: LeshanServer) -> Station:
    """Our device, which lets the server make and take away instances of object 26241."""
    return await join(leshan, uri=leshan.uri, lifetime_s=60, creatable=True)


async def known(device: Station, path: str, there: bool = True) -> None:
    """Wait until Leshan has, or has not, an instance among the links of the registration."""

    def listed(found: Json | None) -> bool:
        return bool(found) and (path in links(found["objectLinks"])) == there

    await device.leshan.until(ENDPOINT, listed)


@pytest.mark.slow
async def test_int_270_leshan_creates_an_instance_of_its_choice(creatable: Station):
    body = {"id": 7, "resources": [node(0, "made"), node(9, {"0": 5})]}
    answer = await creatable.ask("POST", "/26241", body)
    assert answer["status"] == "CREATED(201)"
    assert await creatable.read("/26241/7") == {0: "made", 9: {"0": 5}}
    await known(creatable, "/26241/7")


@pytest.mark.slow
async def test_int_270_leshan_leaves_the_instance_id_to_us(creatable: Station):
    answer = await creatable.ask("POST", "/26241", {"resources": [node(0, "made")]})
    assert (answer["status"], answer["location"]) == ("CREATED(201)", "26241/2")
    assert await creatable.read("/26241/2") == {0: "made"}
    await known(creatable, "/26241/2")


@pytest.mark.slow
async def test_leshan_creates_without_a_mandatory_resource(creatable: Station):
    body = {"id": 7, "resources": [node(1, 5)]}
    assert await creatable.status("POST", "/26241", body) == "BAD_REQUEST(400)"
    assert await creatable.status("GET", "/26241/7") == "NOT_FOUND(404)"


@pytest.mark.slow
async def test_leshan_creates_what_is_there_already(creatable: Station):
    body = {"id": 0, "resources": [node(0, "made")]}
    assert await creatable.status("POST", "/26241", body) == "BAD_REQUEST(400)"
    assert await creatable.read("/26241/0") == EVERYTHING


@pytest.mark.slow
async def test_int_290_leshan_deletes_an_instance(creatable: Station):
    assert await creatable.status("DELETE", "/26241/1") == "DELETED(202)"
    assert await creatable.status("GET", "/26241/1") == "NOT_FOUND(404)"
    await known(creatable, "/26241/1", False)


@pytest.mark.slow
async def test_leshan_may_not_create_or_delete_what_the_application_keeps(device: Station):
    body = {"id": 7, "resources": [node(0, "made")]}
    assert await device.status("POST", "/26241", body) == "METHOD_NOT_ALLOWED(405)"
    assert await device.status("DELETE", "/26241/1") == "METHOD_NOT_ALLOWED(405)"
    assert await device.status("DELETE", "/3/0") == "METHOD_NOT_ALLOWED(405)"
