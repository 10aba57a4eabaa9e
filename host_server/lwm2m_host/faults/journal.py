"""The journal of a relay: entries, tallies, and the head of a CoAP message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["up", "down"]

_TYPES = ("CON", "NON", "ACK", "RST")
_METHODS = ("EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH")


@dataclass(frozen=True)
class Coap:
    """The head of a CoAP message (RFC 7252 §3); `code` is "GET" or "2.05", `token` hexadecimal."""

    type: str
    code: str
    mid: int
    token: str

    @classmethod
    def parse(cls, data: bytes) -> Coap | None:
        """The head of a datagram; None when it does not look like CoAP 1."""
        if len(data) < 4 or data[0] >> 6 != 1:
            return None
        length = data[0] & 15
        if length > 8 or len(data) < 4 + length:
            return None
        number = data[1]
        named = number < len(_METHODS)
        return cls(
            _TYPES[data[0] >> 4 & 3],
            _METHODS[number] if named else f"{number >> 5}.{number & 31:02d}",
            int.from_bytes(data[2:4], "big"),
            data[4 : 4 + length].hex(),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.code} mid {self.mid}" + (self.token and f" token {self.token}")


@dataclass(frozen=True)
class Entry:
    """One datagram, or one event of the relay, and what was decided.

    `time_s` counts from the relay's start; `direction` is "up" (towards the target), "down", or
    None for an event; `client` is ``host:port``; `decision` reads "lost", "passed" or, for
    example, "duplicated, delayed 120 ms and 310 ms".
    """

    time_s: float
    direction: Direction | None
    client: str
    size: int
    coap: Coap | None
    decision: str

    def __str__(self) -> str:
        arrow = {"up": "->", "down": "<-", None: "--"}[self.direction]
        start = f"{self.time_s:9.3f} {self.client} {arrow} "
        if self.direction is None:
            return start + self.decision
        return f"{start}{self.size} B {self.coap or 'not CoAP'}: {self.decision}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        coap = self.coap
        return {
            "time": round(self.time_s, 6),
            "direction": self.direction,
            "client": self.client,
            "size": self.size,
            "coap": coap and vars(coap),
            "decision": self.decision,
        }


@dataclass
class Tally:
    """Counts of what happened to the datagrams of one direction.

    received: what arrived. passed: what was sent on, copies included. lost, blackout: what was
    dropped by chance, or because nothing passed. duplicated, delayed, reordered, corrupted: to
    how many it happened. dropped: what nobody decided: nobody was listening, the operating
    system refused, the sender used a port that was rebound, or too many were waiting.
    """

    received: int = 0
    passed: int = 0
    lost: int = 0
    blackout: int = 0
    duplicated: int = 0
    delayed: int = 0
    reordered: int = 0
    corrupted: int = 0
    dropped: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in vars(self).items() if value) or "-"
