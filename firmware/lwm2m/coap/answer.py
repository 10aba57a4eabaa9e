"""The half of an Exchange that answers requests (RFC 7252 §4.5, §5.2): its owner writes the
answer, which is remembered when the request changes something, and given again when it comes
again. An error has a diagnostic text (§5.5.2).

Loaded with the first request.
"""

import sys
from micropython import const

from lwm2m.errors import Lwm2mError

_NON = const(1)
_ACK = const(2)

_GET = const(1)
_FETCH = const(5)
_CREATED = const(0x41)
_CONTINUE = const(0x5F)
_BAD_REQUEST = const(0x80)
_BAD_OPTION = const(0x82)
_TOO_LARGE = const(0x8D)
_NOT_FOUND = const(0x84)
_INTERNAL = const(0xA0)
_UNAVAILABLE = const(0xA3)
_PROXYING_NOT_SUPPORTED = const(0xA5)
_PROXY_URI = const(35)
_PROXY_SCHEME = const(39)
_LONGEST = const(1280)


def answer(exchange, message):
    """Answer the request `message`, or repeat the answer it got. Raises MemoryError, after an
    answer by 5.03 if it can."""
    if not exchange.owner.registered:
        return  # Whoever has sent it does not know us (LwM2M Core §6.3).
    out = exchange.builder
    mid = message.mid
    kind = _ACK
    reason = None
    memory = True
    if message.type == _NON:
        kind = _NON
        mid = exchange.message_ids.next()
        if mid < 0:
            return
        out.begin(_NON, 0, mid, message.buf, 4, message.token_len)
        mid = message.mid
    else:
        out.begin(_ACK, 0, mid, message.buf, 4, message.token_len)
    for response in exchange.separate:
        if response.mid == mid:
            if kind == _ACK:
                exchange.send_empty(_ACK, mid)
            return
    # Has this change been made already (§4.5)? Reads are not remembered, but done again.
    changing = message.code != _GET and message.code != _FETCH
    message_ids = exchange.message_ids
    bad = message.bad_option
    if changing and message_ids.find(mid):
        code = message_ids.code  # 0: still to be answered
        reason = ""
        if code == _CREATED:
            exchange.owner.on_repeat(message, out)
        changing = False
    elif message.end > _LONGEST:
        code = _TOO_LARGE  # its end is missing
    elif bad:
        code = _BAD_OPTION
        if bad == _PROXY_URI or bad == _PROXY_SCHEME:
            code = _PROXYING_NOT_SUPPORTED
    else:
        code = 0
        exchange.serving = True
        try:
            if message.block1 >= 0:
                if not exchange.upload:
                    from lwm2m.coap.block import Upload

                    exchange.upload = Upload(exchange)
                code = exchange.upload.receive(message, out)
            if not code:
                code = exchange.owner.on_request(message, out)
                if code >= 128:
                    out.rewind()
        except Lwm2mError as e:
            out.rewind()
            code = e.args[0] if e.args else _BAD_REQUEST
            reason = e.args[1] if len(e.args) > 1 else None
        except MemoryError:
            # Remembered as any answer to a change: what has been done is not done again.
            memory = False
            out.rewind()
            code = _UNAVAILABLE
            if message.block1 >= 0 and exchange.upload:
                exchange.upload.end()
        except Exception as e:
            sys.print_exception(e)
            out.rewind()
            code = _INTERNAL
        exchange.serving = False
        response = exchange.deferred
        if response:
            exchange.deferred = None
            # A value that is still to come is not here.
            if code < 128 or (code == _NOT_FOUND and not changing):
                code = 0
            else:
                exchange.separate.remove(response)
    if changing and code != _CONTINUE:
        message_ids.append(mid, code)
    if message.block1 >= 0 and exchange.upload:
        exchange.upload.echo(message, out, code)
    if code >= 128:
        try:
            from lwm2m.coap.diagnostic import explain

            explain(exchange, message, out, code, reason)
        except MemoryError:
            memory = False  # The code says most of it.
    if code:
        out.buf[1] = code
        exchange.write(out.buf, out.finish())
    elif kind == _ACK:
        exchange.send_empty(_ACK, mid)
    if not memory:
        raise MemoryError
