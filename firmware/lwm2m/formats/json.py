"""JSON of LwM2M 1.0, content format 11543 (LwM2M 1.0 §6.4.4): {"bn": ..., "e": [records]}.

Opaque values are base64 with padding, in "sv"; an infinity or NaN has no form in JSON and raises
ValueError: the server gets 5.00. Allocates: nothing for a scalar resource.
"""

from micropython import const

from lwm2m.formats.json_writer import STANDARD, base64, number, string
from lwm2m.formats.senml_writer import Records

_STR = const(1)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_CORELNK = const(9)


class Json(Records):
    FORMAT = 11543

    def start(self, out, total):
        out.put(b'{"bn":"')
        self.spell(out, 0, self.base, True)
        if self.nested:
            out.byte(47)
        out.put(b'","e":[')

    def record(self, out, depth, kind, value):
        if self.count > 1:
            out.byte(44)
        out.byte(123)
        if depth > self.base:
            out.put(b'"n":"')
            self.spell(out, self.base, depth, False)
            out.put(b'",')
        if kind == _STR or kind == _CORELNK:
            out.put(b'"sv":')
            string(self, out, value)
        elif kind == _BOOL:
            out.put(b'"bv":true' if value else b'"bv":false')
        elif kind == _OPAQUE:
            out.put(b'"sv":')
            base64(out, value, STANDARD, True)
        elif kind == _OBJLNK:
            out.put(b'"ov":"')
            number(out, kind, value)
            out.byte(34)
        else:
            out.put(b'"v":')
            number(out, kind, value)
        out.byte(125)

    def end(self, out):
        out.put(b"]}")

    def reader(self):
        from lwm2m.formats.json_reader import JsonReader

        return JsonReader(self)
