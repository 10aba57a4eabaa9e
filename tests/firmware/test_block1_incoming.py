# heapsize: 4m
"""Incoming Block1 (RFC 7959 §2): requests in blocks, kept whole."""

from bench import ScriptedServer
from block_bench import (
    BAD_REQUEST,
    CONTINUE,
    INCOMPLETE,
    LOCATION,
    LONG,
    NOT_FOUND,
    SIZE1,
    TOO_LARGE,
    Sized,
    Thing,
    block,
    codes,
    count,
    good,
    made,
    repetition,
    tlv,
    upload,
)
from testing import eq
from wire import BLOCK1, CHANGED, CONTENT, CREATED, GET, OCTETS, POST, PUT, TEXT, TLV


def state(bench):
    thing = bench.thing
    return thing.name, thing.level, thing.blob, list(thing.runs)


# Incoming Block1: what is done with a request in blocks


def test_rfc7959_2_5_long_text_in_blocks():
    for szx in range(7):
        bench = made()
        eq(codes(upload(bench, "/26241/0/0", LONG[:1500], szx, TEXT)), good(LONG[:1500], szx))
        eq(bench.thing.name, LONG[:1500].decode())


def test_rfc7959_2_5_partial_update_of_an_instance_in_blocks():
    body = tlv(0, LONG[:300]) + tlv(3, bytes(range(256)))
    for szx in (0, 2, 5):
        bench = made()
        eq(codes(upload(bench, "/26241/0", body, szx, TLV, POST)), good(body, szx))
        eq(state(bench), (LONG[:300].decode(), 7, bytes(range(256)), []))


def test_rfc7959_2_5_execute_with_arguments_in_blocks():
    bench = made()
    body = b"0='" + LONG[:200] + b"',7"
    eq(codes(upload(bench, "/26241/0/5", body, 1, -1, POST)), good(body, 1))
    eq(bench.thing.runs, [{0: LONG[:200].decode(), 7: None}])


def test_rfc7959_2_5_body_of_exactly_whole_blocks():
    bench = made()
    for szx in (0, 3, 6):
        bench.thing.blob = b""
        eq(codes(upload(bench, "/26241/0/3", LONG[:2048], szx)), good(LONG[:2048], szx))
        eq(bench.thing.blob, LONG[:2048])


def test_rfc7959_2_3_every_answer_says_which_block_it_is_for():
    for szx in range(7):
        bench = made()
        answers = upload(bench, "/26241/0/3", LONG[:1500], szx)
        last = len(answers) - 1
        for number in range(last):
            eq(
                answers[number].options,
                [(BLOCK1, (number << 4 | 8 | szx).to_bytes(2, "big").lstrip(b"\0"))],
            )
            eq(answers[number].payload, b"")
        eq((answers[last].code, answers[last].uint(BLOCK1)), (CHANGED, last << 4 | szx))


def test_rfc7959_2_3_refusal_of_the_whole_says_its_block():
    bench = made()
    answers = upload(bench, "/26241/0/9", LONG[:40], 0)
    eq((answers[2].code, answers[2].uint(BLOCK1)), (NOT_FOUND, 2 << 4))


def test_rfc7959_2_5_nothing_changes_before_the_last_block():
    bench = made()
    before = state(bench)
    for path, body, format, method in (
        ("/26241/0/3", LONG[:40], OCTETS, PUT),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]), TLV, POST),
        ("/26241/0/5", b"0='" + LONG[:40] + b"'", -1, POST),
    ):
        for number in range(count(body, 0) - 1):
            eq(block(bench, path, body, number, 0, format, method).code, CONTINUE)
            eq(state(bench), before)
            eq(bench.ask(GET, "/26241/0/3").payload, before[2])


def test_reads_and_writes_go_on_while_an_upload_does():
    bench = made()
    for number in range(count(LONG[:100], 0)):
        answer = block(bench, "/26241/0/3", LONG[:100], number, 0)
        eq(bench.ask(GET, "/26241/0/1").code, CONTENT)
        eq(bench.ask(PUT, "/26241/0/1", b"%d" % number, format=TEXT).code, CHANGED)
    eq((answer.code, bench.thing.blob, bench.thing.level), (CHANGED, LONG[:100], 6))


def test_value_written_in_blocks_is_kept_when_the_buffer_is_used_again():
    bench = made()
    upload(bench, "/26241/0/3", LONG[:100], 0)
    upload(bench, "/26241/0/0", b"z" * 100, 0, TEXT)
    eq((bench.thing.blob, bench.thing.name), (LONG[:100], "z" * 100))
    # A shorter one shows nothing of the longer one before.
    upload(bench, "/26241/0/3", b"short" * 4, 0)
    eq(bench.thing.blob, b"short" * 4)


