"""Device (object 3): who the device is, how it is doing, and the switch."""

import gc
import time
from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

_NOT_IMPLEMENTED = const(0xA1)

_STR = const(1)
_INT = const(2)
_TIME = const(7)
_OBJLNK = const(8)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

_CURRENT_TIME = const(13)
_UTC_OFFSET = const(14)
_ERROR_CODES = const(11)
_RESET_ERROR_CODES = const(12)

# MicroPython counts from 2000 on most boards, LwM2M from 1970.
_EPOCH_2000 = const(946684800)

# The answer to Reboot has this long to arrive, and to be repeated if it was lost.
_REBOOT_AFTER_MS = const(3000)


class Device(Object):
    """The device. All arguments are optional and named as in the table below.

    `reboot` and `factory_reset` are functions without arguments, e.g. `machine.reset`; they are
    called a few seconds after the server has got its answer. Without `reboot`, Reboot is refused
    with 5.01. `power_sources`, `voltage_mv`, `current_ma` are tuples or dicts by instance.
    """

    OID = 3
    VERSION = "1.1"
    # fmt: off
    RESOURCES = (
        0, _STR | _R, "manufacturer",
        1, _STR | _R, "model",
        2, _STR | _R, "serial",
        3, _STR | _R, "firmware",
        4, _E | _MANDATORY, "reboot",
        5, _E, "factory_reset",
        6, _INT | _R | _MULTI, "power_sources",
        7, _INT | _R | _MULTI, "voltage_mv",
        8, _INT | _R | _MULTI, "current_ma",
        9, _INT | _R, "battery_level",
        10, _INT | _R, "memory_free",
        11, _INT | _R | _MULTI | _MANDATORY, "error_codes",
        12, _E, "reset_errors",
        13, _TIME | _RW, "current_time",
        14, _STR | _RW, "utc_offset",
        15, _STR | _RW, "timezone",
        16, _STR | _R | _MANDATORY, "binding",
        17, _STR | _R, "device_type",
        18, _STR | _R, "hardware",
        19, _STR | _R, "software",
        20, _INT | _R, "battery_status",
        21, _INT | _R, "memory_total",
        22, _OBJLNK | _R | _MULTI, "extensions",
    )
    # fmt: on
    iid = 0
    binding = "U"
    # Offset of the device's clock from the one the board keeps, after the server has set it
    time_offset_s = 0
    reset_errors = True
    pending = None
    _epoch = 0

    def __init__(self, **values):
        self.error_codes = {0: 0}
        if time.gmtime(0)[0] == 2000:
            self._epoch = _EPOCH_2000
        super().__init__(**values)

    @property
    def memory_free(self):
        """Free heap in kB."""
        return gc.mem_free() >> 10

    @property
    def memory_total(self):
        """Whole heap in kB."""
        return gc.mem_free() + gc.mem_alloc() >> 10

    @property
    def current_time(self):
        """Seconds since 1970. Allocates: a long integer on 32-bit boards."""
        return int(time.time()) + self._epoch + self.time_offset_s

    def report_error(self, code):
        """Add an error code (1..8, LwM2M 1.1 §E.4); 0 clears them all. Repeated ones are kept
        once."""
        codes = self.error_codes
        if not code:
            self.error_codes = {0: 0}
        elif codes[0] == 0:
            self.error_codes = {0: code}
        elif code in codes.values():
            return
        else:
            codes[len(codes)] = code
        self.changed(_ERROR_CODES)

    def check(self, rid, value):
        if rid == _UTC_OFFSET:
            from lwm2m.formats.values import utc_offset

            if not utc_offset(value):
                raise Lwm2mError()

    def write(self, rid, name, value):
        if rid == _CURRENT_TIME:
            if value is None:
                return
            self.time_offset_s = value - int(time.time()) - self._epoch
        else:
            super().write(rid, name, value)

    def execute(self, rid, name, args):
        if rid == _RESET_ERROR_CODES:
            self.report_error(0)
            return
        action = getattr(self, name, None)
        if action is None:
            raise Lwm2mError(_NOT_IMPLEMENTED)
        if not self.pending:
            self.pending = action  # once, however often it is asked for
            self.client.after(_REBOOT_AFTER_MS, self.finish)

    def finish(self):
        """Carry out what is pending: a Reboot or a Factory Reset."""
        action = self.pending
        self.pending = None
        action()
