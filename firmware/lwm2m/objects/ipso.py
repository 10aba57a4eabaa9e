"""IPSO objects: a value with its unit, and the extremes it has seen."""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_FLOAT = const(4)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)


class Sensor(Object):
    """What the IPSO sensors have in common. Set `value`; the rest follows.

    `unit` as in SenML ("Cel", "%RH"), `min_range` and `max_range` what the sensor can measure.
    """

    # fmt: off
    RESOURCES = (
        5700, _FLOAT | _R | _MANDATORY, "value",
        5601, _FLOAT | _R, "min_measured",
        5602, _FLOAT | _R, "max_measured",
        5603, _FLOAT | _R, "min_range",
        5604, _FLOAT | _R, "max_range",
        5605, _E, "reset_measured",
        5701, _STR | _R, "unit",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    _value = 0.0

    @property
    def value(self):
        """The latest measurement."""
        return self._value

    @value.setter
    def value(self, value):
        self._value = value
        low = getattr(self, "min_measured", None)
        if low is None or value < low:
            self.min_measured = value
        high = getattr(self, "max_measured", None)
        if high is None or value > high:
            self.max_measured = value

    def reset_measured(self, args=None):
        """Let both extremes start again from the latest measurement."""
        self.min_measured = self.max_measured = self._value


class Temperature(Sensor):
    OID = 3303


class Humidity(Sensor):
    OID = 3304
