"""IPSO sensors of electrical power (3305) and energy (3331)."""

from micropython import const

from lwm2m.objects.base import Object
from lwm2m.objects.ipso import Sensor

_STR = const(1)
_FLOAT = const(4)
_R = const(0x10)
_W = const(0x20)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)

_ENERGY = const(5805)
_REACTIVE = const(5810)
_REACTIVE_MIN = const(5811)
_REACTIVE_MAX = const(5812)
_REACTIVE_ENERGY = const(5815)
_VALUE = const(5700)


class PowerMeasurement(Sensor):
    """`value` active power in W, `reactive` power in var, `energy` in Wh and `reactive_energy` in
    varh since the start or the last reset, which `add_energy` adds to. The loads that servers
    write for a calibration are in `more[5806]` and `more[5816]`.
    """

    OID = 3305
    # fmt: off
    RESOURCES = (
        5800, _FLOAT | _R | _MANDATORY, "value",
        5801, _FLOAT | _R, "min_measured",
        5802, _FLOAT | _R, "max_measured",
        5803, _FLOAT | _R, "min_range",
        5804, _FLOAT | _R, "max_range",
        5605, _E, "reset_measured",
        5805, _FLOAT | _R, "energy",
        5806, _FLOAT | _W, None,
        5810, _FLOAT | _R, "reactive",
        5811, _FLOAT | _R, "reactive_min",
        5812, _FLOAT | _R, "reactive_max",
        5813, _FLOAT | _R, None,
        5814, _FLOAT | _R, None,
        5815, _FLOAT | _R, "reactive_energy",
        5816, _FLOAT | _W, None,
        5820, _FLOAT | _R, "power_factor",
        5821, _FLOAT | _RW, "calibration",
        5822, _E, "reset_energy",
    )
    # fmt: on
    energy = 0.0
    reactive_min = reactive_max = reactive_energy = _reactive = None

    @property
    def reactive(self):
        """The latest reactive power, None if it is not measured."""
        return self._reactive

    @reactive.setter
    def reactive(self, value):
        self._reactive = value
        self.changed(_REACTIVE)
        if self.reactive_min is None or value < self.reactive_min:
            self.reactive_min = value
            self.changed(_REACTIVE_MIN)
        if self.reactive_max is None or value > self.reactive_max:
            self.reactive_max = value
            self.changed(_REACTIVE_MAX)

    def add_energy(self, wh, varh=None):
        """Count energy that has flowed."""
        self.energy += wh
        self.changed(_ENERGY)
        if varh is not None:
            self.reactive_energy = (self.reactive_energy or 0.0) + varh
            self.changed(_REACTIVE_ENERGY)

    def reset_energy(self, args=None):
        self.energy = 0.0
        self.changed(_ENERGY)
        if self.reactive_energy is not None:
            self.reactive_energy = 0.0
            self.changed(_REACTIVE_ENERGY)

    def reset_measured(self, args=None):
        super().reset_measured()
        self.reactive_min = self.reactive_max = self._reactive
        self.changed(_REACTIVE_MIN)
        self.changed(_REACTIVE_MAX)


class Energy(Object):
    """A meter: `value` in `unit`, e.g. "Wh"."""

    OID = 3331
    # fmt: off
    RESOURCES = (
        5700, _FLOAT | _R | _MANDATORY, "value",
        5701, _STR | _R, "unit",
        5750, _STR | _RW, "application",
        5822, _E, "reset_energy",
    )
    # fmt: on
    _value = 0.0

    @property
    def value(self):
        """The energy since the last reset."""
        return self._value

    @value.setter
    def value(self, value):
        if value != self._value:
            self._value = value
            self.changed(_VALUE)

    def reset_energy(self, args=None):
        self.value = 0.0
