"""Lists as JSON, written piece by piece: a long one does not keep the loop from the devices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import islice
from typing import Any

from starlette.responses import StreamingResponse

# Items that are made in one turn of the loop
AT_ONCE = 50


def json_list(items: Iterable[Any], headers: Mapping[str, str] | None = None) -> StreamingResponse:
    """A JSON list as the answer to a request. `items` makes each item when its turn has come."""
    return StreamingResponse(_pieces(items), headers=headers, media_type="application/json")


async def _pieces(items: Iterable[Any]) -> AsyncIterator[str]:
    remaining = iter(items)
    before = "["
    while some := list(islice(remaining, AT_ONCE)):
        text = json.dumps(some, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        yield before + text[1:-1]
        before = ","
        await asyncio.sleep(0)
    yield "[]" if before == "[" else "]"
