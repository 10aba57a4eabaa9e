"""Diagnostic texts of errors (RFC 7252 §5.5.2): they name what was asked for, and the reason.
Loaded with the first error.
"""

from micropython import const

_TOO_LARGE = const(0x8D)
_BAD_OPTION = const(0x82)
_NOT_ACCEPTABLE = const(0x86)

# No text is longer, in bytes.
_TEXT_BYTES = const(64)

_REASONS = {
    0x80: "malformed, or not a possible value",
    0x81: "no right to it",
    0x82: "option %d",
    0x84: "not here",
    0x85: "cannot be done with it",
    0x86: "no content format %d",
    0x88: "no such block now",
    0x8D: "more than %d bytes",
    0x8F: "no content format %d",
    0xA0: "error in the application",
    0xA3: "not now",
    0xA5: "no proxy",
}

# Of the newest text: exchange, message id, length
_newest = [None, -1, 0]
_text = bytearray(_TEXT_BYTES)


def explain(exchange, message, out, code, reason=None):
    """Append a text for people to `out`, the answer to `message` with an error `code`: `reason`,
    or the path and what the code means. "" stands for a repeated request: its text once more, if
    that is still here. Allocates: the text."""
    if reason != "" or _newest[0] is not exchange or _newest[1] != message.mid:
        _newest[0] = exchange
        _newest[1] = message.mid
        text = (reason or _reason_of(exchange, message, code)).encode()
        n = min(len(text), _TEXT_BYTES)
        while n < len(text) and text[n] & 0xC0 == 0x80:
            n -= 1  # Whole characters only
        _text[:n] = text[:n]
        _newest[2] = n
    out.payload()
    out.put(_text, _newest[2])


def _reason_of(exchange, message, code):
    reason = _REASONS.get(code, "refused")
    if "%" in reason:
        reason = reason % _number(exchange, message, code)
    path = "/".join([str(message.path[i]) for i in range(max(message.depth, 0))])
    if path or not message.depth:
        reason = "/%s: %s" % (path, reason)
    return reason


def _number(exchange, message, code):
    if code == _BAD_OPTION:
        return message.bad_option
    if code == _TOO_LARGE:
        return exchange.body_limit
    return message.accept if code == _NOT_ACCEPTABLE else message.format
