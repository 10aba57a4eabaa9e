"""IPSO inputs: digital input, push button, presence.

    button = client.add(PushButton())
    pin.irq(lambda pin: micropython.schedule(button.set_state, pin()))

or set `state` in the main loop.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

_STR = const(1)
_INT = const(2)
_BOOL = const(5)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)

_STATE = const(5500)
_COUNTER = const(5501)
_POLARITY = const(5502)
_DEBOUNCE = const(5503)
_EDGE = const(5504)
_TO_CLEAR = const(5903)
_TO_BUSY = const(5904)
_FALLING = const(1)
_RISING = const(2)
_BOTH = const(3)
_DELAY_LIMIT = const(0x1FFFFFFF)


class Input(Object):
    """The base of the digital inputs: `state` is set to the level of a pin and read as
    what that means; `counter` counts the edges that are selected.
    """

    counter = 0
    edge = _RISING
    polarity = False
    _level = _state = False
    _alarm = None

    @property
    def state(self):
        """True when the input is active."""
        return self._state != self.polarity

    @state.setter
    def state(self, level):
        self.set_state(level)

    def set_state(self, level):
        """The pin has this level now. Allocates: nothing without a delay."""
        level = bool(level)
        if level != self._level:
            self._level = level
            delay_ms = self.delay_ms(level != self.polarity)
            if delay_ms and self.client:
                if not self._alarm:
                    from lwm2m.objects.ipso_meter import Alarm

                    self._alarm = Alarm(self.client, self._settle)
                self._alarm.set(delay_ms / 1000)
            else:
                if self._alarm:
                    self._alarm.cancel()
                self._settle()

    def delay_ms(self, state):
        """Milliseconds that the input must stay as it is before it counts as `state`."""
        return 0

    def _settle(self):
        if self._level != self._state:
            self._state = self._level
            self.changed(_STATE)
            if self.edge & (_RISING if self.state else _FALLING):
                self.counter += 1
                self.changed(_COUNTER)

    def reset_counter(self, args=None):
        self.counter = 0
        self.changed(_COUNTER)


class DigitalInput(Input):
    """`polarity` True reverses the level, `debounce_ms` is how long a level must last, `edge` what
    is counted: 1 falling, 2 rising (default), 3 both."""

    OID = 3200
    # fmt: off
    RESOURCES = (
        5500, _BOOL | _R | _MANDATORY, "state",
        5501, _INT | _R, "counter",
        5502, _BOOL | _RW, "polarity",
        5503, _INT | _RW, "debounce_ms",
        5504, _INT | _RW, "edge",
        5505, _E, "reset_counter",
        5750, _STR | _RW, "application",
        5751, _STR | _R, "sensor_type",
    )
    # fmt: on
    debounce_ms = 0

    def delay_ms(self, state):
        return self.debounce_ms

    def check(self, rid, value):
        if (rid == _EDGE and not _FALLING <= value <= _BOTH) or (
            rid == _DEBOUNCE and not 0 <= value <= _DELAY_LIMIT
        ):
            raise Lwm2mError()

    def write(self, rid, name, value):
        super().write(rid, name, value)
        if rid == _POLARITY:
            self.changed(_STATE)

    def clear(self, rid, name):
        # Without a value they are as they were made.
        if rid == _POLARITY:
            self.write(rid, name, False)
        elif rid == _EDGE:
            self.edge = _RISING
        elif rid == _DEBOUNCE:
            self.debounce_ms = 0
        else:
            super().clear(rid, name)


class PushButton(Input):
    OID = 3347
    # fmt: off
    RESOURCES = (
        5500, _BOOL | _R | _MANDATORY, "state",
        5501, _INT | _R, "counter",
        5750, _STR | _RW, "application",
    )
    # fmt: on


class Presence(Input):
    """`to_clear_ms` must pass without a detection until the state is clear, `to_busy_ms` with one
    until it is busy."""

    OID = 3302
    # fmt: off
    RESOURCES = (
        5500, _BOOL | _R | _MANDATORY, "state",
        5501, _INT | _R, "counter",
        5505, _E, "reset_counter",
        5751, _STR | _R, "sensor_type",
        5903, _INT | _RW, "to_clear_ms",
        5904, _INT | _RW, "to_busy_ms",
    )
    # fmt: on
    to_clear_ms = to_busy_ms = 0

    def delay_ms(self, state):
        return self.to_busy_ms if state else self.to_clear_ms

    def check(self, rid, value):
        if _TO_CLEAR <= rid <= _TO_BUSY and not 0 <= value <= _DELAY_LIMIT:
            raise Lwm2mError()

    def clear(self, rid, name):
        self.write(rid, name, 0)
