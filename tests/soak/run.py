"""`make soak`: a simulated month on the 32-bit port; a summary, and build/soak.json.

    python -m tests.soak.run [--days 30] [--seed 1]

Twice: with a clock that is moved by hand, and with the real one on ticks that wrap at 2**30 ms.
Both must see the very same month. Exit code 1 when anything was found.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tests.simulated import ROOT, is_ready, simulate

RESULT = ROOT / "build" / "soak.json"
HEAP = "512k"


def month(days: int, seed: int, wrap: bool) -> dict[str, Any]:
    """Simulate one month."""
    path = "tests/soak:tests/fuzz:tests"
    return simulate("tests/soak/month.py", days, seed, int(wrap), heap=HEAP, path=path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if not is_ready("soak"):
        return 1
    passed = True
    months = [month(chosen.days, chosen.seed, wrap) for wrap in (False, True)]
    for name, found in zip(("by hand", "wrapping"), months, strict=True):
        passed = passed and found["passed"]
        numbers = found["numbers"]
        print(
            f"{chosen.days} days, seed {chosen.seed}, clock {name}: {numbers['steps']:,} steps"
            f" in {found['s']:.1f} s, {found['wraps']} wraps,"
            f" heap growth {found['heap_growth_bytes']} bytes"
        )
        print("\n".join(found["failures"]), end="\n" if found["failures"] else "")
    numbers = months[0]["numbers"]
    for i, lifetime in ((1, 300), (2, 86400)):
        names = ("registers", "updates", "reads", "lost", "restarts", "outages", "expired")
        text = ", ".join(f"{name} {numbers[f'{name}{i}']:,}" for name in names)
        print(f"lifetime {lifetime} s: {text}")
        names = ("observes", "notifications", "rsts", "delayed")
        print("  ", ", ".join(f"{name} {numbers[f'{name}{i}']:,}" for name in names))
    if numbers != months[1]["numbers"]:
        print("the two clocks have seen different months:", months[1]["numbers"])
        passed = False
    if passed:
        growth = max(found["heap_growth_bytes"] for found in months)
        metrics = {"soak.days": chosen.days, "soak.heap_growth_bytes": growth}
        RESULT.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    else:
        RESULT.unlink(missing_ok=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
