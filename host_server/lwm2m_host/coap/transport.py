"""The contract between the CoAP engine and what carries its datagrams."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol


class Receiver(Protocol):
    """The engine, as a transport sees it."""

    def receive(self, data: bytes, key: Hashable, local: bytes) -> None:
        """Take a datagram.

        key: the transport's name of who sent it, an address or a session; equal for equal peers.
        local: our address that it was sent to, for the answer; empty when it does not matter.
        """

    def fail(self, key: Hashable, reason: str) -> None:
        """Learn that a peer cannot be reached: an ICMP error, or a session that has ended."""

    def refuse(self, key: Hashable, reason: str) -> None:
        """Learn of a datagram that could not be taken whole."""


class Transport(Protocol):
    """A way for datagrams. The engine is sans-I/O: whatever comes and goes passes here.

    UDP, DTLS and the loopback of tests fulfil it. None of its methods waits.
    """

    secure: bool  # whoever is behind a key has shown who it is

    def open(self, receiver: Receiver) -> None:
        """Hand what arrives to the receiver from now on."""

    def send(self, data: bytes, key: Hashable, local: bytes) -> None:
        """Send a datagram, from our address `local` where that is not empty.

        What cannot be sent now is lost, as in any network. A peer that cannot be reached is told
        to the receiver's `fail`.
        """

    def drain(self) -> None:
        """Hand over what waits in the socket, within bounds: before deadlines are looked at."""

    def waiting(self) -> bool:
        """True while datagrams wait that have not been handed over."""

    def address(self, key: Hashable) -> str:
        """The address behind a key as ``host:port``, IPv6 in brackets."""

    def key(self, address: str) -> Hashable:
        """The key of a ``host:port``. Raises ValueError where it is none."""

    def identity(self, key: Hashable) -> str:
        """The identity that the peer has proved; empty without security."""

    @property
    def dropped(self) -> int:
        """The datagrams that the system dropped, because the socket's buffer was full."""

    def close(self) -> None:
        """Close what is open. Nothing is handed over any more."""
