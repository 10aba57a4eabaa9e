"""Requests of ours in blocks, answers in blocks (RFC 7959), on a clock that is moved."""

from __future__ import annotations

import pytest
from lwm2m_host.coap.codec import (
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    EMPTY,
    NON,
    REQUEST_TAG,
    SIZE1,
    Block,
    Message,
)
from lwm2m_host.coap.messages import DeviceRequest
from lwm2m_host.coap.transfer import DOWNLOAD_LIMIT_S, PAYLOAD_LIMIT
from lwm2m_host.errors import DeviceTimeout, TransferError

from .loopback import Bench, Outcome

READ = DeviceRequest("GET", ("3442", "0", "110"), accept=0, query=("pmin=1",))
TOO_LARGE = 0x8D
INCOMPLETE = 0x88


@pytest.fixture
def bench() -> Bench:
    return Bench()


def write(size: int) -> DeviceRequest:
    payload = bytes(index * 7 % 251 for index in range(size))
    return DeviceRequest("PUT", ("3442", "0", "110"), payload, 42)


def reply(
    request: Message,
    code: int,
    *,
    block1: Block | None = None,
    block2: Block | None = None,
    payload: bytes = b"",
    etag: bytes | None = None,
) -> Message:
    options = [] if etag is None else [(4, etag)]
    for number, block in ((BLOCK2, block2), (BLOCK1, block1)):
        if block is not None:
            options.append((number, block.encode()))
    return Message(ACK, code, request.mid, request.token, options, payload)


class Taker:
    """A device that takes blocks of at most `exponent`, and refuses larger ones as told."""

    def __init__(self, exponent: int = 6, *, refuse: bool = False) -> None:
        self.exponent = exponent
        self.refuse = refuse  # by 4.13 in place of a smaller size in 2.31
        self.body = b""
        self.blocks: list[Block] = []

    def answer(self, request: Message) -> Message:
        block = request.block(BLOCK1)
        assert block is not None
        self.blocks.append(block)
        hint = block._replace(exponent=min(block.exponent, self.exponent))
        if self.refuse and block.exponent > self.exponent:
            return reply(request, TOO_LARGE, block1=hint._replace(number=0, more=True))
        if block.number == 0:
            self.body = b""
        if block.start != len(self.body):
            return reply(request, INCOMPLETE)
        self.body += request.payload
        return reply(request, 0x5F if block.more else 0x44, block1=hint)


def run(bench: Bench, outcome: Outcome, answer: object) -> None:
    """Answer until the request has ended."""
    for _ in range(5000):
        if outcome.ends:
            return
        bench.receive(answer(bench.take_one()))  # type: ignore[operator]
    raise AssertionError("it does not end")


# Requests in blocks


@pytest.mark.parametrize("size", [0, 1, 1024])
def test_a_small_request_is_one_message(bench: Bench, size: int) -> None:
    bench.request(write(size))
    message = bench.take_one()
    assert message.option(BLOCK1) is None
    assert len(message.payload) == size


@pytest.mark.parametrize("size", [1025, 2048, 3000, 20_000])
@pytest.mark.parametrize("exponent", [0, 2, 5, 6])
def test_a_large_request_arrives_whole(bench: Bench, size: int, exponent: int) -> None:
    request = write(size)
    taker = Taker(exponent)
    outcome = bench.request(request)
    run(bench, outcome, taker.answer)
    assert outcome.message is not None
    assert outcome.message.code == 0x44
    assert taker.body == request.payload
    assert taker.blocks[1].exponent == exponent


def test_the_first_block_tells_the_size_of_the_whole(bench: Bench) -> None:
    bench.request(write(3000))
    first = bench.take_one()
    assert first.uint(SIZE1) == 3000
    assert first.block(BLOCK1) == Block(0, True, 6)
    bench.receive(reply(first, 0x5F, block1=Block(0, True, 6)))
    second = bench.take_one()
    assert second.option(SIZE1) is None
    assert (second.option(11), second.option(12)) == (b"3442", b"\x2a")
    assert second.token == first.token  # node-coap knows an upload by it


