"""The control plane under many, slow and large requests; event streams that share their text."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator

import pytest
from lwm2m_host import Server
from lwm2m_host.web import ControlPlane, bounds
from lwm2m_host.web.api import events as events_module
from lwm2m_host.web.api import query

from tests.host.fake_device import FakeDevice
from tests.waiting import PATIENCE_S, until


@pytest.fixture
async def plane(server: Server) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(server, port=0) as running:
        yield running


class Connection:
    """A TCP connection to the control plane."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, plane: ControlPlane, head: str = "") -> Connection:
        found = cls(*await asyncio.open_connection("127.0.0.1", plane.port))
        found.writer.write(head.encode())
        return found

    async def status(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            line = await self.reader.readline()
        return int(line.split()[1]) if line else 0

    async def until_text(self, text: str) -> str:
        found = ""
        async with asyncio.timeout(PATIENCE_S):
            while text not in found:
                part = await self.reader.read(1000)
                assert part, found
                found += part.decode()
        return found

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def close(self) -> None:
        self.writer.close()


HEAD = "Host: 127.0.0.1\r\n"


async def test_a_body_in_chunks_has_the_same_limit(
    plane: ControlPlane, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "BODY_LIMIT", 10_000)
    path = "PUT /api/clients/fake/3/0/15 HTTP/1.1\r\n"
    connection = await Connection.open(plane, f"{path}{HEAD}Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(20):
        connection.writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert await connection.status() == 400
    connection.close()
    assert not fake.seen


async def test_a_body_that_does_not_arrive_is_given_up(
    plane: ControlPlane, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "BODY_S", 0.05)
    path = "PUT /api/clients/fake/3/0/15 HTTP/1.1\r\n"
    connection = await Connection.open(plane, f"{path}{HEAD}Content-Length: 100\r\n\r\nxx")
    assert await connection.status() == 400
    connection.close()


@pytest.mark.parametrize("head", ["", "GET /api/clients HTT", f"GET / HTTP/1.1\r\n{HEAD}"])
async def test_a_connection_that_asks_for_nothing_is_closed(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(bounds, "HEADER_S", 0.05)
    connection = await Connection.open(plane, head)
    assert await connection.ended()
    connection.close()


async def test_a_second_request_has_its_time_too(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "HEADER_S", 0.2)
    connection = await Connection.open(plane, f"GET /api/clients HTTP/1.1\r\n{HEAD}\r\n")
    await connection.until_text("[]")
    connection.writer.write(b"GET /api/clie")
    assert await connection.ended()
    connection.close()


async def test_an_event_stream_may_stay_silent(
    plane: ControlPlane, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "HEADER_S", 0.05)
    connection = await Connection.open(plane, f"GET /api/events HTTP/1.1\r\n{HEAD}\r\n")
    await connection.until_text("connected")
    await asyncio.sleep(0.2)
    await fake.update()
    await connection.until_text("UPDATED")
    connection.close()


async def test_more_connections_than_the_limit_are_closed_at_once(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "CONNECTIONS", 5)
    held = [await Connection.open(plane) for _ in range(5)]
    sixth = await Connection.open(plane)
    assert await sixth.ended()
    held.pop().close()
    await asyncio.sleep(0.05)
    request = f"GET /api/clients HTTP/1.1\r\n{HEAD}\r\n"
    again = await Connection.open(plane, request)
    assert await again.status() == 200
    for connection in (*held, sixth, again):
        connection.close()


async def test_without_free_files_there_is_one_line(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.INFO):
        for _ in range(500):
            loop.call_exception_handler(
                {"message": "accept", "exception": OSError(errno.EMFILE, "Too many open files")}
            )
    assert len(caplog.records) == 1
    loop.call_exception_handler({"message": "another error"})
    assert "another error" in caplog.text


async def test_all_streams_share_the_text_of_an_event(
    plane: ControlPlane, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    data = events_module.data

    def count(event: object, server: Server) -> dict[str, object]:
        made.append(event)
        return data(event, server)  # type: ignore[arg-type]

    monkeypatch.setattr(events_module, "data", count)
    streams = [
        await Connection.open(plane, f"GET /api/events HTTP/1.1\r\n{HEAD}\r\n") for _ in range(5)
    ]
    for stream in streams:
        await stream.until_text("connected")
    await fake.update()
    texts = [await stream.until_text("UPDATED") for stream in streams]
    assert len(made) == 1
    assert len(set(texts)) == 1
    for stream in streams:
        stream.close()


async def test_a_stream_is_told_what_it_has_lost(server: Server, fake: FakeDevice) -> None:
    stream = events_module._stream(server, events_module.Blocks(server), None)
    assert "connected" in await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await until(lambda: server._bus.streams)
    (events,) = server._bus.streams
    await fake.update()
    await waiting
    events._limit = 2
    for _ in range(5):
        await fake.update()
    found = [await anext(stream) for _ in range(3)]
    assert json.loads(found[0].split("data: ")[1]) == {"event": "dropped", "count": 3}
    assert ["UPDATED" in text for text in found] == [False, True, True]
    await stream.aclose()
