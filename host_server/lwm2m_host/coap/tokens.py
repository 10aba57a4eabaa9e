"""Observations at the level of tokens (RFC 7641).

aiocoap's own observation of a request hides what is needed here: the sequence number, whether a
notification was confirmable, and those that are late; it cannot cancel with the token that it
observed with, follows no device to a new address, and lets one notification pass after it was
cancelled. So the token manager hands notifications to an ObservationToken, and aiocoap takes the
request for one with a single answer.
"""

from __future__ import annotations

from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.numbers.types import ACK, CON
from aiocoap.tokenmanager import TokenManager

from .messages import NotificationMessage, ObservationToken, Response


def response_of(message: Message) -> Response:
    """The answer as a value."""
    number = message.opt.content_format
    return Response(
        message.code.dotted,
        message.payload,
        None if number is None else int(number),
        tuple(message.opt.location_path),
    )


def notification_of(message: Message) -> NotificationMessage:
    """The notification as a value."""
    block = message.opt.block2
    return NotificationMessage(
        response_of(message),
        message.opt.observe,
        message.mtype is CON,
        message.code.is_successful() and block is not None and block.more,
        message,
    )


class Tokens(TokenManager):
    """aiocoap's token layer, plus: the tokens of observations."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._observations: dict[tuple[bytes, Any], ObservationToken] = {}
        self._by_value: dict[bytes, ObservationToken] = {}
        self._wish: bytes | None = None

    def request(self, pipe: Any) -> None:
        observed = getattr(pipe.request, "observation", None)
        self._wish = observed.value if observed is not None else None
        super().request(pipe)

    def next_token(self) -> bytes:
        wish, self._wish = self._wish, None
        token: bytes = super().next_token() if wish is None else wish
        return token

    def knows(self, token: ObservationToken) -> bool:
        return self._observations.get((token.value, token.remote)) is token

    def forget(self, token: ObservationToken) -> None:
        """From now on its notifications are answered with RST (RFC 7641 §3.6)."""
        if self.knows(token):
            del self._observations[token.value, token.remote]
            if self._by_value.get(token.value) is token:
                del self._by_value[token.value]
        token.remote = None

    def move(self, token: ObservationToken, remote: Any) -> None:
        """The device has another address: its notifications come from there."""
        if token.remote is not None:
            self.forget(token)
            self._keep(token, remote)

    def _keep(self, token: ObservationToken, remote: Any) -> None:
        self.forget(token)
        token.remote = remote
        self._observations[token.value, remote] = self._by_value[token.value] = token

    def process_response(self, response: Message) -> bool:
        if self.outgoing_requests is None:  # shutting down
            return False
        key = (response.token, response.remote)
        known = self._observations.get(key)
        pipe = self.outgoing_requests.get(key)
        sequence = response.opt.observe
        if pipe is None:
            # Behind a NAT the device may have another address by now, and say so only with its
            # next Update; nobody else knows the token.
            known = known or self._by_value.get(response.token)
            if known is not None:
                if sequence is None or not response.code.is_successful():
                    self.forget(known)  # it was the last one (RFC 7641 §3.2)
                known.on_message(notification_of(response))
                return True
        elif pipe.request.opt.observe == 0:
            asked = getattr(pipe.request, "observation", None)
            if asked is not None:
                if sequence is not None and response.code.is_successful():
                    self._keep(asked, response.remote)
                elif known is not None and response.code.class_ != 2:
                    self.forget(known)
                if response.code != Code.CONTINUE:
                    asked.on_response(sequence)
                response.opt.observe = None
        elif known is not None and sequence is not None and response.mtype is not ACK:
            known.on_message(notification_of(response))  # on its way when the cancellation left
            return True
        done: bool = super().process_response(response)
        return done