def test_the_blocks_of_a_request_have_a_tag_that_no_other_request_has(bench: Bench) -> None:
    tags = []
    for _ in range(2):
        bench.request(DeviceRequest("FETCH", (), bytes(2000), 112))
        first = bench.take_one()
        bench.receive(reply(first, 0x5F, block1=Block(0, True, 6)))
        last = bench.take_one()
        block2 = [(BLOCK2, Block(0, True, 6).encode())]
        bench.receive(Message(ACK, 0x45, last.mid, last.token, block2, bytes(1024)).encode())
        further = bench.take_one()
        assert further.block(BLOCK2) == Block(1, False, 6)
        found = {message.option(REQUEST_TAG) for message in (first, last, further)}
        assert len(found) == 1
        tags += found
        bench.receive(Message(ACK, 0x84, further.mid, further.token).encode())
    assert None not in tags
    assert len(set(tags)) == 2
    bench.request(write(1000))
    assert bench.take_one().option(REQUEST_TAG) is None


def test_s_04_an_answer_without_the_option_is_an_error(bench: Bench) -> None:
    outcome = bench.request(write(3000))
    bench.receive(reply(bench.take_one(), 0x44))
    assert isinstance(outcome.error, TransferError)
    assert bench.take() == []


@pytest.mark.parametrize("exponent", [0, 2, 5])
def test_s_05_too_large_with_a_smaller_size_begins_again_at_block_0(
    bench: Bench, exponent: int
) -> None:
    request = write(1500)
    taker = Taker(exponent, refuse=True)
    outcome = bench.request(request)
    run(bench, outcome, taker.answer)
    assert taker.blocks[:2] == [Block(0, True, 6), Block(0, True, exponent)]
    assert taker.body == request.payload


def test_too_large_may_come_to_a_single_message_too(bench: Bench) -> None:
    request = write(200)
    outcome = bench.request(request)
    bench.receive(reply(bench.take_one(), TOO_LARGE, block1=Block(0, False, 2)))
    taker = Taker(2, refuse=True)
    run(bench, outcome, taker.answer)
    assert taker.body == request.payload
    assert taker.blocks[0] == Block(0, True, 2)


@pytest.mark.parametrize(
    "hint", [None, Block(0, True, 6), Block(0, False, 6)], ids=["none", "same", "final"]
)
def test_too_large_without_a_smaller_size_is_the_end(bench: Bench, hint: Block | None) -> None:
    outcome = bench.request(write(1500))
    bench.receive(reply(bench.take_one(), TOO_LARGE, block1=hint))
    assert outcome.message is not None
    assert outcome.message.code == TOO_LARGE


def test_a_refusal_in_the_middle_is_the_answer(bench: Bench) -> None:
    outcome = bench.request(write(3000))
    bench.receive(reply(bench.take_one(), 0x5F, block1=Block(0, True, 6)))
    bench.receive(reply(bench.take_one(), INCOMPLETE))
    assert outcome.message is not None
    assert outcome.message.code == INCOMPLETE


def test_an_answer_for_another_block_is_an_error(bench: Bench) -> None:
    outcome = bench.request(write(3000))
    bench.receive(reply(bench.take_one(), 0x5F, block1=Block(1, True, 6)))
    assert isinstance(outcome.error, TransferError)


def test_continue_to_the_last_block_is_an_error(bench: Bench) -> None:
    outcome = bench.request(write(1500))
    bench.receive(reply(bench.take_one(), 0x5F, block1=Block(0, True, 6)))
    bench.receive(reply(bench.take_one(), 0x5F, block1=Block(1, False, 6)))
    assert isinstance(outcome.error, TransferError)


def test_a_reserved_block_size_in_an_answer_is_an_error(bench: Bench) -> None:
    outcome = bench.request(write(3000))
    request = bench.take_one()
    bench.receive(Message(ACK, 0x5F, request.mid, request.token, [(BLOCK1, b"\x0f")]))
    assert isinstance(outcome.error, TransferError)


