"""The history by itself: bounds, times, damage."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path as FilePath

import pytest
from lwm2m_host.model.path import Path
from lwm2m_host.reporting import history as history_module
from lwm2m_host.reporting.history import History, HistoryError, read
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
