"""JSON of LwM2M 1.0, content format 11543 (LwM2M 1.0 §6.4.4): {"bn": ..., "e": [records]}.

Opaque values are base64 with padding, in "sv"; an infinity or NaN has no form in JSON and raises
ValueError: the server gets 5.00. Allocates: nothing for a scalar resource.
"""

from micropython import const

from lwm2m.formats.json_writer import STANDARD, JsonRecords

# Characters of the syntax
_COMMA = const(44)
_SLASH = const(47)
_LEFT_BRACE = const(123)
_RIGHT_BRACE = const(125)


class Json(JsonRecords):
    FORMAT = 11543
    TEXT = b'"sv":'
    BOOL = b'"bv":'
    OPAQUE = b'"sv":'
    OBJLNK = b'"ov":'
    ALPHABET = STANDARD
    PADDED = True

    def start(self, out, total):
        out.put(b'{"bn":"')
        self.spell(out, 0, self.base, True)
        if self.nested:
            out.byte(_SLASH)
        out.put(b'","e":[')

    def record(self, out, depth, kind, value):
        if self.count > 1:
            out.byte(_COMMA)
        out.byte(_LEFT_BRACE)
        if depth > self.base:
            out.put(b'"n":"')
            self.spell(out, self.base, depth, False)
            out.put(b'",')
        self.field(out, kind, value)
        out.byte(_RIGHT_BRACE)

    def end(self, out):
        out.put(b"]}")

    def reader(self):
        from lwm2m.formats.json_reader import JsonReader

        return JsonReader(self)
