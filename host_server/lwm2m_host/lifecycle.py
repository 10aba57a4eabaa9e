"""The lifecycle of whatever is started and closed: an asynchronous context manager."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Lifecycle:
    """A base with ``async with``: it calls `start` and `close`, which a class defines."""

    async def start(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
