"""Firmware and host agree on random trees, in every format, both ways, at 64 and 32 bits.

This is the quick form of `make differential`, and vectors that others have published.
"""

from __future__ import annotations

import collections
import random
from typing import Any

import pytest
from lwm2m_host import formats
from lwm2m_host.errors import FormatError
from lwm2m_host.model.path import Path

from tests.differential.cases import (
    BAD_REQUEST,
    CHANGED,
    FORMATS,
    Case,
    Maker,
    Read,
    State,
    case_of,
    check,
)
from tests.differential.run import ask, differences, missing
from tests.differential.trees import literal
from tests.differential.vectors import DEVICE_TLV, cases

SEED = 2
TREES = 300

by_width = pytest.mark.parametrize("bits", [64, 32])


@pytest.fixture(autouse=True)
def _interpreter(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    bits = callspec.params.get("bits") if callspec else None
    if bits and missing(bits):
        pytest.skip(f"no MicroPython at {bits} bits: {missing(bits)}")


@pytest.fixture(scope="module")
def trees() -> list[Case]:
    return [case_of(SEED, number) for number in range(TREES)]


@by_width
def test_firmware_and_host_agree_on_random_trees(trees: list[Case], bits: int) -> None:
    found = differences(trees, bits, SEED)
    assert not found, "\n".join(found[:5])


def test_every_format_is_read_and_written(trees: list[Case]) -> None:
    reads: collections.Counter[Any] = collections.Counter()
    writes: collections.Counter[Any] = collections.Counter()
    for case in trees:
        reads.update({read.format for read in case.reads})
        writes.update({write.format for write in case.writes})
    for format in FORMATS:
        # Not every tree has an opaque value.
        least = TREES // 3 if format is formats.OPAQUE else TREES * 8 // 10
        assert reads[format] >= least, format
        assert writes[format] >= least, format


def test_a_case_is_the_same_every_time() -> None:
    assert case_of(SEED, 5).line() == case_of(SEED, 5).line()
    assert case_of(SEED, 5).line() != case_of(SEED, 6).line()


def test_a_difference_is_seen(trees: list[Case]) -> None:
    case = next(case for case in trees if case.reads and case.writes)
    answer = [["zz"] * len(case.reads), [[0x80, []]] * len(case.writes)]
    assert len(check(case, answer)) == len(case.reads) + len(case.writes)


# Vectors


def held_by(case: Case) -> State:
    """What the host reads in the payload of a vector."""
    write = case.writes[0]
    thing = case.things[0]
    base = Path.parse(write.what.split()[-1])
    entries = write.format.decode(write.payload, base, case.type_of)
    state: State = {}
    for entry in entries:
        ids = entry.path.ids
        kind = thing.resource(ids[2]).kind
        riid = ids[3] if len(ids) > 3 else None
        state.setdefault((ids[0], ids[1], ids[2]), {})[riid] = literal(kind, entry.value)
    return state


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.number}-{case.writes[0].what}")
def test_host_reads_the_vector(case: Case) -> None:
    write = case.writes[0]
    if write.code == BAD_REQUEST:
        with pytest.raises(FormatError):
            held_by(case)
    else:
        assert held_by(case) == write.right


@by_width
def test_firmware_reads_the_vectors(bits: int) -> None:
    found = differences(cases(), bits, 0)
    assert not found, "\n".join(found[:5])


@by_width
def test_firmware_writes_what_it_has_read(bits: int) -> None:
    """The values of each vector, read in every format; the TLV is that of the specification."""
    chosen = [case for case in cases() if case.writes[0].code == CHANGED]
    for case in chosen:
        case.writes = []
        case.things[0].before = case.things[0].after
        Maker(case, random.Random(case.number)).reads()
    chosen[0].reads.append(Read(formats.TLV, Path((3, 0)), chosen[0].reads[0].right))
    answers = ask([case.line() for case in chosen], bits)
    for case, answer in zip(chosen, answers, strict=True):
        assert not check(case, answer), case.number
    assert answers[0][0][-1] == DEVICE_TLV.lower()
