"""Heap that each module of a registered client takes on the 32-bit port, and what is left for
its objects: `python tests/benchmarks/heap_by_module.py`.
"""

from __future__ import annotations

import ast
import sys

from device_runs import ROOT, BenchError, finish, prepare, running
from peer import POST, Peer, PeerError
from rich.console import Console
from rich.table import Table


def below(name: str, names: set[str]) -> list[str]:
    """The modules that `name` imports at its top, in order."""
    path = ROOT / "firmware" / name.replace(".", "/")
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    found = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file.exists() else ():
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [module for module in found if module in names]


def in_order(names: set[str]) -> list[str]:
    """Every module after those that it imports, and after its package."""
    done: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        package = name.rpartition(".")[0]
        for other in [package, *below(name, names)] if package else below(name, names):
            visit(other)
        done.append(name)

    for name in sorted(names):
        visit(name)
    return done


def main() -> int:
    try:
        prepare()
        with Peer() as peer, running("footprint", peer.uri) as process:
            peer.expect(process, POST)
            numbers, names = finish(process).splitlines()
        with running("modules", *in_order(set(names.split()))) as process:
            lines = [line.split() for line in finish(process).splitlines()]
    except (BenchError, PeerError, OSError) as problem:
        notes = getattr(problem, "__notes__", [])
        print("\n".join([f"heap_by_module: {problem!r}", *notes]), file=sys.stderr)
        return 1
    table = Table(title="heap, 32-bit, from .mpy")
    table.add_column("module")
    table.add_column("bytes", justify="right")
    taken = 0
    for name, size in sorted(lines, key=lambda line: -int(line[1])):
        taken += int(size)
        table.add_row(name, f"{int(size):,}")
    table.add_section()
    registered = int(numbers.split()[1])
    table.add_row("all modules", f"{taken:,}")
    table.add_row("objects, buffers, socket", f"{registered - taken:,}")
    table.add_row("registered client", f"{registered:,}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
