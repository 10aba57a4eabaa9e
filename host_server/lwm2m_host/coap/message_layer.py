"""The message layer of CoAP (RFC 7252 §4): confirmable messages, duplicates, ACK and RST.

Sans-I/O: datagrams and the time come in, datagrams leave through the transport, and deadlines
stand in `MessageLayer.timers`. Above it is the layer of requests and responses, its User.
"""

from __future__ import annotations

import logging
import random
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol

from . import codec
from .codec import ACK, CON, EMPTY, NON, RST, MalformedMessage, Message, UnknownVersion
from .folding import FoldedLog
from .timers import Timer, Timers
from .timing import Timing
from .transport import Transport

log = logging.getLogger(__name__)

EXCHANGE_LIFETIME_S = 247.0  # RFC 7252 §4.8.2
# An answer that takes longer than this is separate from its acknowledgement (RFC 7252 §5.2.2).
EMPTY_ACK_DELAY_S = 0.25
# Memory for the replies to messages that may come again. Then the oldest go before their time.
RECENT_BYTES = 16 * 1024 * 1024
# What an entry takes beside its reply.
_ENTRY_BYTES = 300
# Confirmable requests, over all devices, that wait for their first acknowledgement. More wait in
# a queue, so that a burst fills neither the network nor the socket's buffer. A device that is
# silent holds its place until its first retransmission only.
UNDER_WAY = 256

# The ways in which a message fails
TIMED_OUT = "timed out"
RESET = "reset"
UNREACHABLE = "unreachable"


class Remote:
    """A peer as long as anybody refers to it: its address and what is under way with it."""

    __slots__ = ("__weakref__", "address", "backlog", "current", "key", "local", "mid", "outgoing")

    def __init__(self, key: Hashable, address: str, mid: int) -> None:
        self.key = key  # the transport's name of it
        self.address = address  # host:port
        self.local = b""  # our address that it spoke to last
        self.mid = mid  # of the last message to it
        self.current: Outgoing | None = None  # NSTART 1 (RFC 7252 §4.7)
        self.backlog: deque[Outgoing] | None = None  # behind `current`
        # Confirmable messages by message id, until their answers have come.
        self.outgoing: dict[int, Outgoing] | None = None


class Exchange:
    """A request that came in, as long as it is being answered."""

    __slots__ = ("acknowledged", "kind", "local", "mid", "remote", "timer", "token")

    def __init__(self, remote: Remote, message: Message, local: bytes) -> None:
        self.remote = remote
        self.kind = message.kind
        self.mid = message.mid
        self.token = message.token
        self.local = local  # the answer leaves from here
        self.acknowledged = False  # by an empty ACK: the answer is a message of its own
        self.timer: Timer | None = None


class Owner(Protocol):
    """The owner of a confirmable message."""

    def on_acknowledged(self) -> None:
        """The message has arrived."""

    def on_failed(self, reason: str, detail: str) -> None:
        """The message has failed: TIMED_OUT, RESET or UNREACHABLE."""


class Outgoing:
    """A confirmable message on its way."""

    __slots__ = (
        "attempts",
        "data",
        "done",
        "fresh",
        "mid",
        "owner",
        "remote",
        "timeout_s",
        "timer",
    )

    def __init__(self, remote: Remote, mid: int, data: bytes, owner: Owner | None) -> None:
        self.remote = remote
        self.mid = mid
        self.data = data
        self.owner = owner
        self.attempts = 0  # transmissions so far
        self.timeout_s = 0.0  # until the next one
        self.fresh = False  # one of UNDER_WAY
        self.done = False  # nothing is retransmitted any more
        self.timer: Timer | None = None


class User(Protocol):
    """The layer of requests and responses, as the message layer sees it."""

    def on_request(self, exchange: Exchange, message: Message) -> None:
        """Answer a request by `MessageLayer.respond`, now or later."""

    def on_response(self, remote: Remote, message: Message) -> bool:
        """Take a response. False when nobody waits for it."""


