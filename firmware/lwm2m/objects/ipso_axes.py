"""IPSO sensors with three axes: accelerometer, magnetometer, gyrometer."""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_FLOAT = const(4)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)

_X = const(5702)
_MIN_X = const(5508)
_DIRECTION = const(5705)


class Axes(Object):
    """The base of the three: `set(x, y, z)`; `y` and `z` may be None."""

    x = 0.0
    y = z = None

    def set(self, x, y=None, z=None):
        """Take over a measurement as a whole."""
        if x != self.x:
            self.x = x
            self.changed(_X)
        if y != self.y:
            self.y = y
            self.changed(_X + 1)
        if z != self.z:
            self.z = z
            self.changed(_X + 2)


class Accelerometer(Axes):
    OID = 3313
    # fmt: off
    RESOURCES = (
        5702, _FLOAT | _R | _MANDATORY, "x",
        5703, _FLOAT | _R, "y",
        5704, _FLOAT | _R, "z",
        5701, _STR | _R, "unit",
        5603, _FLOAT | _R, "min_range",
        5604, _FLOAT | _R, "max_range",
    )
    # fmt: on


class Magnetometer(Axes):
    """`direction` in degrees from north, 0..360."""

    OID = 3314
    # fmt: off
    RESOURCES = (
        5702, _FLOAT | _R | _MANDATORY, "x",
        5703, _FLOAT | _R, "y",
        5704, _FLOAT | _R, "z",
        5705, _FLOAT | _R, "direction",
        5701, _STR | _R, "unit",
    )
    # fmt: on
    _direction = None

    @property
    def direction(self):
        """The compass direction, None if it is not known."""
        return self._direction

    @direction.setter
    def direction(self, value):
        if value is not None and not 0 <= value <= 360:
            raise ValueError("direction: 0..360")
        self._direction = value
        self.changed(_DIRECTION)


class Gyrometer(Axes):
    """The least and the greatest x, y, z measured are in `more`, 5508..5513."""

    OID = 3334
    # fmt: off
    RESOURCES = (
        5702, _FLOAT | _R | _MANDATORY, "x",
        5703, _FLOAT | _R, "y",
        5704, _FLOAT | _R, "z",
        5701, _STR | _R, "unit",
        5508, _FLOAT | _R, None,
        5509, _FLOAT | _R, None,
        5510, _FLOAT | _R, None,
        5511, _FLOAT | _R, None,
        5512, _FLOAT | _R, None,
        5513, _FLOAT | _R, None,
        5603, _FLOAT | _R, "min_range",
        5604, _FLOAT | _R, "max_range",
        5605, _E, "reset_measured",
        5750, _STR | _RW, "application",
    )
    # fmt: on

    def set(self, x, y=None, z=None):
        super().set(x, y, z)
        self._extreme(_MIN_X, x)
        self._extreme(_MIN_X + 2, y)
        self._extreme(_MIN_X + 4, z)

    def _extreme(self, rid, value):
        if value is not None:
            more = self.more = self.more or {}
            if more.get(rid) is None or value < more[rid]:
                more[rid] = value
                self.changed(rid)
            if more.get(rid + 1) is None or value > more[rid + 1]:
                more[rid + 1] = value
                self.changed(rid + 1)

    def reset_measured(self, args=None):
        """Let the extremes start again from the latest measurement."""
        self.more = None
        self._extreme(_MIN_X, self.x)
        self._extreme(_MIN_X + 2, self.y)
        self._extreme(_MIN_X + 4, self.z)
