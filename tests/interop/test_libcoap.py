"""Against libcoap's programs, both ways: coap-client, coap-server and coap-rd."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interop.conftest import Ask, Serve
from tests.interop.peers import Peer, Program, body, libcoap, listening, run, sha256
from tests.ports import free_port
from tests.waiting import PATIENCE_S

# --- our server -----------------------------------------------------------------------------


class CoapClient:
    """`coap-client`, asking one device."""

    def __init__(self, folder: Path) -> None:
        self.program = libcoap("coap-client")
        self.file = folder / "answer"

    async def __call__(self, device: Peer, path: str, *options: object) -> tuple[bytes, str]:
        """What it gets, and what it complains about (a code such as "4.04")."""
        words = [str(option) for option in options]
        self.file.unlink(missing_ok=True)
        command = [self.program, "-B", 15, "-o", self.file, *words, f"{device.uri}/{path}"]
        code, out, err = await device.during(run(command))
        assert code == 0
        payload = self.file.read_bytes() if self.file.exists() else b""
        return payload, out.decode() + err


@pytest.fixture
def get(tmp_path: Path) -> CoapClient:
    return CoapClient(tmp_path)


async def test_rfc7252_5_2_1_libcoap_gets_a_piggybacked_response(serve: Serve, get: CoapClient):
    device = await serve()
    assert await get(device, "small") == (b"hello", "")
    await device.does("in CON 0.01", "out ACK 2.05")


async def test_rfc7252_5_2_3_libcoap_asks_without_confirmation(serve: Serve, get: CoapClient):
    device = await serve()
    assert await get(device, "small", "-N") == (b"hello", "")
    await device.does("in NON 0.01", "out NON 2.05")


async def test_rfc7252_5_2_2_libcoap_waits_for_a_separate_response(serve: Serve, get: CoapClient):
    device = await serve()
    assert await get(device, "later") == (b"at last", "")
    await device.does("in CON 0.01", "out ACK 0.00", "out CON 2.05", "in ACK 0.00")


async def test_rfc7252_5_2_2_separate_response_that_is_lost_comes_again_to_libcoap(
    serve: Serve, get: CoapClient
):
    device = await serve(lost=[1], ack_timeout_ms=200)
    assert await get(device, "later") == (b"at last", "")
    await device.does(
        "in CON 0.01", "out ACK 0.00", "lost CON 2.05", "out CON 2.05", "in ACK 0.00"
    )


@pytest.mark.slow  # libcoap retransmits after 2 to 3 s
async def test_rfc7252_4_5_post_of_libcoap_whose_answer_is_lost_is_done_once(
    serve: Serve, get: CoapClient
):
    device = await serve(lost=[0])
    await get(device, "count", "-m", "post")
    await device.does("in CON 0.02", "lost ACK 2.04", "in CON 0.02", "out ACK 2.04")
    assert await get(device, "count") == (b"1", "")


@pytest.mark.slow
async def test_rfc7252_4_2_request_of_libcoap_that_is_lost_comes_again(
    serve: Serve, get: CoapClient
):
    device = await serve()
    await get(device, "count", "-m", "post", "-l", 1)
    await device.does("in CON 0.02", "out ACK 2.04")


async def test_rfc7252_5_8_methods_of_libcoap(serve: Serve, get: CoapClient):
    device = await serve()
    assert "4.04" in (await get(device, "store"))[1]
    await get(device, "store", "-m", "put", "-e", "one")
    await get(device, "store", "-m", "put", "-e", "two", "-t", 0)
    assert await get(device, "store") == (b"two", "")
    for method in ("post", "fetch", "patch", "ipatch"):
        assert "4.05" in (await get(device, "store", "-m", method, "-e", "x"))[1]
    await get(device, "store", "-m", "delete")
    assert "4.04" in (await get(device, "store"))[1]
    assert "4.03" in (await get(device, "forbidden"))[1]
    codes = [kind[-4:] for kind in device.kinds() if kind.startswith("out")]
    assert codes == ["4.04", "2.01", "2.04", "2.05", *["4.05"] * 4, "2.02", "4.04", "4.03"]


async def test_rfc7252_6_5_path_and_query_of_libcoap_arrive_in_order(
    serve: Serve, get: CoapClient
):
    device = await serve()
    text = "echo/z/a/m/9/" + "x" * 13 + "/b?q=1&" + "y" * 70 + "&a"
    assert await get(device, text) == (text.encode(), "")


async def test_rfc7252_5_4_1_options_that_libcoap_made_up(serve: Serve, get: CoapClient):
    device = await serve()
    assert await get(device, "small", "-O", "65000,text") == (b"hello", "")
    assert "4.02" in (await get(device, "small", "-O", "65001,text"))[1]
    assert "4.02" in (await get(device, "small", "-O", "5,"))[1]


async def test_rfc7252_5_10_2_libcoap_finds_no_proxy(serve: Serve, get: CoapClient):
    device = await serve()
    command = [get.program, "-B", 5, "-P", device.uri, "coap://192.0.2.1/small"]
    _, out, err = await run(command)
    assert "5.05" in out.decode() + err


@pytest.mark.parametrize("token", ["a", "12345678"])
async def test_rfc7252_5_3_1_token_of_libcoap_comes_back(
    serve: Serve, get: CoapClient, token: str
):
    device = await serve()
    assert await get(device, "small", "-T", token) == (b"hello", "")
    asked, answered = (datagram.message for datagram in device.record())
    # libcoap counts up from what it was given.
    assert asked.token == answered.token == token[:-1].encode() + bytes([ord(token[-1]) + 1])


async def test_rfc8974_2_1_longer_token_of_libcoap_is_a_format_error(
    serve: Serve, get: CoapClient
):
    device = await serve()
    payload, _ = await get(device, "small", "-T", "123456789abcdef", "-B", 1)
    await device.wait_output("out 70", PATIENCE_S)
    assert payload == b""
    assert (await get(device, "small"))[0] == b"hello"


async def test_rfc7641_4_1_libcoap_wants_to_observe(serve: Serve, get: CoapClient):
    device = await serve()
    payload, _ = await get(device, "small", "-s", 1)
    assert payload == b"hello"
    answers = [d.message for d in device.record() if d.direction == "out"]
    assert {answer.opt.observe for answer in answers} == {None}


async def test_rfc7252_4_3_libcoap_pings_us(serve: Serve, get: CoapClient):
    device = await serve(later_ms=1500)
    assert await get(device, "later", "-K", 1) == (b"at last", "")
    kinds = device.kinds()
    assert kinds[2:4] == ["in CON 0.00", "out RST 0.00"]


@pytest.mark.parametrize("size", [None, 16, 64, 256, 512, 1024])
async def test_rfc7959_2_4_libcoap_reads_in_blocks(
    serve: Serve, get: CoapClient, size: int | None
):
    device = await serve()
    payload, complaint = await get(device, "large", *(("-b", size) if size else ()))
    assert (payload, complaint) == (body(2500), "")
    assert len(device.record()) == 2 * -(-2500 // min(size or 512, 512))


async def test_rfc7959_2_4_libcoap_reads_20_kb(serve: Serve, get: CoapClient):
    device = await serve(mtu=1152)
    assert await get(device, "huge") == (body(20000), "")
    assert len(device.record()) == 40


@pytest.mark.parametrize("size", [None, 16, 128, 1024])
@pytest.mark.parametrize("path", ["store", "sink"])
async def test_rfc7959_2_5_libcoap_writes_in_blocks(
    serve: Serve, get: CoapClient, tmp_path: Path, size: int | None, path: str
):
    n = 20000 if size != 16 else 2000
    file = tmp_path / "body"
    file.write_bytes(body(n))
    device = await serve()
    options = ("-b", size) if size else ()
    assert await get(device, path, "-m", "put", "-f", file, *options) == (b"", "")
    expected = body(n) if path == "store" else sha256(body(n)).encode()
    assert await get(device, path) == (expected, "")


async def test_rfc7959_2_9_3_libcoap_is_told_the_limit(
    serve: Serve, get: CoapClient, tmp_path: Path
):
    file = tmp_path / "body"
    file.write_bytes(body(20000))
    device = await serve(body_limit=3000)
    assert "4.13" in (await get(device, "store", "-m", "put", "-f", file))[1]
    assert "4.04" in (await get(device, "store"))[1]


# --- our client -----------------------------------------------------------------------------


class Server:
    """`coap-server` on a port, with the words of its command line."""

    def __init__(self) -> None:
        self.program = libcoap("coap-server")
        self.port = free_port()
        self.options: list[object] = []

    def start(self, *options: object) -> Program:
        words = [str(option) for option in options]
        place = ["-A", "127.0.0.1", "-p", str(self.port)]
        return Program([self.program, *place, "-d", "10", *words])


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """The port of a coap-server."""
    made = Server()
    async with made.start():
        await listening(made.port)
        yield made.port


GET = {"method": "get"}
DATA = "example_data"


async def test_rfc7252_5_2_1_piggybacked_response_from_libcoap(ask: Ask, server: int):
    [answer], device = await ask(server, GET | {"path": "time"})
    assert (answer["code"], answer["format"]) == ("2.05", 0)
    assert re.fullmatch(r"\w{3} \d\d \d\d:\d\d:\d\d", answer["text"])
    assert device.kinds() == ["out CON 0.01", "in ACK 2.05"]


async def test_rfc7252_5_2_2_separate_response_from_libcoap(ask: Ask, server: int):
    [answer], device = await ask(server, GET | {"path": "async", "query": ["1"]})
    assert (answer["code"], answer["text"].strip()) == ("2.05", "done")
    assert device.kinds() == ["out CON 0.01", "in ACK 0.00", "in CON 2.05", "out ACK 0.00"]
    _, _, response, ack = (datagram.message for datagram in device.record())
    assert response.mid == ack.mid


@pytest.mark.slow  # libcoap retransmits after 2 to 3 s
async def test_rfc7252_4_5_separate_response_of_libcoap_is_acknowledged_again(
    ask: Ask, server: int
):
    slow = GET | {"path": "async", "query": ["1"]}
    [answer], device = await ask(server, slow, lost=[1], linger_ms=3200)
    assert answer["code"] == "2.05"
    assert device.kinds()[2:] == ["in CON 2.05", "lost ACK 0.00", "in CON 2.05", "out ACK 0.00"]


async def test_rfc7252_4_2_lost_requests_are_sent_again_to_libcoap(ask: Ask, server: int):
    [answer], device = await ask(server, GET | {"path": "time"}, lost=[0, 1], ack_timeout_ms=50)
    assert answer["code"] == "2.05"
    assert device.kinds() == ["lost CON 0.01"] * 2 + ["out CON 0.01", "in ACK 2.05"]
    assert len({datagram.message.mid for datagram in device.record()}) == 1


async def test_rfc7252_4_2_answer_of_libcoap_that_is_lost_is_asked_for_again(ask: Ask):
    server = Server()
    async with server.start("-l", "1"):
        await listening(server.port)
        [answer], device = await ask(server.port, GET | {"path": "time"}, ack_timeout_ms=50)
    assert answer["code"] == "2.05"
    assert device.kinds() == ["out CON 0.01"] * 2 + ["in ACK 2.05"]


async def test_rfc7252_5_8_methods_on_libcoap(ask: Ask, server: int):
    answers, _ = await ask(
        server,
        GET | {"path": "made/here"},
        {"method": "put", "path": "made/here", "text": "one", "format": 0},
        {"method": "put", "path": "made/here", "text": "two", "format": 0},
        GET | {"path": "made/here"},
        {"method": "post", "path": "made/here", "text": "x"},
        {"method": "delete", "path": "made/here"},
        GET | {"path": "made/here"},
    )
    codes = [answer["code"] for answer in answers]
    assert codes == ["4.04", "2.01", "2.04", "2.05", "2.04", "2.02", "4.04"]
    assert answers[3]["text"] == "two"


async def test_rfc7252_4_3_we_ping_libcoap(ask: Ask, server: int):
    [answer], device = await ask(server, {"method": "ping"})
    assert answer == {"code": "reset"}
    assert device.kinds() == ["out CON 0.00", "in RST 0.00"]


@pytest.mark.parametrize("exponent", [None, 0, 4, 6])
@pytest.mark.parametrize("mtu", [128, 576, 1152])
async def test_rfc7959_2_4_and_2_5_to_libcoap_and_back_in_blocks(
    ask: Ask, server: int, mtu: int, exponent: int | None
):
    n = 20000 if exponent else 3000
    wish = {} if exponent is None else {"block2": exponent}
    answers, _ = await ask(
        server,
        {"method": "put", "path": DATA, "body": n, "format": 42},
        GET | {"path": DATA} | wish,
        mtu=mtu,
    )
    assert answers[0]["code"] == "2.01"
    assert (answers[1]["code"], answers[1]["format"]) == ("2.05", 42)
    assert answers[1]["sha256"] == sha256(body(n))
    assert answers[1]["etag"]
    size = 16 << (6 if exponent is None else exponent)
    assert answers[1]["blocks"] == -(-n // size)


async def test_rfc7959_2_4_and_2_5_lost_blocks_come_again(ask: Ask):
    server = Server()
    async with server.start("-l", "2,5,9,16-17"):
        await listening(server.port)
        answers, _ = await ask(
            server.port,
            {"method": "put", "path": DATA, "body": 5000, "format": 42},
            GET | {"path": DATA},
            ack_timeout_ms=50,
            lost=[0, 4, 11, 15],
        )
    assert answers[0]["code"] == "2.01"
    assert answers[1]["sha256"] == sha256(body(5000))


async def test_rfc9176_5_registration_in_the_directory_of_libcoap(ask: Ask):
    """Not an LwM2M server, but its elder sister: POST /rd?ep=… and a Location-Path."""
    port = free_port()
    register = {"method": "post", "path": "rd", "format": 40, "text": "</3/0>,</3303/0>"}
    query = ["lwm2m=1.1", "ep=urn:dev:os:interop", "lt=300", "b=U"]
    async with Program([libcoap("coap-rd"), "-A", "127.0.0.1", "-p", str(port)]):
        await listening(port)
        # One request in one datagram: coap-rd 4.3.4 takes the first block for the whole, and
        # frees something twice when it is asked for more.
        [registered], _ = await ask(port, register | {"query": query})
    assert registered["code"] == "2.01"
    assert registered["location"].startswith("rd/")
