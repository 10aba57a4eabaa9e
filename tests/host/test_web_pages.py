"""Long lists over HTTP: in pages, and in pieces between which devices are served."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.web import ControlPlane
from lwm2m_host.web.api import clients
from lwm2m_host.web.api.pieces import AT_ONCE, json_list

from tests.host.commands import Serving
from tests.host.registrations import registration
from tests.waiting import PATIENCE_S

NAMES = [f"urn:dev:{number:02}/ä&?" for number in range(25)]


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as server:
        for name in NAMES:
            await server.registry.register(registration(name, f"/rd/{name}", lifetime_s=0))
        async with ControlPlane(server, port=0) as running:
            yield running


@pytest.fixture
async def http(plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=plane.url, trust_env=False) as client:
        yield client


def names_of(answer: httpx.Response) -> list[str]:
    return [client["endpoint"] for client in answer.json()]


async def test_l_09_clients_come_in_pages(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/clients?limit=10")
    assert names_of(answer) == NAMES[:10]
    assert (await http.get("/api/clients", params={"after": NAMES[21]})).json()[0][
        "endpoint"
    ] == NAMES[22]
    found = names_of(answer)
    pages = 1
    while "next" in answer.links:
        answer = await http.get(answer.links["next"]["url"])
        found += names_of(answer)
        pages += 1
    assert (found, pages) == (NAMES, 3)


@pytest.mark.parametrize("limit", [25, 26, 10_000])
async def test_l_09_the_last_page_has_no_next_one(http: httpx.AsyncClient, limit: int) -> None:
    answer = await http.get(f"/api/clients?limit={limit}")
    assert names_of(answer) == NAMES
    assert "Link" not in answer.headers


async def test_l_09_a_page_is_bounded_without_being_asked(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PAGE", 7)
    answer = await http.get("/api/clients")
    assert names_of(answer) == NAMES[:7]
    assert "next" in answer.links
    assert (await http.get("/api/clients?limit=10001")).status_code == 400


async def test_l_09_the_command_follows_the_pages(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PAGE", 4)
    done = await Serving("", plane.url).run("devices", "--json", "--server", plane.url)
    assert done.code == 0
    assert [device["endpoint"] for device in json.loads(done.out)] == NAMES


async def written(items: Iterator[Any]) -> str:
    response = json_list(items)
    return "".join([str(part) async for part in response.body_iterator])


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_l_09_pieces_are_one_list(count: int) -> None:
    items = [{"n": number, "text": "ä],[{"} for number in range(count)]
    assert json.loads(await written(iter(items))) == items


async def test_l_09_others_have_their_turn_between_the_pieces() -> None:
    made: list[int] = []
    seen: list[int] = []

    def make() -> Iterator[int]:
        for number in range(20 * AT_ONCE):
            made.append(number)
            yield number

    async def other() -> None:
        while len(made) < 20 * AT_ONCE:
            seen.append(len(made))
            await asyncio.sleep(0)

    await asyncio.gather(other(), written(make()))
    steps = [after - before for before, after in itertools.pairwise(seen)]
    assert len(seen) >= 20
    assert max(steps) <= AT_ONCE
