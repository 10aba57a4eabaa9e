"""Octet stream, content format 42 (LwM2M 1.1 Core §7.4.2)."""

from format_model import PATH, Model, thing
from testing import eq, heap_locked

from lwm2m.coap.builder import Builder
from lwm2m.formats.opaque import Opaque
from lwm2m.management.walk import represent
from lwm2m.types import INT, MULTI, OPAQUE, STR

CODEC = Opaque()


def emit_into(out, model, skip=0, room=-1):
    out.rewind()
    out.payload(skip, room)
    represent(model, CODEC, out, PATH, 2, 0, None)


def started(size=2048):
    out = Builder(size)
    out.begin(0, 0x45, 1, b"", 0, 0)
    return out


def test_bytes_as_they_are():
    for n in (0, 1, 32, 33, 255, 256, 1000):
        raw = bytes(i * 37 & 255 for i in range(n))
        for kind in (bytes, bytearray, memoryview):
            out = started()
            emit_into(out, Model(thing((5, OPAQUE, kind(raw)))))
            stop = out.finish()
            eq((n, bytes(out.buf[5:stop]) if n else b""), (n, raw))


def test_windows_add_up():
    raw = bytes(i * 37 & 255 for i in range(1000))
    model = Model(thing((5, OPAQUE, raw)))
    out = started(600)
    for room in (16, 32, 64, 128, 256, 512):
        got = b""
        while True:
            emit_into(out, model, len(got), room)
            got += bytes(out.buf[5 : out.finish()])
            if not out.more:
                break
        eq(got, raw)


def test_value_is_a_copy():
    b = bytearray(b"<<\x00\xff\x01>>")
    codec = CODEC.reader()
    codec.open(b, 2, 5, PATH, 3)
    assert codec.next()
    value = codec.value(OPAQUE)
    b[2] = 9
    eq(value, b"\x00\xff\x01")
    assert not codec.next()
    assert not codec.error


def test_empty_value():
    codec = CODEC.reader()
    codec.open(b"", 0, 0, PATH, 3)
    assert codec.next()
    eq(codec.value(OPAQUE), b"")


def test_value_of_another_type_is_an_error():
    for flags in (INT, STR):
        codec = CODEC.reader()
        codec.open(b"x", 0, 1, PATH, 3)
        codec.next()
        codec.value(flags)
        assert codec.error


def test_fits_one_opaque_value():
    assert CODEC.fits(3, OPAQUE)
    assert CODEC.fits(4, OPAQUE | MULTI)
    for depth, flags in ((3, OPAQUE | MULTI), (3, STR), (4, INT | MULTI), (2, 0), (1, 0)):
        assert not CODEC.fits(depth, flags), (depth, flags)


def test_allocates_nothing_below_256_bytes():
    for n in (0, 1, 33, 255):
        heap_locked(emit_into, started(300), Model(thing((5, OPAQUE, bytes(n)))))
