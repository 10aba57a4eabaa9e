"""Against aiocoap, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiocoap import CON, NON, Context, Message, resource
from aiocoap.message import TransportTuning
from aiocoap.numbers import codes
from aiocoap.numbers.codes import Code
from aiocoap.optiontypes import OpaqueOption

from tests.interop.conftest import Ask, Serve
from tests.interop.peers import body, sha256
from tests.ports import free_port


class Impatient(TransportTuning):
    """Nobody waits two seconds for a retransmission here."""

    ACK_TIMEOUT = 0.2


# --- our server -----------------------------------------------------------------------------


@pytest.fixture
async def client() -> AsyncIterator[Context]:
    context = await Context.create_client_context()
    yield context
    await context.shutdown()


async def request(
    client: Context, uri: str, code: Code = codes.GET, /, kind: Any = CON, **fields: Any
) -> Message:
    """One request without aiocoap's own block-wise transfer, unless `blockwise`."""
    blockwise = fields.pop("blockwise", False)
    options = fields.pop("options", ())
    message = Message(code=code, uri=uri, _mtype=kind, transport_tuning=Impatient(), **fields)
    for option in options:
        message.opt.add_option(option)
    async with asyncio.timeout(10):
        return await client.request(message, handle_blockwise=blockwise).response


async def test_rfc7252_5_2_1_aiocoap_gets_a_piggybacked_response(serve: Serve, client: Context):
    device = await serve()
    response = await request(client, f"{device.uri}/small")
    assert (response.code, response.payload) == (codes.CONTENT, b"hello")
    assert response.opt.content_format == 0
    await device.does("in CON 0.01", "out ACK 2.05")


async def test_rfc7252_5_2_3_aiocoap_asks_without_confirmation(serve: Serve, client: Context):
    device = await serve()
    response = await request(client, f"{device.uri}/small", kind=NON)
    assert response.payload == b"hello"
    await device.does("in NON 0.01", "out NON 2.05")
    asked, answered = (datagram.message for datagram in device.record())
    assert asked.token == answered.token


async def test_rfc7252_5_2_2_aiocoap_waits_for_a_separate_response(serve: Serve, client: Context):
    device = await serve()
    response = await request(client, f"{device.uri}/later")
    assert (response.code, response.payload) == (codes.CONTENT, b"at last")
    await device.does("in CON 0.01", "out ACK 0.00", "out CON 2.05", "in ACK 0.00")
    asked, _, answered, _ = (datagram.message for datagram in device.record())
    assert asked.token == answered.token
    assert asked.mid != answered.mid


async def test_rfc7252_4_2_separate_response_that_is_lost_comes_again(
    serve: Serve, client: Context
):
    device = await serve(lost=[1], ack_timeout_ms=200)
    response = await request(client, f"{device.uri}/later")
    assert response.payload == b"at last"
    await device.does(
        "in CON 0.01", "out ACK 0.00", "lost CON 2.05", "out CON 2.05", "in ACK 0.00"
    )


async def test_rfc7252_4_5_post_of_aiocoap_whose_answer_is_lost_is_done_once(
    serve: Serve, client: Context
):
    device = await serve(lost=[0, 1])
    response = await request(client, f"{device.uri}/count", codes.POST)
    assert response.code == codes.CHANGED
    lost = ["in CON 0.02", "lost ACK 2.04"]
    await device.does(*lost, *lost, "in CON 0.02", "out ACK 2.04")
    assert (await request(client, f"{device.uri}/count")).payload == b"1"


async def test_rfc7252_4_5_slow_post_is_repeated_and_done_once(serve: Serve, client: Context):
    device = await serve(lost=[0], later_ms=900)
    assert (await request(client, f"{device.uri}/later", codes.POST)).payload == b"at last"
    assert device.kinds()[:4] == ["in CON 0.02", "lost ACK 0.00", "in CON 0.02", "out ACK 0.00"]
    assert (await request(client, f"{device.uri}/count")).payload == b"1"


