"""Reading the JSON of LwM2M 1.0, content format 11543 (LwM2M 1.0 §6.4.4). Loaded with the first
write.
"""

from micropython import const

from lwm2m.formats import senml_reader as senml
from lwm2m.formats.json_parser import JsonParser

_BN = const(-2)
_BT = const(-3)
_VS = const(3)
_ENTRIES = const(8)
_OPAQUE = const(6)
_END = const(-2)

# The fields around the records, and those of a record
_OUTER = {b"bn": -2, b"bt": -3, b"e": 8}
_INNER = {b"n": 0, b"v": 2, b"sv": 3, b"bv": 4, b"ov": 9, b"t": 6}


class JsonReader(JsonParser):
    def open(self, buf, start, end, path, depth):
        self.begin(buf, start, end)
        # Fields come in any order: first all of them are passed over.
        self.LABELS = _OUTER
        records = -1
        seen = 0
        base = None
        state = self.enter(self.MAP)
        while True:
            state = self.step(state)
            if state == _END:
                break
            label = self.key()
            if label <= _ENTRIES:
                if seen & 1 << label + 6:
                    self.fail()
                seen |= 1 << label + 6
            if label == _BN:
                base = self.text()
            elif label == _BT:
                self.number()
            else:
                if label == _ENTRIES:
                    records = self.pos
                self.skip()
        if not self.error:
            JsonParser.close(self)
        if records < 0:
            self.error = True
        else:
            self.pos = records
        self.LABELS = _INNER
        senml.begin(self, path, depth)
        if base is None:
            # The first servers left it out, and meant the path of the request; or the names are
            # whole paths.
            self.optional_base = True
            base = b""
            for i in range(depth):
                base += b"/%d" % path[i]
            base += b"/"
        self.base = base

    def close(self):
        pass  # what follows the records has been looked at

    def next(self):
        return senml.step(self)

    def label_of(self, kind):
        return _VS if kind == _OPAQUE else senml.label_of(kind)
