"""IPSO sensors: what surrounds a device, and a pin with an analogue value."""

from micropython import const

from lwm2m.objects.ipso import Sensor

_STR = const(1)
_FLOAT = const(4)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)


class Illuminance(Sensor):
    OID = 3301


class Barometer(Sensor):
    OID = 3315


class GenericSensor(Sensor):
    """A sensor of any kind: `sensor_type` says which."""

    OID = 3300
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
        5751, _STR | _R, "sensor_type",
    )
    # fmt: on


class AnalogInput(Sensor):
    OID = 3202
    # fmt: off
    RESOURCES = (
        5600, _FLOAT | _R | _MANDATORY, "value",
        5601, _FLOAT | _R, "min_measured",
        5602, _FLOAT | _R, "max_measured",
        5603, _FLOAT | _R, "min_range",
        5604, _FLOAT | _R, "max_range",
        5605, _E, "reset_measured",
        5750, _STR | _RW, "application",
        5751, _STR | _R, "sensor_type",
    )
    # fmt: on


class Direction(Sensor):
    """A compass: `value` in degrees from north, 0..360."""

    OID = 3332
    # fmt: off
    RESOURCES = (
        5705, _FLOAT | _R | _MANDATORY, "value",
        5601, _FLOAT | _R, "min_measured",
        5602, _FLOAT | _R, "max_measured",
        5605, _E, "reset_measured",
        5750, _STR | _RW, "application",
    )
    # fmt: on
