"""The operations that change a device (LwM2M 1.1 Core §6.3): which one a request is, and where it
is carried out. Loaded with the first of them; each operation is loaded with the first of its kind.
"""

from micropython import const

_POST = const(2)
_PUT = const(3)
_DELETE = const(4)

_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)

_R = const(0x10)
_W = const(0x20)
_E = const(0x40)
_MULTI = const(0x80)

# Access rights (LwM2M 1.1 Core §8), which name the operations
_READ = const(1)
_WRITE = const(2)
_EXECUTE = const(4)
_DELETE_RIGHT = const(8)
_CREATE = const(16)


def operate(peer, message, out, instance, index, flags):
    """Carry out a request other than GET on what it names: `instance`, and if `index` is not -1
    the resource at that place of its table. Returns the response code; may raise `Lwm2mError`."""
    path = message.path
    depth = message.depth
    code = message.code
    if depth == 4 and peer.version == "1.0":
        return _NOT_FOUND
    # The right that it takes tells the operation: READ is Write-Attributes here.
    right = 0
    if code == _PUT and (depth > 1 or message.queries):
        # Without a payload it is Write-Attributes.
        right = _READ
        if depth > 1 and (message.format >= 0 or message.payload < message.end):
            right = _WRITE
        elif not message.queries:
            return _BAD_REQUEST
    elif code == _POST:
        if depth == 1:
            right = _CREATE
        elif depth == 2 or (depth == 3 and flags & _W and flags & _MULTI):
            right = _WRITE
        elif depth == 3 and flags & _E:
            right = _EXECUTE
    elif code == _DELETE:
        if depth == 2 and path[0] in peer.client.classes:
            right = _DELETE_RIGHT
        elif depth == 4 and flags & _W and peer.version == "1.2":
            right = _WRITE
    if not right:
        return _NOT_ALLOWED
    # What is wanted of an object shows nothing of its instances: everybody may write that.
    if (right != _READ or depth > 1) and not peer.allowed(
        path[0], path[1] if depth > 1 else -1, right
    ):
        return _UNAUTHORIZED
    if right == _WRITE and code == _DELETE:
        from lwm2m.management.delete import delete_item

        return delete_item(peer, instance, index, path[3])
    if right == _WRITE:
        from lwm2m.management.write import write

        return write(peer, message, instance, index, flags, message.code == _PUT)
    if right == _EXECUTE:
        from lwm2m.management.execute import execute

        return execute(message, instance, index)
    if right == _READ:
        if depth > 2 and not flags & _R:
            return _NOT_ALLOWED
        from lwm2m.management.attributes import write_attributes

        return write_attributes(peer, message, flags)
    if right == _CREATE:
        from lwm2m.management.create import create

        return create(peer, message, out)
    from lwm2m.management.delete import delete

    return delete(peer, instance)
