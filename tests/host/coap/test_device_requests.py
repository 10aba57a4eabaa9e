"""Requests of devices: options, blocks in both directions, and their bounds."""

from __future__ import annotations

import logging

import pytest
from lwm2m_host.coap import assembly
from lwm2m_host.coap.codec import ACK, BLOCK1, BLOCK2, CON, RST, SIZE1, Block, Message, dotted
from lwm2m_host.coap.messages import Response

from .loopback import DEVICE, OTHER, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ask(
    bench: Bench,
    mid: int,
    options: list[tuple[int, bytes]],
    payload: bytes = b"",
    code: int = 2,
    sender: str = DEVICE,
) -> Message:
    bench.receive(Message(CON, code, mid, mid.to_bytes(2, "big"), options, payload), sender)
    return bench.take_one()


def upload(bench: Bench, mid: int, block: Block, payload: bytes, sender: str = DEVICE) -> Message:
    options = [(11, b"rd"), (12, b"\x28"), (15, b"ep=a"), (BLOCK1, block.encode())]
    return ask(bench, mid, options, payload, sender=sender)


def test_a_request_is_handed_over_as_a_value(bench: Bench) -> None:
    ask(bench, 1, [(11, b"rd"), (11, "ä".encode()), (12, b"\x28"), (15, b"ep=x"), (15, b"lt=5")])
    (request,) = bench.requests
    assert request.method == "POST"
    assert request.path == ("rd", "ä")
    assert request.query == ("ep=x", "lt=5")
    assert request.content_format == 40
    assert request.peer.address == DEVICE
    assert request.peer.secure is False


@pytest.mark.parametrize(
    ("options", "code", "answer"),
    [
        ([(3, b"example.com"), (7, b"\x16\x33"), (11, b"rd")], 2, "2.04"),
        ([(11, b"rd"), (17, b"\x28")], 2, "2.04"),
        ([(11, b"rd"), (12, b"\0\0\0")], 2, "2.04"),  # too long, and elective
        ([(11, b"rd"), (2048, b"x")], 2, "2.04"),  # elective
        ([(11, b"rd"), (17, b"eep=")], 2, "4.02"),  # too long, and critical
        ([(1, b"tag"), (11, b"rd")], 2, "4.02"),  # If-Match
        ([(11, b"rd"), (65001, b"x")], 2, "4.02"),
        ([(9, b"x"), (11, b"rd")], 2, "4.02"),  # OSCORE
        ([(11, b"rd"), (35, b"coap://example.com")], 2, "5.05"),
        ([(11, b"rd"), (39, b"coap")], 2, "5.05"),
        ([(11, b"rd"), (27, b"\x0f")], 2, "4.00"),  # a reserved block size
        ([(11, b"rd"), (23, b"\x07")], 2, "4.00"),
        ([(11, b"rd"), (27, b"\x08"), (27, b"\x08")], 2, "4.02"),
        ([(11, b"rd")], 31, "4.05"),
    ],
)
def test_options_are_taken_passed_over_or_refused(
    bench: Bench, options: list[tuple[int, bytes]], code: int, answer: str
) -> None:
    assert dotted(ask(bench, 1, options, code=code).code) == answer
    assert len(bench.requests) == (answer == "2.04")


