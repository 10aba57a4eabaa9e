"""An RST that comes late: after the answer, or while its request is being given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from lwm2m_host import Server, Timing
from lwm2m_host.coap.codec import EMPTY, RST, Message
from lwm2m_host.errors import DeviceReset

from tests.host.datagram_device import PATIENCE_S, DatagramDevice


@pytest.fixture
async def patient() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as server:
        yield server


@pytest.fixture
async def bare(patient: Server) -> AsyncIterator[DatagramDevice]:
    async with DatagramDevice(patient) as device:
        yield device


def read(server: Server) -> asyncio.Task[str]:
    return asyncio.create_task(server.device("bare").read("/3/0/0", format="text"))


async def test_device_stays_reachable_after_an_rst_that_follows_the_answer(
    patient: Server, bare: DatagramDevice
) -> None:
    first = read(patient)
    request = await bare.receive()
    bare.answer_separately(request, b"Acme")
    assert await first == "Acme"
    bare.reset(request)  # the request is still waiting for its acknowledgement
    for text in (b"one", b"two"):
        again = read(patient)
        while (later := await bare.receive()).mid == request.mid:
            pass
        bare.acknowledge(later, text)
        assert await again == text.decode()


async def test_requests_that_wait_behind_the_reset_one_are_sent(
    patient: Server, bare: DatagramDevice
) -> None:
    first = read(patient)
    request = await bare.receive()
    bare.answer_separately(request, b"Acme")
    assert await first == "Acme"
    second = read(patient)
    await asyncio.sleep(0)
    bare.reset(request)
    while (later := await bare.receive()).mid == request.mid:
        pass
    bare.acknowledge(later, b"second")
    assert await second == "second"


@pytest.mark.parametrize("turns", range(6))
async def test_device_stays_reachable_after_an_rst_for_a_request_that_is_being_given_up(
    patient: Server, bare: DatagramDevice, turns: int
) -> None:
    first = read(patient)
    request = await bare.receive()
    waiting = read(patient)
    first.cancel()
    # Whatever turn of the loop the RST comes in.
    for _ in range(turns):
        await asyncio.sleep(0)
    layer = patient.sender.endpoint._engine.layer
    remote = patient.sender.peer("bare").remote
    layer.receive(Message(RST, EMPTY, request.mid).encode(), remote.key, remote.local)
    for answered, text in ((waiting, b"one"), (None, b"two")):
        again = answered or read(patient)
        while (later := await bare.receive()).mid == request.mid:
            pass
        bare.acknowledge(later, text)
        assert await again == text.decode()


async def test_an_rst_in_time_ends_the_request_and_a_repeated_one_nothing(
    patient: Server, bare: DatagramDevice
) -> None:
    first = read(patient)
    request = await bare.receive()
    bare.reset(request)
    with pytest.raises(DeviceReset):
        await first
    bare.reset(request)
    again = read(patient)
    bare.acknowledge(await bare.receive(), b"back")
    assert await again == "back"
