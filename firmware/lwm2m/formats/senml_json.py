"""SenML JSON, content format 110 (RFC 8428 §5, LwM2M 1.1 Core §7.4.5), and its twin for composite
requests, 320 (RFC 8790).

Opaque values are base64url without padding; an infinity or NaN has no form in JSON and raises
ValueError: the server gets 5.00. Allocates: nothing for a scalar resource.
"""

from micropython import const

from lwm2m.formats.json_writer import URL, base64, number, string
from lwm2m.formats.senml_writer import Records

_STR = const(1)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_CORELNK = const(9)


class SenmlJson(Records):
    FORMAT = ANSWER_FORMAT = 110
    carries_paths = True

    def start(self, out, total):
        out.byte(91)

    def record(self, out, depth, kind, value):
        base = self.base
        if self.count > 1:
            out.byte(44)
        out.byte(123)
        if base and self.count == 1:
            out.put(b'"bn":"')
            self.spell(out, 0, base, True)
            if self.nested:
                out.byte(47)
            out.put(b'",')
        if depth > base:
            out.put(b'"n":"')
            self.spell(out, base, depth, not base)
            out.put(b'",')
        if kind == _STR or kind == _CORELNK:
            out.put(b'"vs":')
            string(self, out, value)
        elif kind == _BOOL:
            out.put(b'"vb":true' if value else b'"vb":false')
        elif kind == _OPAQUE:
            out.put(b'"vd":')
            base64(out, value, URL, False)
        elif kind == _OBJLNK:
            out.put(b'"vlo":"')
            number(out, kind, value)
            out.byte(34)
        else:
            out.put(b'"v":')
            number(out, kind, value)
        out.byte(125)

    def end(self, out):
        out.byte(93)

    def pack(self, out, samples, n, time_ms):
        from lwm2m.formats.senml_json_pack import pack

        pack(out, samples, n, time_ms)

    def reader(self):
        from lwm2m.formats.senml_json_reader import SenmlJsonReader

        return SenmlJsonReader(self)


class SenmlEtchJson(SenmlJson):
    """For the payloads of Read- and Write-Composite alone; answers are SenML JSON."""

    FORMAT = 320

    def fits(self, depth, flags, value=None):
        return False
