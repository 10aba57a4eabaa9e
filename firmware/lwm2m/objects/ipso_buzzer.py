"""IPSO buzzer (3338)."""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.ipso_meter import Alarm
from lwm2m.objects.ipso_output import Output

_STR = const(1)
_FLOAT = const(4)
_BOOL = const(5)
_RW = const(0x30)
_MANDATORY = const(0x100)

_LEVEL = const(5548)
_DELAY = const(5521)
_MIN_OFF = const(5525)
_ON = const(5850)


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
        """The output in percent."""
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
