"""The layer of requests and responses (RFC 7252 §5): tokens, observations, blocks.

Sans-I/O, as the message layer below it. `CoapEndpoint` is what the rest of the server has of it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Hashable

from ..errors import Lwm2mError
from . import codec
from .assembly import Busy, Download, Downloads, Incomplete, TooLarge, Uploads, cache_key
from .codec import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CONTENT_FORMAT,
    LOCATION_PATH,
    METHODS,
    OBSERVE,
    PROXY_SCHEME,
    PROXY_URI,
    SIZE1,
    URI_HOST,
    URI_PATH,
    URI_PORT,
    URI_QUERY,
    Block,
    MalformedMessage,
    Message,
    encode_uint,
)
from .message_layer import Exchange, MessageLayer, Remote
from .messages import (
    DeviceRequest,
    NotificationMessage,
    ObservationToken,
    Peer,
    Request,
    Response,
)
from .timing import Timing
from .transfer import Transfer
from .transport import Transport

log = logging.getLogger(__name__)

# Options that are critical and taken (RFC 7252 §5.4.1)
_TAKEN = frozenset({URI_HOST, URI_PORT, URI_PATH, URI_QUERY, ACCEPT, BLOCK1, BLOCK2})
_PROXY = frozenset({PROXY_URI, PROXY_SCHEME})
_EXPONENT = 6  # 1024 bytes, the largest block

Respond = Callable[[Response], None]
Serve = Callable[[Request, Respond], bool]
"""Answers a request by the given function, once. False when it will do so later."""


class _Refused(Exception):
    """A request that nobody but the engine answers."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text)
        self.code = codec.code_of(code)
        self.text = text


class _Options:
    """The options of a request, understood."""

    __slots__ = ("block1", "block2", "content_format", "path", "query")

    def __init__(self, message: Message) -> None:
        """Raises _Refused."""
        path = []
        query = []
        self.content_format: int | None = None
        self.block1: Block | None = None
        self.block2: Block | None = None
        try:
            for number, value in message.options:
                if number == URI_PATH:
                    path.append(value.decode())
                elif number == URI_QUERY:
                    query.append(value.decode())
                elif number == CONTENT_FORMAT:
                    if len(value) <= 2:
                        self.content_format = int.from_bytes(value, "big")
                elif number == BLOCK1 and self.block1 is None:
                    self.block1 = codec.decode_block(value)
                elif number == BLOCK2 and self.block2 is None:
                    self.block2 = codec.decode_block(value)
                elif number == ACCEPT and len(value) > 2:
                    raise _Refused("4.02", "the format is no number")
                elif number in _PROXY:
                    raise _Refused("5.05")
                elif number & 1 and (number not in _TAKEN or number in (BLOCK1, BLOCK2)):
                    raise _Refused("4.02", f"option {number}")
        except UnicodeDecodeError:
            raise _Refused("4.00", "an option is not UTF-8") from None
        except MalformedMessage as problem:
            raise _Refused("4.00", str(problem)) from None
        self.path = tuple(path)
        self.query = tuple(query)


