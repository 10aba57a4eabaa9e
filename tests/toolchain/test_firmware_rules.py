"""What the firmware's modules promise each other: size, direction of imports, what is loaded when,
words, constants."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.toolchain import rules
from tests.toolchain.constants import TABLE

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
PACKAGE = "lwm2m"

# A module must compile on a board with a small heap.
LARGEST = 11 * 1024
# Where every new feature has something to add: these keep room for it.
LARGEST_OF = {
    "lwm2m.client": 9 * 1024,
    "lwm2m.coap.exchange": 9 * 1024,
    "lwm2m.registration.registration": 9 * 1024,
}

# A module may import from its own room and from those after it, and from the leaves.
LAYERS = [
    "supervisor",
    "store",
    "client",
    "driver",
    "aio",
    "registration",
    "dispatch",
    "reporting",
    "management",
    "objects",
    "formats",
    "coap",
    "transport",
    "testing",
    "config",
    "timers",
    "ports",
]
LEAVES = {"clock", "codes", "errors", "types"}

# What an application imports for the smallest device, and all that comes with it. A module that is
# added here costs every board memory: it wants a reason in docs/architecture.md.
SMALLEST = ("lwm2m.client", "lwm2m.objects.device", "lwm2m.transport.udp")
CORE = {
    *SMALLEST,
    "lwm2m.clock",
    "lwm2m.coap.builder",
    "lwm2m.coap.message",
    "lwm2m.driver",
    "lwm2m.errors",
    "lwm2m.formats.codec",
    "lwm2m.formats.link",
    "lwm2m.objects.base",
}

# Who asks an object for its members, and why that is not a hidden interface.
ASKS_FOR_MEMBERS = {
    # A value of a resource is bytes, or an object of the application that can be read in pieces.
    "lwm2m.coap.builder": {"readinto_at"},
    "lwm2m.formats.json_writer": {"readinto_at"},
    "lwm2m.formats.text": {"readinto_at"},
    # The names in RESOURCES are the attributes and methods of the object.
    "lwm2m.management.discover": {"table[i + 2]"},
    "lwm2m.objects.base": {"name"},
    "lwm2m.objects.checks": {"name"},
    "lwm2m.objects.device": {"name"},
    # Members of an application's class that may be left out.
    "lwm2m.management.create": {"LIMIT"},
    # MicroPython's ports differ.
    "lwm2m.ports.backup": {"size"},
    "lwm2m.ports.ppp": {"PPP", "active"},
    "lwm2m.ports.reset": {"reset_cause", "constant"},
    "lwm2m.ports.safe_file": {"sync"},
    "lwm2m.ports.update.file": {"WDT"},
    "lwm2m.ports.watchdog": {"WDT"},
    "lwm2m.supervisor": {"RTC", "reset"},
}


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    return rules.sources(FIRMWARE / PACKAGE, PACKAGE)


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


def test_every_copy_of_a_constant_has_the_same_value(modules):
    assert not contradictions(modules)


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        ({"a": "_CON = const(1)"}, "a: _CON is 0x1, in tests/toolchain/constants.py 0x0"),
        ({"a": "_X = const(1)", "b": "_X = const(-2)"}, "b: _X is -0x2, in a 0x1"),
        ({"a": "_X = const(1 << 4)", "b": "X = const(1)"}, "a: _X is 0x10, in b 0x1"),
        ({"a": "CONTENT = const(1)"}, "a: CONTENT is 0x1, in tests/toolchain/constants.py 0x45"),
    ],
)
def test_contradiction_is_found(sources, complaint):
    assert contradictions(sources) == [complaint]


# --- size -----------------------------------------------------------------------------------


def too_large(modules: dict[str, str]) -> list[str]:
    sizes = {name: len(source.encode()) for name, source in modules.items()}
    return [
        f"{name}: {size} bytes"
        for name, size in sizes.items()
        if size > LARGEST_OF.get(name, LARGEST)
    ]


def test_every_module_can_be_compiled_on_a_device(modules):
    assert not too_large(modules)
    assert set(LARGEST_OF) <= set(modules)


def test_large_module_is_found():
    sources = {"lwm2m.a": "#" * LARGEST, "lwm2m.b": "é" * (LARGEST // 2) + "#"}
    sources |= {"lwm2m.client": "#" * 9217}
    assert too_large(sources) == ["lwm2m.b: 11265 bytes", "lwm2m.client: 9217 bytes"]


# --- imports --------------------------------------------------------------------------------


def room(module: str) -> str:
    return [*module.split("."), ""][1]


def rank(module: str) -> int:
    here = room(module)
    if here in LEAVES:
        return len(LAYERS)
    assert here in LAYERS, f"{module}: say in LAYERS or LEAVES where it belongs"
    return LAYERS.index(here)


def upward(modules: dict[str, str]) -> list[str]:
    """Imports that point upward, or in a circle."""
    edges = rules.graph(modules)
    return [
        f"{name} imports {other}, which is above it"
        for name, imported in edges.items()
        for other in sorted(imported)
        if room(name) and rank(other) < rank(name)
    ] + rules.circles(edges)


def relative(modules: dict[str, str]) -> list[str]:
    """Modules with a relative import: each one is a look-up at run time."""
    return [
        name
        for name, source in modules.items()
        if any(isinstance(n, ast.ImportFrom) and n.level for n in ast.walk(ast.parse(source)))
    ]


def test_imports_point_downward_only(modules):
    assert not upward(modules)
    assert not relative(modules)


def test_package_roots_import_nothing(modules):
    for name, source in modules.items():
        if rules.is_package(name, modules):
            nodes = ast.walk(ast.parse(source))
            assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes), name


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        (
            {"lwm2m.coap.a": "from lwm2m.objects import base", "lwm2m.objects.base": ""},
            "lwm2m.coap.a imports lwm2m.objects.base, which is above it",
        ),
        (
            {"lwm2m.ports.a": "def f():\n    import lwm2m.client", "lwm2m.client": ""},
            "lwm2m.ports.a imports lwm2m.client, which is above it",
        ),
        (
            {"lwm2m.clock": "import lwm2m.ports.a", "lwm2m.ports.a": ""},
            "lwm2m.clock imports lwm2m.ports.a, which is above it",
        ),
    ],
)
def test_upward_import_is_found(sources, complaint):
    assert upward(sources) == [complaint]


def test_circle_and_relative_import_are_found():
    sources = {"lwm2m.coap.a": "import lwm2m.coap.b", "lwm2m.coap.b": "import lwm2m.coap.a"}
    assert len(upward(sources)) == 2
    assert relative({"lwm2m.coap.a": "from . import b"}) == ["lwm2m.coap.a"]


# --- what is loaded when --------------------------------------------------------------------


def at_the_top(source: str) -> str:
    """The text of a module without its functions."""

    class Top(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return ast.Pass()

        visit_AsyncFunctionDef = visit_FunctionDef

    return ast.unparse(Top().visit(ast.parse(source)))


def loaded_with(names: set[str], modules: dict[str, str]) -> set[str]:
    """`names`, and what they import before anything is called."""
    edges = rules.graph({name: at_the_top(source) for name, source in modules.items()})
    return names.union(*(rules.reachable(edges, name) for name in names))


def loaded_at_first_use(modules: dict[str, str]) -> set[str]:
    """Modules that others of the package import inside of a function."""
    tops = rules.graph({name: at_the_top(source) for name, source in modules.items()})
    return {
        other
        for name, source in modules.items()
        for other in rules.imports(name, source, modules) - tops[name]
    }


def docstring(source: str) -> str:
    return ast.get_docstring(ast.parse(source)) or ""


def silent(modules: dict[str, str], core: set[str]) -> list[str]:
    """Modules that are loaded at first use, and do not say with what."""
    return [
        name
        for name in sorted(loaded_at_first_use(modules) - core)
        if not re.search(r"Loaded\s(with|when)\s", docstring(modules[name]))
    ]


def test_the_core_is_as_small_as_its_list(modules):
    assert loaded_with(set(SMALLEST), modules) == CORE


def test_module_that_joins_the_core_is_found():
    sources = {
        "lwm2m.client": "import lwm2m.coap.a\nclass C:\n    def f(self):\n        import lwm2m.c",
        "lwm2m.coap.a": "class C:\n    from lwm2m.b import d",
        "lwm2m.b": "",
        "lwm2m.c": "",
    }
    found = loaded_with({"lwm2m.client"}, sources)
    assert found == {"lwm2m.client", "lwm2m.coap.a", "lwm2m.b"}


def test_module_that_is_loaded_at_first_use_says_with_what(modules):
    assert len(loaded_at_first_use(modules) - CORE) > 30
    assert not silent(modules, CORE)


def test_module_that_does_not_say_when_it_is_loaded_is_found():
    sources = {
        "lwm2m.a": "import lwm2m.d\ndef f():\n    import lwm2m.b, lwm2m.c, lwm2m.core",
        "lwm2m.b": '"""Loads."""',
        "lwm2m.c": '"""Reading. Loaded with the first read."""',
        "lwm2m.d": "",
        "lwm2m.core": "",
    }
    assert silent(sources, {"lwm2m.core"}) == ["lwm2m.b"]


# --- members --------------------------------------------------------------------------------


def asks_for_members(source: str) -> set[str]:
    """The members that `hasattr` and `getattr` ask for in a module."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Name("hasattr" | "getattr"), [_, ast.Constant(str(name)), *_]):
                found.add(name)
            case ast.Call(ast.Name("hasattr" | "getattr"), [_, name, *_]):
                found.add(ast.unparse(name))
    return found


