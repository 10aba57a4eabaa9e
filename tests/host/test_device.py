"""The operations of a Device handle against a scripted device on loopback."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from lwm2m_host import Server, errors
from lwm2m_host.coap.timing import Timing
from lwm2m_host.device import Content, Device
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import ObjLink

from tests.host.fake_device import LINKS, FakeDevice, Seen, changed, content
from tests.waiting import PATIENCE_S

MANUFACTURER = bytes.fromhex("c80014") + b"Open Mobile Alliance"


@pytest.fixture
def device(server: Server, fake: FakeDevice) -> Device:
    return server.device("fake")


async def test_read_of_a_resource_asks_for_tlv_and_is_typed(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0/0"] = content(MANUFACTURER)
    assert await device.read("/3/0/0") == "Open Mobile Alliance"
    assert fake.seen[-1].accept == 11542


async def test_requests_leave_from_the_socket_that_took_the_registration(
    server: Server, device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0/0"] = content(MANUFACTURER)
    await device.read("/3/0/0")
    assert fake.seen[-1].remote.sockaddr[1] == server.port


async def test_read_of_an_instance_is_a_dict_of_typed_resources(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0"] = content(
        MANUFACTURER
        + bytes.fromhex("8606410001410105")  # 6, multiple
        + bytes.fromhex("88070842000ed842011388")  # 7, multiple
        + bytes.fromhex("c10964")
        + bytes.fromhex("c40d5182428f")
        + bytes.fromhex("8616440000030001")  # 22, multiple
    )
    assert await device.read("/3/0") == {
        0: "Open Mobile Alliance",
        6: {0: 1, 1: 5},
        7: {0: 3800, 1: 5000},
        9: 100,
        13: datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC),
        22: {0: ObjLink(3, 1)},
    }


async def test_read_of_an_object_is_a_dict_of_instances(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3303"] = content(
        bytes.fromhex("0700e4164441ac0000")  # instance 0 with 5700
        + bytes.fromhex("0001")  # instance 1, empty
    )
    assert await device.read("/3303") == {0: {5700: 21.5}, 1: {}}


async def test_read_of_a_resource_instance(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3/0/7/1"] = content(bytes.fromhex("42011388"))
    assert await device.read("/3/0/7/1") == 5000


async def test_a_multiple_resource_is_a_dict_even_when_sent_as_single(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0/11"] = content(bytes.fromhex("c10b00"))
    assert await device.read("/3/0/11") == {0: 0}


async def test_the_caller_chooses_the_format(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3303/0/5700"] = content(b"21.5", 0)
    assert await device.read("/3303/0/5700", format="text") == 21.5
    assert fake.seen[-1].accept == 0


async def test_raw_read_gives_the_payload_even_in_an_unknown_format(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0/0"] = content(b"\x81\xa0", 112)
    assert await device.read("/3/0/0", format=112, raw=True) == Content(112, b"\x81\xa0")
    assert fake.seen[-1].accept == 112


async def test_an_answer_in_an_unknown_format_is_a_clear_error(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0/0"] = content(b"?", 9999)
    with pytest.raises(errors.UnknownFormat, match="content format 9999"):
        await device.read("/3/0/0")


async def test_an_answer_without_format_is_taken_as_what_was_asked_for(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", "/3/0/0"] = content(MANUFACTURER, None)
    assert await device.read("/3/0/0") == "Open Mobile Alliance"


async def test_an_answer_for_another_path_is_refused(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3/0/1"] = content(MANUFACTURER)
    with pytest.raises(errors.FormatError, match="asked for /3/0/1, got /3/0/0"):
        await device.read("/3/0/1")


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (Code.BAD_REQUEST, errors.BadRequest, "4.00"),
        (Code.UNAUTHORIZED, errors.Unauthorized, "4.01"),
        (Code.NOT_FOUND, errors.NotFound, "4.04"),
        (Code.METHOD_NOT_ALLOWED, errors.MethodNotAllowed, "4.05"),
        (Code.NOT_ACCEPTABLE, errors.NotAcceptable, "4.06"),
        (Code.UNSUPPORTED_CONTENT_FORMAT, errors.UnsupportedContentFormat, "4.15"),
        (Code.INTERNAL_SERVER_ERROR, errors.InternalServerError, "5.00"),
        (Code.CONFLICT, errors.ResponseError, "4.09"),
    ],
)
async def test_a_refusal_is_an_exception_with_code_and_path(
    device: Device, fake: FakeDevice, code: Code, kind: type[errors.ResponseError], text: str
) -> None:
    fake.answers["GET", "/3/0/99"] = (code, b"no such thing", None)
    with pytest.raises(kind) as caught:
        await device.read("/3/0/99")
    assert type(caught.value) is kind
    assert caught.value.code == text
    assert caught.value.path == "/3/0/99"
    assert "no such thing" in str(caught.value)


async def test_write_of_a_resource_is_a_put_of_one_tlv(device: Device, fake: FakeDevice) -> None:
    fake.answers["PUT", "/1/0/1"] = changed()
    await device.write("/1/0/1", 300)
    assert fake.seen[-1].payload == bytes.fromhex("c201012c")
    assert fake.seen[-1].content_format == 11542


async def test_write_in_text(device: Device, fake: FakeDevice) -> None:
    fake.answers["PUT", "/1/0/1"] = changed()
    await device.write("/1/0/1", 300, format="text")
    assert (fake.seen[-1].payload, fake.seen[-1].content_format) == (b"300", 0)


async def test_write_of_an_instance_replaces_with_put_and_updates_with_post(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["PUT", "/1/0"] = changed()
    fake.answers["POST", "/1/0"] = changed()
    await device.write("/1/0", {1: 60, 6: True})
    assert fake.seen[-1].code == Code.PUT
    assert fake.seen[-1].payload == bytes.fromhex("c1013cc10601")
    await device.write("/1/0", {1: 60}, update=True)
    assert fake.seen[-1].code == Code.POST


async def test_write_of_a_multiple_resource(device: Device, fake: FakeDevice) -> None:
    fake.answers["PUT", "/2/0/2"] = changed()
    await device.write("/2/0/2", {1: 31, 127: 1})
    assert fake.seen[-1].payload == bytes.fromhex("860241011f417f01")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/3303/0/5750", 5, "/3303/0/5750 Application Type expects a string, got 5"),
        ("/1/0/1", "300", "/1/0/1 Lifetime expects an unsigned integer, got '300'"),
        ("/1/0/1", True, "/1/0/1 Lifetime expects an unsigned integer, got True"),
        ("/1/0/1", 1 << 64, "out of range"),
        ("/1/0", 5, "expects a dict"),
        ("/1/0", {"x": 5}, "expects ids as keys"),
        ("/1/0", {70000: 5}, "expects ids as keys"),
    ],
)
async def test_a_value_of_the_wrong_type_is_refused_before_it_is_sent(
    device: Device, fake: FakeDevice, path: str, value: object, message: str
) -> None:
    with pytest.raises(errors.ValueTypeError, match=message.replace("(", r"\(")):
        await device.write(path, value)
    assert fake.seen == []


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("read", "/"),
        ("write", "/3"),
        ("execute", "/3/0"),
        ("create", "/3/0/1"),
        ("delete", "/3"),
        ("delete", "/3/0/1"),
        ("read", "/3/x"),
        ("read", "/3/0/1/2/3"),
        ("read", "/65536"),
    ],
)
async def test_a_path_that_does_not_fit_the_operation_is_refused(
    device: Device, fake: FakeDevice, operation: str, path: str
) -> None:
    arguments = (1,) if operation == "write" else ()
    with pytest.raises(errors.PathError):
        await getattr(device, operation)(path, *arguments)
    assert fake.seen == []


async def test_execute_without_and_with_arguments(device: Device, fake: FakeDevice) -> None:
    fake.answers["POST", "/3/0/4"] = changed()
    await device.execute("/3/0/4")
    assert (fake.seen[-1].payload, fake.seen[-1].content_format) == (b"", None)
    await device.execute("/3/0/4", "0='now',3")
    assert (fake.seen[-1].payload, fake.seen[-1].content_format) == (b"0='now',3", 0)
    with pytest.raises(errors.ValueTypeError):
        await device.execute("/3/0/4", "now")


async def test_discover_gives_links_with_attributes(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3/0"] = content(b"</3/0>;pmin=10,</3/0/0>,</3/0/6>;dim=2", 40)
    links = await device.discover("/3/0")
    assert fake.seen[-1].accept == 40
    assert [str(link.path) for link in links] == ["/3/0", "/3/0/0", "/3/0/6"]
    assert links[0].attributes == {"pmin": "10"}


async def test_create_with_an_id_of_the_devices_choice(device: Device, fake: FakeDevice) -> None:
    fake.answers["POST", "/3303"] = lambda _: Message(
        code=Code.CREATED, location_path=("3303", "7")
    )
    assert await device.create("/3303", {5750: "attic"}) == Path((3303, 7))
    assert fake.seen[-1].payload == bytes.fromhex("e51676") + b"attic"


async def test_create_with_an_id_of_our_choice_wraps_the_instance(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["POST", "/3303"] = lambda _: Message(code=Code.CREATED)
    assert await device.create("/3303/2", {5750: "attic"}) == Path((3303, 2))
    assert fake.seen[-1].payload == bytes.fromhex("080208e51676") + b"attic"


async def test_delete(device: Device, fake: FakeDevice) -> None:
    fake.answers["DELETE", "/3303/1"] = (Code.DELETED, b"", None)
    await device.delete("/3303/1")
    assert fake.seen[-1].code == Code.DELETE


async def test_write_attributes_are_queries_without_payload(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["PUT", "/3303/0/5700"] = changed()
    await device.write_attributes("/3303/0/5700", pmin=10, gt=25.5, pmax=None)
    assert fake.seen[-1].query == ("pmin=10", "gt=25.5", "pmax")
    assert fake.seen[-1].payload == b""
    with pytest.raises(errors.ValueTypeError, match="unknown attribute"):
        await device.write_attributes("/3303/0/5700", stp=1)


async def test_the_root_path_of_the_device_is_put_in_front(server: Server) -> None:
    async with FakeDevice(server.uri, "rooted") as fake:
        await fake.register(links=b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>')
        fake.answers["GET", "/lwm2m/3/0/0"] = content(MANUFACTURER)
        fake.answers["GET", "/lwm2m/3"] = content(b"</lwm2m/3>,</lwm2m/3/0>", 40)
        device = server.device("rooted")
        assert await device.read("/3/0/0") == "Open Mobile Alliance"
        assert [str(link.path) for link in await device.discover("/3")] == ["/3", "/3/0"]


async def test_a_large_answer_comes_block_by_block(device: Device, fake: FakeDevice) -> None:
    text = b"x" * 5000
    fake.answers["GET", "/3/0/0"] = content(bytes.fromhex("d0001388") + text)
    assert await device.read("/3/0/0") == text.decode()


async def test_a_large_write_leaves_block_by_block(device: Device, fake: FakeDevice) -> None:
    fake.answers["PUT", "/5/0/0"] = changed()
    image = bytes(range(256)) * 20
    await device.write("/5/0/0", image, format="opaque")
    assert fake.seen[-1].payload == image
    assert fake.seen[-1].content_format == 42


async def test_a_long_transfer_may_take_longer_than_one_answer(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["PUT", "/5/0/0"] = changed()
    fake.answers["GET", "/3/0/0"] = content(bytes.fromhex("d0001388") + b"x" * 5000)
    fake.delay_s = 0.4
    await device.write("/5/0/0", bytes(5000), format="opaque", timeout_s=1.8)
    assert len(await device.read("/3/0/0", timeout_s=1.8)) == 5000
    fake.delay_s = PATIENCE_S
    with pytest.raises(errors.DeviceTimeout):
        await device.read("/3/0/0", timeout_s=0.3)


async def test_requests_to_one_device_are_serialized(device: Device, fake: FakeDevice) -> None:
    busy = 0
    most = 0

    async def slow(_: Seen) -> tuple[Code, bytes, int | None]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.15)  # longer than the empty ACK waits, which ends aiocoap's NSTART
        busy -= 1
        return (Code.CONTENT, MANUFACTURER, 11542)

    fake.answers["GET", "/3/0/0"] = slow
    await asyncio.gather(*(device.read("/3/0/0") for _ in range(3)))
    assert most == 1
    assert len(fake.seen) == 3


async def test_silence_is_a_timeout_and_the_next_request_goes_out_at_once(
    server: Server, fake: FakeDevice
) -> None:
    """NSTART 1 must not make a request wait for one that was given up (RFC 7252 §4.7)."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.setblocking(False)
        await loop.sock_sendto(
            silent,
            bytes.fromhex("40020001b27264") + b"\x47ep=mute",
            ("127.0.0.1", server.port),
        )
        device = await server.wait_for("mute", PATIENCE_S)
        await loop.sock_recv(silent, 2000)
        for _ in range(2):
            start = loop.time()
            with pytest.raises(errors.DeviceTimeout, match=r"mute did not answer in 0\.2 s: /3/0"):
                await device.read("/3/0", timeout_s=0.2)
            assert loop.time() - start < 30
            request = await asyncio.wait_for(loop.sock_recv(silent, 2000), 30)
            assert request[1] == 1  # a GET came through each time


