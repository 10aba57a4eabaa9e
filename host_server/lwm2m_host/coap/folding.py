"""Log lines that repeat, folded: whoever floods the server does not flood its log."""

from __future__ import annotations

import logging
from collections.abc import Callable

WINDOW_S = 60.0
# Kinds that are told apart; beyond that the oldest window is forgotten.
KINDS = 1000


class FoldedLog:
    """A log of warnings. The first of a kind is written; further ones within a minute are counted,
    and the count goes with the next line of that kind.

    clock: seconds that never jump.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        # Kind: end of its window in seconds, and the lines that were folded in it.
        self._windows: dict[str, tuple[float, int]] = {}

    def warning(self, kind: str, text: str, error: BaseException | None = None) -> None:
        """Write or count a line, with the traceback of an error.

        `kind` tells lines apart that are folded by themselves, `text` is fit to print.
        """
        now_s = self._clock()
        end_s, folded = self._windows.get(kind, (0.0, 0))
        if now_s < end_s:
            self._windows[kind] = (end_s, folded + 1)
            return
        self._windows.pop(kind, None)
        self._windows[kind] = (now_s + WINDOW_S, 0)
        if len(self._windows) > KINDS:
            del self._windows[next(iter(self._windows))]
        more = f" ({folded} more like this since the last line)" if folded else ""
        self._log.warning("%s%s", text, more, exc_info=error)