@pytest.mark.parametrize("payload", [b"", b"\xff</1/0>"])
def test_s_10_an_option_that_is_no_utf_8_is_refused_with_one_line(
    bench: Bench, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytes.fromhex("42021234aabbb272644565703dfffe")
    with caplog.at_level(logging.INFO):
        bench.receive(data + payload)
        for mid in range(200):
            bench.receive(data[:2] + mid.to_bytes(2, "big") + data[4:])
    answers = bench.take()
    assert {dotted(message.code) for message in answers} == {"4.00"}
    assert answers[0].mid == 0x1234
    assert answers[0].token == b"\xaa\xbb"
    assert len(caplog.records) == 1
    assert len(caplog.text) < 300


def test_a_request_in_blocks_is_put_together(bench: Bench) -> None:
    for number in range(3):
        answer = upload(bench, number, Block(number, True, 2), bytes([number]) * 64)
        assert dotted(answer.code) == "2.31"
        assert answer.block(BLOCK1) == Block(number, True, 2)
    answer = upload(bench, 3, Block(3, False, 2), b"end")
    assert dotted(answer.code) == "2.04"
    assert answer.block(BLOCK1) == Block(3, False, 2)
    (request,) = bench.requests
    assert request.payload == b"\0" * 64 + b"\1" * 64 + b"\2" * 64 + b"end"
    assert len(bench.engine.uploads) == 0


def test_block_0_begins_anew(bench: Bench) -> None:
    upload(bench, 1, Block(0, True, 0), b"a" * 16)
    upload(bench, 2, Block(1, True, 0), b"b" * 16)
    upload(bench, 3, Block(0, True, 0), b"c" * 16)
    upload(bench, 4, Block(1, False, 0), b"d")
    assert bench.requests[0].payload == b"c" * 16 + b"d"


def test_a_block_that_comes_again_under_another_message_id_is_taken_once(bench: Bench) -> None:
    upload(bench, 1, Block(0, True, 0), b"a" * 16)
    upload(bench, 2, Block(1, True, 0), b"b" * 16)
    assert dotted(upload(bench, 3, Block(1, True, 0), b"b" * 16).code) == "2.31"
    upload(bench, 4, Block(2, False, 0), b"c")
    assert bench.requests[0].payload == b"a" * 16 + b"b" * 16 + b"c"


@pytest.mark.parametrize(
    ("block", "payload"),
    [
        (Block(2, True, 0), b"x" * 16),  # one is missing
        (Block(2, False, 0), b"x"),
        (Block(1, True, 0), b"x" * 15),  # not as long as it says
    ],
)
def test_a_block_out_of_turn_is_incomplete(bench: Bench, block: Block, payload: bytes) -> None:
    upload(bench, 1, Block(0, True, 0), b"a" * 16)
    assert dotted(upload(bench, 2, block, payload).code) == "4.08"
    assert bench.requests == []


def test_a_transfer_that_never_began_is_incomplete(bench: Bench) -> None:
    assert dotted(upload(bench, 1, Block(1, True, 0), b"x" * 16).code) == "4.08"


def test_transfers_are_told_apart_by_sender_and_options(bench: Bench) -> None:
    upload(bench, 1, Block(0, True, 0), b"a" * 16)
    upload(bench, 1, Block(0, True, 0), b"b" * 16, OTHER)
    other = [(11, b"rd"), (15, b"ep=b"), (BLOCK1, Block(1, False, 0).encode())]
    assert dotted(ask(bench, 2, other, b"x").code) == "4.08"
    upload(bench, 3, Block(1, False, 0), b"1")
    upload(bench, 3, Block(1, False, 0), b"2", OTHER)
    assert [item.payload for item in bench.requests] == [b"a" * 16 + b"1", b"b" * 16 + b"2"]


def test_what_is_too_large_is_refused_with_the_size_that_is_taken(bench: Bench) -> None:
    bench.engine.uploads.limit = 2000
    upload(bench, 1, Block(0, True, 6), bytes(1024))
    answer = upload(bench, 2, Block(1, True, 6), bytes(1024))
    assert dotted(answer.code) == "4.13"
    assert answer.uint(SIZE1) == 2000
    assert len(bench.engine.uploads) == 0


def test_strangers_do_not_end_the_upload_of_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "ALL_UPLOADS_BYTES", 100_000)
    upload(bench, 1, Block(0, True, 6), bytes(1024))
    codes = {
        dotted(upload(bench, 1, Block(0, True, 6), bytes(1024), f"198.51.100.{n}:9").code)
        for n in range(200)
    }
    assert codes == {"2.31", "5.03"}
    assert dotted(upload(bench, 2, Block(1, False, 6), b"x").code) == "2.04"
    bench.advance(assembly.IDLE_S)
    answer = upload(bench, 2, Block(0, True, 6), bytes(1024), "198.51.100.199:9")
    assert dotted(answer.code) == "2.31"  # in the place of one that was idle


