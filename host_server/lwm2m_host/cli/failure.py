"""Failures of a command, with their exit codes."""

from __future__ import annotations


class Failure(Exception):
    """The end of a command: one line on standard error, and this exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class WrongArgument(Failure):
    """The command line is at fault."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 2)
