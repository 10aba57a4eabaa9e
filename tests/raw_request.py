"""A request to a registered device as a test wrote it: one message, any option, any answer."""

from __future__ import annotations

import asyncio

from aiocoap import Message
from lwm2m_host import Device, Server
from lwm2m_host.coap import codec
from lwm2m_host.coap.message_layer import Remote
from lwm2m_host.coap.messages import DeviceRequest
from lwm2m_host.errors import DeviceReset, DeviceTimeout


class RawTransfer:
    """One leg, in the place of a Transfer: what comes back is the result, whatever it is."""

    observing = False
    follows = True  # a token of its own
    continues = False

    def __init__(self, remote: Remote) -> None:
        self.request = DeviceRequest("GET")
        self.remote = remote
        self.answer: asyncio.Future[codec.Message] = asyncio.get_running_loop().create_future()

    def on_response(self, message: codec.Message) -> None:
        self.answer.set_result(message)

    def break_off(self, reason: str) -> None:
        self.answer.set_exception(ValueError(reason))

    def on_acknowledged(self) -> None:
        pass

    def on_failed(self, reason: str, detail: str) -> None:
        self.answer.set_exception(
            DeviceReset("") if reason == "reset" else DeviceTimeout(f"{reason} {detail}")
        )


async def send_raw(server: Server, device: Device, message: Message) -> Message:
    """Send aiocoap's message from the server's address, and return the answer, whatever its
    code."""
    remote = server.sender.peer(device.endpoint).remote
    engine = server.sender.endpoint._engine
    transfer = RawTransfer(remote)
    token = message.token or engine.begin(transfer)  # type: ignore[arg-type]
    engine._transfers[token] = transfer  # type: ignore[assignment]
    options = [(int(item.number), item.encode()) for item in message.opt.option_list()]
    outgoing = engine.layer.send_request(
        remote, int(message.code), token, options, message.payload, transfer
    )
    try:
        found = await transfer.answer
    finally:
        engine.layer.release(outgoing)
        engine._transfers.pop(token, None)
    answer: Message = Message.decode(found.encode())
    return answer
