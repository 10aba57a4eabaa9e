"""IPSO objects: a value with its unit, and the extremes it has seen.

Here is what most devices want; each further family has a module: ipso_ambient, ipso_quantity,
ipso_power, ipso_axes (sensors), ipso_input, ipso_switch, ipso_output, ipso_light, ipso_buzzer,
ipso_timer. All follow version 1.0 of their definitions. One more sensor is two more lines:

    class Barometer(Sensor):
        OID = 3315
"""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_FLOAT = const(4)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)


class Sensor(Object):
    """The base of the IPSO sensors. Set `value`; the rest follows.

    `unit` as in SenML ("Cel", "%RH"), `min_range` and `max_range` what the sensor can measure.
    A table of its own has the value in its first row, then the least and the greatest one.
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
    min_measured = max_measured = None
    _value = 0.0

    @property
    def value(self):
        """The latest measurement."""
        return self._value

    @value.setter
    def value(self, value):
        table = self.RESOURCES
        last = self._value
        self._value = value
        if value != last:
            self.changed(table[0])
        if self.min_measured is None or value < self.min_measured:
            self.min_measured = value
            self.changed(table[3])
        if self.max_measured is None or value > self.max_measured:
            self.max_measured = value
            self.changed(table[6])

    def reset_measured(self, args=None):
        """Let both extremes start again from the latest measurement."""
        table = self.RESOURCES
        self.min_measured = self.max_measured = self._value
        self.changed(table[3])
        self.changed(table[6])


class Temperature(Sensor):
    OID = 3303


class Humidity(Sensor):
    OID = 3304
