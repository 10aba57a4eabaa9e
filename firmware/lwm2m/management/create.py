"""Create (LwM2M 1.1 Core §6.3.6). Loaded with the first of them."""

from micropython import const

from lwm2m.management.transaction import apply, stage

_CREATED = const(0x41)
_BAD_REQUEST = const(0x80)
_NOT_ALLOWED = const(0x85)
_UNSUPPORTED_FORMAT = const(0x8F)
_LINK = const(40)

_W = const(0x20)
_MANDATORY = const(0x100)

# How many Creates are remembered, so that a repeated one is told the same Location-Path
_REMEMBERED = const(4)


def create(peer, message, out):
    """Create an instance of the object that the path names, with the values of the payload: all
    mandatory ones that can be written must be there. Returns the response code."""
    client = peer.client
    oid = message.path[0]
    cls = client.classes.get(oid)
    if not cls:
        return _NOT_ALLOWED
    iid = -1
    is_first = True
    values = {}
    if message.payload < message.end:
        codec = client.codec(message.format)
        if not codec or codec.VERSION > peer.version:
            return _UNSUPPORTED_FORMAT
        if codec.FORMAT == _LINK or not codec.fits(1, 0):
            return _UNSUPPORTED_FORMAT
        # The values are staged against an instance that nobody sees.
        draft = cls()
        reader = codec.reader()
        reader.open(message.body, message.payload, message.end, message.path, 1)
        while reader.next():
            if not is_first and reader.iid != iid:
                return _BAD_REQUEST
            is_first = False
            iid = reader.iid
            index = draft.index_of(reader.rid)
            if index < 0 or not cls.RESOURCES[index + 1] & _W:
                continue  # unknown, or for us to set: not processed, and no mistake
            code = stage(draft, reader, values, True)
            if code:
                from lwm2m.management.refusal import refuse

                refuse(code, draft, reader.rid)
        if reader.error:
            return _BAD_REQUEST
        iid = reader.iid
    table = cls.RESOURCES
    for index in range(0, len(table), 3):
        flags = table[index + 1]
        if flags & _MANDATORY and flags & _W and index not in values:
            from lwm2m.management.refusal import refuse

            refuse(_BAD_REQUEST, cls(), table[index], "mandatory")
    limit = getattr(cls, "LIMIT", None)
    count = 0
    for other in client.objects:
        if other.OID == oid:
            count += 1
            if other.iid == iid:
                return _BAD_REQUEST
    if limit is not None and count >= limit:
        return _BAD_REQUEST
    chosen = iid < 0
    if chosen:
        iid = 0
        while client.find(oid, iid):
            iid += 1
    instance = cls(iid=iid)
    if chosen:
        # Told before it is done: for what is done, no memory may be wanting.
        peer.created.append((message.mid, oid, iid))
        if len(peer.created) > _REMEMBERED:
            peer.created.pop(0)
        peer.on_repeat(message, out)
    instance.attach(client)
    try:
        apply(client, [(instance, values)])
        if client.access:
            client.access.created(peer, instance)
    except Exception:
        instance.attach(None)
        raise
    client.update(True)
    client.notify(oid, iid)
    return _CREATED