async def test_rfc7252_5_8_methods_of_aiocoap(serve: Serve, client: Context):
    device = await serve()
    uri = f"{device.uri}/store"
    assert (await request(client, uri)).code == codes.NOT_FOUND
    assert (await request(client, uri, codes.PUT, payload=b"one")).code == codes.CREATED
    assert (await request(client, uri, codes.PUT, payload=b"two")).code == codes.CHANGED
    assert (await request(client, uri)).payload == b"two"
    assert (await request(client, uri, codes.POST)).code == codes.METHOD_NOT_ALLOWED
    assert (await request(client, uri, codes.DELETE)).code == codes.DELETED
    assert (await request(client, uri)).code == codes.NOT_FOUND
    assert (await request(client, f"{device.uri}/forbidden")).code == codes.FORBIDDEN


async def test_rfc7252_6_5_path_and_query_of_aiocoap_arrive_in_order(
    serve: Serve, client: Context
):
    device = await serve()
    text = "echo/z/a/m/9/" + "x" * 13 + "/b?q=1&" + "y" * 100 + "&a"
    assert (await request(client, f"{device.uri}/{text}")).payload.decode() == text
    response = await request(client, f"{device.uri}/echo/" + "l" * 200 + "/" + "m" * 255)
    assert len(response.payload) == 5 + 200 + 1 + 255 + 1


async def test_rfc7252_5_4_1_options_that_aiocoap_made_up(serve: Serve, client: Context):
    device = await serve()
    for number, code in ((65000, codes.CONTENT), (2500, codes.CONTENT), (65001, codes.BAD_OPTION)):
        options = [OpaqueOption(number, b"x" * 20)]
        response = await request(client, f"{device.uri}/small", options=options)
        assert (number, response.code) == (number, code)
    response = await request(client, f"{device.uri}/small", if_none_match=True)
    assert response.code == codes.BAD_OPTION


async def test_rfc7252_5_7_2_aiocoap_finds_no_proxy(serve: Serve, client: Context):
    device = await serve()
    message = Message(code=codes.GET, transport_tuning=Impatient())
    message.set_request_uri("coap://192.0.2.1/small")
    message.opt.uri_host = None
    message.opt.proxy_uri = "coap://192.0.2.1/small"
    message.unresolved_remote = f"127.0.0.1:{device.port}"
    async with asyncio.timeout(10):
        response = await client.request(message, handle_blockwise=False).response
    assert response.code == codes.PROXYING_NOT_SUPPORTED


async def test_rfc7641_4_1_observe_is_a_get_where_nothing_is_observed(
    serve: Serve, client: Context
):
    device = await serve()
    response = await request(client, f"{device.uri}/small", observe=0)
    assert (response.payload, response.opt.observe) == (b"hello", None)


