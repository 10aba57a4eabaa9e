"""Observations at the level of tokens (RFC 7641).

aiocoap's own observation of a request hides what is needed here: the sequence number, whether a
notification was confirmable, and those that are late; it cannot cancel with the token that it
observed with, follows no device to a new address, and lets one notification pass after it was
cancelled. So the token manager hands notifications to a Watch, and aiocoap takes the request for
one with a single answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.numbers.types import ACK
from aiocoap.tokenmanager import TokenManager

# Longer than those that aiocoap counts up for other requests, so that the notification of an
# observation that we know nothing of (any more) is never taken for the answer to one of them.
TOKEN_BYTES = 8


class Watch:
    """What a token stands for: `arrived(message)` is called for each notification, before that
    `began(sequence)` with the Observe option of the answer to the request; None when the device
    does not observe. `remote` is None while nothing is observed.

    The same token goes into the requests that refresh or cancel the observation.
    """

    def __init__(
        self,
        began: Callable[[int | None], None],
        arrived: Callable[[Message], None],
        token: bytes | None = None,
    ) -> None:
        self.began = began
        self.arrived = arrived
        self.token = token or secrets.token_bytes(TOKEN_BYTES)
        self.remote: Any = None


class Tokens(TokenManager):
    """aiocoap's token layer, plus: watches."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._watches: dict[tuple[bytes, Any], Watch] = {}
        self._tokens: dict[bytes, Watch] = {}
        self._wish: bytes | None = None

    def request(self, pipe: Any) -> None:
        watch = getattr(pipe.request, "watch", None)
        self._wish = watch.token if watch is not None else None
        super().request(pipe)

    def next_token(self) -> bytes:
        wish, self._wish = self._wish, None
        token: bytes = super().next_token() if wish is None else wish
        return token

    def knows(self, watch: Watch) -> bool:
        return self._watches.get((watch.token, watch.remote)) is watch

    def forget(self, watch: Watch) -> None:
        """From now on its notifications are answered with RST (RFC 7641 §3.6)."""
        if self.knows(watch):
            del self._watches[watch.token, watch.remote]
            if self._tokens.get(watch.token) is watch:
                del self._tokens[watch.token]
        watch.remote = None

    def move(self, watch: Watch, remote: Any) -> None:
        """The device has another address: its notifications come from there."""
        if watch.remote is not None:
            self.forget(watch)
            self._keep(watch, remote)

    def _keep(self, watch: Watch, remote: Any) -> None:
        self.forget(watch)
        watch.remote = remote
        self._watches[watch.token, remote] = self._tokens[watch.token] = watch

    def process_response(self, response: Message) -> bool:
        if self.outgoing_requests is None:  # shutting down
            return False
        key = (response.token, response.remote)
        watch = self._watches.get(key)
        pipe = self.outgoing_requests.get(key)
        sequence = response.opt.observe
        if pipe is None:
            # Behind a NAT the device may have another address by now, and say so only with its
            # next Update; nobody else knows the token.
            watch = watch or self._tokens.get(response.token)
            if watch is not None:
                if sequence is None or not response.code.is_successful():
                    self.forget(watch)  # it was the last one (RFC 7641 §3.2)
                watch.arrived(response)
                return True
        elif pipe.request.opt.observe == 0:
            asked = getattr(pipe.request, "watch", None)
            if asked is not None:
                if sequence is not None and response.code.is_successful():
                    self._keep(asked, response.remote)
                elif watch is not None and response.code.class_ != 2:
                    self.forget(watch)
                if response.code != Code.CONTINUE:
                    asked.began(sequence)
                response.opt.observe = None
        elif watch is not None and sequence is not None and response.mtype is not ACK:
            watch.arrived(response)  # on its way when the cancellation left
            return True
        done: bool = super().process_response(response)
        return done
