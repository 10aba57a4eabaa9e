"""IPSO sensors that can be calibrated, each for one quantity."""

from micropython import const

from lwm2m.objects.ipso import Sensor

_STR = const(1)
_FLOAT = const(4)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)


class Calibrated(Sensor):
    """A sensor with a coefficient, `calibration`, that servers may write. What is set as `value`
    is reported as it is: the application has applied it."""

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
        5821, _FLOAT | _RW, "calibration",
    )
    # fmt: on


class Voltage(Calibrated):
    OID = 3316


class Current(Calibrated):
    OID = 3317


class Frequency(Calibrated):
    OID = 3318


class Depth(Calibrated):
    OID = 3319


class Percentage(Calibrated):
    OID = 3320


class Altitude(Calibrated):
    OID = 3321


class Load(Calibrated):
    OID = 3322


class Pressure(Calibrated):
    OID = 3323


class Loudness(Calibrated):
    OID = 3324


class Concentration(Calibrated):
    OID = 3325


class Acidity(Calibrated):
    OID = 3326


class Conductivity(Calibrated):
    OID = 3327


class Power(Calibrated):
    OID = 3328


class PowerFactor(Calibrated):
    OID = 3329


class Distance(Calibrated):
    OID = 3330


class Rate(Calibrated):
    OID = 3346
