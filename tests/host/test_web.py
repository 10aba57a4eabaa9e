"""The HTTP control plane of a running server, with a scripted device behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import ServerError
from lwm2m_host.web import ControlPlane
from lwm2m_host.web.api import query
from lwm2m_host.web.api.problems import BadArgument
from lwm2m_host.web.plane import application
from starlette.requests import Request

from tests.host.fake_device import FakeDevice, changed, content
from tests.waiting import PATIENCE_S

MANUFACTURER = bytes.fromhex("c800144f70656e204d6f62696c6520416c6c69616e6365")


@pytest.fixture
async def plane(server: Server) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(server, port=0) as running:
        yield running


@pytest.fixture
async def direct(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """The same application without a socket: for the long tables."""
    transport = httpx.ASGITransport(application(server), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
async def http(plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=plane.url, trust_env=False) as client:
        yield client


async def test_clients_are_listed_as_leshan_does(
    http: httpx.AsyncClient, fake: FakeDevice, server: Server
) -> None:
    [client] = (await http.get("/api/clients")).json()
    assert client.pop("observations") == 0
    registration = await server.registration("fake")
    assert client == {
        "endpoint": "fake",
        "registrationId": registration.location.removeprefix("/rd/"),
        "registrationDate": 1_700_000_000_000,
        "lastUpdate": 1_700_000_000_000,
        "expires": 1_700_000_060_000,
        "address": f"127.0.0.1:{fake.port}",
        "lwM2mVersion": "1.1",
        "lifetime": 60,
        "bindingMode": "U",
        "rootPath": "/",
        "objectLinks": [
            {"url": "/", "attributes": {"rt": "oma.lwm2m"}},
            {"url": "/1/0", "attributes": {}},
            {"url": "/3/0", "attributes": {}},
            {"url": "/3303/0", "attributes": {}},
            {"url": "/3303/1", "attributes": {"ver": "1.1"}},
        ],
        "secure": False,
        "additionalRegistrationAttributes": {},
        "queuemode": False,
        "availableInstances": {"1": [0], "3": [0], "3303": [0, 1]},
    }
    assert (await http.get("/api/clients/fake")).json() == client


async def test_read_of_a_resource(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["GET", "/3/0/0"] = content(MANUFACTURER)
    answer = await http.get("/api/clients/fake/3/0/0")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "CONTENT(205)",
        "valid": True,
        "success": True,
        "failure": False,
        "content": {
            "kind": "singleResource",
            "id": 0,
            "type": "STRING",
            "name": "Manufacturer",
            "value": "Open Mobile Alliance",
        },
    }


async def test_read_of_an_object_with_every_kind_of_value(
    http: httpx.AsyncClient, fake: FakeDevice
) -> None:
    payload = bytes.fromhex("8306410001c10964c40d5182428f8616440000030001e1270fab")
    fake.answers["GET", "/3"] = content(b"\x08\x00" + bytes([len(payload)]) + payload)
    answer = (await http.get("/api/clients/fake/3")).json()["content"]
    assert answer["kind"] == "obj"
    assert (answer["id"], answer["name"]) == (3, "Device")
    [instance] = answer["instances"]
    assert (instance["kind"], instance["id"]) == ("instance", 0)
    assert [
        (r["id"], r["type"], r.get("value", r.get("values"))) for r in instance["resources"]
    ] == [
        (6, "INTEGER", {"0": 1}),
        (9, "INTEGER", 100),
        (13, "TIME", "2013-05-02T10:40:15Z"),
        (22, "OBJLNK", {"0": "3:1"}),
        (9999, "OPAQUE", "ab"),
    ]
    assert instance["resources"][1]["units"] == "/100"


async def test_read_in_a_chosen_format(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["GET", "/3303/0/5700"] = content(b"21.5", 0)
    answer = await http.get("/api/clients/fake/3303/0/5700?format=text")
    assert answer.json()["content"]["value"] == 21.5
    assert fake.seen[-1].accept == 0


@pytest.mark.parametrize(
    "body",
    [300, "300", {"kind": "singleResource", "id": 1, "type": "INTEGER", "value": "300"}],
)
async def test_write_takes_a_value_or_a_node(
    direct: httpx.AsyncClient, fake: FakeDevice, body: Any
) -> None:
    fake.answers["PUT", "/1/0/1"] = changed()
    answer = await direct.put("/api/clients/fake/1/0/1", json=body)
    assert answer.json()["status"] == "CHANGED(204)"
    assert fake.seen[-1].payload == bytes.fromhex("c201012c")


@pytest.mark.parametrize(
    "body",
    [
        {"1": 60, "6": True},
        {
            "kind": "instance",
            "id": 0,
            "resources": [{"id": 1, "value": 60}, {"id": 6, "value": "true"}],
        },
        {"resources": {"1": {"id": 1, "value": 60}, "6": {"id": 6, "value": True}}},
    ],
)
async def test_write_of_an_instance(
    direct: httpx.AsyncClient, fake: FakeDevice, body: Any
) -> None:
    fake.answers["PUT", "/1/0"] = changed()
    fake.answers["POST", "/1/0"] = changed()
    assert (await direct.put("/api/clients/fake/1/0", json=body)).status_code == 200
    assert fake.seen[-1].code == Code.PUT
    assert fake.seen[-1].payload == bytes.fromhex("c1013cc10601")
    assert (await direct.post("/api/clients/fake/1/0", json=body)).status_code == 200
    assert fake.seen[-1].code == Code.POST


async def test_write_of_a_multiple_resource(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["PUT", "/2/0/2"] = changed()
    node = {"kind": "multiResource", "id": 2, "type": "INTEGER", "values": {"127": 1}}
    assert (await http.put("/api/clients/fake/2/0/2", json=node)).status_code == 200
    assert fake.seen[-1].payload == bytes.fromhex("8302417f01")


async def test_execute_with_arguments(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["POST", "/3/0/4"] = changed()
    answer = await http.post("/api/clients/fake/3/0/4", content="0='now'")
    assert answer.json()["success"] is True
    assert fake.seen[-1].payload == b"0='now'"


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        ({"5750": "attic"}, "e51676 6174746963"),
        ({"id": 7, "resources": [{"id": 5750, "value": "attic"}]}, "080708 e51676 6174746963"),
        ({"id": 7}, "0007"),
        (None, ""),
    ],
)
async def test_create(
    direct: httpx.AsyncClient, fake: FakeDevice, body: Any, payload: str
) -> None:
    fake.answers["POST", "/3303"] = lambda _: Message(
        code=Code.CREATED, location_path=("3303", "7")
    )
    data = b"" if body is None else json.dumps(body).encode()
    answer = await direct.post("/api/clients/fake/3303", content=data)
    assert answer.json()["location"] == "/3303/7"
    assert fake.seen[-1].payload == bytes.fromhex(payload)


async def test_delete(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["DELETE", "/3303/1"] = (Code.DELETED, b"", None)
    assert (await http.delete("/api/clients/fake/3303/1")).json()["status"] == "DELETED(202)"


async def test_discover(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["GET", "/3"] = content(b"</3>,</3/0>;pmin=10,</3/0/6>;dim=2", 40)
    answer = await http.get("/api/clients/fake/3/discover")
    assert answer.json()["objectLinks"][1] == {"url": "/3/0", "attributes": {"pmin": "10"}}


async def test_write_attributes(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    fake.answers["PUT", "/3303/0/5700"] = changed()
    answer = await http.put("/api/clients/fake/3303/0/5700/attributes?pmin=10&gt=25.5&pmax=")
    assert answer.status_code == 200
    assert fake.seen[-1].query == ("pmin=10", "gt=25.5", "pmax")


async def test_definitions_of_the_objects_that_the_device_has(
    http: httpx.AsyncClient, fake: FakeDevice
) -> None:
    answer = (await http.get("/api/objectspecs/fake")).json()
    assert [item["id"] for item in answer] == [1, 3, 3303]
    lifetime = answer[0]["resourcedefs"][1]
    assert (lifetime["id"], lifetime["name"], lifetime["units"]) == (1, "Lifetime", "s")
    assert (lifetime["operations"], lifetime["type"]) == ("RW", "unsigned")


async def test_an_endpoint_with_slashes_and_colons_is_found(
    http: httpx.AsyncClient, server: Server
) -> None:
    async with FakeDevice(server.uri, "urn:x/1 ä") as fake:
        await fake.register()
        fake.answers["GET", "/3/0/0"] = content(MANUFACTURER)
        answer = await http.get("/api/clients/urn:x%2F1%20%C3%A4/3/0/0")
        assert answer.json()["content"]["value"] == "Open Mobile Alliance"
        assert (await http.get("/api/objectspecs/urn:x%2F1%20%C3%A4")).status_code == 200


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "code", "kind"),
    [
        ("GET", "fake/3/0/99", "", 404, "4.04", "NotFound"),
        ("GET", "fake/0/0", "", 403, "4.01", "Unauthorized"),
        ("GET", "fake/3/0/4?force=1", "", 405, "4.05", "MethodNotAllowed"),
        ("GET", "fake/3/0/5?force=1", "", 502, "5.00", "InternalServerError"),
        ("GET", "fake/3/0/6", "", 502, None, "FormatError"),
        ("GET", "fake/3/0/7", "", 502, None, "UnknownFormat"),
        ("GET", "nobody/3/0", "", 404, None, "NotRegistered"),
        ("GET", "fake/3/x", "", 400, None, "PathError"),
        ("PUT", "fake/3", '{"0": {}}', 400, None, "PathError"),
        ("PUT", "fake/1/0/1", '"abc"', 400, None, "ValueTypeError"),
        ("PUT", "fake/1/0/1", "{", 400, None, "BadArgument"),
        ("PUT", "fake/1/0/1", "[" * 100000, 400, None, "BadArgument"),
        ("PUT", "fake/1/0/1", "null", 400, None, "ValueTypeError"),
        ("PUT", "fake/1/0", "5", 400, None, "ValueTypeError"),
        ("PUT", "fake/1/0", '{"kind": "instance"}', 400, None, "ValueTypeError"),
        ("PUT", "fake/1/0", '{"resources": [5]}', 400, None, "ValueTypeError"),
        ("PUT", "fake/1/0", '{"1": {"0": {"0": 5}}}', 400, None, "ValueTypeError"),
        ("PUT", "fake/1/0", '{"99999": 5}', 400, None, "PathError"),
        ("POST", "fake/3/0/4", "rm -rf", 400, None, "ValueTypeError"),
        ("DELETE", "fake/3", "", 400, None, "PathError"),
        ("GET", "fake/3/0?format=yaml", "", 400, None, "BadArgument"),
        ("GET", "fake/3/0?timeout=soon", "", 400, None, "BadArgument"),
        ("GET", "fake/3/0?timeout=nan", "", 400, None, "BadArgument"),
        ("PUT", "fake/3/0/attributes?pmin=x", "", 400, None, "ValueTypeError"),
        ("PUT", "fake/3/0/attributes?pmin=10&colour=1", "", 400, None, "ValueTypeError"),
    ],
)
async def test_errors_carry_code_and_message(
    direct: httpx.AsyncClient,
    fake: FakeDevice,
    method: str,
    url: str,
    body: str,
    status: int,
    code: str | None,
    kind: str,
) -> None:
    fake.answers["GET", "/0/0"] = (Code.UNAUTHORIZED, b"", None)
    fake.answers["GET", "/3/0/4"] = (Code.METHOD_NOT_ALLOWED, b"", None)
    fake.answers["GET", "/3/0/5"] = (Code.INTERNAL_SERVER_ERROR, b"", None)
    fake.answers["GET", "/3/0/6"] = content(b"\xc1")
    fake.answers["GET", "/3/0/7"] = content(b"x", 9999)
    answer = await direct.request(method, f"/api/clients/{url}", content=body)
    data = answer.json()
    assert (answer.status_code, data["code"], data["error"]) == (status, code, kind)
    assert (data["success"], data["failure"]) == (False, True)
    assert data["message"]
    if code is None:
        assert all(seen.code == Code.GET for seen in fake.seen)


async def test_status_words_are_leshans(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    answer = (await http.get("/api/clients/fake/3/0/99")).json()
    assert answer["status"] == "NOT_FOUND(404)"
    answer = (await http.get("/api/clients/nobody")).json()
    assert answer["status"] == "NOT_REGISTERED"


async def test_a_device_that_is_slow_is_504(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    async def slow(_: object) -> tuple[Code, bytes, int | None]:
        await asyncio.sleep(5)
        return (Code.CONTENT, b"", None)

    fake.answers["GET", "/3/0/0"] = slow
    answer = await http.get("/api/clients/fake/3/0/0?timeout=0.2")
    assert (answer.status_code, answer.json()["error"]) == (504, "DeviceTimeout")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "127.0.0.1@evil.example",
        "192.0.2.1",
        "",
        "[::1",
        "127.0.0.1:x",
    ],
)
async def test_foreign_host_headers_are_refused(
    direct: httpx.AsyncClient, fake: FakeDevice, host: str
) -> None:
    """DNS rebinding: a page's own name, pointed at this machine."""
    for url in ("/api/clients", "/api/events", "/api/clients/fake/3/0/0", "/nothing"):
        answer = await direct.get(url, headers={"Host": host})
        assert answer.status_code in (400, 403)
    assert fake.seen == []


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LOCALHOST", "[::1]:80"])
async def test_loopback_host_headers_are_served(direct: httpx.AsyncClient, host: str) -> None:
    assert (await direct.get("/api/clients", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_requests_of_other_origins_never_reach_a_device(
    direct: httpx.AsyncClient, fake: FakeDevice, headers: dict[str, str]
) -> None:
    fake.answers["POST", "/3/0/4"] = changed()
    answer = await direct.post("/api/clients/fake/3/0/4", headers=headers)
    assert answer.status_code == 403
    answer = await direct.get("/api/clients/fake/3/0/0", headers=headers)
    assert answer.status_code == 403
    assert fake.seen == []


async def test_requests_of_the_own_origin_do(
    http: httpx.AsyncClient, fake: FakeDevice, plane: ControlPlane
) -> None:
    fake.answers["POST", "/3/0/4"] = changed()
    headers = {"Origin": plane.url, "Sec-Fetch-Site": "same-origin"}
    answer = await http.post("/api/clients/fake/3/0/4", headers=headers)
    assert answer.status_code == 200


async def test_events_arrive_as_they_happen(http: httpx.AsyncClient, server: Server) -> None:
    async with http.stream("GET", "/api/events?ep=dev") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await anext(lines) == ": connected"
        async with FakeDevice(server.uri, "dev") as device, FakeDevice(server.uri, "no") as other:
            await other.register()
            await device.register("lt=60")
            await device.update("lt=70")
            await device.deregister()
        await server.close()
        async with asyncio.timeout(PATIENCE_S):
            told = [line async for line in lines if line]
    names = [line.removeprefix("event: ") for line in told[::2]]
    events = [json.loads(line.removeprefix("data: ")) for line in told[1::2]]
    assert names == ["REGISTRATION", "UPDATED", "DEREGISTRATION"]
    assert [event["event"] for event in events] == ["registered", "updated", "deregistered"]
    assert {event["ep"] for event in events} == {"dev"}
    assert events[0]["lifetime"] == 60
    assert events[1]["registration"]["lifetime"] == 70
    assert events[0]["time"] == 1_700_000_000_000


async def test_the_plane_stops_while_somebody_listens(server: Server) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        async with ControlPlane(server, port=0) as plane:
            request = client.build_request("GET", plane.url + "/api/events")
            answer = await client.send(request, stream=True)
            start = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - start < 2
        await answer.aclose()


async def test_the_plane_listens_on_loopback_only(server: Server) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(ServerError, match="not loopback"):
            ControlPlane(server, host, 0)


async def test_a_taken_port_is_a_clear_error(server: Server, plane: ControlPlane) -> None:
    with pytest.raises(ServerError, match=f"TCP 127.0.0.1:{plane.port} is in use"):
        await ControlPlane(server, port=plane.port).__aenter__()


async def test_keys_written_to_the_security_object_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    async with (
        Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as server,
        ControlPlane(server, port=0) as plane,
        FakeDevice(server.uri) as fake,
        httpx.AsyncClient(base_url=plane.url, trust_env=False) as client,
    ):
        await fake.register()
        fake.answers["PUT", "/0/0/5"] = changed()
        answer = await client.put("/api/clients/fake/0/0/5?force=1", json="hex:5ec4e7")
        assert answer.status_code == 200
        assert fake.seen[-1].payload == bytes.fromhex("c3055ec4e7")
    text = caplog.text.lower()
    assert "fake registered" in text
    assert "5ec4e7" not in text
    assert "^\\xc4\\xe7" not in text


async def test_observe_and_its_events_are_as_leshan_has_them(
    http: httpx.AsyncClient, fake: FakeDevice, server: Server
) -> None:
    path = "/3303/0/5700"
    fake.answers["GET", path] = (Code.CONTENT, b"21.5", 0)
    async with asyncio.timeout(PATIENCE_S), http.stream("GET", "/api/event?ep=fake") as stream:
        lines = stream.aiter_lines()
        await anext(lines)  # from here on nothing is missed
        answer = (await http.post(f"/api/clients/fake{path}/observe?format=text")).json()
        assert answer["status"] == "CONTENT(205)"
        assert answer["content"]["value"] == 21.5
        fake.notify(path, (Code.CONTENT, b"22.5", 0))
        await fake.send(
            Code.POST, ("dp",), (), b'[{"n":"/3303/0/5700","t":1600000000,"v":7}]', 110
        )
        found: list[tuple[str, Any]] = []
        name = ""
        while len(found) < 4:
            line = await anext(lines)
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
    assert [item for item, _ in found] == ["OBSERVATION", "NOTIFICATION", "NOTIFICATION", "SEND"]
    assert found[0][1]["state"] == "active"
    assert found[1][1]["first"]
    note = found[2][1]
    assert (note["ep"], note["kind"], note["res"]) == ("fake", "single", path)
    assert (note["val"]["kind"], note["val"]["value"]) == ("singleResource", 22.5)
    assert note["id"] == answer["observation"]["id"]
    send = found[3][1]
    assert send["val"][path]["value"] == 7.0
    assert send["samples"] == [
        {"path": path, "time": 1_600_000_000_000, "timed": True, "value": 7}
    ]
    [listed] = (await http.get("/api/observations?ep=fake")).json()
    assert (listed["paths"], listed["state"], listed["count"]) == ([path], "active", 1)
    gone = await http.delete(f"/api/clients/fake{path}/observe?active=0")
    assert gone.status_code == 200
    assert server.device("fake").observations == []
    assert (await http.delete(f"/api/clients/fake{path}/observe")).status_code == 404


async def test_observe_composite_over_http(http: httpx.AsyncClient, fake: FakeDevice) -> None:
    pack = b'[{"n":"/3/0/0","vs":"Acme"}]'
    fake.answers["FETCH", "/"] = (Code.CONTENT, pack, 110)
    place = "/api/clients/fake/composite/observe?paths=/3/0/0,/3303/0/5700"
    answer = (await http.post(place)).json()
    assert answer["content"]["/3/0/0"]["value"] == "Acme"
    assert answer["content"]["/3303/0/5700"] is None
    assert (await http.delete(place + "&id=another")).status_code == 404
    assert (await http.delete(place)).status_code == 200
    assert fake.seen[-1].observe == 1
    assert (await http.put(place)).status_code == 405


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ep=fake", "keeps no history"),
    ],
)
async def test_a_server_without_history_says_so(
    http: httpx.AsyncClient, query: str, text: str
) -> None:
    answer = await http.get(f"/api/history?{query}")
    assert answer.status_code == 400
    assert text in answer.json()["message"]


@pytest.mark.parametrize("limit", ["", "0", "-1", "¹", "٣", "0000000019999999", "9" * 5000])
def test_limit_is_a_number_up_to_the_largest(limit: str) -> None:
    request = Request({"type": "http", "query_string": urlencode({"limit": limit}).encode()})
    with pytest.raises(BadArgument, match="limit is a number of values up to 100"):
        query.count(request, "limit", 10, 100)
    assert query.count(Request({"type": "http", "query_string": b"limit=100"}), "limit", 10, 100)
    assert query.count(Request({"type": "http", "query_string": b""}), "limit", 10, 100) == 10
