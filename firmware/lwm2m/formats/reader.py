"""The contract of reading a payload record by record, and a reader for the formats that carry one
value. Loaded with the first write.

    open(buf, start, end, path, depth)   `buf[start:end]` is the payload for `path[:depth]`
    next()                        steps to the next record: False at the end or on an error
    oid                           the object of the record; only with `carries_paths`
    iid, rid, riid                the rest of its place: -1 if the record does not say it;
                                  `riid` is -2 for a multiple resource without instances
    value(flags)                  the value as a resource with `flags` has it, or None and `error`
    error                         True once something did not decode; nothing is ever raised
"""


class Reader:
    """A Reader of one value: see the top of this module."""

    iid = rid = riid = -1
    error = False

    def __init__(self, codec):
        self.codec = codec

    def open(self, buf, start, end, path, depth):
        self.error = depth < 3
        self.iid = path[1]
        self.rid = path[2]
        self.riid = path[3] if depth == 4 else -1
        self.raw = bytes(buf[start:end])
        self.done = False

    def next(self):
        if self.done or self.error:
            return False
        self.done = True
        return True

    def value(self, flags):
        value = self.codec.decode(self.raw, flags)
        if value is None:
            self.error = True
        return value


class Parser(Reader):
    """A Reader that takes item by item from `buf`: `pos` is the next one, `mark` the one that
    `value` decodes. A subclass has `decode(kind)`: the item at `pos` as a value, or None."""

    oid = -1
    # False for a record that is a path without a value
    has_value = True
    mark = 0

    def begin(self, buf, start, end):
        """Take `buf[start:end]` as what is to be read."""
        self.buf = buf
        self.pos = start
        self.end = end
        self.error = False

    def value(self, flags):
        pos = self.pos
        self.pos = self.mark
        value = self.decode(flags & 15) if self.has_value else None
        self.pos = pos
        if value is None:
            self.error = True
        return value
