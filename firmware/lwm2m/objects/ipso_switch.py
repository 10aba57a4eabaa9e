"""IPSO inputs that people turn: a switch, buttons for up and down, a selector."""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object
from lwm2m.objects.ipso_input import Input
from lwm2m.objects.ipso_meter import Meter, OnOffTime

_STR = const(1)
_INT = const(2)
_BOOL = const(5)
_R = const(0x10)
_RW = const(0x30)
_MANDATORY = const(0x100)

_ON_TIME = const(5852)
_OFF_TIME = const(5854)
_UP = const(5532)
_DOWN = const(5533)
_UP_COUNTER = const(5541)
_DOWN_COUNTER = const(5542)
_APPLICATION = const(5750)
_INPUT = const(5547)
_TIME_LIMIT = const(0x1FFFFFFF)


class OnOffSwitch(OnOffTime, Input):
    """A switch that knows how long it was on and off, in seconds."""

    OID = 3342
    # fmt: off
    RESOURCES = (
        5500, _BOOL | _R | _MANDATORY, "state",
        5501, _INT | _R, "counter",
        5852, _INT | _RW, "on_time",
        5854, _INT | _RW, "off_time",
        5750, _STR | _RW, "application",
    )
    # fmt: on

    def __init__(self, **values):
        self._on_meter = Meter()
        self._off_meter = Meter()
        self._off_meter.runs = True
        super().__init__(**values)

    def _settle(self):
        super()._settle()
        clock = self.client and self.client.clock
        self._on_meter.run(self.state, clock)
        self._off_meter.run(not self.state, clock)

    def check(self, rid, value):
        if (rid == _ON_TIME or rid == _OFF_TIME) and not 0 <= value <= _TIME_LIMIT:
            raise Lwm2mError()


class UpDownControl(Object):
    """Two buttons, `up` and `down`, and how often each was pressed."""

    OID = 3344
    # fmt: off
    RESOURCES = (
        5532, _BOOL | _R | _MANDATORY, "up",
        5533, _BOOL | _R | _MANDATORY, "down",
        5541, _INT | _RW, "up_counter",
        5542, _INT | _RW, "down_counter",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    up_counter = down_counter = 0
    _up = _down = False

    @property
    def up(self):
        return self._up

    @up.setter
    def up(self, pressed):
        if pressed and not self._up:
            self.up_counter += 1
            self.changed(_UP_COUNTER)
        self._up = bool(pressed)
        self.changed(_UP)

    @property
    def down(self):
        return self._down

    @down.setter
    def down(self, pressed):
        if pressed and not self._down:
            self.down_counter += 1
            self.changed(_DOWN_COUNTER)
        self._down = bool(pressed)
        self.changed(_DOWN)

    def check(self, rid, value):
        if rid != _APPLICATION and not 0 <= value <= _TIME_LIMIT:
            raise Lwm2mError()

    def clear(self, rid, name):
        self.write(rid, name, None if rid == _APPLICATION else 0)


class MultiStateSelector(Object):
    OID = 3348
    # fmt: off
    RESOURCES = (
        5547, _INT | _R | _MANDATORY, "value",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    _value = 0

    @property
    def value(self):
        """The position of the selector."""
        return self._value

    @value.setter
    def value(self, value):
        if value != self._value:
            self._value = value
            self.changed(_INPUT)