class Engine:
    """CoAP on one transport, for requests in both directions.

    serve: answers the requests of devices.
    clock: seconds that never jump.
    """

    def __init__(
        self,
        transport: Transport,
        serve: Serve,
        clock: Callable[[], float],
        timing: Timing,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.layer = MessageLayer(transport, self, clock, timing, jitter)
        self.uploads = Uploads(clock)
        self.downloads = Downloads(clock)
        self._transport = transport
        self._serve = serve
        self._clock = clock
        # Token: the transfer whose leg is under way with it.
        self._transfers: dict[bytes, Transfer] = {}
        # Value of a token: the observation that it belongs to.
        self._observations: dict[bytes, ObservationToken] = {}
        self._token = random.getrandbits(32)
        self._tag = random.getrandbits(16)

    def now_s(self) -> float:
        return self._clock()

    # Requests of ours

    def request(
        self,
        peer: Peer,
        request: DeviceRequest,
        timeout_s: float,
        endpoint: str,
        on_done: Callable[[Message | None, Lwm2mError | None], None],
        waited_s: float = 0.0,
    ) -> Transfer:
        """Send a request; `on_done` gets the complete answer, or the error.

        waited_s: seconds of the first timeout that have passed already.
        """
        transfer = Transfer(self, peer.remote, request, timeout_s, endpoint, on_done, waited_s)
        transfer.start()
        return transfer

    def complete(
        self,
        peer: Peer,
        request: DeviceRequest,
        first: Message,
        timeout_s: float,
        endpoint: str,
        on_done: Callable[[Message | None, Lwm2mError | None], None],
    ) -> Transfer:
        """Fetch the rest of a notification; the end is as in `request`."""
        transfer = Transfer(self, peer.remote, request, timeout_s, endpoint, on_done)
        try:
            transfer.complete(first)
        except MalformedMessage as problem:
            transfer.break_off(str(problem))
        return transfer

    def begin(self, transfer: Transfer) -> bytes:
        """A token for a leg of a transfer, as Legs says."""
        observation = transfer.request.token
        if observation is not None and not transfer.follows:
            token = observation.value
        elif transfer.continues:
            token = transfer.token  # node-coap knows an upload by its token
        else:
            # Shorter than those of observations: a notification that we know nothing of is never
            # taken for the answer to something else.
            self._token = (self._token + 1) & 0xFFFFFFFF
            token = self._token.to_bytes(4, "big")
        self._transfers[token] = transfer
        return token

    def end(self, transfer: Transfer) -> None:
        """Forget the token of a leg, as Legs says."""
        if self._transfers.get(transfer.token) is transfer:
            del self._transfers[transfer.token]

    def tag(self) -> bytes:
        """A Request-Tag, as Legs says."""
        self._tag = (self._tag + 1) & 0xFFFF
        return self._tag.to_bytes(2, "big")

    # Observations

    def knows(self, token: ObservationToken) -> bool:
        """True while notifications with this token are taken."""
        return self._observations.get(token.value) is token

    def forget(self, token: ObservationToken) -> None:
        """Answer further notifications with this token with RST (RFC 7641 §3.6)."""
        if self.knows(token):
            del self._observations[token.value]

    def adopt(self, token: ObservationToken) -> None:
        """Take notifications with a token that is known from before the server was restarted."""
        self._observations[token.value] = token

    @property
    def observations(self) -> int:
        """The number of tokens whose notifications are taken."""
        return len(self._observations)

    # Responses of devices, as User says

    def on_response(self, remote: Remote, message: Message) -> bool:
        """Take a response, or a notification."""
        transfer = self._transfers.get(message.token)
        if transfer is not None and transfer.remote is not remote:
            transfer = None
        # Behind a NAT a device may have another address by now, and say so only with its next
        # Update: the token alone counts, nobody else knows it.
        observation = self._observations.get(message.token)
        if transfer is None and observation is None:
            return False
        if not _understood(message):
            if transfer is not None:
                transfer.break_off("the answer has an option that is not understood")
            return False
        sequence = message.uint(OBSERVE)
        if transfer is None:
            assert observation is not None
            self._on_notification(observation, sequence, message)
            return True
        if transfer.observing:
            self._on_observe_response(transfer.request.token, sequence, message)
        elif observation is not None and sequence is not None and message.kind != ACK:
            # It was on its way when the cancellation left.
            self._on_notification(observation, sequence, message)
            return True
        transfer.on_response(message)
        return True

    def _on_observe_response(
        self, token: ObservationToken | None, sequence: int | None, message: Message
    ) -> None:
        if token is None:
            return
        if sequence is not None and codec.successful(message.code):
            self._observations[token.value] = token
        elif not codec.successful(message.code):
            self._observations.pop(token.value, None)
        if message.code != codec.CONTINUE:
            token.on_response(sequence)

    def _on_notification(
        self, token: ObservationToken, sequence: int | None, message: Message
    ) -> None:
        if sequence is None or not codec.successful(message.code):
            self.forget(token)  # it was the last one (RFC 7641 §3.2)
        token.on_message(notification_of(message, sequence))

    # Requests of devices, as User says

    def on_request(self, exchange: Exchange, message: Message) -> None:
        """Answer a request, or put it together first."""
        try:
            method = METHODS.get(message.code)
            options = _Options(message)
            if method is None:
                raise _Refused("4.05")
            key = None
            payload: bytes | None = message.payload
            if options.block1 is not None or options.block2 is not None:
                key = cache_key(exchange.remote, message)
                if self._continue_download(exchange, key, options):
                    return
            if options.block1 is not None:
                payload = self._assemble(exchange, key, options.block1, message)
                if payload is None:
                    return
        except _Refused as refused:
            if refused.text:
                address = exchange.remote.address
                self.layer.log.warning("refused", f"{address}: {refused.text}")
            self.layer.respond(exchange, refused.code, (), refused.text.encode())
            return
        assert payload is not None
        request = Request(
            method,
            options.path,
            self.peer(exchange.remote),
            options.query,
            payload,
            options.content_format,
        )
        block1, block2 = options.block1, options.block2

        def respond(answer: Response) -> None:
            self._respond(exchange, message, answer, block1, block2)

        if not self._serve(request, respond):
            self.layer.defer(exchange)

    def peer(self, remote: Remote) -> Peer:
        """The peer as the rest of the server has it."""
        transport = self._transport
        return Peer(remote.address, transport.secure, remote, transport.identity(remote.key))

    def peer_at(self, address: str) -> Peer:
        """The peer at ``host:port``, before it has said anything. Raises ValueError."""
        return self.peer(self.layer.remote(self._transport.key(address)))

    def _assemble(
        self, exchange: Exchange, key: Hashable, block: Block, message: Message
    ) -> bytes | None:
        """The whole payload, None when the request has been answered. Raises _Refused."""
        try:
            payload = self.uploads.take(exchange.remote, key, block, message.payload)
        except Incomplete:
            raise _Refused("4.08") from None
        except TooLarge:
            self.layer.respond(
                exchange,
                codec.code_of("4.13"),
                [(SIZE1, encode_uint(self.uploads.limit))],
                b"",
            )
            return None
        except Busy:
            raise _Refused("5.03") from None
        if payload is None:
            self.layer.respond(exchange, codec.CONTINUE, [(BLOCK1, block.encode())], b"")
        return payload

    def _respond(
        self,
        exchange: Exchange,
        message: Message,
        answer: Response,
        block1: Block | None,
        block2: Block | None,
    ) -> None:
        options = [(LOCATION_PATH, segment.encode()) for segment in answer.location]
        if answer.content_format is not None:
            options.append((CONTENT_FORMAT, encode_uint(answer.content_format)))
        code = codec.code_of(answer.code)
        exponent = _EXPONENT if block2 is None else block2.exponent
        if len(answer.payload) > 16 << exponent:
            download = Download(code, options, answer.payload)
            self.downloads.keep(cache_key(exchange.remote, message), download)
            self._send_block(exchange, download, Block(0, False, exponent), block1)
            return
        if block1 is not None:
            options.append((BLOCK1, block1.encode()))
        self.layer.respond(exchange, code, options, answer.payload)

    def _continue_download(self, exchange: Exchange, key: Hashable, options: _Options) -> bool:
        """Send a further block of an answer. Raises _Refused when there is none."""
        block = options.block2
        if block is None or block.number == 0 or options.block1 is not None:
            return False
        download = self.downloads.find(key)
        if download is None or block.start >= len(download.payload):
            raise _Refused("4.08", "no such block")
        if block.start + block.size >= len(download.payload):
            self.downloads.forget(key)
        self._send_block(exchange, download, block, None)
        return True

    def _send_block(
        self, exchange: Exchange, download: Download, block: Block, block1: Block | None
    ) -> None:
        end = block.start + block.size
        more = end < len(download.payload)
        options = [*download.options, (BLOCK2, block._replace(more=more).encode())]
        if block1 is not None:
            options.append((BLOCK1, block1.encode()))
        self.layer.respond(exchange, download.code, options, download.payload[block.start : end])

    # Numbers for the operator

    @property
    def transfers(self) -> int:
        """The requests of ours that are under way."""
        return len(self._transfers)

    def close(self) -> None:
        """Drop everything; nothing is called any more."""
        for transfer in list(self._transfers.values()):
            transfer.cancel()
        self._transfers.clear()
        self._observations.clear()
        self.layer.close()


def _understood(message: Message) -> bool:
    """True unless a response has a critical option that is not known (RFC 7252 §5.4.1)."""
    return not any(number & 1 and number not in _TAKEN for number, _ in message.options)


def response_of(message: Message) -> Response:
    """The response as a value."""
    path = tuple(
        value.decode("utf-8", "replace")
        for number, value in message.options
        if number == LOCATION_PATH
    )
    return Response(
        codec.dotted(message.code), message.payload, message.uint(CONTENT_FORMAT), path
    )


def notification_of(message: Message, sequence: int | None) -> NotificationMessage:
    """The notification as a value."""
    try:
        block = message.block(BLOCK2)
    except MalformedMessage:
        block = None
    return NotificationMessage(
        response_of(message),
        sequence,
        message.kind == codec.CON,
        block is not None and block.more and codec.successful(message.code),
        message,
    )
