"""The table of commands, and what each of them imports before it does anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import lwm2m_host
import pytest
from lwm2m_host.cli.app import COMMANDS, run
from lwm2m_host.cli.lazy import Lazy

# The interpreter's names of modules that take long to import
SLOW = ("aiocoap", "httpx", "rich", "serial", "starlette", "uvicorn", "xml")


def entries() -> Iterator[tuple[str, Lazy]]:
    for name, lazy in COMMANDS.items():
        yield name, lazy
        if lazy.group is not None:
            table = lazy.load().table
            yield from ((f"{name} {below}", entry) for below, entry in table.items())


@pytest.mark.parametrize(("name", "lazy"), list(entries()))
def test_line_of_help_is_the_first_paragraph_of_the_command(name: str, lazy: Lazy) -> None:
    if lazy.group is None:
        module, _, function = lazy.place.partition(":")
        text = getattr(import_module(f"lwm2m_host.cli.{module}"), function).__doc__
    else:
        text = lazy.load().help
    assert " ".join(text.split("\n\n")[0].split()) == lazy.help
    assert lazy.load().name is not None


def imported(*arguments: str) -> set[str]:
    """The slow modules that a command has imported when it ends."""
    program = (
        "import sys; from lwm2m_host.cli.app import run; run(sys.argv[1:]);"
        f"print('imported', *({set(SLOW)!r} & sys.modules.keys()), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.partition("imported\n")[2].split())


def test_commands_import_only_what_they_use() -> None:
    assert imported("--version") == set()
    assert imported("--help") == set()
    assert imported("board", "--help") == set()
    assert imported("devices", "--server", "http://127.0.0.1:1") == {"rich"}


def test_unknown_command_is_answered_with_a_known_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["obsrve", "ep", "/3"]) == 2
    assert "Did you mean 'observe'" in capsys.readouterr().err


def test_every_public_name_of_the_package_exists() -> None:
    assert set(lwm2m_host.__all__) == {*lwm2m_host._HOME, "__version__"}
    for name in lwm2m_host.__all__:
        assert getattr(lwm2m_host, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        lwm2m_host.Nothing  # noqa: B018
