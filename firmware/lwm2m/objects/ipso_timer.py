"""IPSO timer (3340) and stopwatch (3350)."""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.ipso_meter import Alarm, Meter
from lwm2m.objects.ipso_output import Output

_STR = const(1)
_INT = const(2)
_FLOAT = const(4)
_BOOL = const(5)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)

_COUNTER = const(5501)
_MODE = const(5526)
_OUTPUT_COUNTER = const(5534)
_OUTPUT_STATE = const(5543)
_CUMULATIVE = const(5544)
_APPLICATION = const(5750)
_ON = const(5850)

# Modes
_DISABLED = const(0)
_ONE_SHOT = const(1)
_INTERVAL = const(2)
_PICK_UP = const(3)
_DROP_OUT = const(4)


class _Timed(Output):
    """An input, `on`, and the time during which it is true."""

    inputs = 0
    _on = False

    def __init__(self, **values):
        self._meter = Meter()
        super().__init__(**values)

    @property
    def cumulative_s(self):
        """Seconds that the input was true; set it to count from there."""
        meter = self._meter
        return meter.update(self.client and self.client.clock) + meter.ms / 1000

    @cumulative_s.setter
    def cumulative_s(self, seconds):
        s = int(seconds or 0)
        ms = int(((seconds or 0) - s) * 1000)
        self._meter.set(s, ms, self.client and self.client.clock)
        self.changed(_CUMULATIVE)

    def _switch(self, on):
        """Take over the input: True if it has become true."""
        rises = on and not self._on
        self._on = on
        self._meter.run(on, self.client and self.client.clock)
        self.changed(_ON)
        if rises:
            self.inputs += 1
            self.changed(_COUNTER)
        return rises

    def check(self, rid, value):
        if rid != _ON and rid != _APPLICATION and not 0 <= value < 0x20000000:
            raise Lwm2mError()
        if rid == _MODE and value > _DROP_OUT:
            raise Lwm2mError()


class Timer(_Timed):
    """An input (`on`, or Trigger, which sets it for a moment) and an output (`output`), which
    `drive` gets; `duration_s` and, in `mode`, how they depend on each other:

    0 the output is off; 1 one-shot: on for the duration after the input rises; 2 interval: the
    same, but off as soon as the input falls; 3 delay on pick-up: on once the input was true for
    the duration, until it falls; 4 delay on drop-out: on with the input, and for the duration
    after it falls. For `min_off_s` after the output has gone off nothing starts anew.
    The timer must have been added to the client before it is used.
    """

    OID = 3340
    # fmt: off
    RESOURCES = (
        5521, _FLOAT | _RW | _MANDATORY, "duration_s",
        5538, _FLOAT | _R, "remaining_s",
        5525, _FLOAT | _RW, "min_off_s",
        5523, _E, "trigger",
        5850, _BOOL | _RW, "on",
        5501, _INT | _R, "inputs",
        5544, _FLOAT | _RW, "cumulative_s",
        5543, _BOOL | _R, "output",
        5534, _INT | _RW, "counter",
        5526, _INT | _RW, "mode",
        5750, _STR | _RW, "application",
    )
    # fmt: on
    duration_s = min_off_s = 0.0
    counter = 0
    output = False
    _mode = _ONE_SHOT
    _alarm = _rest = None

    @property
    def remaining_s(self):
        """Seconds until the output changes by itself, 0.0 if it will not."""
        return self._alarm.left_s() if self._alarm else 0.0

    @property
    def mode(self):
        return self._mode

    @mode.setter
    def mode(self, mode):
        if not _DISABLED <= mode <= _DROP_OUT:
            raise ValueError("mode: 0..4")
        self._mode = mode
        if self._alarm:
            self._alarm.cancel()
        self._show(False)
        self.changed(_MODE)

    @property
    def on(self):
        return self._on

    @on.setter
    def on(self, on):
        on = bool(on)
        mode = self._mode
        was = self._on
        if self.client and not self._alarm:
            self._alarm = Alarm(self.client, self._ring)
            self._rest = Alarm(self.client, None)
        alarm = self._alarm
        if self._switch(on):
            if mode and not alarm.active and not self._rest.left_s():
                self._start()
            elif mode == _DROP_OUT and self.output:
                alarm.cancel()
        elif was and not on:
            if mode == _INTERVAL or mode == _PICK_UP:
                alarm.cancel()
                self._show(False)
            elif mode == _DROP_OUT and self.output:
                alarm.set(self.duration_s)

    def _start(self):
        mode = self._mode
        if mode != _PICK_UP:
            self._show(True)
        if mode != _DROP_OUT:
            self._alarm.set(self.duration_s)

    def _ring(self):
        self._show(self._mode == _PICK_UP)

    def _show(self, output):
        if output != self.output:
            self.output = output
            if output:
                self.counter += 1
                self.changed(_OUTPUT_COUNTER)
            elif self._rest:
                self._rest.start(self.min_off_s)
            self.act(_OUTPUT_STATE, output)

    def trigger(self, args=None):
        """Start, as if the input had risen; modes 2 and 3 need it to stay, the others do not."""
        self.on = False
        self.on = True
        if self._mode == _ONE_SHOT or self._mode == _DROP_OUT:
            self.on = False

    def clear(self, rid, name):
        if rid == _MODE:
            self.mode = _ONE_SHOT
        elif rid == _ON:
            self.on = False
        else:
            self.write(rid, name, None if rid == _APPLICATION else 0)


class Stopwatch(_Timed):
    """Counts the time, `cumulative_s`, while it is `on`, and how often it was started."""

    OID = 3350
    # fmt: off
    RESOURCES = (
        5544, _FLOAT | _RW | _MANDATORY, "cumulative_s",
        5850, _BOOL | _RW, "on",
        5501, _INT | _R, "inputs",
        5750, _STR | _RW, "application",
    )
    # fmt: on

    @property
    def on(self):
        return self._on

    @on.setter
    def on(self, on):
        self._switch(bool(on))
