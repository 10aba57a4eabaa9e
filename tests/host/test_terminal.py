"""What a terminal and a log are given: no control sequence of a device, and JSON that is JSON."""

from __future__ import annotations

import json
import logging

import pytest
from lwm2m_host.cli.history import _print
from lwm2m_host.cli.serve import JsonFormatter
from lwm2m_host.terminal import print_json

EVIL = 'a\x1b[31m\x9b2J\u202eb\u200bc\n"d\\ä😀'


def test_json_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"value": EVIL})
    line = capsys.readouterr().out.rstrip("\n")
    assert line.isprintable()
    assert json.loads(line) == {"value": EVIL}
    assert "ä😀" in line


@pytest.mark.parametrize("csv", [True, False])
def test_history_has_no_control_characters(capsys: pytest.CaptureFixture[str], csv: bool) -> None:
    row = {
        "time_s": 0.0,
        "endpoint": EVIL,
        "path": "/3/0/0",
        "value": EVIL,
        "type": "string",
        "source": "send",
        "received_s": 0.0,
        "timed": False,
    }
    _print([row], csv, False)
    assert capsys.readouterr().out.replace("\n", "").isprintable()


def test_a_line_of_the_log_is_an_object() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        record = logging.LogRecord("a.b", logging.WARNING, "", 0, "x %s", (EVIL,), None)
        failed = logging.LogRecord("a", logging.ERROR, "", 0, "y", (), (type(error), error, None))
    line = JsonFormatter().format(record)
    assert line.isascii()
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("warning", "a.b", f"x {EVIL}")
    assert "why" in json.loads(JsonFormatter().format(failed))["traceback"]
