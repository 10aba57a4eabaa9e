"""Server (object 1): the terms on which the device is registered with one server."""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

_STR = const(1)
_UINT = const(3)
_BOOL = const(5)
_TIME = const(7)
_OBJLNK = const(8)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)

_LIFETIME = const(1)
_BINDING = const(7)
_DAY_S = const(86400)


class Server(Object):
    """One server's terms. Times in seconds; `binding` "U", with "Q" in 1.0 for queue mode.

    Writing lifetime or binding makes the device send an Update; Disable and the triggers act on
    the registration that belongs to this instance (`registration`).
    """

    OID = 1
    VERSION = "1.1"
    # fmt: off
    RESOURCES = (
        0, _UINT | _R | _MANDATORY, "ssid",
        1, _UINT | _RW | _MANDATORY, "lifetime_s",
        2, _UINT | _RW, "pmin_s",
        3, _UINT | _RW, "pmax_s",
        4, _E, "disable",
        5, _UINT | _RW, "disable_timeout_s",
        6, _BOOL | _RW | _MANDATORY, "storing",
        7, _STR | _RW | _MANDATORY, "binding",
        8, _E | _MANDATORY, "update",
        9, _E, "request_bootstrap",
        10, _OBJLNK | _RW, None,
        11, _UINT | _R, None,
        12, _TIME | _R, None,
        13, _UINT, None,
        14, _UINT, "initial_delay_s",
        15, _BOOL, None,
        16, _BOOL, None,
        17, _UINT, "retry_count",
        18, _UINT, "retry_timer_s",
        19, _UINT, "sequence_delay_s",
        20, _UINT, "sequence_count",
        21, _BOOL | _RW, None,
        22, _STR | _RW, None,
        23, _BOOL | _RW, None,
    )
    # fmt: on
    lifetime_s = _DAY_S
    disable_timeout_s = _DAY_S
    storing = False
    binding = "U"
    pmin_s = pmax_s = None
    initial_delay_s = retry_count = retry_timer_s = sequence_delay_s = None

    def check(self, rid, value):
        if rid == _LIFETIME:
            if value > 0x1FFFFFFF:
                raise Lwm2mError()
        elif rid == _BINDING:
            # Only UDP is here; the other letters of LwM2M §6.2.1.2 are not.
            if value.replace("Q", "", 1) != "U":
                raise Lwm2mError()

    def write(self, rid, name, value):
        super().write(rid, name, value)
        if rid == _LIFETIME or rid == _BINDING:
            self.update()

    @property
    def registration(self):
        """The registration with this server, None while there is none."""
        for registration in self.client.registrations if self.client else ():
            if registration.server is self:
                return registration
        return None

    def disable(self, args=None):
        self.registration.disable(self.disable_timeout_s or _DAY_S)

    def update(self, args=None):
        if self.registration:
            self.registration.update()
