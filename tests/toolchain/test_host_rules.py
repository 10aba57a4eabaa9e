"""What the modules of lwm2m_host promise each other: direction of imports, words, docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from lwm2m_host.cli.app import COMMANDS

from tests.toolchain import rules

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "host_server" / "lwm2m_host"
PACKAGE = "lwm2m_host"

# A room is a folder or a file directly in lwm2m_host, and "" the front door, __init__.py. A room
# imports only from rooms after it.
LAYERS = (
    *("cli", "demo", "board", "testing", "faults", "web", ""),
    *("server", "device", "reporting", "management", "registration", "coap", "formats", "model"),
    *("events", "terminal", "checkout", "credentials", "lifecycle", "errors"),
)
# What tests and shows the server: no room of the server imports it.
BENCH = {"cli", "demo", "board", "testing", "faults", "terminal", "checkout"}
MOST_PAIRS = 70

COMMAND_NAMES = {name.replace("_", "-") for name in rules.OPERATIONS}
TOOLS = {"serve", "demo", "board", "devices", "status", "observations", "events", "history"} | {
    "new-object",
    "relay",
}
BOARD_TOOLS = {
    "detect",
    "flash",
    "provision",
    "deploy",
    "monitor",
    "decode",
    "memory",
    "run",
    "doctor",
    "unix",
}


def room(module: str) -> str:
    return [*module.split("."), ""][1]


def rooms(modules: dict[str, str]) -> dict[str, set[str]]:
    """The rooms that each room imports."""
    found: dict[str, set[str]] = {room(name): set() for name in modules}
    for name, imported in rules.graph(modules).items():
        found[room(name)] |= {room(other) for other in imported} - {room(name)}
    return found


def upward(modules: dict[str, str]) -> list[str]:
    """Imports that point upward, or into the bench."""
    complaints = []
    for name, imported in rules.graph(modules).items():
        for other in sorted(imported):
            here, there = room(name), room(other)
            for place in (here, there):
                assert place in LAYERS, f"{place}: say in LAYERS where it belongs"
            if here != there and LAYERS.index(there) < LAYERS.index(here):
                complaints.append(f"{name} imports {other}, which is above it")
            if there in BENCH and here not in BENCH:
                complaints.append(f"{name} imports {other}, which is of the bench")
    return complaints


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    return rules.sources(HOST, PACKAGE)


# --- imports --------------------------------------------------------------------------------


def test_imports_point_downward_and_nothing_of_the_server_needs_the_bench(
    modules: dict[str, str],
) -> None:
    assert not upward(modules)


def test_no_imports_go_in_a_circle(modules: dict[str, str]) -> None:
    assert not rules.circles(rooms(modules))
    assert not rules.circles(rules.graph(modules))


def test_few_rooms_know_each_other(modules: dict[str, str]) -> None:
    pairs = [(here, there) for here, others in rooms(modules).items() for there in others]
    assert len(pairs) <= MOST_PAIRS, sorted(pairs)


def knowing_aiocoap(modules: dict[str, str]) -> list[str]:
    """Modules that import aiocoap, the other party of the tests."""
    return [
        name
        for name, source in modules.items()
        if any(
            (isinstance(node, ast.Import) and node.names[0].name.startswith("aiocoap"))
            or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiocoap"))
            for node in ast.walk(ast.parse(source))
        )
    ]


def test_nobody_knows_aiocoap(modules: dict[str, str]) -> None:
    assert not knowing_aiocoap(modules)


def test_module_that_knows_aiocoap_is_found() -> None:
    sources = {
        "lwm2m_host.coap.a": "import aiocoap",
        "lwm2m_host.device": "from aiocoap.numbers import codes",
        "lwm2m_host.server": "def f():\n    import aiocoap.error",
    }
    assert knowing_aiocoap(sources) == list(sources)


@pytest.mark.parametrize(
    ("sources", "complaints"),
    [
        (
            {"lwm2m_host.model.a": "from ..device import Device", "lwm2m_host.device": ""},
            ["lwm2m_host.model.a imports lwm2m_host.device, which is above it"],
        ),
        (
            {
                "lwm2m_host.errors": "def f():\n    from .server import x",
                "lwm2m_host.server": "",
            },
            ["lwm2m_host.errors imports lwm2m_host.server, which is above it"],
        ),
        (
            {
                "lwm2m_host.device": "if TYPE_CHECKING:\n    from . import server",
                "lwm2m_host.server": "",
            },
            ["lwm2m_host.device imports lwm2m_host.server, which is above it"],
        ),
        (
            {"lwm2m_host.web.a": "from ..terminal import x", "lwm2m_host.terminal": ""},
            ["lwm2m_host.web.a imports lwm2m_host.terminal, which is of the bench"],
        ),
        (
            {
                "lwm2m_host": "",
                "lwm2m_host.cli": "",
                "lwm2m_host.cli.a": "from ..board import usb\nfrom .. import __version__",
                "lwm2m_host.board": "",
                "lwm2m_host.board.usb": "from ..errors import x",
                "lwm2m_host.errors": "",
            },
            [],
        ),
    ],
)
def test_upward_import_is_found(sources: dict[str, str], complaints: list[str]) -> None:
    assert upward(sources) == complaints


def test_circle_is_found() -> None:
    sources = {
        "lwm2m_host.coap.a": "from . import b",
        "lwm2m_host.coap.b": "def f():\n    import lwm2m_host.coap.c",
        "lwm2m_host.coap.c": "if TYPE_CHECKING:\n    from .a import x",
    }
    assert len(rules.circles(rules.graph(sources))) == 3
    sources["lwm2m_host.coap.c"] = ""
    assert rules.circles(rules.graph(sources)) == []


# --- words ----------------------------------------------------------------------------------


def test_docstrings_begin_with_a_noun_or_an_imperative(modules: dict[str, str]) -> None:
    assert not rules.bad_openings(modules)


def test_scripts_of_boards_keep_the_same_rules() -> None:
    folder = ROOT / "boards"
    scripts = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*.py"))
    }
    assert not rules.bad_openings(scripts)
    assert not rules.private_words(scripts)


def test_docstring_that_begins_with_a_question_or_a_verb_is_found() -> None:
    source = (
        '"""What a is."""\nclass B:\n    """Holds it."""\n    def c(self):\n        """Hold it."""'
    )
    assert rules.bad_openings({"a": source}) == ["a:: What a is.", "a:B: Holds it."]


def test_public_names_have_no_private_words(modules: dict[str, str]) -> None:
    assert not rules.private_words(modules)


def test_private_word_is_found() -> None:
    source = (
        "def leave(): ...\nclass StuckMessage:\n    def _told(self): ...\n    def read(self): ..."
    )
    assert rules.private_words({"a.upkeep": source}) == [
        "a.upkeep: upkeep: for 'upkeep' say 'supervisor'",
        "a.upkeep: leave: for 'leave' say 'deregister'",
        "a.upkeep: StuckMessage: for 'stuck' say 'waiting'",
    ]


def test_commands_are_operations_of_the_specification_or_tools() -> None:
    sent_by_devices = {"register", "update", "deregister", "send", "notify"}
    assert set(COMMANDS) == (COMMAND_NAMES - sent_by_devices) | TOOLS
    assert set(COMMANDS["board"].load().table) == BOARD_TOOLS


def test_options_have_no_private_words() -> None:
    complaints = []
    for name, entry in COMMANDS.items():
        commands = [entry.load()]
        if entry.group is not None:
            commands += [below.load() for below in entry.load().table.values()]
        for command in commands:
            for option in command.params:
                complaints += [
                    f"{name}: {text}"
                    for text in option.opts
                    if set(rules.words(text)) & rules.PRIVATE_WORDS.keys()
                ]
    assert not complaints


def event_kinds(modules: dict[str, str]) -> dict[str, str]:
    """The `kind` of each class of event, by the name of the class."""
    found = {}
    for source in modules.values():
        for name, node in rules.definitions(source):
            for child in ast.iter_child_nodes(node):
                match child:
                    case ast.AnnAssign(ast.Name("kind"), _, ast.Constant(str(kind))):
                        found[name] = kind
    return found


def test_kinds_of_events_are_the_specification_s_words(modules: dict[str, str]) -> None:
    kinds = event_kinds(modules)
    for operation in ("registered", "updated", "deregistered"):
        assert operation in kinds.values()
    private = {
        kind for kind in kinds.values() if set(rules.words(kind)) & set(rules.PRIVATE_WORDS)
    }
    assert not private


# --- tests ----------------------------------------------------------------------------------


def imports_of_tests(name: str, source: str) -> list[str]:
    """Imports from a module whose name begins with ``test_``."""
    complaints = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for module in names:
            if module.startswith("lwm2m."):  # lwm2m.objects.test_object is no test
                continue
            if any(part.startswith("test_") for part in module.split(".")[:-1]) or (
                module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
            ):
                complaints.append(f"{name} imports {module}")
                break
    return complaints


def complaints_of(folder: str) -> list[str]:
    complaints = []
    for path in sorted((ROOT / "tests").glob(f"{folder}/**/*.py")):
        complaints += imports_of_tests(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    return complaints


def test_no_test_imports_from_a_test() -> None:
    folders = [path.name for path in (ROOT / "tests").iterdir() if path.is_dir()]
    assert not [line for name in folders for line in complaints_of(name)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from tests.host.test_cli import Done", True),
        ("from tests.host import test_cli", True),
        ("import tests.host.test_cli", True),
        ("def f():\n    from test_loopback import Bench", True),
        ("from tests.host.commands import Done", False),
        ("from lwm2m.objects.test_object import TestObject", False),
    ],
)
def test_import_from_a_test_is_found(source: str, found: bool) -> None:
    assert bool(imports_of_tests("a", source)) == found
