"""IPSO outputs with hours of operation: light, power control and other actuators, dimmer.

    light = client.add(Light(dimmer=50))
    light.drive = lambda percent: pwm.duty_u16(percent * 65535 // 100)

`drive` is called with the percentage whenever that changes.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.ipso_meter import Meter, OnOffTime, OnTime
from lwm2m.objects.ipso_output import Output

_STR = const(1)
_INT = const(2)
_FLOAT = const(4)
_BOOL = const(5)
_R = const(0x10)
_RW = const(0x30)
_MANDATORY = const(0x100)

_LEVEL = const(5548)
_ON = const(5850)
_DIMMER = const(5851)
_ON_TIME = const(5852)
_OFF_TIME = const(5854)


class Actuation(OnTime, Output):
    """Something that is `on` or not, at `dimmer` percent (None: it cannot be dimmed), and counts
    the seconds that it is on. `drive` gets 0 or the percentage, 100 without a dimmer."""

    OID = 3306
    # fmt: off
    RESOURCES = (
        5850, _BOOL | _RW | _MANDATORY, "on",
        5851, _INT | _RW, "dimmer",
        5852, _INT | _RW, "on_time",
        5853, _STR | _RW, None,
        5750, _STR | _RW, "application",
    )
    # fmt: on
    _on = False
    _dimmer = None

    def __init__(self, **values):
        self._on_meter = Meter()
        super().__init__(**values)

    @property
    def on(self):
        return self._on

    @on.setter
    def on(self, on):
        self._on = bool(on)
        self._on_meter.run(self._on, self.client and self.client.clock)
        self.act(_ON, self.output)

    @property
    def dimmer(self):
        """0..100. Raises ValueError for others."""
        return self._dimmer

    @dimmer.setter
    def dimmer(self, percent):
        if percent is not None and not 0 <= percent <= 100:
            raise ValueError("dimmer: 0..100")
        self._dimmer = percent
        self.act(_DIMMER, self.output)

    @property
    def output(self):
        """The output in percent."""
        if not self._on:
            return 0
        return 100 if self._dimmer is None else self._dimmer

    def check(self, rid, value):
        if (rid == _DIMMER and not 0 <= value <= 100) or (
            rid == _ON_TIME and not 0 <= value < 0x20000000
        ):
            raise Lwm2mError()


class Light(Actuation):
    OID = 3311
    # fmt: off
    RESOURCES = (
        5850, _BOOL | _RW | _MANDATORY, "on",
        5851, _INT | _RW, "dimmer",
        5852, _INT | _RW, "on_time",
        5805, _FLOAT | _R, "energy",
        5820, _FLOAT | _R, "power_factor",
        5706, _STR | _RW, "colour",
        5701, _STR | _R, "unit",
        5750, _STR | _RW, "application",
    )
    # fmt: on


class PowerControl(Actuation):
    OID = 3312
    # fmt: off
    RESOURCES = (
        5850, _BOOL | _RW | _MANDATORY, "on",
        5851, _INT | _RW, "dimmer",
        5852, _INT | _RW, "on_time",
        5805, _FLOAT | _R, "energy",
        5820, _FLOAT | _R, "power_factor",
        5750, _STR | _RW, "application",
    )
    # fmt: on


class Dimmer(OnOffTime, Output):
    """`level` 0..100. `drive` gets it; on is what is above 0."""

    OID = 3343
    # fmt: off
    RESOURCES = (
        5548, _FLOAT | _RW | _MANDATORY, "level",
        5852, _INT | _RW, "on_time",
        5854, _INT | _RW, "off_time",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    _level = 0.0

    def __init__(self, **values):
        self._on_meter = Meter()
        self._off_meter = Meter()
        self._off_meter.runs = True
        super().__init__(**values)

    @property
    def level(self):
        """Raises ValueError for what is not 0..100."""
        return self._level

    @level.setter
    def level(self, level):
        if not 0 <= level <= 100:
            raise ValueError("level: 0..100")
        self._level = level
        clock = self.client and self.client.clock
        self._on_meter.run(level > 0, clock)
        self._off_meter.run(level == 0, clock)
        self.act(_LEVEL, level)

    def check(self, rid, value):
        if (rid == _LEVEL and not 0 <= value <= 100) or (
            _ON_TIME <= rid <= _OFF_TIME and not 0 <= value < 0x20000000
        ):
            raise Lwm2mError()
