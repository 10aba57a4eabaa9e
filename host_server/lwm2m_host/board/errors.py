"""Errors between this computer and a board. All derive from BoardError."""

from __future__ import annotations

from ..errors import Lwm2mError


class BoardError(Lwm2mError):
    """One line for the user: what is wrong, and what to do."""


class BadDescription(BoardError):
    """A board.toml that cannot be used."""


class BadImage(BoardError):
    """A file that is no MicroPython image for this board."""


class BuildError(BoardError):
    """The application cannot be compiled, or imports what is not there."""


class MissingTool(BoardError):
    """A package of the extra `board` is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"{package} is not installed: pip install 'micropython-lwm2m[board]', or `make setup` "
            "in the checkout"
        )


class RemoteError(BoardError):
    """mpremote could not do it: no board there, or an error on the board."""


class BoardFull(RemoteError):
    """The board's file system has no room."""


class BadSetting(BoardError):
    """A setting that the device would not accept. `field` is its name in config.json."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
