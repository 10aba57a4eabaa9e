"""The Send operation: what a device reports by itself."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lwm2m_host import Server
from lwm2m_host.coap.assembly import UPLOAD_BYTES
from lwm2m_host.coap.messages import Peer, Request, Response
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.device import Device
from lwm2m_host.formats import LINK_FORMAT
from lwm2m_host.management.payload import SEND_FORMATS
from lwm2m_host.model.catalogue import Models
from lwm2m_host.registration.admission import TakeoverPolicy
from lwm2m_host.registration.interface import RegistrationInterface
from lwm2m_host.registration.peers import Peers
from lwm2m_host.registration.registry import MemoryRegistry
from lwm2m_host.registration.takeover import Takeovers
from lwm2m_host.reporting.events import Sent, Unreadable
from lwm2m_host.reporting.history import History
from lwm2m_host.reporting.report import Send
from lwm2m_host.reporting.send import SendInterface

from tests.host.fake_device import FakeDevice
from tests.waiting import PATIENCE_S

MODELS = Models.default()
EXAMPLES = max(1, int(os.environ.get("FUZZ_EXAMPLES", "400")) // 2)
PACK = [{"n": "/3303/0/5700", "v": 21.5}, {"n": "/3/0/0", "vs": "Acme"}]


async def send(
    fake: FakeDevice, payload: bytes, number: int | None = 110, code: Code = Code.POST
) -> Message:
    async with asyncio.timeout(PATIENCE_S):
        return await fake.send(code, ("dp",), (), payload, number)


@pytest.fixture
def heard(server: Server) -> list[Send]:
    found: list[Send] = []
    server.on_send(found.append)
    return found


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (110, json.dumps(PACK).encode()),
        (112, cbor2.dumps([{0: "/3303/0/5700", 2: 21.5}, {0: "/3/0/0", 3: "Acme"}])),
    ],
)
async def test_a_send_is_typed_values_and_is_answered_with_changed(
    fake: FakeDevice, heard: list[Send], number: int, payload: bytes
) -> None:
    answer = await send(fake, payload, number)
    assert answer.code == Code.CHANGED
    assert answer.payload == b""
    [report] = heard
    assert report.values == {"/3303/0/5700": 21.5, "/3/0/0": "Acme"}
    assert report.unknown == ()
    assert report.format == number
    assert [sample.timed for sample in report.samples] == [False, False]


async def test_samples_keep_their_times(fake: FakeDevice, heard: list[Send]) -> None:
    pack = [{"bn": "/3303/0/5700", "bt": 1.6e9, "t": t, "v": v} for t, v in ((0, 1.0), (5, 2.0))]
    await send(fake, json.dumps(pack).encode())
    assert [(s.time_s, s.value) for s in heard[0].samples] == [(1.6e9, 1.0), (1.6e9 + 5, 2.0)]
    assert heard[0].values == {"/3303/0/5700": 2.0}


async def test_a_device_handle_iterates_over_its_own(server: Server, fake: FakeDevice) -> None:
    device: Device = server.device("fake")
    with device.sends() as sends:
        async with FakeDevice(server.uri, "other") as other:
            await other.register("lt=60")
            await send(other, json.dumps(PACK[:1]).encode())
        await send(fake, json.dumps(PACK).encode())
        async with asyncio.timeout(PATIENCE_S):
            report = await anext(sends)
    assert report.endpoint == "fake"


async def test_a_large_one_comes_in_blocks(fake: FakeDevice, heard: list[Send]) -> None:
    pack = [{"n": "/3303/0/5700", "t": 1.6e9 + n, "v": n} for n in range(500)]
    assert (await send(fake, json.dumps(pack).encode())).code == Code.CHANGED
    assert len(heard[0].samples) == 500
    assert heard[0].values == {"/3303/0/5700": 499.0}


async def test_objects_that_were_not_registered_are_taken_and_marked(
    fake: FakeDevice, heard: list[Send]
) -> None:
    pack = json.dumps([{"n": "/3304/0/5700", "v": 50}]).encode()
    assert (await send(fake, pack)).code == Code.CHANGED
    assert heard[0].unknown == (3304,)


async def test_who_is_not_registered_gets_4_04(server: Server, heard: list[Send]) -> None:
    async with FakeDevice(server.uri, "stranger") as stranger:
        answer = await send(stranger, json.dumps(PACK).encode())
    assert answer.code == Code.NOT_FOUND
    assert heard == []


@pytest.mark.parametrize(
    ("payload", "number", "code"),
    [
        (b"?", 110, Code.BAD_REQUEST),
        (b"[]", 110, Code.BAD_REQUEST),
        (b'[{"n":"/3/0/0"}]', 110, Code.BAD_REQUEST),
        (b'[{"n":"/3/0","v":1}]', 110, Code.BAD_REQUEST),
        (b'[{"n":"/3/0/0","v":1}]', 110, Code.BAD_REQUEST),
        (b"\xff", 112, Code.BAD_REQUEST),
        (b"21.5", 0, Code.UNSUPPORTED_CONTENT_FORMAT),
        (b"[]", 320, Code.UNSUPPORTED_CONTENT_FORMAT),
        (b"[]", None, Code.UNSUPPORTED_CONTENT_FORMAT),
    ],
)
async def test_what_is_wrong_is_refused_and_told(
    server: Server, fake: FakeDevice, payload: bytes, number: int | None, code: Code
) -> None:
    with server.events() as stream:
        assert (await send(fake, payload, number)).code == code
        if code == Code.BAD_REQUEST:
            event = await anext(stream)
            assert isinstance(event, Unreadable)
            assert event.source == "send"


async def test_only_post(fake: FakeDevice) -> None:
    assert (await send(fake, b"", code=Code.GET)).code == Code.METHOD_NOT_ALLOWED


async def test_blocks_out_of_turn_and_without_end_are_refused(
    server: Server, fake: FakeDevice, heard: list[Send]
) -> None:
    async def block(number: int, more: bool, payload: bytes) -> Code:
        message = Message(code=Code.POST, uri=server.uri + "/dp", payload=payload)
        message.opt.block1 = (number, more, 6)
        message.opt.content_format = 110
        request = fake.context.request(message, handle_blockwise=False)
        async with asyncio.timeout(PATIENCE_S):
            return (await request.response).code  # type: ignore[no-any-return]

    assert await block(1, True, b"x" * 1024) == Code.REQUEST_ENTITY_INCOMPLETE
    assert await block(0, True, b"x" * 1000) == Code.REQUEST_ENTITY_INCOMPLETE
    assert await block(0, True, b"x" * 1024) == Code.CONTINUE
    assert await block(2, True, b"x" * 1024) == Code.REQUEST_ENTITY_INCOMPLETE
    assert await block(0, True, b"x" * 1024) == Code.CONTINUE
    for number in range(1, UPLOAD_BYTES // 1024):
        assert await block(number, True, b"x" * 1024) == Code.CONTINUE
    assert await block(UPLOAD_BYTES // 1024, True, b"x" * 1024) == Code.REQUEST_ENTITY_TOO_LARGE
    assert heard == []


_records = st.lists(
    st.dictionaries(
        st.sampled_from(
            ["n", "bn", "t", "bt", "v", "vs", "vb", "vd", "vlo", "s", "bv", "u", "x_"]
        ),
        st.one_of(
            st.sampled_from(["/3303/0/5700", "/3/0/0", "/3/0/7/1", "/3", "3:0", ""]),
            st.floats(),
            st.integers(-(1 << 70), 1 << 70),
            st.booleans(),
            st.text(max_size=8),
            st.none(),
        ),
        max_size=4,
    ),
    max_size=6,
)
_payloads = st.one_of(
    st.binary(max_size=200),
    _records.map(lambda pack: json.dumps(pack).encode()),
    _records.map(lambda pack: cbor2.dumps(pack)),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(_payloads, st.sampled_from(SEND_FORMATS), st.randoms(use_true_random=False))
def test_any_bytes_are_answered(payload: bytes, number: int, chance: random.Random) -> None:
    """2.04 with at least one sample, or 4.00: never an exception."""
    peer = Peer("192.0.2.1:5683")
    events: list[Any] = []
    clock = FakeClock()
    registry = MemoryRegistry(clock)
    if chance.random() < 0.3 and payload:
        at = chance.randrange(len(payload))
        payload = payload[:at] + bytes([chance.randrange(256)]) + payload[at + 1 :]

    async def register_and_send() -> Response:
        register = Request(
            "POST", ("rd",), peer, ("ep=x", "lwm2m=1.1"), b"</3/0>,</3303/0>", LINK_FORMAT
        )
        peers = Peers()

        async def replies(peer: Peer) -> bool:
            return False

        takeovers = Takeovers(TakeoverPolicy.ACCEPT, peers, replies, clock.monotonic)
        interface = RegistrationInterface(
            registry, peers, clock, lambda event: None, takeovers=takeovers
        )
        assert (await interface.handle(register)).code == "2.01"
        request = Request("POST", ("dp",), peer, (), payload, number)
        return await SendInterface(registry, MODELS, clock, events.append).handle(request)

    answer = asyncio.run(register_and_send())
    [event] = events
    if answer.code == "2.04":
        assert isinstance(event, Sent)
        assert event.report.samples
        History().add(event.report, "send")  # whatever it is, it can be kept
    else:
        assert answer.code == "4.00"


async def test_a_large_send_is_decoded_beside_the_loop_and_bounded(
    server: Server, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    decode = SendInterface._decode

    def spy(self: SendInterface, *arguments: Any) -> Send:
        threads.append(threading.current_thread())
        return decode(self, *arguments)

    monkeypatch.setattr(SendInterface, "_decode", spy)
    small = json.dumps([{"n": "/3303/0/5700", "v": 1}]).encode()
    large = json.dumps([{"n": "/3303/0/5700", "v": 1, "t": n} for n in range(1000)]).encode()
    assert (await send(fake, small)).code == Code.CHANGED
    assert (await send(fake, large)).code == Code.CHANGED
    assert [thread is threading.main_thread() for thread in threads] == [True, False]
    monkeypatch.setattr("lwm2m_host.reporting.send.MAX_VALUES", 999)
    assert (await send(fake, large)).code == Code.REQUEST_ENTITY_TOO_LARGE
