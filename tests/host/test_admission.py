"""Who may register as whom, and how much of it: policy, authorizer, bounds."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import Limits, RegistrationRequest, Server, TakeoverPolicy, of_patterns
from lwm2m_host.coap.messages import Peer

from tests.host.fake_device import FakeDevice


@asynccontextmanager
async def two(**arguments: Any) -> AsyncIterator[tuple[Server, FakeDevice, FakeDevice]]:
    """A server and two devices with the same endpoint name, at different addresses."""
    async with (
        Server(port=0, **arguments) as server,
        FakeDevice(server.uri, "same") as first,
        FakeDevice(server.uri, "same") as second,
    ):
        yield server, first, second


async def test_a_takeover_is_warned_of_once_with_both_addresses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with two() as (server, first, second):
        assert (await first.register()).code == Code.CREATED
        assert (await first.register()).code == Code.CREATED  # from the same address
        assert "now registers" not in caplog.text
        assert (await second.register()).code == Code.CREATED
        lines = [line for line in caplog.text.splitlines() if "now registers" in line]
        assert len(lines) == 1
        assert f":{first.port}" in lines[0]
        assert f":{second.port}" in lines[0]
        for _ in range(5):
            await first.register()
            await second.register()
        assert caplog.text.count("now registers") == 1
        assert (await server.registration("same")).address.endswith(f":{second.port}")


async def test_a_takeover_may_be_accepted_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async with two(on_takeover=TakeoverPolicy.ACCEPT) as (_, first, second):
        await first.register()
        assert (await second.register()).code == Code.CREATED
        assert "now registers" not in caplog.text


def test_there_is_no_other_policy() -> None:
    with pytest.raises(ValueError, match="maybe"):
        Server(on_takeover="maybe")


async def test_an_authorizer_decides_about_each_operation() -> None:
    asked: list[tuple[str, str, bool]] = []
    refused: set[str] = set()

    async def authorize(request: RegistrationRequest) -> bool:
        asked.append((request.operation, request.endpoint, request.registration is not None))
        return request.operation not in refused

    async with (
        Server(port=0, authorizer=authorize) as server,
        FakeDevice(server.uri, "dev") as device,
    ):
        assert (await device.register()).code == Code.CREATED
        assert (await device.update()).code == Code.CHANGED
        refused |= {"register", "update", "deregister"}
        assert (await device.update()).code == Code.FORBIDDEN
        assert (await device.deregister()).code == Code.FORBIDDEN
        location = device.location
        assert (await device.register()).code == Code.FORBIDDEN
        assert (await server.registration("dev")).location == "/" + "/".join(location)
        refused.clear()
        assert (await device.deregister()).code == Code.DELETED
    assert asked == [
        ("register", "dev", False),
        ("update", "dev", True),
        ("update", "dev", True),
        ("deregister", "dev", True),
        ("register", "dev", True),
        ("deregister", "dev", True),
    ]


@pytest.mark.parametrize(
    ("patterns", "endpoint", "address", "allowed"),
    [
        (["urn:dev:*"], "urn:dev:os:1", "192.0.2.1:5683", True),
        (["urn:dev:*"], "other", "192.0.2.1:5683", False),
        (["a", "b"], "b", "[2001:db8::1]:5683", True),
        (["*@192.0.2.0/24"], "any", "192.0.2.77:1", True),
        (["*@192.0.2.0/24"], "any", "198.51.100.1:1", False),
        (["*@192.0.2.0/24"], "any", "[2001:db8::1]:1", False),
        (["meter-?@2001:db8::/32"], "meter-7", "[2001:db8::1]:1", True),
        (["meter-?@2001:db8::/32"], "meter-77", "[2001:db8::1]:1", False),
        (["*@fe80::/10"], "any", "[fe80::1%2]:1", True),
        (["name@example.com"], "name@example.com", "192.0.2.1:1", True),
    ],
)
def test_patterns_let_in_what_they_fit(
    patterns: list[str], endpoint: str, address: str, allowed: bool
) -> None:
    request = RegistrationRequest("register", endpoint, Peer(address), None)
    assert of_patterns(patterns)(request) is allowed


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no network"):
        of_patterns(["*@192.0.2.0/33"])


async def test_registrations_are_bounded() -> None:
    limits = Limits(devices=2, links=3, link_bytes=60, parameters=2, parameter_bytes=40)
    async with (
        Server(port=0, limits=limits) as server,
        FakeDevice(server.uri, "one") as one,
        FakeDevice(server.uri, "two") as two_,
        FakeDevice(server.uri, "three") as three,
    ):
        short = b"</1/0>"
        assert (await one.register(links=short)).code == Code.CREATED
        assert (await two_.register(links=short)).code == Code.CREATED
        assert (await three.register(links=short)).code == Code.SERVICE_UNAVAILABLE
        assert (await two_.register(links=short)).code == Code.CREATED
        assert (
            await one.update(links=b"</1>,</2>,</3>,</4>")
        ).code == Code.REQUEST_ENTITY_TOO_LARGE
        assert (await one.update(links=b"</%s>" % (b"x" * 60))).code == (
            Code.REQUEST_ENTITY_TOO_LARGE
        )
        assert (await one.update("a=1", "d=2")).code == Code.CHANGED
        assert (await one.update("c=3")).code == Code.BAD_REQUEST
        assert (await one.update("a=" + "x" * 40)).code == Code.BAD_REQUEST
        assert (await one.update("d=" + "x" * 10)).code == Code.CHANGED
        assert dict((await server.registration("one")).parameters) == {"a": "1", "d": "x" * 10}
        assert (await server.status()).refused == 5


async def test_lines_about_refused_requests_are_folded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with Server(port=0) as server, FakeDevice(server.uri, "x" * 300) as device:
            for _ in range(20):
                assert (await device.register()).code == Code.BAD_REQUEST
    assert caplog.text.count("is refused") == 1
