"""IPSO outputs: digital and analogue output, lights and other actuators, set point, buzzer.

    light = client.add(Light(dimmer=50))
    light.drive = lambda percent: pwm.duty_u16(percent * 65535 // 100)

`drive` is called with what the pin is to do whenever that changes, whoever changes it.
"""

from micropython import const

from lwm2m.objects.base import Lwm2mError, Object

_STR = const(1)
_INT = const(2)
_FLOAT = const(4)
_BOOL = const(5)
_R = const(0x10)
_RW = const(0x30)
_MANDATORY = const(0x100)

_LEVEL = const(5548)
_DELAY = const(5521)
_MIN_OFF = const(5525)
_DIGITAL = const(5550)
_ANALOG = const(5650)
_ON = const(5850)
_DIMMER = const(5851)
_ON_TIME = const(5852)
_OFF_TIME = const(5854)
_SET_POINT = const(5900)


class Output(Object):
    """What they have in common: `drive`, a function with one argument, or None."""

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


class Actuation(Output):
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
        from lwm2m.objects.ipso_meter import Meter

        self._meter = Meter()
        super().__init__(**values)

    @property
    def on(self):
        return self._on

    @on.setter
    def on(self, on):
        self._on = bool(on)
        self._meter.run(self._on, self.client and self.client.clock)
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
        """What it is to do, in percent."""
        if not self._on:
            return 0
        return 100 if self._dimmer is None else self._dimmer

    @property
    def on_time(self):
        """Seconds that it was on; set it to count from there."""
        return self._meter.update(self.client and self.client.clock)

    @on_time.setter
    def on_time(self, s):
        self._meter.set(s or 0, 0, self.client and self.client.clock)
        self.changed(_ON_TIME)

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


class Dimmer(Output):
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
        from lwm2m.objects.ipso_meter import Meter

        self._meter = Meter()
        self._off = Meter()
        self._off.runs = True
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
        self._meter.run(level > 0, clock)
        self._off.run(level == 0, clock)
        self.act(_LEVEL, level)

    @property
    def on_time(self):
        return self._meter.update(self.client and self.client.clock)

    @on_time.setter
    def on_time(self, s):
        self._meter.set(s or 0, 0, self.client and self.client.clock)
        self.changed(_ON_TIME)

    @property
    def off_time(self):
        return self._off.update(self.client and self.client.clock)

    @off_time.setter
    def off_time(self, s):
        self._off.set(s or 0, 0, self.client and self.client.clock)
        self.changed(_OFF_TIME)

    def check(self, rid, value):
        if (rid == _LEVEL and not 0 <= value <= 100) or (
            _ON_TIME <= rid <= _OFF_TIME and not 0 <= value < 0x20000000
        ):
            raise Lwm2mError()


class Buzzer(Output):
    """Sounds while `on`, at `level` percent, for `duration_s` if there is one; then not again for
    `min_off_s`: what asks for it in that time has no effect. `drive` gets the level or 0."""

    OID = 3338
    # fmt: off
    RESOURCES = (
        5850, _BOOL | _RW | _MANDATORY, "on",
        5548, _FLOAT | _RW, "level",
        5521, _FLOAT | _RW, "duration_s",
        5525, _FLOAT | _RW | _MANDATORY, "min_off_s",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    min_off_s = 0.0
    level = duration_s = None
    _on = False
    _alarm = _rest = None

    @property
    def on(self):
        return self._on

    @on.setter
    def on(self, on):
        on = bool(on)
        if self.client and not self._alarm:
            from lwm2m.objects.ipso_meter import Alarm

            self._alarm = Alarm(self.client, self._end)
            self._rest = Alarm(self.client, None)
        if on and self._rest and self._rest.left_s():
            return
        if self._alarm:
            if on and self.duration_s:
                self._alarm.set(self.duration_s)
            else:
                self._alarm.cancel()
            if self._on and not on:
                self._rest.start(self.min_off_s)
        self._on = on
        self.act(_ON, self.output)

    @property
    def output(self):
        """What it is to do, in percent."""
        if not self._on:
            return 0
        return 100 if self.level is None else self.level

    def _end(self):
        self.on = False

    def write(self, rid, name, value):
        super().write(rid, name, value)
        if rid == _LEVEL:
            self.act(rid, self.output)

    def check(self, rid, value):
        if (rid == _LEVEL and not 0 <= value <= 100) or (
            _DELAY <= rid <= _MIN_OFF and not 0 <= value < 0x20000000
        ):
            raise Lwm2mError()
