"""The peers of this process: the transport address behind each registered endpoint."""

from __future__ import annotations

from ..coap.messages import Peer
from ..errors import NotRegistered


class Peers:
    """A map from endpoints to peers. It holds what a registration cannot take along: the engine's
    own name of an address."""

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}

    def put(self, endpoint: str, peer: Peer) -> None:
        self._peers[endpoint] = peer

    def remove(self, endpoint: str) -> None:
        self._peers.pop(endpoint, None)

    def of(self, endpoint: str) -> Peer:
        """The peer of an endpoint. Raises NotRegistered."""
        if endpoint not in self._peers:
            raise NotRegistered(endpoint)
        return self._peers[endpoint]
