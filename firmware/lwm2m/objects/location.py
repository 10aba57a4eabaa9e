"""Location (object 6): where the device is, and when it was there.

    location = client.add(Location())
    location.fix(47.3769, 8.5417, altitude=408, speed=1.5)

Single precision, as most boards have it, places a device to within a few metres.
"""

import time
from micropython import const

from lwm2m.objects.base import Object

_FLOAT = const(4)
_OPAQUE = const(6)
_TIME = const(7)
_R = const(0x10)
_MANDATORY = const(0x100)

# MicroPython counts from 2000 on most boards, LwM2M from 1970.
_EPOCH_2000 = const(946684800)


class Location(Object):
    """Degrees of WGS 84, `altitude` and `radius` (of the uncertainty) in metres, `speed` in m/s,
    `velocity` as bytes of 3GPP TS 23.032, `timestamp` of the fix in seconds since 1970."""

    OID = 6
    # fmt: off
    RESOURCES = (
        0, _FLOAT | _R | _MANDATORY, "latitude",
        1, _FLOAT | _R | _MANDATORY, "longitude",
        2, _FLOAT | _R, "altitude",
        3, _FLOAT | _R, "radius",
        4, _OPAQUE | _R, "velocity",
        5, _TIME | _R | _MANDATORY, "timestamp",
        6, _FLOAT | _R, "speed",
    )
    # fmt: on
    iid = 0
    latitude = longitude = 0.0
    timestamp = 0

    def fix(
        self,
        latitude,
        longitude,
        altitude=None,
        radius=None,
        speed=None,
        velocity=None,
        timestamp=None,
    ):
        """Take over a measurement as a whole: what it does not tell is not known any more.

        `timestamp` default: now, by the board's clock. Raises ValueError for what is no place.
        """
        if not -90 <= latitude <= 90 or not -180 <= longitude <= 180:
            raise ValueError("latitude: -90..90, longitude: -180..180")
        if timestamp is None:
            timestamp = int(time.time())
            if time.gmtime(0)[0] == 2000:
                timestamp += _EPOCH_2000
        self.latitude = latitude
        self.longitude = longitude
        self.altitude = altitude
        self.radius = radius
        self.speed = speed
        self.velocity = velocity
        self.timestamp = timestamp
        for rid in range(7):
            self.changed(rid)
