"""The host's CoAP engine against node-coap, both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lwm2m_host import Device, Limits, Server, Timing
from lwm2m_host.errors import NotFound
from lwm2m_host.faults import Faults, Relay

from tests.interop.managing import BYTES, PLACE, managing, server
from tests.interop.peers import Answer, Program, body, node_coap, run
from tests.ports import free_port
from tests.waiting import PATIENCE_S

LINKS_FORMAT = "28"  # 40, as the bytes of the option
COUNT = "/26241/0/12"
LINKS = ",".join(f"</26241/{iid}>" for iid in range(150))

# --- node-coap as a client ------------------------------------------------------------------


@pytest.fixture
async def host() -> AsyncIterator[Server]:
    async with server(limits=Limits(links=1000, link_bytes=20_000)) as running:
        yield running


async def node(host: Server, *asks: dict[str, Any]) -> list[Answer]:
    """What node-coap gets from the host."""
    command, env = node_coap("client.js")
    words = json.dumps({"port": host.port, "asks": asks})
    code, out, _ = await run([*command, words], env)
    assert code == 0
    return [json.loads(line) for line in out.decode().splitlines()]


def register(endpoint: str, **fields: Any) -> dict[str, Any]:
    options = {"Content-Format": LINKS_FORMAT} | fields.pop("options", {})
    query = f"lwm2m=1.1&ep={endpoint}&lt=300"
    return {"method": "post", "path": "rd", "query": query, "options": options, **fields}


async def test_node_registers(host: Server) -> None:
    [answer] = await node(host, register("node", text="</3/0>"))
    assert answer["code"] == "2.01"
    assert (await host.registration("node")).links.text == b"</3/0>"
    [answer] = await node(host, register("node", text="</3/1>", confirmable=False))
    assert answer["code"] == "2.01"
    assert (await host.registration("node")).links.text == b"</3/1>"


@pytest.mark.parametrize("exponent", [0, 2, 6])
async def test_rfc7959_2_5_node_registers_in_blocks(host: Server, exponent: int) -> None:
    ask = register("node", text=LINKS, options={"Block1": f"{exponent:02x}"})
    [answer] = await node(host, ask)
    assert answer["code"] == "2.01"
    assert (await host.registration("node")).links.text.decode() == LINKS
    assert (await host.status()).coap.uploads == 0


async def test_rfc7959_2_9_3_node_is_told_that_it_is_too_large(host: Server) -> None:
    [answer] = await node(host, register("node", body=30_000, options={"Block1": "06"}))
    assert answer["code"] == "4.13"
    assert await host.registrations() == []


async def test_rfc7252_5_8_what_node_may_not_ask(host: Server) -> None:
    answers = await node(
        host,
        {"method": "get", "path": "rd"},
        {"method": "get", "path": "nothing"},
        {"method": "get", "path": "rd", "proxy": "coap://192.0.2.1/x"},
        register("node", text="<a>", options={"Content-Format": "00"}),
    )
    assert [answer["code"] for answer in answers] == ["4.05", "4.04", "5.05", "4.15"]


# --- node-coap as a device ------------------------------------------------------------------


@pytest.fixture
async def theirs() -> AsyncIterator[int]:
    """The port of node-coap."""
    command, env = node_coap("device.js")
    port = free_port()
    async with Program([*command, str(port)], env) as program:
        await program.says("listening")
        yield port


@pytest.fixture
async def device(theirs: int) -> AsyncIterator[Device]:
    async with managing(theirs) as (_, found):
        yield found


async def put(device: Device, path: str, payload: bytes) -> None:
    await device.request("PUT", path, payload, 0)


@pytest.mark.parametrize("size", [1024, 1025, 20_000])
async def test_rfc7959_2_4_and_2_5_we_write_and_read_node_in_blocks(
    device: Device, size: int
) -> None:
    await put(device, BYTES, body(size))
    assert await device.read(BYTES, format="opaque") == body(size)


async def test_rfc8132_2_answer_of_node_to_a_fetch_comes_in_blocks(device: Device) -> None:
    await put(device, BYTES, body(5000))
    answer = await device.request("FETCH", BYTES, b"question", 0)
    assert answer.payload == body(5000)


async def test_rfc7252_5_2_2_separate_responses_of_node_and_refusals(device: Device) -> None:
    await device.execute(COUNT)
    await device.execute(COUNT)
    assert (await device.request("GET", COUNT)).payload == b"2"
    with pytest.raises(NotFound):
        await device.read("/3303/1/5700", format="text")


async def test_rfc7641_3_we_observe_node_and_forget(device: Device) -> None:
    async with device.observe(PLACE, format="text") as observation:
        assert observation.first.value == 21.5
        for value in (22.5, 23.5, 24.5):
            await put(device, PLACE, str(value).encode())
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(observation)).value == value
    again = await device.observe(PLACE, format="text")
    assert again.first.value == 24.5
    again.forget()
    await put(device, PLACE, b"25.5")
    assert await device.read(PLACE, format="text") == 25.5


@pytest.mark.slow
async def test_nothing_is_done_twice_to_node_over_a_lossy_way(theirs: int) -> None:
    """30 % of all datagrams are lost, in both directions.

    node-coap knows a request again once it has answered it, so it answers at once.
    """
    timing = Timing(ack_timeout_s=0.05, max_retransmit=8)
    async with (
        Relay(("127.0.0.1", theirs), faults=Faults(loss=0.3), seed=13) as relay,
        managing(relay.port, timing=timing) as (_, device),
    ):
        for _ in range(30):
            await device.request("POST", "/26241/0/11")
        assert (await device.request("GET", COUNT)).payload == b"30"
        await put(device, BYTES, body(10_000))
        assert await device.read(BYTES, format="opaque") == body(10_000)