# Incoming Block1: what is refused


def test_rfc7959_2_2_block_of_the_wrong_size_is_4_00():
    for szx in range(7):
        size = 16 << szx
        for n, more in ((size - 1, 8), (size + 1, 8), (0, 8), (size + 1, 0)):
            if n > 1100:
                continue
            bench = made()
            before = state(bench)
            answer = bench.ask(
                PUT, "/26241/0/3", LONG[:n], format=OCTETS, options=[(BLOCK1, more | szx)]
            )
            eq((szx, n, answer.code), (szx, n, BAD_REQUEST))
            eq(state(bench), before)


def test_rfc7959_2_2_block_of_the_wrong_size_in_the_middle_is_4_00():
    bench = made()
    body = LONG[:60]
    block(bench, "/26241/0/3", body, 0, 0)
    answer = bench.ask(
        PUT, "/26241/0/3", body[16:31], format=OCTETS, options=[(BLOCK1, 1 << 4 | 8)]
    )
    eq(answer.code, BAD_REQUEST)
    eq(codes(upload(bench, "/26241/0/3", body, 0, first=1))[-1], CHANGED)
    eq(bench.thing.blob, body)


def test_rfc7959_2_2_szx_7_is_4_00():
    for value in (7, 15, 1 << 4 | 7, 1 << 4 | 15):
        bench = made()
        before = state(bench)
        answer = bench.ask(PUT, "/26241/0/3", b"x", format=OCTETS, options=[(BLOCK1, value)])
        eq((value, answer.code), (value, BAD_REQUEST))
        eq(state(bench), before)


def test_rfc7959_2_9_2_missing_block_is_4_08_and_the_right_one_goes_on():
    for szx in (0, 3):
        bench = made()
        body = LONG[: 16 * 5 + 3 << szx]
        for number in range(2):
            eq(block(bench, "/26241/0/3", body, number, szx).code, CONTINUE)
        for wrong in (3, 4, 5, 1, 0xFFFF):
            part = body[: 16 << szx]
            answer = bench.ask(
                PUT, "/26241/0/3", part, format=OCTETS, options=[(BLOCK1, wrong << 4 | 8 | szx)]
            )
            eq((wrong, answer.code), (wrong, INCOMPLETE))
        eq(codes(upload(bench, "/26241/0/3", body, szx, first=2)), good(body, szx, 2))
        eq(bench.thing.blob, body)


def test_rfc7959_2_9_2_block_without_a_first_one_is_4_08():
    bench = made()
    before = state(bench)
    for value in (1 << 4, 1 << 4 | 8, 0xFFFFF0, 0xFFFFFE):
        part = LONG[: 16 << (value & 7)]
        answer = bench.ask(PUT, "/26241/0/3", part, format=OCTETS, options=[(BLOCK1, value)])
        eq((value, answer.code), (value, INCOMPLETE))
    upload(bench, "/26241/0/3", LONG[:40], 0)
    # After the last block it is over.
    eq(block(bench, "/26241/0/3", LONG[:100], 3, 0).code, INCOMPLETE)
    eq(block(bench, "/26241/0/3", LONG[:40], 2, 0).code, INCOMPLETE)
    upload(bench, "/26241/0/3", LONG[:32], 0)
    eq(block(bench, "/26241/0/3", LONG[:40], 2, 0).code, INCOMPLETE)
    upload(bench, "/26241/0/3", LONG[:40], 0)
    eq(state(bench), (before[0], before[1], LONG[:40], []))


def test_rfc7959_2_5_other_path_or_method_in_the_middle_is_4_08():
    for path, method in (
        ("/26241/0/0", PUT),
        ("/26241/0", PUT),
        ("/26241/0/3/0", PUT),
        ("/26241/1/3", PUT),
        ("/26242/0/3", PUT),
        ("/26241/0/3", POST),
    ):
        for number in (1, 2):
            bench = made()
            body = LONG[:40]
            for i in range(number):
                block(bench, "/26241/0/3", body, i, 0)
            answer = block(bench, path, body, number, 0, OCTETS, method)
            eq((path, method, number, answer.code), (path, method, number, INCOMPLETE))
            eq(codes(upload(bench, "/26241/0/3", body, 0, first=number)), good(body, 0, number))
            eq((bench.thing.blob, bench.thing.name), (body, "thing"))


