"""IPSO sensors that can be calibrated, each for one quantity:

    from lwm2m.objects.ipso_quantity import Voltage

Their names are in the table at the end; a class that nobody imports is never made.
"""

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


# Name and object id of each: its class is made when it is first asked for.
_QUANTITIES = (
    # fmt: off
    "Voltage",
    3316,
    "Current",
    3317,
    "Frequency",
    3318,
    "Depth",
    3319,
    "Percentage",
    3320,
    "Altitude",
    3321,
    "Load",
    3322,
    "Pressure",
    3323,
    "Loudness",
    3324,
    "Concentration",
    3325,
    "Acidity",
    3326,
    "Conductivity",
    3327,
    "Power",
    3328,
    "PowerFactor",
    3329,
    "Distance",
    3330,
    "Rate",
    3346,
    # fmt: on
)


def __getattr__(name):
    table = _QUANTITIES
    for i in range(0, len(table), 2):
        if table[i] == name:
            cls = type(name, (Calibrated,), {"OID": table[i + 1]})
            globals()[name] = cls
            return cls
    raise AttributeError(name)
