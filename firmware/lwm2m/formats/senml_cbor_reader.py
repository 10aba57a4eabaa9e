"""Reading SenML CBOR, content formats 112 and 322 (RFC 8428 §6). Loaded with the first write."""

from micropython import const

from lwm2m.formats import senml_reader as senml
from lwm2m.formats.cbor_reader import CborParser

_OBJLNK = const(8)

_VS = const(3)
_VLO = const(9)
_OTHER = const(10)


class SenmlCborReader(CborParser):
    def open(self, buf, start, end, path, depth):
        self.begin(buf, start, end)
        senml.begin(self, path, depth)

    def next(self):
        return senml.step(self)

    def key(self):
        major = self.head()
        n = self.n
        if major == 0:
            return n if n < _VLO else _OTHER
        if major == 1:
            return -1 - n if n < 6 else _OTHER
        if major == 3:
            pos = self.pos
            self.pos = pos + n
            name = bytes(self.buf[pos : self.pos])
            if name == b"vlo":
                return _VLO
            if not name.endswith(b"_"):
                return _OTHER
        self.fail()  # no label, or one that must be understood (§4.4)
        return _OTHER

    def decode(self, kind):
        # Some servers write an object link as a text.
        if self.label != senml.label_of(kind) and (kind != _OBJLNK or self.label != _VS):
            return None
        return CborParser.decode(self, kind)
