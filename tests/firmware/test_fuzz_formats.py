"""Mutated payloads in every format: no reader raises or runs on, and a client that refuses one
has changed nothing."""

from format_checks import NEW, bench_of, represented, state
from testing import eq
from vectors_cbor import MALFORMED, cbor
from vectors_json import BAD as BAD_JSON
from vectors_json import WHOLE as WHOLE_JSON
from vectors_json import records as json_records
from vectors_lwm2m_cbor import tree
from vectors_lwm2m_cbor import BAD as BAD_LWM2M_CBOR
from vectors_lwm2m_cbor import WHOLE as WHOLE_LWM2M_CBOR
from vectors_senml_cbor import BAD as BAD_SENML_CBOR
from vectors_senml_cbor import WHOLE as WHOLE_SENML_CBOR
from vectors_senml_cbor import records as senml_cbor_records
from vectors_senml_json import BAD as BAD_SENML_JSON
from vectors_senml_json import WHOLE as WHOLE_SENML_JSON
from vectors_senml_json import records as senml_json_records
from wire import CHANGED, IPATCH, POST, PUT

from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.types import BOOL, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME, UINT

COUNT = 4000
THROUGH_CLIENT = 1500

LONGEST = 1100  # what one datagram carries


class Dice:
    """xorshift of 16 bits, the same at every width."""

    def __init__(self, seed):
        self.x = seed

    def roll(self, n):
        x = self.x
        x = (x ^ x << 7) & 0xFFFF
        x ^= x >> 9
        self.x = x = (x ^ x << 8) & 0xFFFF
        return x % n


