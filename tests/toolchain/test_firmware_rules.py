"""What the firmware's modules promise each other: size, direction of imports, constants."""

import ast
from pathlib import Path

import pytest

from tests.toolchain.constants import TABLE

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
LARGEST = 12 * 1024

# A module may import from its own layer and from those after it, and from the leaves.
LAYERS = [
    "supervisor",
    "store",
    "client",
    "aio",
    "registration",
    "dispatch",
    "reporting",
    "management",
    "objects",
    "formats",
    "coap",
    "transport",
]
# Two codecs still walk the model themselves.
WALKERS = {("lwm2m.formats.link", "lwm2m.management.discover")} | {
    (f"lwm2m.formats.{name}", "lwm2m.management.walk") for name in ("lwm2m_cbor", "senml_writer")
}
LEAVES = {"clock", "config", "errors", "ports", "testing", "timers", "types"}


def sources() -> dict[str, str]:
    """Every module of the package: its dotted name and its text."""
    return {
        module_name(path.relative_to(FIRMWARE)): path.read_text(encoding="utf-8")
        for path in sorted((FIRMWARE / "lwm2m").rglob("*.py"))
    }


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


# --- constants ------------------------------------------------------------------------------


def constants(source: str) -> dict[str, int]:
    """The top-level `NAME = const(…)` of a module, as far as the value is a literal."""
    found = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Call(ast.Name("const"), [argument])):
                try:
                    found[name] = eval(ast.unparse(argument), {"__builtins__": {}})
                except NameError:  # made of other constants, not a copy
                    continue
    return found


def contradictions(modules: dict[str, str]) -> list[str]:
    """Constants whose copies disagree with the table, a public original, or each other."""
    expected = {name: (value, "tests/toolchain/constants.py") for name, value in TABLE.items()}
    found = {module: constants(source) for module, source in modules.items()}
    complaints = []
    # Originals first: a copy is the name of the original behind an underscore.
    for private in (False, True):
        for module, values in found.items():
            for name, value in values.items():
                if name.startswith("_") != private:
                    continue
                key = name if private else "_" + name
                right, where = expected.setdefault(key, (value, module))
                if value != right:
                    complaints.append(f"{module}: {name} is {value:#x}, in {where} {right:#x}")
    return complaints


def test_every_copy_of_a_constant_has_the_same_value():
    assert not contradictions(sources())


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        ({"a": "_CON = const(1)"}, "a: _CON is 0x1, in tests/toolchain/constants.py 0x0"),
        ({"a": "_X = const(1)", "b": "_X = const(-2)"}, "b: _X is -0x2, in a 0x1"),
        ({"a": "_X = const(1 << 4)", "b": "X = const(1)"}, "a: _X is 0x10, in b 0x1"),
        ({"a": "CONTENT = const(1)"}, "a: CONTENT is 0x1, in tests/toolchain/constants.py 0x45"),
    ],
)
def test_contradiction_is_found(modules, complaint):
    assert contradictions(modules) == [complaint]


# --- size -----------------------------------------------------------------------------------


def test_every_module_can_be_compiled_on_a_device():
    sizes = {name: len(source.encode()) for name, source in sources().items()}
    assert not {name: size for name, size in sizes.items() if size > LARGEST}


# --- imports --------------------------------------------------------------------------------


def imports(name: str, source: str, modules: set[str]) -> set[str]:
    """The modules of the package that `name` imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: a relative import"
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                found.add(member if member in modules else node.module)
    return {module for module in found if module.split(".")[0] == "lwm2m" and module != name}


def layer(module: str) -> str:
    return [*module.split("."), ""][1]


def rank(module: str) -> int:
    room = layer(module)
    if room in LEAVES:
        return len(LAYERS)
    assert room in LAYERS, f"{module}: say in LAYERS or LEAVES where it belongs"
    return LAYERS.index(room)


def upward(modules: dict[str, str]) -> list[str]:
    """Imports that point upward, or in a circle."""
    graph = {name: imports(name, source, set(modules)) for name, source in modules.items()}
    complaints = []
    for name, imported in graph.items():
        for other in sorted(imported):
            if layer(name) and rank(other) < rank(name) and (name, other) not in WALKERS:
                complaints.append(f"{name} imports {other}, which is above it")
            if name in reachable(graph, other):
                complaints.append(f"{name} imports {other}, which needs {name}")
    return complaints


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for module in graph.get(waiting.pop(), set()) - seen:
            seen.add(module)
            waiting.append(module)
    return seen


def test_imports_point_downward_only():
    assert not upward(sources())


def test_package_roots_import_nothing():
    roots = [path for path in (FIRMWARE / "lwm2m").rglob("__init__.py")]
    for path in roots:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes), path


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        (
            {"lwm2m.coap.a": "from lwm2m.objects import base", "lwm2m.objects.base": ""},
            "lwm2m.coap.a imports lwm2m.objects.base, which is above it",
        ),
        (
            {"lwm2m.ports.a": "def f():\n    import lwm2m.client", "lwm2m.client": ""},
            "lwm2m.ports.a imports lwm2m.client, which is above it",
        ),
    ],
)
def test_upward_import_is_found(modules, complaint):
    assert upward(modules) == [complaint]


def test_circle_is_found():
    assert len(
        upward({"lwm2m.coap.a": "import lwm2m.coap.b", "lwm2m.coap.b": "import lwm2m.coap.a"})
    )
