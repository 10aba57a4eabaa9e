"""SenML CBOR, content format 112 (RFC 8428 §6, LwM2M 1.1 Core §7.4.5), and its twin for composite
requests, 322 (RFC 8790).

Allocates: nothing for a scalar resource.
"""

from micropython import const

from lwm2m.formats.cbor import digits, head, scalar
from lwm2m.formats.senml_writer import Records

_STR = const(1)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_CORELNK = const(9)

_SLASH = const(47)

# Major types of CBOR
_TEXT_STRING = const(3)
_ARRAY = const(4)
# The head of a map of one pair; labels: the negative one of bn as it is written, then n, v …
_MAP_OF_1 = const(0xA1)
_BASE_NAME_LABEL = const(0x21)
_N = const(0)
_V = const(2)
_VS = const(3)
_VB = const(4)
_VD = const(8)


class SenmlCbor(Records):
    FORMAT = ANSWER_FORMAT = 112
    VERSION = "1.1"
    carries_paths = True
    COUNTED = True

    def start(self, out, total):
        head(out, _ARRAY, total)

    def record(self, out, depth, kind, value):
        base = self.base
        first = base and self.count == 1
        out.byte(_MAP_OF_1 + (1 if first else 0) + (1 if depth > base else 0))
        if first:
            nested = 1 if self.nested else 0
            out.byte(_BASE_NAME_LABEL)
            head(out, _TEXT_STRING, self._size(0, base) + nested)
            self.spell(out, 0, base, True)
            if nested:
                out.byte(_SLASH)
        if depth > base:
            out.byte(_N)
            head(out, _TEXT_STRING, self._size(base, depth) - (1 if base else 0))
            self.spell(out, base, depth, not base)
        if kind == _OBJLNK:
            out.put(b"\x63vlo")
        elif kind == _STR or kind == _CORELNK:
            out.byte(_VS)
        else:
            out.byte(_VB if kind == _BOOL else _VD if kind == _OPAQUE else _V)
        scalar(self, out, kind, value)

    def end(self, out):
        pass

    def _size(self, first, last):
        # The length of path[first:last] with a slash before each id
        n = 0
        while first < last:
            n += 1 + digits(self.path[first])
            first += 1
        return n

    def pack(self, out, samples, n, time_ms):
        from lwm2m.formats.senml_cbor_pack import pack

        pack(out, samples, n, time_ms)

    def reader(self):
        from lwm2m.formats.senml_cbor_reader import SenmlCborReader

        return SenmlCborReader(self)


class SenmlEtchCbor(SenmlCbor):
    """For the payloads of Read- and Write-Composite alone; answers are SenML CBOR."""

    FORMAT = 322
    VERSION = "1.2"

    def fits(self, depth, flags, value=None):
        return False
