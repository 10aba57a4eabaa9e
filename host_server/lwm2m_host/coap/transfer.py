"""One request of ours and its whole answer, in blocks where they are large (RFC 7959)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import DeviceReset, DeviceTimeout, DeviceUnreachable, Lwm2mError, TransferError
from . import codec
from .codec import (
    ACCEPT,
    BLOCK1,
    BLOCK2,
    CONTENT_FORMAT,
    ETAG,
    METHOD_CODES,
    OBSERVE,
    REQUEST_TAG,
    SIZE1,
    URI_PATH,
    URI_QUERY,
    Block,
    MalformedMessage,
    Message,
    encode_uint,
)
from .message_layer import RESET, UNREACHABLE, MessageLayer, Outgoing, Remote
from .messages import DeviceRequest
from .timers import Timer

# The largest block, and the largest payload of a single message
BLOCK_BYTES = 1024
_EXPONENT = 6
# Bytes of an answer
PAYLOAD_LIMIT = 16 * 1024 * 1024
# Seconds after which an answer in blocks is given up, however lively the device sends them
DOWNLOAD_LIMIT_S = 900.0
_TOO_LARGE = codec.code_of("4.13")


class Legs(Protocol):
    """The engine, as a transfer sees it: each leg is a message with a token."""

    layer: MessageLayer

    def now_s(self) -> float:
        """Seconds of the engine's clock."""

    def begin(self, transfer: Transfer) -> bytes:
        """A token whose response goes to the transfer."""

    def end(self, transfer: Transfer) -> None:
        """Forget the token of the transfer."""

    def tag(self) -> bytes:
        """A Request-Tag that none of the last requests had."""


