"""The arguments of an HTTP request: its query, its path and its body."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request

from ... import Path, formats
from ...errors import ServerError, UnknownFormat, ValueTypeError
from ...formats import Format
from ...model.values import whole_number
from .problems import BadArgument

BODY_LIMIT = 16 * 1024 * 1024
BODY_S = 60.0
# Bytes of all bodies that are here at a time
ALL_BODIES_BYTES = 64 * 1024 * 1024
LONGEST_S = 86400


def segments(request: Request, prefix: str) -> list[str]:
    """The segments after `prefix`. Taken from the raw path: an endpoint may hold an encoded /."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    rest = raw.decode("ascii", "replace").partition("?")[0].removeprefix(prefix)
    return [unquote(part) for part in rest.split("/") if part]


def timeout_s(request: Request) -> float | None:
    """``?timeout=``, seconds. Raises BadArgument."""
    text = request.query_params.get("timeout")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_S:
        raise BadArgument(f"timeout is a number of seconds, got {text!r}")
    return seconds


def flag(request: Request, name: str) -> bool | None:
    """A switch in the query; None when it is not there. Raises BadArgument."""
    word = request.query_params.get(name, "")
    if word.lower() not in ("", "0", "1", "false", "true"):
        raise BadArgument(f"{name} is 0 or 1, got {word!r}")
    return word.lower() in ("1", "true") if word else None


def paths(request: Request) -> list[Path]:
    """``?paths=P,P``. Raises PathError."""
    text = request.query_params.get("paths", "")
    return list(dict.fromkeys(Path.parse(part) for part in text.split(",") if part))


def format(request: Request) -> Format | None:
    """``?format=``, a name or a number. Raises BadArgument, which names the known ones."""
    wish = request.query_params.get("format")
    if not wish:
        return None
    try:
        return formats.get(wish)
    except UnknownFormat:
        known = ", ".join(formats.names())
        raise BadArgument(f"unknown format {wish!r}; known are {known}") from None


def attributes(request: Request, only: tuple[str, ...] = ()) -> dict[str, float | None]:
    """Attributes such as ``?pmin=10``; an empty one is None. Raises ValueTypeError.

    only: take these, and leave the rest alone; by default all but `timeout` and `force`.
    """
    found: dict[str, float | None] = {}
    for name, text in request.query_params.items():
        if name not in only if only else name in ("timeout", "force"):
            continue
        try:
            found[name] = float(text) if text or only else None
        except ValueError:
            raise ValueTypeError(f"attribute {name} expects a number, got {text!r}") from None
    return found


def moment_s(request: Request, name: str) -> float | None:
    """A time in seconds since 1970. Raises BadArgument."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not math.isfinite(moment):
        raise BadArgument(f"{name} is in seconds since 1970, got {text!r}")
    return moment


def depth(request: Request) -> int | None:
    """``?depth=``, levels of a Discover. Raises BadArgument."""
    text = request.query_params.get("depth")
    number = whole_number(text, 9) if text else None
    if text and number is None:
        raise BadArgument(f"depth is a number of levels, got {text!r}")
    return number


def count(request: Request, name: str, default: int, most: int) -> int:
    """A number from 1 to `most`. Raises BadArgument."""
    text = request.query_params.get(name, str(default))
    number = whole_number(text, most)
    if not number:
        raise BadArgument(f"{name} is a number of values up to {most}, got {text!r}")
    return number


class Bodies:
    """The bodies of all requests that are being answered. `held` is their bytes."""

    def __init__(self) -> None:
        self.held = 0

    def take(self, request: Request, size: int) -> None:
        """Count bytes of a body. Raises ServerError when there are too many of them."""
        if self.held + size > ALL_BODIES_BYTES:
            raise ServerError("too many large requests at a time")
        self.held += size
        request.state.body_bytes = self._of(request) + size

    def give_back(self, request: Request) -> None:
        """Forget the body of a request that is answered."""
        self.held -= self._of(request)
        request.state.body_bytes = 0

    @staticmethod
    def _of(request: Request) -> int:
        count: int = getattr(request.state, "body_bytes", 0)
        return count


async def body(request: Request) -> bytes:
    """The body. Raises BadArgument when it is too large, ServerError when all together are."""
    read: bytes | None = getattr(request.state, "body", None)
    if read is not None:
        return read
    length = request.headers.get("content-length", "0")
    if whole_number(length, BODY_LIMIT) is None:
        raise BadArgument("the body is too large")
    # A body in chunks does not say how long it is.
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                request.app.state.bodies.take(request, len(part))
                parts += part
                if len(parts) > BODY_LIMIT:
                    raise BadArgument("the body is too large")
    except TimeoutError:
        raise BadArgument("the body does not arrive") from None
    request.state.body = bytes(parts)
    return bytes(parts)


async def json_body(request: Request) -> Any:
    """The body as JSON. Raises BadArgument."""
    try:
        return json.loads(await body(request))
    except (ValueError, RecursionError):
        raise BadArgument("the body is not JSON") from None