def test_rfc7959_2_9_3_body_beyond_the_limit_is_4_13_with_the_limit_in_size1():
    for limit, szx in ((2048, 6), (2048, 0), (100, 0), (64, 2), (1000, 5)):
        bench = made(body_limit=limit)
        before = state(bench)
        answers = []
        for number in range(count(LONG, szx)):
            answers.append(block(bench, "/26241/0/3", LONG, number, szx))
            if answers[-1].code != CONTINUE:
                break
        eq((answers[-1].code, answers[-1].uint(SIZE1)), (TOO_LARGE, limit))
        eq(len(answers) - 1, limit // (16 << szx))
        # It is over: neither this one nor the next goes on.
        if len(answers) > 1:
            eq(block(bench, "/26241/0/3", LONG, len(answers) - 1, szx).code, INCOMPLETE)
        eq(block(bench, "/26241/0/3", LONG, len(answers), szx).code, INCOMPLETE)
        eq(state(bench), before)
        # A body that just fits
        eq(codes(upload(bench, "/26241/0/3", LONG[:limit], szx)), good(LONG[:limit], szx))
        eq(bench.thing.blob, LONG[:limit])


def test_rfc7959_4_size1_that_announces_too_much_is_4_13_at_once():
    bench = made(body_limit=256)
    before = state(bench)
    for size1 in (257, 5000, 0x3FFFFFFF, 0xFFFFFFFF):
        answer = block(bench, "/26241/0/3", LONG, 0, 0, options=[(SIZE1, size1)])
        eq((size1, answer.code, answer.uint(SIZE1)), (size1, TOO_LARGE, 256))
        eq(block(bench, "/26241/0/3", LONG, 1, 0).code, INCOMPLETE)
    eq(state(bench), before)
    eq(block(bench, "/26241/0/3", LONG[:256], 0, 0, options=[(SIZE1, 256)]).code, CONTINUE)
    eq(codes(upload(bench, "/26241/0/3", LONG[:256], 0, first=1))[-1], CHANGED)


def test_rfc7959_2_5_body_with_a_mistake_is_4_00_and_nothing_is_half_written():
    for path, body, format, method in (
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]) + b"\xc5\x00ab", TLV, POST),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]) + tlv(0, b"\xff\xfe"), TLV, POST),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]) + tlv(1, b""), TLV, POST),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]), TLV, PUT),
        ("/26241/0/1", b"1" * 40 + b"x", TEXT, PUT),
        ("/26241/0/0", b"\xff" * 40, TEXT, PUT),
        ("/26241/0/5", b"0='" + LONG[:40], -1, POST),
    ):
        bench = made()
        before = state(bench)
        answers = upload(bench, path, body, 0, format, method)
        eq(codes(answers[:-1]), [CONTINUE] * (len(answers) - 1))
        eq((body, answers[-1].code), (body, BAD_REQUEST))
        eq(answers[-1].uint(BLOCK1), len(answers) - 1 << 4)
        eq(state(bench), before)


# Incoming Block1: restarts and repetitions


def test_rfc7959_2_5_block_0_restarts():
    for done in (1, 2, 3):
        bench = made()
        for number in range(done):
            eq(block(bench, "/26241/0/3", b"x" * 100, number, 0).code, CONTINUE)
        eq(codes(upload(bench, "/26241/0/3", LONG[:40], 0)), good(LONG[:40], 0))
        eq(bench.thing.blob, LONG[:40])


def test_rfc7959_2_5_block_0_restarts_with_another_request_or_size():
    bench = made()
    block(bench, "/26241/0/3", b"x" * 100, 0, 0)
    eq(codes(upload(bench, "/26241/0/0", LONG[:150], 2, TEXT)), good(LONG[:150], 2))
    eq((bench.thing.name, bench.thing.blob), (LONG[:150].decode(), b"\x00\xff"))


def test_rfc7252_4_5_repeated_block_0_does_not_restart():
    bench = made()
    body = LONG[:70]
    for _ in range(3):
        answer = block(bench, "/26241/0/3", body, 0, 0, mid=5)
        eq((answer.code, answer.uint(BLOCK1)), (CONTINUE, 8))
    eq(block(bench, "/26241/0/3", body, 1, 0, mid=6).code, CONTINUE)
    # A copy that comes late: what has arrived since is not lost.
    bench.far.send(repetition(body, 0, 5))
    eq(codes(upload(bench, "/26241/0/3", body, 0, first=2)), good(body, 0, 2))
    eq(bench.thing.blob, body)


