"""LwM2M v1.1 Test Object (3442): every data type, single and multiple, for tests of servers.

    client.allow_create(TestObject)

lets servers create more of them.
"""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_INT = const(2)
_UINT = const(3)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_TIME = const(7)
_OBJLNK = const(8)
_CORELNK = const(9)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MULTI = const(0x80)

_ARGUMENTS = const(4)
_FIRST_VALUE = const(110)
_FIRST_MULTIPLE = const(1110)

# What a random text, blob and multiple resource have at most
_LENGTH = const(20)
_INSTANCES = const(10)


class TestObject(Object):
    """All values are in `more`, by resource id: 110 text, 120 integer, 125 unsigned, 130 float,
    140 boolean, 150 opaque, 160 time, 170 object link, 180 link; 1110..1180 many of each.

    `executions` counts the executions of 3, `arguments` are those of the last one. `send`, if it
    is set, is executed by 5; the paths that it is to send are `paths`.
    """

    OID = 3442
    CREATABLE = True
    # fmt: off
    RESOURCES = (
        0, _E, "reset",
        1, _E, "randomize",
        2, _E, "clear_values",
        3, _E, "run",
        4, _STR | _R | _MULTI, "arguments",
        5, _E, "send",
        6, _STR | _RW | _MULTI, "paths",
        110, _STR | _RW, None,
        120, _INT | _RW, None,
        125, _UINT | _RW, None,
        130, _FLOAT | _RW, None,
        140, _BOOL | _RW, None,
        150, _OPAQUE | _RW, None,
        160, _TIME | _RW, None,
        170, _OBJLNK | _RW, None,
        180, _CORELNK | _RW, None,
        1110, _STR | _RW | _MULTI, None,
        1120, _INT | _RW | _MULTI, None,
        1125, _UINT | _RW | _MULTI, None,
        1130, _FLOAT | _RW | _MULTI, None,
        1140, _BOOL | _RW | _MULTI, None,
        1150, _OPAQUE | _RW | _MULTI, None,
        1160, _TIME | _RW | _MULTI, None,
        1170, _OBJLNK | _RW | _MULTI, None,
        1180, _CORELNK | _RW | _MULTI, None,
    )
    # fmt: on
    executions = 0
    send = None

    def __init__(self, **values):
        self.more = {}
        self.arguments = {}
        self.paths = {}
        self.reset()
        super().__init__(**values)

    def reset(self, args=None):
        """All values as they were in the beginning."""
        self._fill(_initial)

    def clear_values(self, args=None):
        """Zero, nothing, and no instances."""
        self._fill(_nothing)

    def randomize(self, args=None):
        """Other values in all resources, and other numbers of instances."""
        self._fill(_random)

    def run(self, args=None):
        self.executions += 1
        self.arguments = {}
        for digit in args or ():
            self.arguments[digit] = args[digit] or ""
        self.changed(_ARGUMENTS)

    def _fill(self, make):
        table = self.RESOURCES
        for i in range(0, len(table), 3):
            rid = table[i]
            if rid >= _FIRST_VALUE:
                kind = table[i + 1] & 15
                if rid < _FIRST_MULTIPLE:
                    value = make(kind)
                else:
                    value = {}
                    n = 1
                    if make is _random:
                        from random import getrandbits

                        n = getrandbits(8) % (_INSTANCES + 1)
                    elif make is _nothing:
                        n = 0
                    for riid in range(n):
                        value[riid] = make(kind)
                self.more[rid] = value
                self.changed(rid)


def _initial(kind):
    if kind == _STR:
        return "initial value"
    if kind == _INT:
        return 1024
    if kind == _UINT:
        return 1 << 63
    if kind == _FLOAT:
        return 3.14159
    if kind == _BOOL:
        return True
    if kind == _OPAQUE:
        return b"\x01\x23\x45\x67\x89\xab\xcd\xef"
    if kind == _TIME:
        return 946684800
    return (3, 0) if kind == _OBJLNK else "</3442>"


def _nothing(kind):
    if kind == _STR or kind == _CORELNK:
        return ""
    if kind == _BOOL:
        return False
    if kind == _OPAQUE:
        return b""
    if kind == _OBJLNK:
        return (65535, 65535)
    return 0.0 if kind == _FLOAT else 0


def _random(kind):
    from random import getrandbits

    if kind == _STR or kind == _OPAQUE:
        value = bytes(97 + getrandbits(8) % 26 for _ in range(getrandbits(8) % (_LENGTH + 1)))
        return value if kind == _OPAQUE else value.decode()
    if kind == _BOOL:
        return getrandbits(1) == 1
    if kind == _OBJLNK:
        return (getrandbits(16), getrandbits(16))
    if kind == _CORELNK:
        return "</%d/%d>" % (getrandbits(16), getrandbits(16))
    # All widths of integers, not only the widest
    value = (getrandbits(32) << 32 | getrandbits(32)) >> getrandbits(6)
    if kind == _UINT:
        return value
    value >>= 1
    if kind == _TIME:
        return value & 0xFFFFFFFF
    if getrandbits(1):
        value = -value
    return value / 16 if kind == _FLOAT else value
