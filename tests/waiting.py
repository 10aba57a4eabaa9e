"""What tests wait with: for conditions. The limit is there for what never comes, so that a machine
that is ten times too busy does not reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 120.0


async def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as a condition holds. Raises TimeoutError."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
