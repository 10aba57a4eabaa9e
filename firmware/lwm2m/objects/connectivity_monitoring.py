"""Connectivity Monitoring (object 4): the network that the device is in.

    wlan = network.WLAN(network.STA_IF)
    client.add(
        ConnectivityMonitoring(
            bearer=21,
            rssi_dbm=lambda: wlan.status("rssi"),
            addresses=lambda: (wlan.ifconfig()[0],),
            routers=lambda: (wlan.ifconfig()[2],),
        )
    )

Values may be functions: they are asked when a server reads.
"""

from micropython import const

from lwm2m.objects.base import Object

_STR = const(1)
_INT = const(2)
_R = const(0x10)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

_BEARERS = const(1)


class ConnectivityMonitoring(Object):
    """`bearer` 0..50 (21 WLAN, 22 Bluetooth, 23 IEEE 802.15.4, 41 Ethernet; 7 NB-IoT), `bearers`
    what there is (default: that one), `rssi_dbm`, `utilization` in percent, `addresses` and
    `routers` tuples of str. What concerns cellular networks, 7..13, is in `more`."""

    OID = 4
    VERSION = "1.3"
    # fmt: off
    RESOURCES = (
        0, _INT | _R | _MANDATORY, "bearer",
        1, _INT | _R | _MULTI | _MANDATORY, "bearers",
        2, _INT | _R | _MANDATORY, "rssi_dbm",
        3, _INT | _R, "link_quality",
        4, _STR | _R | _MULTI | _MANDATORY, "addresses",
        5, _STR | _R | _MULTI, "routers",
        6, _INT | _R, "utilization",
        7, _STR | _R | _MULTI, None,
        8, _INT | _R, None,
        9, _INT | _R, None,
        10, _INT | _R, None,
        11, _INT | _R, None,
        12, _INT | _R, None,
        13, _INT | _R, None,
    )
    # fmt: on
    iid = 0
    bearer = 21
    rssi_dbm = 0
    addresses = ()

    def read(self, rid, name):
        value = super().read(rid, name)
        if rid == _BEARERS and value is None:
            return (super().read(0, "bearer"),)
        return value