class MessageLayer:
    """The message layer on one transport.

    clock: seconds that never jump. jitter: a number between the two given ones, for the first
    timeout; replaced by tests.
    """

    def __init__(
        self,
        transport: Transport,
        user: User,
        clock: Callable[[], float],
        timing: Timing,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.timers = Timers()
        self.log = FoldedLog(log, clock)
        self.recent_limit = RECENT_BYTES
        self.under_way_limit = UNDER_WAY
        self.received = 0  # datagrams
        self.malformed = 0
        self.duplicates = 0
        self.retransmissions = 0
        self._transport = transport
        self._user = user
        self._clock = clock
        self._timing = timing
        self._jitter = jitter
        self._remotes: dict[Hashable, weakref.KeyedRef[Hashable, Remote]] = {}
        # Messages that came in: the reply to them, or the exchange that is not answered yet.
        self._recent: dict[tuple[Remote, int], bytes | Exchange] = {}
        self._recent_order: deque[tuple[float, tuple[Remote, int]]] = deque()
        self._recent_bytes = 0
        # Confirmable messages of all peers, until their answers have come.
        self._under_way: set[Outgoing] = set()
        self._fresh = 0
        self._queue: deque[Outgoing] = deque()

    # The transport

    def receive(self, data: bytes, key: Hashable, local: bytes) -> None:
        """Take a datagram, as Receiver says."""
        self.received += 1
        try:
            message = codec.decode(data)
        except MalformedMessage as problem:
            self._on_malformed(data, key, local, problem)
            return
        remote = self.remote(key)
        remote.local = local
        if message.kind == ACK:
            self._on_ack(remote, message)
        elif message.kind == RST:
            self._on_reset(remote, message.mid)
        else:
            self._on_message(remote, message, local)

    def fail(self, key: Hashable, reason: str) -> None:
        """Learn that a peer cannot be reached, as Receiver says."""
        known = self._remotes.get(key)
        remote = known() if known is not None else None
        if remote is None:
            return
        for outgoing in list((remote.outgoing or {}).values()):
            self._fail(outgoing, UNREACHABLE, reason)

    def refuse(self, key: Hashable, reason: str) -> None:
        """Learn of a datagram that could not be taken whole, as Receiver says."""
        self.malformed += 1
        self.log.warning("refused", f"{self._transport.address(key)}: {reason}")

    def remote(self, key: Hashable) -> Remote:
        """The peer with this key of the transport."""
        known = self._remotes.get(key)
        remote = known() if known is not None else None
        if remote is None:
            remote = Remote(key, self._transport.address(key), random.getrandbits(16))
            self._remotes[key] = weakref.KeyedRef(remote, self._on_remote_gone, key)
        return remote

    def _on_remote_gone(self, reference: Any) -> None:
        key = reference.key
        if self._remotes.get(key) is reference:
            del self._remotes[key]

    # What is remembered

    @property
    def remembered(self) -> int:
        """The number of messages whose repetition would be noticed."""
        return len(self._recent)

    @property
    def under_way(self) -> int:
        """The number of confirmable messages without an answer."""
        return len(self._under_way)

    def _remember(self, remote: Remote, mid: int, reply: bytes | Exchange) -> None:
        key = (remote, mid)
        size = _ENTRY_BYTES + (len(reply) if isinstance(reply, bytes) else 0)
        self._recent[key] = reply
        now_s = self._clock()
        self._recent_order.append((now_s + EXCHANGE_LIFETIME_S, key))
        self._recent_bytes += size
        self._forget_old(now_s)

    def _forget_old(self, now_s: float) -> None:
        recent = self._recent
        order = self._recent_order
        while order and (order[0][0] <= now_s or self._recent_bytes > self.recent_limit):
            gone = recent.pop(order.popleft()[1], None)
            if gone is not None:
                self._recent_bytes -= _ENTRY_BYTES
                if isinstance(gone, bytes):
                    self._recent_bytes -= len(gone)

    def _replace(self, remote: Remote, mid: int, reply: bytes) -> None:
        """Put the reply in the place of the exchange."""
        if isinstance(self._recent.get((remote, mid)), Exchange):
            self._recent[remote, mid] = reply
            self._recent_bytes += len(reply)

    # What comes in

    def _on_malformed(
        self, data: bytes, key: Hashable, local: bytes, problem: MalformedMessage
    ) -> None:
        self.malformed += 1
        if isinstance(problem, UnknownVersion):
            return
        self.log.warning("malformed", f"{self._transport.address(key)}: {problem}")
        if len(data) >= 4 and data[0] >> 4 & 3 == CON:
            self._transport.send(
                codec.encode(RST, EMPTY, data[2] << 8 | data[3]), key, local
            )  # RFC 7252 §4.2

    def _on_message(self, remote: Remote, message: Message, local: bytes) -> None:
        if message.code == EMPTY:
            if message.kind == CON:  # a ping (RFC 7252 §4.3)
                self._send(remote, codec.encode(RST, EMPTY, message.mid))
            return
        if (remote, message.mid) in self._recent:
            self._forget_old(self._clock())
            known = self._recent.get((remote, message.mid))
            if known is not None and self._is_duplicate(remote, message, known):
                return
        group = message.code >> 5
        if group == 0:
            exchange = Exchange(remote, message, local)
            self._remember(remote, message.mid, exchange)
            self._user.on_request(exchange, message)
        elif 2 <= group <= 5:
            self._on_separate_response(remote, message)
        elif message.kind == CON:  # a reserved class (RFC 7252 §4.2)
            self._send(remote, codec.encode(RST, EMPTY, message.mid))

    def _is_duplicate(self, remote: Remote, message: Message, known: bytes | Exchange) -> bool:
        """Repeat the reply to a message that came again.

        A device that begins anew may count its message ids from the same number: a request with
        another token is another request.
        """
        if isinstance(known, Exchange):
            if known.token != message.token:
                return False
            if known.acknowledged:
                self._send(remote, codec.encode(ACK, EMPTY, known.mid), known.local)
        elif len(known) > 4 and known[4 : 4 + (known[0] & 15)] != message.token:
            return False
        elif known and message.kind == CON:
            self._send(remote, known)
        self.duplicates += 1
        return True

    def _on_separate_response(self, remote: Remote, message: Message) -> None:
        reply = b""
        if not self._user.on_response(remote, message):
            # The sender learns from this alone that nobody waits for it (RFC 7641 §3.6).
            reply = codec.encode(RST, EMPTY, message.mid)
        elif message.kind == CON:
            reply = codec.encode(ACK, EMPTY, message.mid)
        if reply:
            self._send(remote, reply)
        self._remember(remote, message.mid, reply)

    def _on_ack(self, remote: Remote, message: Message) -> None:
        outgoing = remote.outgoing.get(message.mid) if remote.outgoing else None
        if outgoing is None:
            return
        if not outgoing.done:
            self._settle(outgoing)
            if outgoing.owner is None:
                self._remove(outgoing)
            elif message.code == EMPTY:
                outgoing.owner.on_acknowledged()
        if 2 <= message.code >> 5 <= 5:
            self._user.on_response(remote, message)

    def _on_reset(self, remote: Remote, mid: int) -> None:
        # At any time: also after an ACK, from a device that has lost what it was asked.
        outgoing = remote.outgoing.get(mid) if remote.outgoing else None
        if outgoing is not None:
            self._fail(outgoing, RESET, "")

    # What leaves

    def send_request(
        self,
        remote: Remote,
        code: int,
        token: bytes,
        options: Iterable[tuple[int, bytes]],
        payload: bytes,
        owner: Owner,
    ) -> Outgoing:
        """Send a confirmable request when its turn has come: one to each peer at a time, and
        `under_way_limit` altogether."""
        outgoing = self._confirmable(remote, code, token, options, payload, owner)
        if remote.current is None:
            remote.current = outgoing
            self._admit(outgoing)
        else:
            if remote.backlog is None:
                remote.backlog = deque()
            remote.backlog.append(outgoing)
        return outgoing

    def ping(self, remote: Remote, owner: Owner) -> Outgoing:
        """Send an empty confirmable message (RFC 7252 §4.3): a peer that is there rejects it."""
        # No place of NSTART is waited for: a reply tells that the peer is there, and no more.
        outgoing = self._confirmable(remote, EMPTY, b"", (), b"", owner)
        self._transmit(outgoing)
        return outgoing

    def release(self, outgoing: Outgoing) -> None:
        """Forget a message: its answer has come, or nobody waits for it any more."""
        self._remove(outgoing)
        outgoing.owner = None
        self._settle(outgoing)

    def _remove(self, outgoing: Outgoing) -> None:
        known = outgoing.remote.outgoing
        if known is not None and known.get(outgoing.mid) is outgoing:
            del known[outgoing.mid]
            if not known:
                outgoing.remote.outgoing = None
        self._under_way.discard(outgoing)

    def respond(
        self, exchange: Exchange, code: int, options: Iterable[tuple[int, bytes]], payload: bytes
    ) -> None:
        """Answer a request: in its acknowledgement, or after that in a message of its own."""
        self.timers.cancel(exchange.timer)
        exchange.timer = None
        remote = exchange.remote
        if exchange.acknowledged:
            # No place of NSTART is needed: the device itself asked for this message.
            outgoing = self._confirmable(remote, code, exchange.token, options, payload, None)
            self._transmit(outgoing)
            self._replace(remote, exchange.mid, codec.encode(ACK, EMPTY, exchange.mid))
            return
        if exchange.kind == CON:
            data = codec.encode(ACK, code, exchange.mid, exchange.token, options, payload)
            self._replace(remote, exchange.mid, data)
        else:
            mid = self._next_mid(remote)
            data = codec.encode(NON, code, mid, exchange.token, options, payload)
            self._replace(remote, exchange.mid, b"")
        self._transport.send(data, remote.key, exchange.local)

    def defer(self, exchange: Exchange) -> None:
        """Acknowledge a request by itself if it is not answered soon."""
        if exchange.kind == CON:
            exchange.timer = self.timers.add(
                self._clock() + EMPTY_ACK_DELAY_S, self._acknowledge, exchange
            )

    def reset(self, exchange: Exchange) -> None:
        """Reject a message that cannot be processed (RFC 7252 §4.2)."""
        data = codec.encode(RST, EMPTY, exchange.mid)
        self._replace(exchange.remote, exchange.mid, data)
        self._send(exchange.remote, data, exchange.local)

    def close(self) -> None:
        """Drop everything; nothing is called any more."""
        self.timers.clear()
        self._under_way.clear()
        self._queue.clear()
        self._recent.clear()
        self._recent_order.clear()

    def _acknowledge(self, exchange: Exchange) -> None:
        exchange.acknowledged = True
        exchange.timer = None
        self._send(exchange.remote, codec.encode(ACK, EMPTY, exchange.mid), exchange.local)

    def _send(self, remote: Remote, data: bytes, local: bytes | None = None) -> None:
        self._transport.send(data, remote.key, remote.local if local is None else local)

    @staticmethod
    def _next_mid(remote: Remote) -> int:
        remote.mid = (remote.mid + 1) & 0xFFFF
        return remote.mid

    def _confirmable(
        self,
        remote: Remote,
        code: int,
        token: bytes,
        options: Iterable[tuple[int, bytes]],
        payload: bytes,
        owner: Owner | None,
    ) -> Outgoing:
        mid = self._next_mid(remote)
        data = codec.encode(CON, code, mid, token, options, payload)
        outgoing = Outgoing(remote, mid, data, owner)
        if remote.outgoing is None:
            remote.outgoing = {}
        remote.outgoing[mid] = outgoing
        self._under_way.add(outgoing)
        return outgoing

    # Retransmission, NSTART and the limit over all peers

    def _admit(self, outgoing: Outgoing) -> None:
        if self._fresh >= self.under_way_limit:
            self._queue.append(outgoing)
            return
        self._fresh += 1
        outgoing.fresh = True
        self._transmit(outgoing)

    def _transmit(self, outgoing: Outgoing) -> None:
        timing = self._timing
        if outgoing.attempts == 0:
            outgoing.timeout_s = self._jitter(
                timing.ack_timeout_s, timing.ack_timeout_s * timing.ack_random_factor
            )
        else:
            outgoing.timeout_s *= 2
            self.retransmissions += 1
        outgoing.attempts += 1
        outgoing.timer = self.timers.add(
            self._clock() + outgoing.timeout_s, self._on_timeout, outgoing
        )
        self._send(outgoing.remote, outgoing.data)

    def _on_timeout(self, outgoing: Outgoing) -> None:
        if outgoing.attempts > self._timing.max_retransmit:
            self._fail(outgoing, TIMED_OUT, "")
            return
        self._leave_queue(outgoing)
        self._transmit(outgoing)

    def _fail(self, outgoing: Outgoing, reason: str, detail: str) -> None:
        owner = outgoing.owner
        self.release(outgoing)
        if owner is not None:
            owner.on_failed(reason, detail)

    def _settle(self, outgoing: Outgoing) -> None:
        """End the retransmission of a message, and let the next one have its place."""
        if outgoing.done:
            return
        outgoing.done = True
        outgoing.data = b""
        self.timers.cancel(outgoing.timer)
        outgoing.timer = None
        remote = outgoing.remote
        if remote.current is outgoing:
            remote.current = None
            while remote.backlog and remote.current is None:
                following = remote.backlog.popleft()
                if not following.done:
                    remote.current = following
                    self._admit(following)
            if not remote.backlog:
                remote.backlog = None
        self._leave_queue(outgoing)

    def _leave_queue(self, outgoing: Outgoing) -> None:
        """Give up the place among those that are under way over all peers."""
        if not outgoing.fresh:
            return
        outgoing.fresh = False
        self._fresh -= 1
        while self._queue and self._fresh < self.under_way_limit:
            following = self._queue.popleft()
            if not following.done:
                self._admit(following)
