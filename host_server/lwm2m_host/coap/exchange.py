"""Exchange of one request and its answer, with aiocoap's errors turned into ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiocoap import Message, error
from aiocoap.numbers.codes import Code
from aiocoap.numbers.constants import TransportTuning
from aiocoap.protocol import BlockwiseRequest

from ..errors import DeviceReset, DeviceTimeout, DeviceUnreachable, ServerError, TransferError
from .context import CoapContext
from .messages import DeviceRequest, ObservationToken, Peer, Response, successful
from .timing import Timing
from .tokens import response_of

_METHODS = {
    str(code): code
    for code in (Code.GET, Code.POST, Code.PUT, Code.DELETE, Code.FETCH, Code.iPATCH)
}
PAYLOAD_LIMIT = 16 * 1024 * 1024


class OutgoingMessage(Message):
    """A request for a device; `observation` is the token of the observation it belongs to."""

    observation: ObservationToken | None = None

    def copy(self, **changes: Any) -> OutgoingMessage:
        new: OutgoingMessage = super().copy(**changes)
        if new.opt.observe is not None:
            new.observation = self.observation
        return new

    def _generate_next_block2_request(self, response: Message) -> Message:
        # aiocoap trusts the first block, and has no bound.
        if len(response.payload) % response.opt.block2.size:
            raise error.UnexpectedBlock2("Payload size does not match Block2")
        if len(response.payload) > PAYLOAD_LIMIT:
            raise error.UnexpectedBlock2("the answer is too large")
        request: Message = super()._generate_next_block2_request(response)
        return request


class OutgoingFetch(OutgoingMessage):
    """A FETCH that says with each later block of the answer what it asks for.

    So the device need not remember it (RFC 8132 §2: the payload is part of the cache key). A
    payload that left block by block itself is not repeated (RFC 7959 §2.7).
    """

    def _generate_next_block2_request(self, response: Message) -> Message:
        request = super()._generate_next_block2_request(response)
        if self.opt.block1 is None and len(self.payload) <= 1024:
            request.payload = self.payload
        return request


def message_of(request: DeviceRequest, peer: Peer, timing: Timing) -> OutgoingMessage:
    """The request as aiocoap's message."""
    message = (OutgoingFetch if request.method == "FETCH" else OutgoingMessage)(
        code=_METHODS[request.method],
        payload=request.payload,
        uri_path=(*request.root, *request.path),
        uri_query=request.query,
        transport_tuning=tuning_of(timing),
    )
    if request.content_format is not None:
        message.opt.content_format = request.content_format
    if request.accept is not None:
        message.opt.accept = request.accept
    message.opt.observe = request.observe
    message.observation = request.token
    message.remote = peer.remote
    return message


def tuning_of(timing: Timing) -> TransportTuning:
    """Transmission parameters as aiocoap has them."""
    tuning = TransportTuning()
    tuning.ACK_TIMEOUT = timing.ack_timeout_s
    tuning.ACK_RANDOM_FACTOR = timing.ack_random_factor
    tuning.MAX_RETRANSMIT = timing.max_retransmit
    tuning.reliability = True
    return tuning


async def exchange(
    context: CoapContext, message: Message, timeout_s: float, *, endpoint: str, path: str
) -> Response:
    """Send a request, block by block where it is large, and return the successful answer.

    `timeout_s` is how long the answer may take; in a block-wise transfer, each block's.

    `endpoint` and `path` are for the words of the errors. Raises DeviceTimeout, DeviceUnreachable,
    DeviceReset, TransferError, ServerError (the context was shut down) or the ResponseError of the
    answer's code.
    """
    answer = await _guarded(
        context,
        message.remote,
        lambda: context.request(message).response,
        timeout_s,
        endpoint=endpoint,
        path=path,
    )
    return successful(response_of(answer), path)


async def complete(
    context: CoapContext,
    message: Message,
    notification: Message,
    timeout_s: float,
    *,
    endpoint: str,
    path: str,
) -> Response:
    """The whole of a notification that came with its first block only (RFC 7959 §2.6).

    `message` is the request as for a read of what is observed. Raises as `exchange` does;
    TransferError when what is there has changed meanwhile.
    """
    if notification.opt.block2.block_number != 0:
        raise TransferError(f"a notification begins in the middle: {path}")

    async def begin() -> Message:
        whole: Message = await BlockwiseRequest._complete_by_requesting_block2(
            context, message, notification, context.log
        )
        return whole

    whole = await _guarded(context, message.remote, begin, timeout_s, endpoint=endpoint, path=path)
    return successful(response_of(whole), path)


async def _guarded(
    context: CoapContext,
    remote: Any,
    begin: Callable[[], Awaitable[Message]],
    timeout_s: float,
    *,
    endpoint: str,
    path: str,
) -> Message:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s) as timer:
            context.progress[remote] = lambda: timer.reschedule(loop.time() + timeout_s)
            return await begin()
    except (TimeoutError, error.TimeoutError):
        raise DeviceTimeout(
            f"{endpoint} did not answer in {timeout_s:g} s: {path}", path
        ) from None
    except error.MessageError:
        raise DeviceReset(path) from None
    except error.LibraryShutdown:
        raise ServerError("the server was closed") from None
    except error.NetworkError as problem:
        raise DeviceUnreachable(
            f"{endpoint} cannot be reached: {path} ({problem})", path
        ) from None
    except error.Error as problem:
        text = str(problem) or type(problem).__name__
        raise TransferError(f"block-wise transfer failed: {path} ({text})") from None
    finally:
        context.progress.pop(remote, None)
