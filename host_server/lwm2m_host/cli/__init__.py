"""The command `lwm2m-host`. Exit codes: 0 done, 1 it did not work, 2 wrong arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .app import run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. Errors are one line on standard error."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))
