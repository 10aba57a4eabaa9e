"""Portfolio (object 16): a list of names that belong to the device, and proof of them."""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_INT = const(2)
_OPAQUE = const(6)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

_IDLE = const(0)
_AVAILABLE = const(1)
_ERROR = const(2)
_AUTH_DATA = const(2)
_AUTH_STATUS = const(3)


class Portfolio(Object):
    """`identity` {index: str}; for a device inside of a host 0 is the host's id, 1 its
    manufacturer, 2 its model, 3 its software version.

    A subclass that can prove them has a method `prove(args)`, with the arguments of GetAuthData
    or None, which returns what becomes AuthData: a tuple or a dict of bytes. Without it there is
    no GetAuthData. If it raises, the status is 2 and the server gets the error.
    """

    OID = 16
    CREATABLE = True
    # fmt: off
    RESOURCES = (
        0, _STR | _RW | _MULTI | _MANDATORY, "identity",
        1, _E, "prove",
        2, _OPAQUE | _R | _MULTI, "auth_data",
        3, _INT | _R, "auth_status",
    )
    # fmt: on
    prove = auth_data = auth_status = None

    def __init__(self, **values):
        self.identity = {}
        super().__init__(**values)

    def execute(self, rid, name, args):
        prove = self.prove
        if prove is None:
            super().execute(rid, name, args)
        self.auth_data = None
        self.auth_status = _ERROR
        try:
            data = prove(args)
            self.auth_data = data
            self.auth_status = _AVAILABLE if data else _IDLE
        finally:
            self.changed(_AUTH_DATA)
            self.changed(_AUTH_STATUS)
