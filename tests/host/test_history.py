"""The history by itself: bounds, times, damage."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from lwm2m_host.errors import HistoryError
from lwm2m_host.model.path import Path
from lwm2m_host.reporting import history as history_module
from lwm2m_host.reporting.history import History, read
from lwm2m_host.reporting.report import Report, Sample

PATH = Path.parse("/3303/0/5700")


def report(*values: float, timed: bool = False, at: float | None = None) -> Report:
    now = time.time() if at is None else at
    samples = [Sample(now + n, PATH, value, timed) for n, value in enumerate(values)]
    return Report("ep", now, tuple(samples), 110)


def values(history: History, path: str = "/", **how: float) -> list[object]:
    rows = history.query("ep", Path.parse(path), **how)  # type: ignore[arg-type]
    return [row.value for row in rows]


@pytest.fixture
def history(tmp_path: FilePath) -> History:
    return History(tmp_path / "deep" / "down" / "h.sqlite", rows=100)


def test_only_so_many_rows_stay(history: History) -> None:
    history.open()
    for start in range(0, 1000, 10):
        history.add(report(*map(float, range(start, start + 10))), "send")
        history.flush()
    assert values(history)[-1] == 999.0
    assert 100 <= len(values(history)) <= 120
    history.close()


def test_only_so_old_rows_stay(tmp_path: FilePath) -> None:
    history = History(tmp_path / "h", rows=5, age_s=3600)
    history.open()
    history.add(report(1.0, at=time.time() - 4000), "send")
    history.flush()
    history.add(report(2.0), "send")
    assert values(history) == [2.0]
    history.close()


def test_a_path_covers_what_is_below_and_nothing_beside(history: History) -> None:
    history.open()
    paths = ("/3/0/0", "/3/0/1", "/3/00", "/33/0/0", "/3303/0/5700")
    samples = [Sample(n, Path.parse(text), n, False) for n, text in enumerate(paths)]
    history.add(Report("ep", 0.0, tuple(samples), 110), "send")
    assert values(history, "/3") == [0, 1, 2]
    assert values(history, "/3/0/0") == [0]
    assert values(history, "/", since_s=3) == [3, 4]
    assert values(history, "/", until_s=1) == [0, 1]
    assert values(history, "/", limit=2) == [3, 4]
    assert history.query("other", Path()) == []
    history.close()


def test_the_devices_own_time_is_kept_once_and_ours_always(history: History) -> None:
    history.open()
    for _ in "12":
        history.add(report(1.0, 2.0, timed=True, at=1.6e9), "notify")
        history.add(report(3.0, at=1.6e9), "notify")
    assert sorted(values(history)) == [1.0, 2.0, 3.0, 3.0]  # type: ignore[type-var]
    history.close()


def test_in_memory_it_is_gone_at_the_end() -> None:
    history = History()
    history.open()
    history.add(report(1.0), "send")
    assert values(history) == [1.0]
    place = history._place
    history.close()
    assert not place.exists()


def test_two_servers_may_share_a_file(tmp_path: FilePath) -> None:
    both = [History(tmp_path / "h"), History(tmp_path / "h")]
    for item in both:
        item.open()
    for n in range(50):
        both[n % 2].add(report(float(n)), "send")
    for item in both:
        item.close()
        assert item.dropped == 0
    assert len(read(tmp_path / "h", "ep", Path())) == 50


def test_a_slow_disk_loses_values_and_says_so(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MAX_WAITING", 10)
    history.open()
    other = sqlite3.connect(history._place)
    other.execute("BEGIN IMMEDIATE")  # nobody else may write
    begin = time.monotonic()
    for n in range(100):
        history.add(report(float(n)), "send")
    assert time.monotonic() - begin < 1
    assert history.dropped > 0
    other.rollback()
    other.close()
    history.close()


def test_a_file_that_is_none_or_of_another_version_is_refused(tmp_path: FilePath) -> None:
    (tmp_path / "text").write_text("not a database" * 100)
    with pytest.raises(HistoryError, match="cannot be used"):
        History(tmp_path / "text").open()
    with pytest.raises(HistoryError, match="cannot be used"):
        History(tmp_path).open()
    base = sqlite3.connect(tmp_path / "newer")
    base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(HistoryError, match="another version"):
        History(tmp_path / "newer").open()


def test_adding_never_waits_and_the_thread_ends(history: History) -> None:
    history.open()
    history.add(report(1.0), "send")
    history.close()
    history.close()
    assert all(thread.name != "lwm2m history" for thread in threading.enumerate())
    assert [row.value for row in read(history.file or "", "ep", Path())] == [1.0]


def test_one_device_that_reports_a_lot_takes_nothing_from_the_others(tmp_path: FilePath) -> None:
    history = History(tmp_path / "h", rows=100)
    history.open()
    for n in range(30):
        history.add(replace(report(float(n)), endpoint="quiet"), "send")
    for n in range(2000):
        history.add(replace(report(float(n)), endpoint="loud"), "send")
    history.flush()
    quiet = history.query("quiet", Path())
    loud = history.query("loud", Path(), limit=5000)
    assert [row.value for row in quiet] == [float(n) for n in range(30)]
    assert loud[-1].value == 1999.0
    assert len(loud) <= 100 + history_module._BATCH
    history.close()


@pytest.mark.parametrize(
    ("counts", "most", "share"),
    [([], 10, 10), ([5, 5], 10, 10), ([5, 6], 10, 5), ([1, 100], 10, 9), ([100, 100, 1], 11, 5)],
)
def test_the_share_of_each_device(counts: list[int], most: int, share: int) -> None:
    assert history_module._share(counts, most) == share
    assert sum(min(count, share) for count in counts) <= most


def test_a_clock_that_jumps_deletes_nothing(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(history_module, "_PRUNE_EVERY", 1)
    now = time.time()
    history = History(tmp_path / "h", age_s=30 * 86400)
    history.open()
    history.add(replace(report(1.0), received_at=now - 86400), "send")
    history.add(replace(report(2.0), received_at=now - 60 * 86400), "send")
    history.flush()
    assert values(history) == [1.0]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 365 * 86400)
    history.add(replace(report(3.0), received_at=time.time()), "send")
    history.flush()
    assert values(history) == [1.0, 3.0]
    assert caplog.text.count("jumped") == 1
    monkeypatch.setattr(history_module, "_HOLD_S", -1.0)
    history._steady_at_s = 0.0
    history.add(replace(report(4.0), received_at=time.time()), "send")
    history.flush()
    assert values(history) == [3.0, 4.0]
    history.close()


def test_the_file_is_for_its_owner_only(tmp_path: FilePath) -> None:
    history = History(tmp_path / "state" / "h")
    history.open()
    history.add(report(1.0), "send")
    history.flush()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert {part.stat().st_mode & 0o777 for part in (tmp_path / "state").iterdir()} == {0o600}
    history.close()
