"""Security (object 0): how to reach one server. No server may ever see it (LwM2M 1.1 §E.1)."""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_INT = const(2)
_UINT = const(3)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

_NOSEC = const(3)


class Security(Object):
    """One server account. `uri` "coap://host[:port]", `mode` security mode (3: NoSec),
    `ssid` short server id. What has no name is kept in `more`, by resource id."""

    OID = 0
    VERSION = "1.1"
    # No operations: only bootstrap writes them, and it asks nobody.
    # fmt: off
    RESOURCES = (
        0, _STR | _MANDATORY, "uri",
        1, _BOOL | _MANDATORY, None,
        2, _INT | _MANDATORY, "mode",
        3, _OPAQUE | _MANDATORY, None,
        4, _OPAQUE | _MANDATORY, None,
        5, _OPAQUE | _MANDATORY, None,
        6, _INT, None,
        7, _OPAQUE, None,
        8, _OPAQUE, None,
        9, _STR, None,
        10, _UINT, "ssid",
        11, _UINT, None,
        12, _UINT, None,
        13, _UINT, None,
        14, _STR, None,
        15, _UINT, None,
        16, _UINT | _MULTI, None,
        17, _OBJLNK, None,
    )
    # fmt: on
    mode = _NOSEC
