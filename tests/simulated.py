"""Programs that run long in the 32-bit unix port: they end with one line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INTERPRETER = ROOT / "build" / "micropython" / "mp32"


def is_ready(name: str) -> bool:
    """True when the interpreter is there; otherwise one line says what to do."""
    if not INTERPRETER.exists():
        print(f"{name}: no 32-bit MicroPython: run `make setup`", file=sys.stderr)
        return False
    return True


def simulate(script: str, *arguments: object, heap: str, path: str) -> dict[str, Any]:
    """Run a script of the project in a fixed heap. Returns its last line, and `passed`.

    path: folders of its modules beside firmware. What it prints before goes to standard error.
    Raises SystemExit when it ends without a result.
    """
    process = subprocess.run(
        [INTERPRETER, "-X", f"heapsize={heap}", script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": f"firmware:{path}:.frozen"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    *lines, last = process.stdout.splitlines() or [""]
    print("\n".join(lines), file=sys.stderr, end="\n" if lines else "")
    try:
        found: dict[str, Any] = json.loads(last)
    except ValueError:
        raise SystemExit(
            f"{script}: MicroPython ended with {process.returncode}: {last or 'no output'}"
        ) from None
    found["passed"] = process.returncode == 0
    return found
