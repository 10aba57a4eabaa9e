"""Reading SenML JSON, content formats 110 and 320 (RFC 8428 §5). Loaded with the first write."""

from lwm2m.formats import senml_reader as senml
from lwm2m.formats.json_parser import JsonParser


class SenmlJsonReader(JsonParser):
    # By the labels of SenML CBOR
    LABELS = {
        b"bver": -1,
        b"bn": -2,
        b"bt": -3,
        b"bu": -4,
        b"bv": -5,
        b"bs": -6,
        b"n": 0,
        b"u": 1,
        b"v": 2,
        b"vs": 3,
        b"vb": 4,
        b"s": 5,
        b"t": 6,
        b"ut": 7,
        b"vd": 8,
        b"vlo": 9,
    }

    def open(self, buf, start, end, path, depth):
        self.begin(buf, start, end)
        senml.begin(self, path, depth)

    def next(self):
        return senml.step(self)
