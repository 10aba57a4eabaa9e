"""Link format, content format 40 (RFC 6690): what Register and Discover carry."""

from lwm2m.formats.codec import Codec, decimal


class Link(Codec):
    FORMAT = 40

    def emit(self, out, client, path, depth):
        from lwm2m.management.discover import discover

        discover(self, out, client, path, depth)

    # Register and Update (LwM2M 1.1 Core §6.2.1)

    def objects(self, out, client):
        """Write the links of a registration: every object and instance but 0 and 21.

        An object is listed alone when it has a version or no instance.
        """
        self.state = True
        if len(client.codecs) > 2:
            from lwm2m.management.discover import root

            root(self, out, client)
        last = -1
        for instance in client.objects:
            oid = instance.OID
            if oid == 0 or oid == 21:
                continue
            if oid != last and instance.VERSION:
                self.object(out, instance)
            last = oid
            self.open(out, oid, instance.iid)
            out.byte(62)
        for oid in client.classes:
            if not client.find(oid):
                self.object(out, client.classes[oid])

    def object(self, out, instance):
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