async def test_a_device_that_is_gone_is_reported_before_the_timeout(
    server: Server, fake: FakeDevice
) -> None:
    device = server.device("fake")
    await fake.context.shutdown()
    fake.context = (await FakeDevice(server.uri).__aenter__()).context
    with pytest.raises(errors.DeviceUnreachable):
        await device.read("/3/0/0", timeout_s=PATIENCE_S)


async def test_a_reset_is_reported_as_such(server: Server) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        await loop.sock_sendto(
            peer, bytes.fromhex("40020001b27264") + b"\x46ep=rst", ("127.0.0.1", server.port)
        )
        device = await server.wait_for("rst", PATIENCE_S)
        await loop.sock_recv(peer, 2000)
        reading = asyncio.create_task(device.read("/3/0"))
        request = await loop.sock_recv(peer, 2000)
        await loop.sock_sendto(peer, bytes((0x70, 0)) + request[2:4], ("127.0.0.1", server.port))
        with pytest.raises(errors.DeviceReset):
            await reading


async def test_a_handle_outlives_a_re_registration(server: Server, fake: FakeDevice) -> None:
    device = server.device("fake")
    await fake.deregister()
    with pytest.raises(errors.NotRegistered, match="fake is not registered"):
        await device.read("/3/0/0")
    async with FakeDevice(server.uri, "fake") as again:
        await again.register(links=LINKS)
        again.answers["GET", "/3/0/0"] = content(MANUFACTURER)
        assert await device.read("/3/0/0") == "Open Mobile Alliance"


async def test_closing_the_server_ends_requests_under_way() -> None:
    async with Server(port=0, timing=Timing()) as server, FakeDevice(server.uri) as fake:
        await fake.register()

        asked = asyncio.Event()

        async def never(_: Seen) -> tuple[Code, bytes, int | None]:
            asked.set()
            await asyncio.sleep(60)
            return (Code.CONTENT, b"", None)

        fake.answers["GET", "/3/0/0"] = never
        reading = asyncio.create_task(server.device("fake").read("/3/0/0"))
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        await server.close()
        with pytest.raises(errors.ServerError):
            await asyncio.wait_for(reading, PATIENCE_S)
