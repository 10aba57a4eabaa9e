"""A Register from another address than that of the registration: who has the endpoint then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..coap.folding import FoldedLog
from ..coap.messages import Peer
from ..errors import NotRegistered, ServerError
from .admission import TakeoverPolicy
from .peers import Peers
from .registration import Registration

log = logging.getLogger(__name__)

# Seconds in which the address of the registration may reply: with RFC 7252's times it is asked
# three times, and the newcomer, which has its empty ACK, is still waiting.
PING_S = 10.0
# Registers that wait for such a reply, over all endpoints
WAITING_LIMIT = 256


class TakeoverBusy(Exception):
    """Too many Registers wait for the decision."""


class Takeovers:
    """The decisions about Registers from other addresses.

    ping: True when a peer replies. clock: seconds that never jump.
    """

    def __init__(
        self,
        policy: TakeoverPolicy,
        peers: Peers,
        ping: Callable[[Peer], Awaitable[bool]],
        clock: Callable[[], float],
    ) -> None:
        self.policy = policy
        self._peers = peers
        self._ping = ping
        self._log = FoldedLog(log, clock)
        # Endpoint: the ping of its registration that is under way.
        self._pings: dict[str, asyncio.Task[bool]] = {}
        self._waiting = 0

    async def allows(self, present: Registration, new: Peer) -> bool:
        """True when a Register from the peer may replace the registration.

        Raises TakeoverBusy.
        """
        if present.secure and not new.secure:
            return False  # who has proved nothing takes the place of nobody who has
        if present.identity and present.identity == new.identity:
            return True
        told = "and now registers from"
        if self.policy is TakeoverPolicy.ACCEPT:
            return True
        if self.policy is TakeoverPolicy.REFUSE_WHILE_ALIVE:
            if not await self._is_gone(present, new):
                return False
            told = "where nobody replies, and now registers from"
        self._log.warning(
            f"takeover {present.endpoint}",
            f"{present.endpoint} is registered from {present.address}, {told} {new.address}",
        )
        return True

    async def _is_gone(self, present: Registration, new: Peer) -> bool:
        """True when the device of the registration is not at its address any more."""
        if self._waiting >= WAITING_LIMIT:
            raise TakeoverBusy
        ping = self._pings.get(present.endpoint)
        if ping is None:
            ping = asyncio.create_task(self._replies(present.endpoint))
            self._pings[present.endpoint] = ping
            ping.add_done_callback(lambda _: self._pings.pop(present.endpoint, None))
        self._waiting += 1
        try:
            if await asyncio.shield(ping):
                return False
        finally:
            self._waiting -= 1
        # A device in queue mode is silent in its sleep: then only the same host may be it.
        return not present.queue_mode or _host(present.address) == _host(new.address)

    async def _replies(self, endpoint: str) -> bool:
        try:
            return await self._ping(self._peers.of(endpoint))
        except NotRegistered:
            return False
        except ServerError:  # it is being closed
            return True


def _host(address: str) -> str:
    return address.rpartition(":")[0]