@pytest.mark.parametrize("exponent", [None, 0, 2, 4, 5, 6])
async def test_rfc7959_2_4_aiocoap_reads_in_blocks(
    serve: Serve, client: Context, exponent: int | None
):
    device = await serve()
    block = None if exponent is None else (0, False, exponent)
    response = await request(client, f"{device.uri}/large", blockwise=True, block2=block)
    assert response.payload == body(2500)
    size = 16 << min(5, 5 if exponent is None else exponent)
    assert len(device.record()) == 2 * -(-2500 // size)
    tags = {d.message.opt.etag for d in device.record() if d.direction == "out"}
    assert len(tags) == 1
    assert None not in tags


async def test_rfc7959_2_4_aiocoap_reads_20_kb(serve: Serve, client: Context):
    device = await serve(mtu=1152)
    response = await request(client, f"{device.uri}/huge", blockwise=True)
    assert response.payload == body(20000)
    assert len(device.record()) == 40


async def test_rfc7959_2_4_block_behind_the_end(serve: Serve, client: Context):
    device = await serve()
    for number, code in ((0, codes.CONTENT), (4, codes.CONTENT), (5, codes.BAD_REQUEST)):
        response = await request(client, f"{device.uri}/large", block2=(number, False, 5))
        assert (number, response.code) == (number, code)


async def test_rfc7959_2_4_lost_blocks_come_again(serve: Serve, client: Context):
    device = await serve(lost=[0, 2, 3])
    response = await request(client, f"{device.uri}/3303/0/5700", blockwise=True)
    assert response.payload == body(5000)


@pytest.mark.parametrize("n", [1024, 1025, 2048, 5000, 20000])
async def test_rfc7959_2_5_aiocoap_writes_in_blocks(serve: Serve, client: Context, n: int):
    device = await serve(mtu=1152)
    uri = f"{device.uri}/store"
    response = await request(client, uri, codes.PUT, payload=body(n), blockwise=True)
    assert response.code == codes.CREATED
    assert (await request(client, uri, blockwise=True)).payload == body(n)


async def test_rfc7959_2_5_aiocoap_writes_into_a_stream_in_smaller_blocks_as_told(
    serve: Serve, client: Context
):
    device = await serve(mtu=200, lost=[3, 7])
    uri = f"{device.uri}/sink"
    response = await request(client, uri, codes.POST, payload=body(4000), blockwise=True)
    assert response.code == codes.CHANGED
    digest = await request(client, uri, blockwise=True)
    assert digest.payload.decode() == sha256(body(4000))
    sizes = {
        len(d.message.payload)
        for d in device.record()
        if d.direction == "in" and d.message.opt.block1 and d.message.opt.block1.more
    }
    assert sizes == {1024, 128}


async def test_rfc7959_2_9_2_wrong_order_is_4_08_and_block_0_starts_anew(
    serve: Serve, client: Context
):
    device = await serve()
    uri = f"{device.uri}/store"

    async def put(number: int, more: bool, payload: bytes) -> Code:
        block = (number, more, 0)
        return (await request(client, uri, codes.PUT, payload=payload, block1=block)).code

    assert await put(1, True, b"x" * 16) == codes.REQUEST_ENTITY_INCOMPLETE
    assert await put(0, True, b"a" * 16) == codes.CONTINUE
    assert await put(2, False, b"c") == codes.REQUEST_ENTITY_INCOMPLETE
    assert await put(0, True, b"A" * 16) == codes.CONTINUE
    assert await put(1, False, b"B") == codes.CREATED
    assert (await request(client, uri)).payload == b"A" * 16 + b"B"


async def test_rfc7959_2_9_3_too_large_is_told_with_the_limit(serve: Serve, client: Context):
    device = await serve(body_limit=3000)
    uri = f"{device.uri}/store"
    response = await request(client, uri, codes.PUT, payload=body(8000), blockwise=True)
    assert response.code == codes.REQUEST_ENTITY_TOO_LARGE
    assert response.opt.size1 == 3000
    assert (await request(client, uri)).code == codes.NOT_FOUND


async def test_two_clients_with_the_same_message_ids(serve: Serve):
    device = await serve()
    both = [await Context.create_client_context() for _ in range(2)]
    for client in both:
        for mid in range(3):
            message = Message(code=codes.POST, uri=f"{device.uri}/count", _mid=mid)
            await client.request(message).response
    assert (await request(both[0], f"{device.uri}/count")).payload == b"6"
    for client in both:
        await client.shutdown()


# --- our client -----------------------------------------------------------------------------


class Store(resource.Resource):
    """Counts what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.content: bytes | None = None
        self.seen: list[str] = []

    async def render_get(self, request: Message) -> Message:
        self.seen.append("get")
        if self.content is None:
            return Message(code=codes.NOT_FOUND)
        return Message(payload=self.content, content_format=42)

    async def render_put(self, request: Message) -> Message:
        self.seen.append("put")
        code = codes.CREATED if self.content is None else codes.CHANGED
        self.content = request.payload
        return Message(code=code)

    async def render_post(self, request: Message) -> Message:
        self.seen.append("post")
        answer = Message(code=codes.CREATED)
        answer.opt.location_path = ("store", "a", "17")
        return answer

    async def render_delete(self, request: Message) -> Message:
        self.seen.append("delete")
        self.content = None
        return Message(code=codes.DELETED)


class Slow(resource.Resource):
    """Takes longer than aiocoap waits before it sends an empty acknowledgement."""

    def __init__(self) -> None:
        super().__init__()
        self.posts = 0

    async def render_get(self, request: Message) -> Message:
        await asyncio.sleep(0.2)
        return Message(payload=b"at last", transport_tuning=Impatient())

    async def render_post(self, request: Message) -> Message:
        self.posts += 1
        await asyncio.sleep(0.5)
        return Message(code=codes.CHANGED)


class Stateless(resource.Resource):
    """Carries out each block of a PUT as it comes, as in RFC 7959 §2.5, figure 8."""

    def __init__(self) -> None:
        super().__init__()
        self.content = b""

    async def needs_blockwise_assembly(self, request: Message) -> bool:
        return False

    async def render_put(self, request: Message) -> Message:
        block = request.opt.block1
        self.content += request.payload
        return Message(code=codes.CHANGED, block1=(block.block_number, False, block.size_exponent))


class Fixed(resource.Resource):
    def __init__(self, **answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.options: list[OpaqueOption] = []

    async def render_get(self, request: Message) -> Message:
        answer = Message(**self.answer)
        for option in self.options:
            answer.opt.add_option(option)
        return answer


class Echo(resource.Resource, resource.PathCapable):
    async def render_get(self, request: Message) -> Message:
        text = "/".join(request.opt.uri_path) + "?" + "&".join(request.opt.uri_query)
        return Message(payload=text.encode())


class Site(resource.Site):
    """aiocoap's server, on a port."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.store = Store()
        self.slow = Slow()
        self.stateless = Stateless()
        odd = Fixed(payload=b"odd")
        odd.options.append(OpaqueOption(65001, b"x"))
        self.add_resource(["small"], Fixed(payload=b"hello", content_format=0))
        self.add_resource(["large"], Fixed(payload=body(20000), content_format=42))
        self.add_resource(["store"], self.store)
        self.add_resource(["slow"], self.slow)
        self.add_resource(["stateless"], self.stateless)
        self.add_resource(["odd"], odd)
        self.add_resource(["echo"], Echo())


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site(free_port())
    context = await Context.create_server_context(made, bind=("127.0.0.1", made.port))
    yield made
    await context.shutdown()


GET = {"method": "get"}


async def test_rfc7252_5_2_1_piggybacked_response_from_aiocoap(ask: Ask, site: Site):
    [answer], device = await ask(site.port, GET | {"path": "small"})
    assert (answer["code"], answer["text"], answer["format"]) == ("2.05", "hello", 0)
    assert device.kinds() == ["out CON 0.01", "in ACK 2.05"]


async def test_rfc7252_5_2_2_separate_response_from_aiocoap(ask: Ask, site: Site):
    [answer], device = await ask(site.port, GET | {"path": "slow"})
    assert (answer["code"], answer["text"]) == ("2.05", "at last")
    assert device.kinds() == ["out CON 0.01", "in ACK 0.00", "in CON 2.05", "out ACK 0.00"]
    _, _, response, ack = (datagram.message for datagram in device.record())
    assert response.mid == ack.mid


async def test_rfc7252_4_5_separate_response_is_acknowledged_again(ask: Ask, site: Site):
    [answer], device = await ask(site.port, GET | {"path": "slow"}, lost=[1], linger_ms=500)
    assert answer["text"] == "at last"
    assert device.kinds()[2:] == ["in CON 2.05", "lost ACK 0.00", "in CON 2.05", "out ACK 0.00"]


async def test_rfc7252_4_2_lost_requests_are_sent_again_to_aiocoap(ask: Ask, site: Site):
    answers, device = await ask(
        site.port,
        {"method": "post", "path": "store"},
        GET | {"path": "small"},
        lost=[0, 1, 3],
        ack_timeout_ms=50,
    )
    assert [answer["code"] for answer in answers] == ["2.01", "2.05"]
    assert site.store.seen == ["post"]
    assert [kind for kind in device.kinds() if kind[:4] == "lost"] == ["lost CON 0.02"] * 2 + [
        "lost CON 0.01"
    ]
    assert len({d.message.mid for d in device.record()[:3]}) == 1


async def test_rfc7252_4_5_retransmission_to_aiocoap_is_done_once(ask: Ask, site: Site):
    # Our time-out is shorter than the time that aiocoap takes for its empty acknowledgement.
    [answer], device = await ask(site.port, {"method": "post", "path": "slow"}, ack_timeout_ms=30)
    assert answer["code"] == "2.04"
    assert device.kinds().count("out CON 0.02") > 1
    assert site.slow.posts == 1


async def test_rfc7252_5_8_methods_on_aiocoap(ask: Ask, site: Site):
    answers, _ = await ask(
        site.port,
        GET | {"path": "store"},
        {"method": "put", "path": "store", "text": "one", "format": 0},
        {"method": "put", "path": "store", "text": "two", "format": 0},
        GET | {"path": "store"},
        {"method": "post", "path": "store", "text": "x"},
        {"method": "delete", "path": "store"},
        GET | {"path": "nowhere"},
        {"method": "put", "path": "small", "text": "x"},
    )
    codes_ = [answer["code"] for answer in answers]
    assert codes_ == ["4.04", "2.01", "2.04", "2.05", "2.01", "2.02", "4.04", "4.05"]
    assert answers[3]["text"] == "two"
    assert answers[4]["location"] == "store/a/17"


async def test_rfc7252_6_4_path_and_query_reach_aiocoap_in_order(ask: Ask, site: Site):
    path = "z/a/m/9/" + "x" * 13
    query = ["q=1", "y" * 280, "a", "lwm2m=1.1"]
    [answer], _ = await ask(site.port, GET | {"path": "echo/" + path, "query": query})
    assert answer["sha256"] == sha256((path + "?" + "&".join(query)).encode())


async def test_rfc7252_5_4_1_critical_option_in_a_response(ask: Ask, site: Site):
    [answer], _ = await ask(site.port, GET | {"path": "odd"})
    assert answer == {"failed": "reset"}


async def test_rfc7252_4_3_we_ping_aiocoap(ask: Ask, site: Site):
    [answer], device = await ask(site.port, {"method": "ping"})
    assert answer == {"code": "reset"}
    assert device.kinds() == ["out CON 0.00", "in RST 0.00"]


@pytest.mark.parametrize("exponent", [None, 0, 3, 5, 6])
async def test_rfc7959_2_4_we_read_from_aiocoap_in_blocks(
    ask: Ask, site: Site, exponent: int | None
):
    wish = {} if exponent is None else {"block2": exponent}
    [answer], _ = await ask(site.port, GET | {"path": "large"} | wish)
    assert (answer["code"], answer["n"]) == ("2.05", 20000)
    assert answer["sha256"] == sha256(body(20000))
    assert answer["blocks"] == -(-20000 // (16 << (6 if exponent is None else exponent)))


async def test_rfc7959_2_4_lost_blocks_are_asked_for_again(ask: Ask, site: Site):
    [answer], _ = await ask(
        site.port, GET | {"path": "large"}, lost=[0, 2, 3, 9], ack_timeout_ms=50
    )
    assert answer["sha256"] == sha256(body(20000))


@pytest.mark.parametrize("mtu", [128, 576, 1152])
@pytest.mark.parametrize("n", [2000, 2048, 20000])
async def test_rfc7959_2_5_we_write_to_aiocoap_in_blocks(ask: Ask, site: Site, n: int, mtu: int):
    put = {"method": "put", "path": "store", "body": n, "format": 42}
    [answer], device = await ask(site.port, put, mtu=mtu)
    assert answer["code"] == "2.01"
    assert site.store.content == body(n)
    assert site.store.seen == ["put"]
    size = {128: 64, 576: 512, 1152: 1024}[mtu]
    assert len(device.record()) == 2 * -(-n // size)


async def test_rfc7959_2_5_lost_blocks_are_sent_again(ask: Ask, site: Site):
    put = {"method": "put", "path": "store", "body": 5000, "format": 42}
    [answer], _ = await ask(site.port, put, lost=[0, 3, 4, 12], ack_timeout_ms=50)
    assert answer["code"] == "2.01"
    assert site.store.content == body(5000)


async def test_rfc7959_2_3_aiocoap_wants_smaller_blocks(
    ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
):
    from aiocoap.transports.udp6 import UDP6EndpointAddress

    monkeypatch.setattr(UDP6EndpointAddress, "maximum_block_size_exp", 3)
    put = {"method": "put", "path": "store", "body": 5000, "format": 42}
    [answer], _ = await ask(site.port, put, mtu=1152)
    assert answer["code"] == "2.01"
    assert site.store.content == body(5000)


async def test_rfc7959_2_5_we_write_to_a_stateless_server(ask: Ask, site: Site):
    put = {"method": "put", "path": "stateless", "body": 5000, "format": 42}
    [answer], _ = await ask(site.port, put)
    assert answer["code"] == "2.04"
    assert site.stateless.content == body(5000)
