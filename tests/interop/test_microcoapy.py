"""Against microCoAPy, both ways, where MICROCOAPY=path names a copy of it.

What it cannot do is asserted as it is, with what our side makes of it: microCoAPy 0.6.0 sorts
options in a way that is not stable, never retransmits, looks at neither token nor message id,
knows no blocks, and acknowledges a separate response with a code of its own.
"""

from __future__ import annotations

import pytest

from tests.interop.conftest import Ask, Serve
from tests.interop.peers import Peer, microcoapy

GET = {"method": "get"}

# --- our server -----------------------------------------------------------------------------


async def test_rfc7252_5_2_1_microcoapy_gets_a_piggybacked_response(serve: Serve, ask: Ask):
    folder = microcoapy()
    device = await serve()
    options = {"script": "microcoapy_client.py", "path": [folder]}
    [answer], _ = await ask(device.port, GET | {"path": "small"}, **options)
    assert answer == {"code": "2.05", "text": "hello", "token": "tk"}
    await device.does("in CON 0.01", "out ACK 2.05")


async def test_rfc7252_5_2_3_microcoapy_asks_without_confirmation(serve: Serve, ask: Ask):
    folder = microcoapy()
    device = await serve()
    options = {"script": "microcoapy_client.py", "path": [folder]}
    [answer], _ = await ask(device.port, {"method": "getNonConf", "path": "small"}, **options)
    assert answer["text"] == "hello"
    await device.does("in NON 0.01", "out NON 2.05")


async def test_rfc7252_5_8_methods_of_microcoapy(serve: Serve, ask: Ask):
    folder = microcoapy()
    device = await serve()
    options = {"script": "microcoapy_client.py", "path": [folder]}
    answers, _ = await ask(
        device.port,
        GET | {"path": "store"},
        {"method": "put", "path": "store", "text": "one", "format": 0},
        {"method": "put", "path": "store", "text": "two" * 200, "format": 0},
        {"method": "post", "path": "store", "text": "x", "format": 50, "query": "a=1"},
        {"method": "put", "path": "store", "text": "two"},
        GET | {"path": "store"},
        **options,
    )
    codes = [answer["code"] for answer in answers]
    assert codes == ["4.04", "2.01", "2.04", "4.05", "2.04", "2.05"]
    assert answers[5]["text"] == "two"


async def test_rfc7252_4_2_what_microcoapy_takes_for_an_acknowledgement_is_ignored(
    serve: Serve, ask: Ask
):
    """microCoAPy answers a separate response with code 0.02: a request in an ACK."""
    folder = microcoapy()
    device = await serve(ack_timeout_ms=200)
    options = {"script": "microcoapy_client.py", "path": [folder]}
    [answer], _ = await ask(device.port, GET | {"path": "later"}, **options)
    assert answer["text"] == "at last"
    kinds = device.kinds()
    assert kinds[:4] == ["in CON 0.01", "out ACK 0.00", "out CON 2.05", "in ACK 0.02"]


async def test_rfc7252_4_2_microcoapy_does_not_repeat_what_is_lost(serve: Serve, ask: Ask):
    folder = microcoapy()
    device = await serve(lost=[0])
    options = {"script": "microcoapy_client.py", "path": [folder]}
    wish = GET | {"path": "small", "wait_ms": 2500}
    [answer], _ = await ask(device.port, wish, **options)
    assert answer == {"failed": "no answer"}


async def test_rfc7252_6_5_path_of_microcoapy_arrives_scrambled(serve: Serve, ask: Ask):
    folder = microcoapy()
    device = await serve()
    options = {"script": "microcoapy_client.py", "path": [folder]}
    path = "echo/z/a/m/9"
    [answer], _ = await ask(device.port, GET | {"path": path}, **options)
    told = answer.get("text", "")
    if told == path + "?":
        return
    segments = device.record()[0].message.opt.uri_path
    assert sorted(segments) == sorted(path.split("/"))
    pytest.xfail("microCoAPy sorts its options in a way that is not stable: " + "/".join(segments))


async def test_rfc7959_2_4_microcoapy_sees_the_first_block_only(serve: Serve, ask: Ask):
    folder = microcoapy()
    device = await serve()
    options = {"script": "microcoapy_client.py", "path": [folder]}
    put = {"method": "put", "path": "store", "text": "x" * 700}
    answers, _ = await ask(device.port, put, GET | {"path": "store"}, **options)
    assert [answer["code"] for answer in answers] == ["2.01", "2.05"]
    assert answers[1]["text"] == "x" * 512


# --- our client -----------------------------------------------------------------------------


@pytest.fixture
async def server(serve: Serve) -> Peer:
    """A server of microCoAPy."""
    return await serve("microcoapy_server.py", path=[microcoapy()])


async def test_rfc7252_5_2_1_piggybacked_response_from_microcoapy(ask: Ask, server: Peer):
    answers, device = await ask(
        server.port,
        GET | {"path": "small"},
        GET | {"path": "a/b/c"},
        GET | {"path": "nowhere"},
    )
    assert [answer["code"] for answer in answers] == ["2.05", "2.05", "4.04"]
    assert (answers[0]["text"], answers[0]["format"]) == ("hello", 0)
    assert device.kinds()[:2] == ["out CON 0.01", "in ACK 2.05"]


async def test_rfc7252_5_8_methods_on_microcoapy(ask: Ask, server: Peer):
    answers, _ = await ask(
        server.port,
        {"method": "put", "path": "store", "body": 400, "format": 42},
        {"method": "put", "path": "store", "text": "two", "format": 0},
        GET | {"path": "store"},
    )
    assert [answer["code"] for answer in answers] == ["2.04", "2.04", "2.05"]
    assert answers[2]["text"] == "two"


async def test_rfc7252_4_5_microcoapy_does_again_what_it_has_done(ask: Ask, server: Peer):
    answers, _ = await ask(
        server.port,
        {"method": "post", "path": "count"},
        GET | {"path": "count"},
        lost=[0],
        ack_timeout_ms=50,
    )
    assert answers[1]["text"] == "1"


async def test_rfc7959_2_5_microcoapy_takes_the_first_block_for_all(ask: Ask, server: Peer):
    """It ignores Block1, although that option is critical: what it keeps is one block."""
    put = {"method": "put", "path": "store", "body": 1500, "format": 42}
    [answer, _], _ = await ask(server.port, put, GET | {"path": "store"})
    if answer.get("code") == "2.04":
        pytest.xfail("the answer to one block is taken for the answer to all of them")
    assert "failed" in answer
