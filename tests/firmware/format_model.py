"""An object of the tests of the content formats, and the example of LwM2M 1.1 Core §7.4.3."""

from lwm2m.objects.base import Object
from lwm2m.types import INT, MULTI, STR, TIME, R


class Model:
    """A peer that may read everything, and as much of its client as a read wants to see."""

    attributes = {}

    def __init__(self, *instances):
        self.client = self
        self.objects = instances
        self.classes = {}

    def allowed(self, oid, iid, right):
        return True


def thing(*resources, iid=0):
    """An instance of a new object; `resources` are (rid, flags, value)."""
    table = []
    for rid, flags, value in resources:
        table += [rid, flags | R, "r%d" % rid]

    class Thing(Object):
        OID = 9999
        RESOURCES = tuple(table)

    instance = Thing(iid=iid)
    for rid, flags, value in resources:
        setattr(instance, "r%d" % rid, value)
    return instance


def hexed(text):
    return bytes.fromhex(text.replace(" ", "").replace("\n", ""))


DEVICE_VALUES = (
    (0, STR, "Open Mobile Alliance"),
    (1, STR, "Lightweight M2M Client"),
    (2, STR, "345000123"),
    (3, STR, "1.0"),
    (6, INT | MULTI, (1, 5)),
    (7, INT | MULTI, (3800, 5000)),
    (8, INT | MULTI, (125, 900)),
    (9, INT, 100),
    (10, INT, 15),
    (11, INT | MULTI, (0,)),
    (13, TIME, 1367491215),
    (14, STR, "+02:00"),
    (16, STR, "U"),
)

PATH = (9999, 0, 5, 0)