def test_each_block_has_the_timeout_for_itself(bench: Bench) -> None:
    outcome = bench.request(write(4000), timeout_s=10)
    taker = Taker()
    for _ in range(4):
        bench.advance(1.5)
        bench.receive(taker.answer(bench.take()[-1]))
        bench.advance(8)
    assert outcome.message is not None
    slow = bench.request(write(4000), timeout_s=10)
    bench.receive(taker.answer(bench.take()[-1]))
    bench.advance(10.1)
    assert isinstance(slow.error, DeviceTimeout)


# Answers in blocks


class Giver:
    """A device that gives its content block by block."""

    def __init__(self, content: bytes, exponent: int = 6, etag: bytes | None = None) -> None:
        self.content = content
        self.exponent = exponent
        self.etag = etag
        self.requests: list[Message] = []

    def answer(self, request: Message) -> Message:
        self.requests.append(request)
        block = request.block(BLOCK2) or Block(0, False, 6)
        exponent = min(block.exponent, self.exponent)
        start = block.start
        size = 16 << exponent
        part = self.content[start : start + size]
        given = Block(start // size, start + size < len(self.content), exponent)
        return reply(request, 0x45, block2=given, payload=part, etag=self.etag)


@pytest.mark.parametrize("size", [1, 64, 1024, 1025, 2048, 5000])
@pytest.mark.parametrize("exponent", [2, 5, 6])
def test_an_answer_in_blocks_is_put_together(bench: Bench, size: int, exponent: int) -> None:
    giver = Giver(bytes(index % 251 for index in range(size)), exponent, b"tag")
    outcome = bench.request(READ)
    run(bench, outcome, giver.answer)
    assert outcome.payload == giver.content
    for request in giver.requests:
        assert request.option(15) == b"pmin=1"
        assert request.option(17) == b""


def test_the_blocks_of_a_request_and_of_its_answer_may_follow_each_other(bench: Bench) -> None:
    request = DeviceRequest("FETCH", (), bytes(2000), 112)
    taker, giver = Taker(), Giver(bytes(3000))
    outcome = bench.request(request)

    def answer(message: Message) -> Message:
        if message.option(BLOCK1) is None:
            assert message.payload == b""  # what left in blocks is not repeated
            return giver.answer(message)
        taken = taker.answer(message)
        if taken.code != 0x44:
            return taken
        given = giver.answer(message)
        given.options.append((BLOCK1, taker.blocks[-1].encode()))
        return given

    run(bench, outcome, answer)
    assert taker.body == request.payload
    assert outcome.payload == giver.content


def test_a_fetch_says_with_each_block_what_it_asks_for(bench: Bench) -> None:
    giver = Giver(bytes(3000))
    outcome = bench.request(DeviceRequest("FETCH", (), b"paths", 112))
    run(bench, outcome, giver.answer)
    assert [request.payload for request in giver.requests] == [b"paths"] * 3
    assert [request.option(12) for request in giver.requests] == [b"\x70"] * 3


@pytest.mark.parametrize("block", [Block(2, True, 6), Block(1, True, 5), Block(0, True, 6), None])
def test_another_block_than_the_one_asked_for_is_an_error(
    bench: Bench, block: Block | None
) -> None:
    outcome = bench.request(READ)
    bench.receive(reply(bench.take_one(), 0x45, block2=Block(0, True, 6), payload=bytes(1024)))
    bench.receive(reply(bench.take_one(), 0x45, block2=block, payload=bytes(1024)))
    assert isinstance(outcome.error, TransferError)


def test_an_answer_that_begins_in_the_middle_is_an_error(bench: Bench) -> None:
    outcome = bench.request(READ)
    bench.receive(reply(bench.take_one(), 0x45, block2=Block(1, True, 6), payload=bytes(1024)))
    assert isinstance(outcome.error, TransferError)


def test_a_block_of_another_length_than_it_says_is_an_error(bench: Bench) -> None:
    outcome = bench.request(READ)
    bench.receive(reply(bench.take_one(), 0x45, block2=Block(0, True, 6), payload=bytes(1000)))
    assert isinstance(outcome.error, TransferError)


def test_content_that_changes_meanwhile_is_an_error(bench: Bench) -> None:
    outcome = bench.request(READ)
    bench.receive(
        reply(bench.take_one(), 0x45, block2=Block(0, True, 6), payload=bytes(1024), etag=b"1")
    )
    bench.receive(
        reply(bench.take_one(), 0x45, block2=Block(1, False, 6), payload=b"x", etag=b"2")
    )
    assert isinstance(outcome.error, TransferError)


def test_a_refusal_between_blocks_is_the_answer(bench: Bench) -> None:
    outcome = bench.request(READ)
    bench.receive(reply(bench.take_one(), 0x45, block2=Block(0, True, 6), payload=bytes(1024)))
    bench.receive(reply(bench.take_one(), 0x84))
    assert outcome.message is not None
    assert outcome.message.code == 0x84


def test_s_24_an_answer_that_does_not_end_is_given_up_after_a_time(bench: Bench) -> None:
    giver = Giver(bytes(8_000_000), 5)
    outcome = bench.request(READ)
    began = bench.time_s
    while not outcome.ends:
        bench.receive(giver.answer(bench.take()[-1]))
        bench.advance(1.0)
        assert bench.time_s - began < DOWNLOAD_LIMIT_S + 5
    assert isinstance(outcome.error, TransferError)
    assert "does not end" in str(outcome.error)


def test_s_24_an_answer_that_is_too_large_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PAYLOAD_LIMIT == 16 * 1024 * 1024
    monkeypatch.setattr("lwm2m_host.coap.transfer.PAYLOAD_LIMIT", 10_000)
    outcome = bench.request(READ)
    run(bench, outcome, Giver(bytes(20_000)).answer)
    assert isinstance(outcome.error, TransferError)


def test_s_24_other_requests_have_their_turn_between_blocks(bench: Bench) -> None:
    giver = Giver(bytes(100_000))
    bench.request(READ)
    other = bench.request(DeviceRequest("GET", ("1",)))
    bench.receive(giver.answer(bench.take_one()))
    request = bench.take_one()
    assert request.option(11) == b"1"
    bench.receive(Message(ACK, 0x45, request.mid, request.token, (), b"one"))
    assert other.payload == b"one"


def test_the_rest_of_a_notification_is_fetched(bench: Bench) -> None:
    giver = Giver(bytes(range(250)) * 10)
    first = giver.answer(Message(CON, 1, 1))
    first.kind = NON
    outcome = Outcome()
    bench.engine.complete(bench.peer(), READ, first, 10, "dev", outcome.set)
    run(bench, outcome, giver.answer)
    assert outcome.payload == giver.content
    broken = Outcome()
    middle = reply(first, 0x45, block2=Block(1, True, 6), payload=bytes(1024))
    bench.engine.complete(bench.peer(), READ, middle, 10, "dev", broken.set)
    assert isinstance(broken.error, TransferError)


def test_blocks_may_be_acknowledged_first_and_come_by_themselves(bench: Bench) -> None:
    giver = Giver(bytes(3000))
    outcome = bench.request(READ)
    for mid in range(3):
        request = bench.take_one()
        bench.receive(Message(ACK, EMPTY, request.mid))
        response = giver.answer(request)
        response.kind, response.mid = CON, mid
        bench.receive(response)
        assert bench.transport.sent[0][0] == Message(ACK, EMPTY, mid).encode() or mid < 2
        bench.transport.sent = [item for item in bench.transport.sent if len(item[0]) > 4]
    assert outcome.payload == giver.content


def test_a_critical_option_that_is_not_known_is_an_error(bench: Bench) -> None:
    outcome = bench.request(READ)
    request = bench.take_one()
    bench.receive(Message(ACK, 0x45, request.mid, request.token, [(65001, b"")], b"v"))
    assert isinstance(outcome.error, TransferError)