def test_one_peer_has_few_uploads_at_a_time(bench: Bench) -> None:
    codes = []
    for n in range(assembly.PEER_UPLOADS + 1):
        options = [(11, b"rd"), (15, b"ep=%d" % n), (BLOCK1, Block(0, True, 0).encode())]
        codes.append(dotted(ask(bench, n, options, bytes(16)).code))
    assert codes == ["2.31"] * assembly.PEER_UPLOADS + ["5.03"]


def test_an_upload_that_does_not_go_on_is_dropped_after_a_time(bench: Bench) -> None:
    upload(bench, 1, Block(0, True, 0), bytes(16))
    bench.advance(assembly.LIFETIME_S + 1)
    upload(bench, 1, Block(0, True, 0), bytes(16), OTHER)
    assert len(bench.engine.uploads) == 1


@pytest.mark.parametrize("exponent", [2, 6])
def test_a_large_answer_leaves_in_blocks(bench: Bench, exponent: int) -> None:
    whole = bytes(index % 251 for index in range(2500))
    bench.answer = lambda request: Response("2.05", whole, 11542)
    found = b""
    number = 0
    while True:
        options = [(11, b"bspack"), (BLOCK2, Block(number, False, exponent).encode())]
        answer = ask(bench, number, options, code=1)
        block = answer.block(BLOCK2)
        assert block is not None
        assert (block.number, block.exponent) == (number, exponent)
        assert answer.option(12) == b"\x2d\x16"
        found += answer.payload
        number += 1
        if not block.more:
            break
    assert found == whole
    assert len(bench.requests) == 1
    assert len(bench.engine.downloads) == 0


def test_a_large_answer_leaves_in_blocks_unasked(bench: Bench) -> None:
    bench.answer = lambda request: Response("2.05", bytes(1500))
    answer = ask(bench, 1, [(11, b"x")], code=1)
    assert answer.block(BLOCK2) == Block(0, True, 6)
    answer = ask(bench, 2, [(11, b"x"), (BLOCK2, Block(1, False, 6).encode())], code=1)
    assert (len(answer.payload), answer.block(BLOCK2)) == (476, Block(1, False, 6))


def test_a_block_that_there_is_not_is_refused(bench: Bench) -> None:
    answer = ask(bench, 1, [(11, b"x"), (BLOCK2, Block(1, False, 6).encode())], code=1)
    assert dotted(answer.code) == "4.08"


def test_large_answers_that_are_kept_are_bounded(bench: Bench) -> None:
    bench.answer = lambda request: Response("2.05", bytes(1500))
    for n in range(assembly.ALL_DOWNLOADS + 50):
        ask(bench, n, [(11, b"%d" % n)], code=1)
    assert len(bench.engine.downloads) == assembly.ALL_DOWNLOADS


def test_the_answer_to_a_request_in_blocks_may_be_large(bench: Bench) -> None:
    bench.answer = lambda request: Response("2.05", bytes(1500))
    upload(bench, 1, Block(0, True, 6), bytes(1024))
    answer = upload(bench, 2, Block(1, False, 6), b"x")
    assert answer.block(BLOCK1) == Block(1, False, 6)
    assert answer.block(BLOCK2) == Block(0, True, 6)


def test_a_response_that_nobody_waits_for_is_rejected(bench: Bench) -> None:
    bench.receive(Message(ACK, 0x45, 1, b"zz", (), b"v"))
    assert bench.take() == []
    bench.receive(Message(CON, 0x45, 2, b"zz", (), b"v"))
    assert bench.take_one().kind == RST
