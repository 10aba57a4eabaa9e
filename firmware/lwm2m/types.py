"""The words of a definition table: types, operations and flags of resources.

One small integer holds all three, e.g. `STR | RW`. Modules of this package keep copies of their
own, because `const` is folded only inside of one module.
"""

from micropython import const

# Types (LwM2M 1.1 Core, Appendix C), the lower four bits
STR = const(1)
INT = const(2)
UINT = const(3)
FLOAT = const(4)
BOOL = const(5)
OPAQUE = const(6)
TIME = const(7)
OBJLNK = const(8)
CORELNK = const(9)

# Operations and flags
R = const(0x10)
W = const(0x20)
RW = const(0x30)
E = const(0x40)
MULTI = const(0x80)
MANDATORY = const(0x100)
