"""IPSO outputs: digital and analogue output, set point.

    led = client.add(DigitalOutput())
    led.drive = pin

`drive` is called with what the pin is to do whenever that changes, whoever changes it.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

_STR = const(1)
_FLOAT = const(4)
_BOOL = const(5)
_R = const(0x10)
_RW = const(0x30)
_MANDATORY = const(0x100)

_DIGITAL = const(5550)
_ANALOG = const(5650)
_SET_POINT = const(5900)


class Output(Object):
    """The base of the outputs: `drive`, a function with one argument, or None."""

    drive = None

    def act(self, rid, output):
        """The resource `rid` has changed; the pin is to show `output`."""
        self.changed(rid)
        if self.drive:
            self.drive(output)


class DigitalOutput(Output):
    """`drive` gets the level, which is `state` unless `polarity` reverses it."""

    OID = 3201
    # fmt: off
    RESOURCES = (
        5550, _BOOL | _RW | _MANDATORY, "state",
        5551, _BOOL | _RW, "polarity",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    _state = _polarity = False

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, state):
        self._state = bool(state)
        self.act(_DIGITAL, self._state != self._polarity)

    @property
    def polarity(self):
        return self._polarity

    @polarity.setter
    def polarity(self, polarity):
        self._polarity = bool(polarity)
        self.act(_DIGITAL + 1, self._state != self._polarity)


class AnalogOutput(Output):
    """`value` 0..1, or `min_range`..`max_range`. Raises ValueError for others."""

    OID = 3203
    # fmt: off
    RESOURCES = (
        5650, _FLOAT | _RW | _MANDATORY, "value",
        5603, _FLOAT | _R, "min_range",
        5604, _FLOAT | _R, "max_range",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    min_range = 0.0
    max_range = 1.0
    _value = 0.0

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        if not self.min_range <= value <= self.max_range:
            raise ValueError("value: outside of its range")
        self._value = value
        self.act(_ANALOG, value)

    def check(self, rid, value):
        if rid == _ANALOG and not self.min_range <= value <= self.max_range:
            raise Lwm2mError()


class SetPoint(Output):
    """`drive` gets `value`."""

    OID = 3308
    # fmt: off
    RESOURCES = (
        5900, _FLOAT | _RW | _MANDATORY, "value",
        5701, _STR | _R, "unit",
        5706, _STR | _RW, "colour",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    _value = 0.0

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self._value = value
        self.act(_SET_POINT, value)
