"""The units in which `make test` hands out its tests."""

import pytest

from tests.scheduling import unit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "tests/firmware/test_message.py::test_a[32]",
            "tests/firmware/test_message.py::test_b[32]",
        ),
        ("tests/firmware/test_x.py::test_a[pypi-64]", "tests/firmware/test_x.py::test_b[pypi-64]"),
        ("tests/emulator/test_board.py::test_a", "tests/emulator/test_runner.py::test_b"),
        ("tests/integration/test_drivers.py::test_a", "tests/integration/test_drivers.py::test_b"),
        ("tests/host/test_tlv.py::test_a[1-2]", "tests/host/test_tlv.py::test_a[3-[4]]"),
    ],
    ids=["interpreter", "version", "emulator", "module fixture", "parameters"],
)
def test_what_is_made_once_is_shared_by_one_unit(one, other):
    assert unit(one) == unit(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "tests/firmware/test_message.py::test_a[32]",
            "tests/firmware/test_message.py::test_a[64]",
        ),
        ("tests/firmware/test_x.py::test_a[64]", "tests/firmware/test_x.py::test_a[forky-64]"),
        ("tests/firmware/test_x.py::test_a[64]", "tests/firmware/test_y.py::test_a[64]"),
        ("tests/host/test_tlv.py::test_a", "tests/host/test_tlv.py::test_b"),
    ],
    ids=["width", "version", "file", "test"],
)
def test_everything_else_is_apart(one, other):
    assert unit(one) != unit(other)
