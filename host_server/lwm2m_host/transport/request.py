"""One request and its answer, with aiocoap's errors turned into ours."""

from __future__ import annotations

import asyncio

from aiocoap import Message, error

from ..errors import (
    DeviceReset,
    DeviceTimeout,
    DeviceUnreachable,
    ServerError,
    TransferError,
    response_error,
)
from .udp import CoapContext


class Fetch(Message):
    """A FETCH that says with each later block of the answer what it asks for.

    So the device need not remember it (RFC 8132 §2: the payload is part of the cache key). A
    payload that left block by block itself is not repeated (RFC 7959 §2.7).
    """

    def _generate_next_block2_request(self, response: Message) -> Message:
        request = super()._generate_next_block2_request(response)
        if self.opt.block1 is None and len(self.payload) <= 1024:
            request.payload = self.payload
        return request


async def exchange(
    context: CoapContext, message: Message, timeout_s: float, *, endpoint: str, path: str
) -> Message:
    """Send a request, block by block where it is large, and return the successful answer.

    `timeout_s` is how long the answer may take; in a block-wise transfer, each block's.

    `endpoint` and `path` are for the words of the errors. Raises DeviceTimeout, DeviceUnreachable,
    DeviceReset, TransferError, ServerError (the context was shut down) or the ResponseError of the
    answer's code.
    """
    remote = message.remote
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s) as timer:
            context.progress[remote] = lambda: timer.reschedule(loop.time() + timeout_s)
            answer = await context.request(message).response
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
    if not answer.code.is_successful():
        raise response_error(answer.code.dotted, path, _diagnostic(answer))
    return answer


def _diagnostic(answer: Message) -> str:
    """The diagnostic text of an error answer, where it is fit to print (RFC 7252 §5.5.2)."""
    text: str = answer.payload[:120].decode("utf-8", "replace")
    return text if text.isprintable() else ""
