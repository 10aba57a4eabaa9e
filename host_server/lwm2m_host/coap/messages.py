"""CoAP messages as the rest of the server has them: values, without the engine's own types.

With `endpoint.CoapEndpoint` this is the whole contract between this room and the others.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ..errors import response_error


@dataclass(frozen=True)
class Peer:
    """One end of a transport: the address of a device.

    `address` is ``host:port``, IPv6 in brackets. `secure` is True behind DTLS; `identity` is the
    one that it has proved there, empty without. `remote` is the engine's name for it; nobody else
    looks into it.
    """

    address: str
    secure: bool = False
    remote: Any = field(default=None, repr=False, compare=False)
    identity: str = ""


@dataclass(frozen=True)
class Request:
    """A request that a device sent, complete: its blocks have been put together.

    `method` is a word of RFC 7252 and RFC 8132 in capitals ("POST", "FETCH", "iPATCH").
    """

    method: str
    path: tuple[str, ...]
    peer: Peer
    query: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None


@dataclass(frozen=True)
class Response:
    """An answer, ours or a device's. `code` is text, as in "2.05"; `location` is Location-Path."""

    code: str
    payload: bytes = b""
    content_format: int | None = None
    location: tuple[str, ...] = ()

    @property
    def successful(self) -> bool:
        return self.code.startswith("2.")

    @property
    def diagnostic(self) -> str:
        """The diagnostic text of an error, where it is fit to print (RFC 7252 §5.5.2)."""
        text = self.payload[:120].decode("utf-8", "replace")
        return text if text.isprintable() else ""


@dataclass(frozen=True)
class NotificationMessage:
    """A message that came with the token of an observation.

    `sequence` is the Observe option, None when the device does not observe any more. `more` is
    True when the payload is the first block only; `CoapEndpoint.complete` fetches the rest.
    """

    response: Response
    sequence: int | None
    confirmable: bool
    more: bool = False
    raw: Any = field(default=None, repr=False, compare=False)


# Longer than the tokens of other requests, so that the notification of an observation that we
# know nothing of (any more) is never taken for the answer to one of them.
TOKEN_BYTES = 8


class ObservationToken:
    """The token of an observation, and who is called for it.

    on_message: called with each NotificationMessage.
    on_response: called before that with the Observe option of the answer to the request; None when
        the device does not observe.
    value: the bytes of the token; random ones by default.

    The same token goes into the requests that refresh or cancel the observation.
    """

    def __init__(
        self,
        on_response: Callable[[int | None], None],
        on_message: Callable[[NotificationMessage], None],
        value: bytes | None = None,
    ) -> None:
        self.on_response = on_response
        self.on_message = on_message
        self.value = value or secrets.token_bytes(TOKEN_BYTES)


@dataclass(frozen=True)
class DeviceRequest:
    """A request for a device.

    `path` is relative to `root`, the device's LwM2M root. `observe` is 0 to observe and 1 to
    cancel; then `token` is what the notifications come with.
    """

    method: str
    path: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None
    query: tuple[str, ...] = ()
    observe: int | None = None
    token: ObservationToken | None = field(default=None, repr=False)
    root: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The path as errors name it."""
        return "/" + "/".join(self.path)


Handler = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers the requests of devices. An exception becomes 5.00.

It runs up to its first wait without a task: until then there is no `asyncio.current_task`, and no
`asyncio.timeout`.
"""


def successful(answer: Response, path: str) -> Response:
    """The answer itself. Raises the ResponseError of its code where that is no success."""
    if not answer.successful:
        raise response_error(answer.code, path, answer.diagnostic)
    return answer