def test_hasattr_and_getattr_are_where_they_must_be(modules):
    found = {name: asks_for_members(source) for name, source in modules.items()}
    assert {name: members for name, members in found.items() if members} == ASKS_FOR_MEMBERS


def test_hasattr_and_getattr_are_found():
    source = "class A:\n    x = hasattr(b, 'c')\n    def f(self): return getattr(a, b[0], None)"
    assert asks_for_members(source) == {"c", "b[0]"}


# --- words ----------------------------------------------------------------------------------


EMITTERS = {"event", "_event", "on_event", "emit", "done", "end"}


def events(modules: dict[str, str]) -> set[str]:
    """The names of events: the first argument of what hands one on."""
    return {
        part.value
        for source in modules.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in EMITTERS
        for part in ast.walk(ast.Tuple(node.args[:1]))
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def private_events(modules: dict[str, str]) -> set[str]:
    return {name for name in events(modules) if set(rules.words(name)) & set(rules.PRIVATE_WORDS)}


def operations_without_a_name(modules: dict[str, str]) -> set[str]:
    """Operations of the specification that no module, class or function bears."""
    found = {name.rpartition(".")[2] for name in modules}
    for source in modules.values():
        found |= {name.rpartition(".")[2] for name, _ in rules.definitions(source)}
    # A composite operation is that operation, for several paths.
    return {name for name in rules.OPERATIONS if name.removesuffix("_composite") not in found}


def test_public_names_have_no_private_words(modules):
    assert not rules.private_words(modules)
    assert not private_events(modules)
    assert {"registered", "updated", "deregistered"} <= events(modules)


def test_operations_have_their_names(modules):
    assert not operations_without_a_name(modules)


def test_private_event_and_missing_operation_are_found():
    sources = {"lwm2m.a": "self.end('leave_failed' if a else None)\nself._event('updated', self)"}
    assert private_events(sources) == {"leave_failed"}
    assert events(sources) == {"leave_failed", "updated"}
    assert operations_without_a_name(sources) == rules.OPERATIONS
    sources |= {"lwm2m.management.read": "", "lwm2m.b": "class Peer:\n    def update(self): ..."}
    missing = operations_without_a_name(sources)
    assert rules.OPERATIONS - missing == {"read", "read_composite", "update"}


def test_docstrings_begin_with_a_noun_or_an_imperative(modules):
    assert not rules.bad_openings(modules)


# --- bytes of a syntax ----------------------------------------------------------------------


def bare_bytes(modules: dict[str, str]) -> list[str]:
    """Bytes that are written as numbers, where a name would say what they are."""
    return [
        f"{name}: {ast.unparse(node)}"
        for name, source in modules.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "byte"
        and any(isinstance(argument, ast.Constant) for argument in node.args)
    ]


def test_bytes_of_a_syntax_have_names(modules):
    assert not bare_bytes({name: source for name, source in modules.items() if "formats" in name})


def test_byte_without_a_name_is_found():
    source = "out.byte(62)\nout.byte(_GREATER)\nout.byte(n >> 8)"
    assert bare_bytes({"a": source}) == ["a: out.byte(62)"]


# --- the picture of the house ---------------------------------------------------------------


def not_in(text: str, modules: dict[str, str]) -> list[str]:
    """Modules whose file is not in the tree of docs/architecture.md; `*` is anything."""
    patterns = re.findall(r"[\w*]+\.py", text)
    return [
        name
        for name in modules
        if not rules.is_package(name, modules)
        and not any(fnmatch(name.rpartition(".")[2] + ".py", pattern) for pattern in patterns)
    ]


def test_the_tree_of_the_architecture_has_every_module(modules):
    text = (FIRMWARE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = text[text.index("firmware/  ") : text.index("host_server/lwm2m_host/  ")]
    assert not not_in(tree, modules)


def test_module_that_is_not_in_the_tree_is_found():
    tree = "a/ b.py\n  ipso_*.py c.py+ is"
    sources = {"lwm2m.a.b": "", "lwm2m.a.ipso_x": "", "lwm2m.a.c": "", "lwm2m.a.d": ""}
    assert not_in(tree, sources) == ["lwm2m.a.d"]