def mutated(dice, corpus, pieces):
    """One of the corpus with up to four changes."""
    b = corpus[dice.roll(len(corpus))]
    for _ in range(1 + dice.roll(4)):
        at = dice.roll(len(b) + 1)
        n = dice.roll(4)
        kind = dice.roll(7)
        if kind == 0:
            b = b[:at] + bytes((dice.roll(256),)) + b[at + 1 :]
        elif kind == 1 and at < len(b):
            b = b[:at] + bytes((b[at] ^ 1 << dice.roll(8),)) + b[at + 1 :]
        elif kind == 2:
            b = b[:at] + b[at + n :]
        elif kind == 3:
            b = b[:at] + pieces[dice.roll(len(pieces))] + b[at + n :]
        elif kind == 4:
            other = corpus[dice.roll(len(corpus))]
            b = b[:at] + other[dice.roll(len(other) + 1) :]
        elif kind == 5:
            b = b[:at] + b[at // 2 : at] + b[at:]
        else:
            b = b[:at]
    return b[:LONGEST]


KINDS = (STR, INT, UINT, FLOAT, BOOL, OPAQUE, TIME, OBJLNK)
PATH = (9999, 0, 5, 3)


def walk(codec, b, depth, kind):
    reader = codec.reader()
    reader.open(b, 0, len(b), PATH, depth)
    steps = 0
    while reader.next():
        steps += 1
        assert steps <= len(b), "no end"
        for i in range(depth):
            ids = (reader.oid, reader.iid, reader.rid, reader.riid)
            assert ids[i] == PATH[i] or (i == 3 and ids[i] < 0), ids
        if reader.has_value and reader.riid != -2:
            value = reader.value(kind)
            if not reader.error:
                check(kind, value)
    eq(reader.next(), False)


def check(kind, value):
    """A value that was read is one of its type."""
    if kind == STR:
        assert isinstance(value, str)
    elif kind == FLOAT:
        assert isinstance(value, float)
    elif kind == BOOL:
        assert value is True or value is False
    elif kind == OPAQUE:
        assert isinstance(value, bytes)
    elif kind == OBJLNK:
        assert len(value) == 2 and 0 <= value[0] < 65536 and 0 <= value[1] < 65536
    elif kind == UINT:
        assert 0 <= value < 1 << 64
    else:
        assert -(1 << 63) <= value < 1 << 63


def fuzz(codec, good, bad, pieces, seed):
    corpus = [b for b in bad if b] + good * 20
    dice = Dice(seed)
    for i in range(COUNT):
        b = mutated(dice, corpus, pieces)
        try:
            walk(codec, b, i % 5, KINDS[dice.roll(len(KINDS))])
        except Exception as e:
            raise AssertionError("%r at depth %d: %r" % (b, i % 5, e))
    if codec.fits(2, 0):
        fuzz_client(codec, good[1:], pieces, dice)


def fuzz_client(codec, corpus, pieces, dice):
    bench, part = bench_of(codec)
    bench.registered()
    old = state(part)
    paths = ((POST, "/9999/0"), (PUT, "/9999/0"), (PUT, "/9999/0/8"), (IPATCH, "/"))
    changes = 0
    for i in range(THROUGH_CLIENT):
        b = mutated(dice, corpus, pieces)
        code, path = paths[i % 4]
        answer = bench.ask(code, path, b, format=codec.FORMAT).code
        if answer == CHANGED:
            changes += 1
            old = state(part)
        else:
            assert answer >> 5 == 4, (hex(answer), b)
            eq((b, state(part)), (b, old))
    assert changes > 20, changes


CBOR_PIECES = [bytes((n,)) for n in (0, 0x18, 0x1B, 0x20, 0x41, 0x61, 0x7F, 0x80, 0x9F, 0xA0)]
CBOR_PIECES += [bytes((n,)) for n in (0xA1, 0xBF, 0xC1, 0xC4, 0xF4, 0xF5, 0xF6, 0xF9, 0xFB, 0xFF)]
CBOR_PIECES += [
    b"\x1b" + b"\xff" * 8,
    b"\xbb" + b"\xff" * 8,
    b"\x81" * 20,
    b"\x63vlo",
    b"\x21\x60",
]
JSON_PIECES = [c.encode() for c in '{}[]:,"\\-+.eE0123456789tfn/u_ ']
JSON_PIECES += [
    b'"bn":',
    b'"n":',
    b'"v":',
    b'"vs":',
    b'"sv":',
    b"true",
    b"null",
    b"\\u",
    b"\\ud834",
]
JSON_PIECES += [b"\xff", b"1e999", b"9" * 30, b"[" * 20, b'{"a":' * 10, b"\x00"]


def test_cbor():
    good = [cbor(v) for v in (5, -70000, "ab:c", b"xyz", 1.5, True)]
    fuzz(Cbor(), good, MALFORMED, CBOR_PIECES, 1)


def test_senml_cbor():
    good = [WHOLE_SENML_CBOR, senml_cbor_records(NEW), senml_cbor_records(NEW[1:2])]
    fuzz(SenmlCbor(), good, BAD_SENML_CBOR, CBOR_PIECES, 2)


def test_lwm2m_cbor():
    good = [WHOLE_LWM2M_CBOR]
    good += [cbor(((9999, ((0, tree(values)),)),)) for values in (NEW, NEW[1:2])]
    fuzz(Lwm2mCbor(), good, BAD_LWM2M_CBOR, CBOR_PIECES, 3)


def test_senml_json():
    good = [WHOLE_SENML_JSON, senml_json_records(NEW), senml_json_records(NEW[1:2])]
    fuzz(SenmlJson(), good, BAD_SENML_JSON, JSON_PIECES, 4)


def test_json():
    good = [WHOLE_JSON, json_records(NEW), json_records(NEW[1:2])]
    fuzz(Json(), good, BAD_JSON, JSON_PIECES, 5)


def test_what_is_accepted_is_written_the_same_again():
    # Values that came through the reader of one format go through all others.
    codecs = (SenmlCbor(), SenmlJson(), Lwm2mCbor(), Json())
    for rid, flags, value in NEW:
        for codec in codecs:
            path = (9999, 0, rid, 0)
            b = represented(codec, None, path, 3, flags, value)
            found = {}
            reader = codec.reader()
            reader.open(b, 0, len(b), path, 3)
            while reader.next():
                found[reader.riid] = reader.value(flags)
            eq((reader.error, found), (False, value if flags & MULTI else {-1: value}))
