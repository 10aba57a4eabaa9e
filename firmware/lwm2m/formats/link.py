"""Link format, content format 40 (RFC 6690): what Register and Discover carry."""

from micropython import const

from lwm2m.formats.base import Codec, decimal

_MULTI = const(0x80)


class Link(Codec):
    FORMAT = 40

    # Discover (LwM2M 1.1 Core §6.3.2)

    def emit(self, out, client, path, depth):
        self.state = True
        instances = 0
        for instance in client.objects:
            if instance.OID != path[0] or (depth > 1 and instance.iid != path[1]):
                continue
            if depth == 1 and not instances:
                self._object(out, instance)
            instances += 1
            if depth < 3:
                self.open(out, instance.OID, instance.iid)
                out.byte(62)
            table = instance.RESOURCES
            for i in range(0, len(table), 3):
                if (depth < 3 or table[i] == path[2]) and instance.exists_at(i):
                    self.open(out, instance.OID, instance.iid, table[i])
                    out.byte(62)
                    if table[i + 1] & _MULTI and depth > 1:
                        out.put(b";dim=")
                        decimal(out, len(instance.value_at(i)))
                    if out.more:
                        return

    # Register and Update (LwM2M 1.1 Core §6.2.1)

    def objects(self, out, client):
        """Write the links of a registration: every object and instance but 0 and 21.

        An object is listed alone when it has a version or no instance.
        """
        self.state = True
        last = -1
        for instance in client.objects:
            oid = instance.OID
            if oid == 0 or oid == 21:
                continue
            if oid != last and instance.VERSION:
                self._object(out, instance)
            last = oid
            self.open(out, oid, instance.iid)
            out.byte(62)

    def _object(self, out, instance):
        self.open(out, instance.OID)
        out.byte(62)
        if instance.VERSION:
            out.put(b";ver=")
            out.put(instance.VERSION)

    def open(self, out, oid, iid=-1, rid=-1):
        if not self.state:
            out.byte(44)
        self.state = False
        out.byte(60)
        out.byte(47)
        decimal(out, oid)
        if iid >= 0:
            out.byte(47)
            decimal(out, iid)
        if rid >= 0:
            out.byte(47)
            decimal(out, rid)
