"""Time and heap of building and parsing two messages; `codec.py microcoapy` adds that package."""

import json
import sys

from lwm2m.client import Builder, Message
from measure import heap_bytes, loop_us

TOKEN = b"\x01\x02\x03\x04"
TEXT = b"twenty bytes of text"
GET = b"\x44\x01\x12\x34\x01\x02\x03\x04\xb13\x010\x010"
CONTENT = b"\x64\x45\x12\x34\x01\x02\x03\x04\xc0\xff" + TEXT

_LOOPS = 1000
_ROUNDS = 15

builder = Builder(640)
message = Message()


def encode_get():
    b = builder
    b.begin(0, 1, 0x1234, TOKEN, 0, 4)
    b.option(11, b"3")
    b.option(11, b"0")
    b.option(11, b"0")
    return b.finish()


def encode_content():
    b = builder
    b.begin(2, 0x45, 0x1234, TOKEN, 0, 4)
    b.uint(12, 0)
    b.payload()
    b.put(TEXT)
    return b.finish()


def decode_get():
    m = message
    m.parse(GET, 14)
    return m.path[m.depth - 1]


def decode_content():
    m = message
    m.parse(CONTENT, 30)
    return m.end - m.payload


def verify():
    # No assert: -O3 takes it away.
    if builder.buf[: encode_get()] != GET or builder.buf[: encode_content()] != CONTENT:
        raise ValueError("what is built is not the message")
    if decode_get() or message.depth != 3 or decode_content() != 20 or message.format:
        raise ValueError("what is parsed is not the message")


def main():
    verify()
    tasks = [("codec.", fn) for fn in (encode_get, encode_content, decode_get, decode_content)]
    if "microcoapy" in sys.argv:
        import codec_microcoapy as other

        other.verify(GET, CONTENT)
        names = (other.encode_get, other.encode_content, other.decode_get, other.decode_content)
        tasks += [("microcoapy.codec.", fn) for fn in names]
    best = [1e9] * len(tasks)
    for _ in range(_ROUNDS):
        for i, task in enumerate(tasks):
            best[i] = min(best[i], loop_us(task[1], _LOOPS))
    for i, (prefix, fn) in enumerate(tasks):
        name = prefix + fn.__name__
        print(json.dumps({name + ".us": best[i], name + ".heap_bytes": heap_bytes(fn)}))


main()
