"""SenML JSON, content format 110 (RFC 8428 §5, LwM2M 1.1 Core §7.4.5), and its twin for composite
requests, 320 (RFC 8790).

Opaque values are base64url without padding; an infinity or NaN has no form in JSON and raises
ValueError: the server gets 5.00. Allocates: nothing for a scalar resource.
"""

from micropython import const

from lwm2m.formats.json_writer import URL, JsonRecords

# Characters of the syntax
_COMMA = const(44)
_SLASH = const(47)
_LEFT_BRACKET = const(91)
_RIGHT_BRACKET = const(93)
_LEFT_BRACE = const(123)
_RIGHT_BRACE = const(125)


class SenmlJson(JsonRecords):
    FORMAT = ANSWER_FORMAT = 110
    VERSION = "1.1"
    carries_paths = True
    TEXT = b'"vs":'
    BOOL = b'"vb":'
    OPAQUE = b'"vd":'
    OBJLNK = b'"vlo":'
    ALPHABET = URL
    PADDED = False

    def start(self, out, total):
        out.byte(_LEFT_BRACKET)

    def record(self, out, depth, kind, value):
        base = self.base
        if self.count > 1:
            out.byte(_COMMA)
        out.byte(_LEFT_BRACE)
        if base and self.count == 1:
            out.put(b'"bn":"')
            self.spell(out, 0, base, True)
            if self.nested:
                out.byte(_SLASH)
            out.put(b'",')
        if depth > base:
            out.put(b'"n":"')
            self.spell(out, base, depth, not base)
            out.put(b'",')
        self.field(out, kind, value)
        out.byte(_RIGHT_BRACE)

    def end(self, out):
        out.byte(_RIGHT_BRACKET)

    def pack(self, out, samples, n, time_ms):
        from lwm2m.formats.senml_json_pack import pack

        pack(out, samples, n, time_ms)

    def reader(self):
        from lwm2m.formats.senml_json_reader import SenmlJsonReader

        return SenmlJsonReader(self)


class SenmlEtchJson(SenmlJson):
    """For the payloads of Read- and Write-Composite alone; answers are SenML JSON."""

    FORMAT = 320
    VERSION = "1.2"

    def fits(self, depth, flags, value=None):
        return False
