"""A request to a registered device as a test wrote it: one datagram, any option, any answer."""

from __future__ import annotations

from aiocoap import Message
from lwm2m_host import Device, Server


async def send_raw(server: Server, device: Device, message: Message) -> Message:
    """Send aiocoap's message from the server's address, and return the answer, whatever its
    code."""
    message.remote = server.sender.peer(device.endpoint).remote
    context = server.sender.endpoint.context
    answer: Message = await context.request(message, handle_blockwise=False).response
    return answer
