"""A look at the definition of an own object, for its tests: not needed on the device."""

from lwm2m.objects.base import Object


def check_table(cls):
    """Raise ValueError if the definition of the object class `cls` cannot be right."""
    table = cls.RESOURCES
    if not 0 <= cls.OID < 65535 or len(table) % 3:
        raise ValueError("object %r: OID or the length of RESOURCES is wrong" % cls.OID)
    for i in range(0, len(table), 3):
        rid, flags, name = table[i : i + 3]
        if (
            not isinstance(rid, int)
            or not isinstance(flags, int)
            or not isinstance(name or "", str)
        ):
            what = (cls.OID, table[i : i + 3])
            raise ValueError("object %d: RESOURCES wants id, flags, name: %r" % what)
        if name and hasattr(Object, name):
            raise ValueError("object %d: '%s' is a name of Object itself" % (cls.OID, name))
