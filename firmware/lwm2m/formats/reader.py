"""Reading a payload, record by record; here for the formats that carry one value.

Loaded with the first write.
"""


class Reader:
    """Steps through a payload: `open`, then `next` while it is True. A record has `iid`, `rid` and
    `riid` (-1: not said, -2: a multiple resource without instances), and `value(flags)`.

    `error` is True once something did not decode. Nothing is ever raised.
    """

    iid = rid = riid = -1
    error = False

    def __init__(self, codec):
        self.codec = codec

    def open(self, buf, start, end, path, depth):
        """Start to read `buf[start:end]`, the payload of a write to `path[:depth]`."""
        self.error = depth < 3
        self.iid = path[1]
        self.rid = path[2]
        self.riid = path[3] if depth == 4 else -1
        self.raw = bytes(buf[start:end])
        self.done = False

    def next(self):
        """Step to the next record: False at the end or on an error."""
        if self.done or self.error:
            return False
        self.done = True
        return True

    def value(self, flags):
        """The value of the record as its type wants it; None, and `error`, if it is not one."""
        value = self.codec.decode(self.raw, flags)
        if value is None:
            self.error = True
        return value
