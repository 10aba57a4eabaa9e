"""What a relay decides, without a network: probabilities, ranges, reproducibility, damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from lwm2m_host.errors import Lwm2mError
from lwm2m_host.faults import Coap, Entry, FaultError, Faults, Tally
from lwm2m_host.faults.plan import Decision, Dice

N = 20_000
SIZES = [7 + i % 90 for i in range(N)]


def fates(faults: Faults, seed: str = "1 up", sizes: list[int] = SIZES) -> list[Decision]:
    dice = Dice(seed)
    return [dice.throw(size, faults) for size in sizes]


def share(faults: Faults, happened: Callable[[Decision], bool]) -> float:
    return sum(map(happened, fates(faults))) / N


@pytest.mark.parametrize(
    ("faults", "happened"),
    [
        (Faults(loss=0.3), lambda decision_: decision_.lost and not decision_.delays_ms),
        (Faults(duplicate=0.3), lambda decision_: len(decision_.delays_ms) == 2),
        (Faults(reorder=0.3), lambda decision_: decision_.held),
        (Faults(corrupt=0.3), lambda decision_: decision_.damage is not None),
    ],
    ids=["loss", "duplicate", "reorder", "corrupt"],
)
def test_each_fault_comes_as_often_as_asked(
    faults: Faults, happened: Callable[[Decision], bool]
) -> None:
    assert share(faults, happened) == pytest.approx(0.3, abs=0.015)
    assert share(Faults(), happened) == 0


def test_a_certain_fault_always_comes() -> None:
    assert all(decision_.lost for decision_ in fates(Faults(loss=1)))
    assert all(
        decision_.held and decision_.damage for decision_ in fates(Faults(reorder=1, corrupt=1))
    )


def test_faults_are_independent() -> None:
    both = Faults(duplicate=0.5, reorder=0.5)
    assert share(
        both, lambda decision_: decision_.held and len(decision_.delays_ms) == 2
    ) == pytest.approx(0.25, abs=0.015)


def test_delays_fill_their_range_evenly_and_copies_have_their_own() -> None:
    found = fates(Faults(delay_ms=(50, 400), duplicate=1))
    delays = [delay for decision_ in found for delay in decision_.delays_ms]
    assert 50 <= min(delays) < 51
    assert 399 < max(delays) <= 400
    assert sum(delays) / len(delays) == pytest.approx(225, abs=3)
    assert all(first != second for first, second in (decision_.delays_ms for decision_ in found))


def test_the_same_seed_decides_the_same() -> None:
    faults = Faults(loss=0.3, duplicate=0.1, reorder=0.1, corrupt=0.2, delay_ms=(1, 9))
    assert fates(faults) == fates(faults)
    assert fates(faults) != fates(faults, "2 up")
    assert fates(faults) != fates(faults, "1 down")


def test_changing_one_fault_leaves_the_decisions_about_the_others() -> None:
    faults = Faults(loss=0.3, reorder=0.2)
    more = replace(faults, corrupt=0.5, duplicate=0.5, delay_ms=(5, 50))
    assert [(decision_.lost, decision_.held) for decision_ in fates(faults)] == [
        (decision_.lost, decision_.held) for decision_ in fates(more)
    ]


def test_damage_is_a_few_flipped_bytes_or_a_shorter_datagram() -> None:
    data = bytes(range(40))
    cut = 0
    for decision_ in fates(Faults(corrupt=1), sizes=[40] * 2000):
        assert decision_.damage is not None
        after = decision_.damage.apply(data)
        assert after != data
        if len(after) < len(data):
            cut += 1
            assert data.startswith(after)
        else:
            assert 1 <= sum(a != b for a, b in zip(after, data, strict=True)) <= 3
    assert cut / 2000 == pytest.approx(0.25, abs=0.05)


def test_one_byte_can_be_damaged_and_nothing_cannot() -> None:
    for decision_ in fates(Faults(corrupt=1), sizes=[1] * 200):
        assert decision_.damage is not None
        assert decision_.damage.apply(b"x") != b"x"
    assert fates(Faults(corrupt=1), sizes=[0])[0].damage is None


def test_the_periodic_blackout_ends_each_period() -> None:
    faults = Faults(blackout_s=(10, 60))
    dark = [second for second in range(180) if faults.dark(second)]
    assert dark == [*range(50, 60), *range(110, 120), *range(170, 180)]
    assert not Faults().dark(55)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"loss": 1.1}, "loss is a probability"),
        ({"duplicate": -0.1}, "duplicate is a probability"),
        ({"reorder": float("nan")}, "reorder is a probability"),
        ({"corrupt": 2}, "corrupt is a probability"),
        ({"delay_ms": (5, 4)}, "delay is a range of milliseconds, not 5-4"),
        ({"delay_ms": (-5, 4)}, "delay is a range"),
        ({"delay_ms": (0, float("inf"))}, "delay is a range"),
        ({"reorder_ms": 0}, "reorder_ms is a time"),
        ({"rebind_every_s": 0}, "rebind every 0 s"),
        ({"blackout_s": (60, 60)}, "not 60/60"),
        ({"blackout_s": (0, 60)}, "not 0/60"),
    ],
)
def test_faults_that_cannot_be_are_refused(values: dict[str, float], words: str) -> None:
    with pytest.raises(FaultError, match=words) as caught:
        Faults(**values)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, Lwm2mError)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("42011234abcd", "CON GET mid 4660 token abcd"),
        ("60450001", "ACK 2.05 mid 1"),
        ("7000ffff", "RST EMPTY mid 65535"),
        ("51840002ee", "NON 4.04 mid 2 token ee"),
        ("4207000100aa99", "CON iPATCH mid 1 token 00aa"),
    ],
)
def test_the_head_of_a_coap_message_is_told(data: str, text: str) -> None:
    assert str(Coap.parse(bytes.fromhex(data))) == text


@pytest.mark.parametrize("data", ["", "420112", "82011234", "4a011234" + "00" * 10, "42011234ab"])
def test_what_is_not_coap_is_not_told(data: str) -> None:
    assert Coap.parse(bytes.fromhex(data)) is None


def test_entries_and_tallies_are_readable() -> None:
    coap = Coap("CON", "GET", 5, "ab")
    entry = Entry(1.5, "up", "127.0.0.1:9", 12, coap, "lost")
    assert str(entry) == "    1.500 127.0.0.1:9 -> 12 B CON GET mid 5 token ab: lost"
    assert entry.as_dict() == {
        "time": 1.5,
        "direction": "up",
        "client": "127.0.0.1:9",
        "size": 12,
        "coap": {"type": "CON", "code": "GET", "mid": 5, "token": "ab"},
        "decision": "lost",
    }
    assert str(replace(entry, coap=None, direction="down")).endswith("<- 12 B not CoAP: lost")
    assert str(replace(entry, direction=None, decision="blackout")).endswith("-- blackout")
    assert str(Tally()) == "-"
    assert str(Tally(received=5, lost=2)) == "5 received, 2 lost"