def test_rfc7252_4_5_repeated_block_is_answered_again_and_appended_once():
    bench = made()
    body = LONG[:70]
    for number in range(count(body, 0)):
        mid = 100 + number
        last = number == count(body, 0) - 1
        for _ in range(4):
            answer = block(bench, "/26241/0/3", body, number, 0, mid=mid)
            eq(answer.code, CHANGED if last else CONTINUE)
            eq(answer.uint(BLOCK1), number << 4 | (0 if last else 8))
    eq(bench.thing.blob, body)


def test_old_copy_of_an_earlier_block_does_no_harm():
    body = LONG[:150]
    last = count(body, 0) - 1
    for old in range(last):
        for at in range(old + 1, last + 1):
            bench = made()
            for number in range(last + 1):
                if number == at:
                    bench.far.send(repetition(body, old, 100 + old))
                answer = block(bench, "/26241/0/3", body, number, 0, mid=100 + number)
                eq(
                    (old, at, number, answer.code),
                    (old, at, number, (CONTINUE, CHANGED)[number == last]),
                )
            eq(bench.thing.blob, body)


def test_old_copies_after_the_end_do_no_harm():
    bench = made()
    body = LONG[:70]
    for number in range(count(body, 0)):
        block(bench, "/26241/0/3", body, number, 0, mid=100 + number)
    bench.thing.blob = b"since"
    for number in range(count(body, 0)):
        eq(len(bench.far.send(repetition(body, number, 100 + number))), 1)
    eq(bench.thing.blob, b"since")


def test_repeated_last_block_of_an_execute_runs_it_once():
    bench = made()
    body = b"0='" + LONG[:40] + b"'"
    for number in range(count(body, 0)):
        for _ in range(3):
            answer = block(bench, "/26241/0/5", body, number, 0, -1, POST, mid=50 + number)
    eq((answer.code, len(bench.thing.runs)), (CHANGED, 1))


def test_large_upload_leaves_earlier_changes_in_memory():
    bench = made(ring=4)
    eq(bench.ask(POST, "/26241/0/5", mid=5).code, CHANGED)
    body = LONG[:2000]
    eq(codes(upload(bench, "/26241/0/3", body, 0)), good(body, 0))
    eq(bench.ask(POST, "/26241/0/5", mid=5).code, CHANGED)
    eq((len(bench.thing.runs), bench.thing.blob), (1, body))


# Incoming Block1: sizes and servers


def test_rfc7959_2_3_smaller_blocks_are_asked_for_and_accepted():
    for mtu, ours in ((128, 2), (256, 3), (400, 4)):
        for szx in range(ours + 1, 7):
            bench = made(mtu=mtu)
            body = LONG[:2000]
            answer = block(bench, "/26241/0/3", body, 0, szx)
            eq((answer.code, answer.uint(BLOCK1)), (CONTINUE, 8 | ours))
            first = 1 << szx - ours
            answers = upload(bench, "/26241/0/3", body, ours, first=first)
            eq(codes(answers), good(body, ours, first))
            eq(answers[0].uint(BLOCK1), first << 4 | 8 | ours)
            eq(bench.thing.blob, body)


def test_rfc7959_2_3_size_may_shrink_on_the_way():
    bench = made()
    body = LONG[:2000]
    block(bench, "/26241/0/3", body, 0, 5)
    block(bench, "/26241/0/3", body, 4, 3)
    block(bench, "/26241/0/3", body, 40, 0)
    eq(codes(upload(bench, "/26241/0/3", body, 0, first=41)), good(body, 0, 41))
    eq(bench.thing.blob, body)


def test_blocks_that_are_larger_than_ours_are_taken_all_the_same():
    bench = made(mtu=256)
    eq(codes(upload(bench, "/26241/0/3", LONG[:2000], 6)), good(LONG[:2000], 6))
    eq(bench.thing.blob, LONG[:2000])


def test_two_servers_upload_at_the_same_time():
    bench = Sized()
    other = ScriptedServer(bench)
    bench.thing = bench.client.add(Thing())
    bench.add_server(other)
    bench.far.accept_register()
    other.reply(other.take()[0], CREATED, LOCATION)
    assert bench.client.registered
    ours, theirs = LONG[:70], LONG[1000:1070]
    for number in range(5):
        # The same path and message ids: only the peer tells them apart.
        a = block(bench, "/26241/0/3", ours, number, 0, mid=40 + number)
        if number == 4:
            eq((a.code, bench.thing.blob), (CHANGED, ours))
        b = block(bench, "/26241/0/3", theirs, number, 0, mid=40 + number, far=other)
    eq((b.code, bench.thing.blob), (CHANGED, theirs))
