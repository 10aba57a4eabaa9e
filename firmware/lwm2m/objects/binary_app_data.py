"""BinaryAppDataContainer (object 19): bytes that an application and a server hand to each other.

A server may create and delete containers:

    client.allow_create(BinaryAppDataContainer)
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

_STR = const(1)
_INT = const(2)
_OPAQUE = const(6)
_TIME = const(7)
_RW = const(0x30)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

_PRIORITY = const(1)
_DESCRIPTION = const(3)
_FORMAT = const(4)
_APP_ID = const(5)
_TEXT_LIMIT = const(32)


class BinaryAppDataContainer(Object):
    """`data` {index: bytes}, `priority` 0 immediate, 1 best effort, 2 latest, 101..254 own ones,
    `created` seconds since 1970, `description` and `format` texts of up to 32 bytes, `app_id`
    0..65535."""

    OID = 19
    CREATABLE = True
    # fmt: off
    RESOURCES = (
        0, _OPAQUE | _RW | _MULTI | _MANDATORY, "data",
        1, _INT | _RW, "priority",
        2, _TIME | _RW, "created",
        3, _STR | _RW, "description",
        4, _STR | _RW, "format",
        5, _INT | _RW, "app_id",
    )
    # fmt: on

    def __init__(self, **values):
        self.data = {}
        super().__init__(**values)

    def check(self, rid, value):
        if rid == _PRIORITY:
            good = 0 <= value <= 2 or 101 <= value <= 254
        elif rid == _DESCRIPTION or rid == _FORMAT:
            good = len(value.encode()) <= _TEXT_LIMIT
        else:
            good = rid != _APP_ID or value >> 16 == 0
        if not good:
            raise Lwm2mError()