class Transfer:
    """A request under way. `on_done(message, error)` is called once, with one of the two.

    timeout_s: seconds that the answer, and each block, may take from now on.
    endpoint: the device's name for the texts of errors.
    waited_s: seconds of the first timeout that have passed already.
    """

    __slots__ = (
        "_block1",
        "_body",
        "_deadline_s",
        "_end_s",
        "_etag",
        "_exponent",
        "_first",
        "_legs",
        "_on_done",
        "_outgoing",
        "_tag",
        "_timer",
        "endpoint",
        "remote",
        "request",
        "timeout_s",
        "token",
    )

    def __init__(
        self,
        legs: Legs,
        remote: Remote,
        request: DeviceRequest,
        timeout_s: float,
        endpoint: str,
        on_done: Callable[[Message | None, Lwm2mError | None], None],
        waited_s: float = 0.0,
    ) -> None:
        self.remote = remote
        self.request = request
        self.timeout_s = timeout_s
        self.endpoint = endpoint
        self.token = b""  # of the leg that is under way
        self._legs = legs
        self._on_done: Callable[[Message | None, Lwm2mError | None], None] | None = on_done
        self._outgoing: Outgoing | None = None
        self._exponent = _EXPONENT  # of the blocks of the request
        self._block1: Block | None = None  # what is under way
        self._tag: bytes | None = None  # the Request-Tag of a request that left in blocks
        self._first: Message | None = None  # the first block of the answer
        self._body = bytearray()  # of the answer so far
        self._etag: bytes | None = None
        self._end_s: float | None = None  # of a whole answer in blocks
        self._deadline_s = legs.now_s() + timeout_s - waited_s
        self._timer: Timer | None = legs.layer.timers.add(
            self._deadline_s, self._on_deadline, self
        )

    # Its user

    def start(self) -> None:
        """Send the request, or its first block."""
        if len(self.request.payload) > BLOCK_BYTES:
            self._send_block(0)
        else:
            self._send(None, None, self.request.payload)

    def complete(self, first: Message) -> None:
        """Fetch the rest of what came with its first block."""
        self._on_first(first)

    def cancel(self) -> None:
        """Give it up. Nothing is called any more."""
        self._on_done = None
        self._finish(None, None)

    # The engine

    @property
    def observing(self) -> bool:
        """True when the leg under way asks for an observation."""
        return self.request.observe == 0 and self._first is None

    @property
    def continues(self) -> bool:
        """True when the leg under way is a further block of the request."""
        return self._block1 is not None and self._block1.number > 0

    @property
    def follows(self) -> bool:
        """True when the leg under way asks for a further block of the answer."""
        return self._first is not None

    def on_acknowledged(self) -> None:
        """The request has arrived; the response comes by itself."""

    def on_failed(self, reason: str, detail: str) -> None:
        """The message has failed."""
        path = self.request.title
        if reason == RESET:
            self._finish(None, DeviceReset(path))
        elif reason == UNREACHABLE:
            text = f"{self.endpoint} cannot be reached: {path} ({detail})"
            self._finish(None, DeviceUnreachable(text, path))
        else:
            self._time_out()

    def on_response(self, message: Message) -> None:
        """Take the response to the leg under way."""
        self._end_leg()
        try:
            if self._first is not None:
                self._on_next(message)
            elif not self._continue_upload(message):
                self._on_first(message)
        except MalformedMessage as problem:
            self.break_off(str(problem))

    def break_off(self, reason: str) -> None:
        """End it: the device does not keep to RFC 7959, or to RFC 7252."""
        text = f"block-wise transfer failed: {self.request.title} ({reason})"
        self._finish(None, TransferError(text))

    # Legs

    def _send(self, block1: Block | None, block2: Block | None, payload: bytes) -> None:
        request = self.request
        first = block2 is None
        options: list[tuple[int, bytes]] = []
        if first and request.observe is not None:
            options.append((OBSERVE, encode_uint(request.observe)))
        options += [(URI_PATH, segment.encode()) for segment in (*request.root, *request.path)]
        if request.content_format is not None:
            options.append((CONTENT_FORMAT, encode_uint(request.content_format)))
        options += [(URI_QUERY, item.encode()) for item in request.query]
        if request.accept is not None:
            options.append((ACCEPT, encode_uint(request.accept)))
        if block2 is not None:
            options.append((BLOCK2, block2.encode()))
        if block1 is not None:
            options.append((BLOCK1, block1.encode()))
            if block1.number == 0:
                options.append((SIZE1, encode_uint(len(request.payload))))
        if self._tag is not None:
            options.append((REQUEST_TAG, self._tag))
        self._block1 = block1
        self.token = self._legs.begin(self)
        self._outgoing = self._legs.layer.send_request(
            self.remote, METHOD_CODES[request.method], self.token, options, payload, self
        )

    def _send_block(self, start: int) -> None:
        payload = self.request.payload
        end = start + (16 << self._exponent)
        block = Block(start >> (self._exponent + 4), end < len(payload), self._exponent)
        if start == 0:
            # Blocks of two requests are never taken for those of one (RFC 9175 §3.3): to libcoap
            # a long Write of before is the beginning of a FETCH.
            self._tag = self._legs.tag()
        self._send(block, None, payload[start:end])

    def _end_leg(self) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is not None:
            self._legs.end(self)
            self._legs.layer.release(outgoing)

    def _progress(self) -> None:
        now_s = self._legs.now_s()
        self._deadline_s = now_s + self.timeout_s
        if self._end_s is not None:
            self._deadline_s = min(self._deadline_s, self._end_s)

    def _on_deadline(self, _: object) -> None:
        self._timer = None
        if self._deadline_s > self._legs.now_s():
            self._timer = self._legs.layer.timers.add(self._deadline_s, self._on_deadline, self)
        elif self._end_s is not None and self._deadline_s >= self._end_s:
            self.break_off("it does not end")
        else:
            self._time_out()

    def _time_out(self) -> None:
        path = self.request.title
        text = f"{self.endpoint} did not answer in {self.timeout_s:g} s: {path}"
        self._finish(None, DeviceTimeout(text, path))

    def _finish(self, message: Message | None, error: Lwm2mError | None) -> None:
        self._end_leg()
        self._legs.layer.timers.cancel(self._timer)
        self._timer = None
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done(message, error)

    # A request in blocks (Block1)

    def _continue_upload(self, message: Message) -> bool:
        """Send the next block of the request. False when the response is the final one."""
        sent = self._block1
        block = message.block(BLOCK1)
        if (
            message.code == _TOO_LARGE
            and block is not None
            and block.exponent < self._exponent
            and block.size < len(self.request.payload)
        ):
            # The device wants it in smaller blocks, from the start (RFC 7959 §2.9.3).
            self._exponent = block.exponent
            self._progress()
            self._send_block(0)
            return True
        if sent is None or not codec.successful(message.code):
            return False
        if not sent.more:
            if message.code == codec.CONTINUE:
                raise MalformedMessage("the device waits for more than there is")
            return False
        if block is None:
            # Whoever leaves the option out has not understood it (RFC 7959 §2.3).
            raise MalformedMessage("the device does not take blocks")
        if block.number != sent.number:
            raise MalformedMessage("the device answers another block")
        self._exponent = min(sent.exponent, block.exponent)
        self._progress()
        self._send_block(sent.start + sent.size)
        return True

    # An answer in blocks (Block2)

    def _on_first(self, message: Message) -> None:
        block = message.block(BLOCK2)
        if block is None or not codec.successful(message.code):
            self._finish(message, None)
            return
        if block.number != 0:
            raise MalformedMessage("the answer begins in the middle")
        if not block.more:
            self._finish(message, None)
            return
        self._end_s = self._legs.now_s() + DOWNLOAD_LIMIT_S
        self._first = message
        self._etag = message.option(ETAG)
        self._add(block, message.payload)

    def _on_next(self, message: Message) -> None:
        assert self._first is not None
        if not codec.successful(message.code):
            self._finish(message, None)
            return
        block = message.block(BLOCK2)
        if block is None or block.start != len(self._body):
            raise MalformedMessage("the device answers another block")
        if message.option(ETAG) != self._etag:
            raise MalformedMessage("the content has changed meanwhile")
        if block.more:
            self._add(block, message.payload)
            return
        self._first.payload = bytes(self._body) + message.payload
        self._finish(self._first, None)

    def _add(self, block: Block, payload: bytes) -> None:
        if len(payload) != block.size:
            raise MalformedMessage("a block is not as large as it says")
        self._body += payload
        if len(self._body) > PAYLOAD_LIMIT:
            raise MalformedMessage("the answer is too large")
        self._progress()
        # A FETCH says with each block what it asks for, so that the device need not remember it
        # (RFC 8132 §2). What left in blocks itself is not repeated (RFC 7959 §2.7).
        repeat = self.request.method == "FETCH" and self._tag is None
        self._send(
            None,
            Block(len(self._body) >> (block.exponent + 4), False, block.exponent),
            self.request.payload if repeat else b"",
        )
