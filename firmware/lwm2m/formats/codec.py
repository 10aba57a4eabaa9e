"""The contract of a content format, and writing without garbage.

A codec has two halves. The writing half only encodes: `management.read` and `management.walk`
visit the data model and call it; it never sees a client. The reading half is a `Reader`
(formats.reader).

    FORMAT                        number of the content format (IANA registry)
    VERSION                       the version of LwM2M that has brought it, as a text
    FRAMED                        True when `begin` and `end` are called around the values
    COUNTED                       of a framed one: True when `begin` needs the number of records;
                                  they are visited twice, after `begin_count(path, depth)` first
    carries_paths                 True when it can carry the paths of a composite request;
                                  `ANSWER_FORMAT` is then the format of the answer
    pack(out, samples, n, time_ms)
                                  write the first `n` of `samples` (s, ms, payload) as one payload;
                                  `time_ms(s, ms)` is the time of one, or None without times. None
                                  in a format that has no place for a time
    fits(depth, flags, value)     True when it can carry what is at that depth of a path
    begin(out, path, depth, nested, total)
                                  what was asked for is `path[:depth]` (depth 0: a composite);
                                  `nested`: the values are below it
    locate(oid, iid, rid)         the values that follow are there (composites only)
    instance(out, instance)       an object instance
    resource(out, rid, flags, value)   a resource, with all its instances
    item(out, riid, flags, value)      one resource instance
    end(out)
    reader()                      a Reader

`out` is the Builder to write to. Writing allocates nothing for scalars, except where a format says
so.
"""

import struct
from micropython import const

_STR = const(1)
_CORELNK = const(9)
_MULTI = const(0x80)
_ZERO = const(48)

# A str of up to this many bytes is encoded without an allocation.
_SHORT = const(64)
SCRATCH = bytearray(_SHORT)


def decimal(out, value):
    """Append a small non-negative integer in decimal. Allocates: nothing."""
    if value > 9:
        decimal(out, value // 10)
    out.byte(_ZERO + value % 10)


class Codec:
    """One content format: see the top of this module."""

    FORMAT = -1
    VERSION = "1.0"
    FRAMED = carries_paths = False
    pack = None

    # Writing

    def load(self, value):
        """Make `src[:n]` the bytes of a str or of bytes, and return n.

        struct copies the UTF-8 form of a str and pads with zeros; the padding tells where it
        ends. Allocates: nothing for bytes, nor for a str below 64 bytes.
        """
        n = len(value)
        self.src = value
        if isinstance(value, str):
            if n < _SHORT and "\0" not in value:
                struct.pack_into("64s", SCRATCH, 0, value)
                while n < _SHORT and SCRATCH[n]:
                    n += 1
                if n < _SHORT:
                    self.src = SCRATCH
                    return n
            self.src = value.encode()
            n = len(self.src)
        return n

    def fits(self, depth, flags, value=None):
        """True when this format can carry what is at `depth` of a path: a resource with `flags`
        and `value` from depth 3 on."""
        return True

    def item(self, out, riid, flags, value):
        """Write one resource instance that was read on its own."""
        self.resource(out, riid, flags & ~_MULTI, value)

    # Reading

    def reader(self):
        """A Reader of this format. Allocates: the Reader."""
        from lwm2m.formats.reader import Reader

        return Reader(self)


def instances(value):
    """The instance ids of a multiple resource, whose value is a dict or a tuple, ascending."""
    return sorted(value) if isinstance(value, dict) else range(len(value))


def is_text(flags):
    """True for the types that are UTF-8 text."""
    kind = flags & 15
    return kind == _STR or kind == _CORELNK
