"""A log within bounds: whoever floods the server does not flood its log."""

from __future__ import annotations

import logging
from collections.abc import Callable

WINDOW_S = 60.0
# Kinds that are told apart; beyond that the oldest window is forgotten.
KINDS = 1000
# Lines of all kinds in a minute
LINES = 600


class FoldedLog:
    """A log of what strangers may cause. The first line of a kind is written; further ones within
    a minute are counted, and the count goes with the next line of that kind. Of all kinds there
    are so many lines in a minute; further ones are left out, and counted too.

    clock: seconds that never jump. lines: of all kinds in a minute.
    """

    def __init__(
        self, log: logging.Logger, clock: Callable[[], float], lines: int = LINES
    ) -> None:
        self._log = log
        self._clock = clock
        self._lines = lines
        self._written = 0  # in this minute
        self._left_out = 0
        self._minute_ends_s = 0.0
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
        if self._admits(now_s):
            self._log.warning("%s%s", text, more, exc_info=error)

    def info(self, text: str) -> None:
        """Write a line that is not folded with others."""
        if self._log.isEnabledFor(logging.INFO) and self._admits(self._clock()):
            self._log.info("%s", text)

    def _admits(self, now_s: float) -> bool:
        """True while there is room for another line in this minute."""
        if now_s >= self._minute_ends_s:
            self._minute_ends_s = now_s + WINDOW_S
            self._written = 0
            left_out, self._left_out = self._left_out, 0
            if left_out:
                self._log.warning("%d lines were left out in the last minute", left_out)
        if self._written >= self._lines:
            self._left_out += 1
            return False
        self._written += 1
        return True
