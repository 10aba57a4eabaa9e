"""What mpremote and a board say: understood, or one line that tells what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.board import deploying, memory, onboard
from lwm2m_host.board.building import Item
from lwm2m_host.board.errors import BoardFull, RemoteError
from lwm2m_host.board.remote import Remote

GOOD: dict[str, Any] = {
    "manifest": {"files": {"a.py": ["00", 1]}, "kept": ["config.json"]},
    "found": {"a.py": [1, ""], "b.py": [-1, ""]},
    "staged": {"0123": 5},
    "free": 1000,
    "total": 2000,
    "platform": "rp2",
    "version": [1, 25, 0],
    "machine": "Raspberry Pi Pico W with RP2040",
    "build": "RPI_PICO_W",
    "mpy": 4 << 10 | 0x306,
    "lib": [],
    "slots": [],
}


class Told(Remote):
    """A board that has told something."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__("/dev/ttyX")
        self.answer = told

    def program(self, text: str, *, resume: bool = False) -> dict[str, Any]:
        return self.answer


def item(target: str, sha256: str = "00", size: int = 1) -> Item:
    return Item(target, Path(target), size, sha256)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("mpremote: cp: x: No space left on device.", "no room on the board's file system"),
        ("OSError: [Errno 28] ENOSPC", "no room on the board's file system"),
        ("OSError: 28", "no room on the board's file system"),
        ("serial.serialutil.SerialException: device disconnected", "the connection broke off"),
        ("TransportError: could not enter raw repl", "no MicroPython answers; press its reset"),
        ("mpremote: failed to access /dev/ttyX", "there is no such port"),
        ("Traceback\nValueError: something else", "/dev/ttyX: ValueError: something else"),
        ("", "/dev/ttyX: mpremote failed"),
    ],
)
def test_errors_are_one_line(said: str, words: str) -> None:
    error = Remote("/dev/ttyX")._error("", said)
    assert words in str(error)
    assert "\n" not in str(error)
    assert isinstance(error, BoardFull) is ("room" in words)


def told(text: str) -> dict[str, Any] | str:
    try:
        return Remote("x").result(text)
    except RemoteError as error:
        return str(error)


@given(st.text())
def test_any_output_is_understood_or_not(text: str) -> None:
    assert told(text) == "x: the board's answer is not understood"
    assert told(f"{text}\n{onboard.MARK}{json.dumps(GOOD)}\n{text[:3].strip()}") is not None


@pytest.mark.parametrize("rest", ["", "\n", "{", "[]", "5", "[" * 100_000])
def test_an_answer_that_is_cut_off_is_said(rest: str) -> None:
    assert told(onboard.MARK + rest) == "x: the board's answer is not understood"


def test_a_good_answer() -> None:
    state = deploying.survey(Told(GOOD), [item("a.py")])
    assert state.hashes == {"a.py": "00"}
    assert (state.free, state.staged, state.kept) == (1000, {"0123": 5}, ["config.json"])
    todo = deploying.plan(state, [item("a.py"), item("b.py")])
    assert [i.target for i in todo.copy] == ["b.py"]


_any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), _any, max_size=3))
def test_any_answer_is_a_state_or_refused(changes: dict[str, Any]) -> None:
    try:
        state = deploying.survey(Told({**GOOD, **changes}), [item("a.py")])
    except RemoteError as error:
        complaint = str(error)
    else:
        complaint = ""
        deploying.plan(state, [item("a.py"), item("b.mpy")])
    assert "\n" not in complaint


# --- plans ------------------------------------------------------------------------------------


def state(**changes: Any) -> deploying.State:
    return deploying.survey(Told({**GOOD, **changes}), [])


def test_settings_are_never_removed_and_belong_to_whom_wrote_them() -> None:
    there = state(
        manifest={"files": {"config.json": ["00", 1], "old.py": ["00", 1]}, "kept": ["keys.json"]},
        found={"config.json": [1, ""], "old.py": [1, ""], "keys.json": [1, ""]},
    )
    todo = deploying.plan(there, [item("main.py")])
    assert todo.remove == ["old.py"]
    assert set(todo.deployed) == {"config.json", "main.py"}
    assert todo.kept == ["keys.json"]
    todo = deploying.plan(there, [item("keys.json")], prune=False, keep=["config.json"])
    assert (todo.remove, todo.kept) == ([], ["config.json"])


def test_updates_over_the_air_are_removed_when_asked_to() -> None:
    there = state(slots=["slot_a", "slots.bin"])
    assert deploying.plan(there, [item("a.py")]).remove == []
    assert deploying.plan(there, [item("a.py")], factory=True).remove == ["slot_a", "slots.bin"]


@given(st.dictionaries(st.text("abc", min_size=1), st.binary(max_size=9000), max_size=12))
def test_pieces_carry_every_byte_in_order_and_none_is_too_large(files: dict[str, bytes]) -> None:
    whole: dict[str, bytes] = {}
    for parts in deploying._pieces(files):
        assert sum(len(data) for _, _, data in parts) <= deploying.PIECE
        for name, begins, data in parts:
            assert begins is (name not in whole)
            whole[name] = whole.get(name, b"") + data
    assert whole == files


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (onboard.SENT + "12", 12),
        (onboard.SENT + "¹", None),
        (onboard.SENT + "٣", None),
        (onboard.SENT + "9" * 5000, None),
        (onboard.SENT, None),
        ("12", None),
    ],
)
def test_number_of_a_piece_is_read_from_ascii_digits(line: str, number: int | None) -> None:
    assert onboard.piece_number(line) == number


# --- memory -----------------------------------------------------------------------------------

INFO = """lwm2m-board:{{"stage": "{stage}", "block": 16}}
stack: 516 out of 7936
GC: total: 233024, used: 17952, free: 215072
 No. of 1-blocks: 288, 2-blocks: 66, max blk sz: 72, max free sz: 12800
"""


def test_heap_is_read_from_what_micropython_says_of_it() -> None:
    text = "boot\n" + INFO.format(stage="empty") + "GC: total\n" + INFO.format(stage="made")
    assert list(memory.read(text)) == ["empty", "made"]
    assert memory.read(text)["made"] == memory.Heap(233_024, 17_952, 215_072, 204_800)


@given(st.text(), st.integers(0, 150))
def test_heap_of_a_broken_line_is_left_out(text: str, end: int) -> None:
    whole = INFO.format(stage="made")
    assert "made" not in memory.read(whole[:end] + "\n" + text.replace("max free sz", ""))
    assert memory.read(f"{text}\n{whole}")["made"].free == 215_072
