"""Changing the values of the data model: decoded and checked as a whole, then stored, whole or not
at all. Loaded with the first write.
"""

import sys
from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.formats.codec import instances
from lwm2m.objects.base import Object

_BAD_REQUEST = const(0x80)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)

_OBJLNK = const(8)
_R = const(0x10)
_W = const(0x20)
_MULTI = const(0x80)

_NULL_LINK = (65535, 65535)


def stage(instance, reader, values, replace):
    """Decode the record of `reader` into `values`, by index in the table of `instance`; without
    `replace`, the instances of a multiple resource join those that are there.

    Returns 0, or the response code of a mistake.
    """
    index = instance.index_of(reader.rid)
    if index < 0:
        return _NOT_FOUND
    flags = instance.RESOURCES[index + 1]
    if not flags & _W:
        return _NOT_ALLOWED
    riid = reader.riid
    if flags & _MULTI:
        if riid == -1:
            return _BAD_REQUEST
        items = values.get(index)
        if items is None:
            items = values[index] = {}
            if not replace:
                old = instance.value_at(index) or ()
                for item in instances(old):
                    items[item] = old[item]
        if riid >= 0:
            items[riid] = reader.value(flags)
    elif riid != -1:
        return _BAD_REQUEST
    else:
        values[index] = reader.value(flags)
    return _BAD_REQUEST if reader.error else 0


def apply(client, staged):
    """Check and then store all values of `staged`, a list of (instance, values). If a handler
    refuses, what was already stored goes back, and its exception goes on."""
    for instance, values in staged:
        for index in values:
            value = values[index]
            if value is not None:
                rid = instance.RESOURCES[index]
                code = 0
                if _linked(client, instance.RESOURCES[index + 1], value):
                    try:
                        instance.check(rid, value)
                    except Lwm2mError as e:
                        if len(e.args) > 1:
                            raise
                        code = e.args[0] if e.args else _BAD_REQUEST
                else:
                    code = _BAD_REQUEST
                if code:
                    from lwm2m.management.refusal import refuse

                    refuse(code, instance, rid, "not a possible value")
    done = []
    try:
        for instance, values in staged:
            table = instance.RESOURCES
            for index in sorted(values):
                if table[index + 1] & _R:
                    old = instance.value_at(index)
                else:
                    old = Object.read(instance, table[index], table[index + 2])
                done.append((instance, index, old, values[index]))
                _store(instance, index, values[index])
    except Exception:
        for instance, index, old, _ in done:
            try:
                _store(instance, index, old)
            except Exception as e:
                sys.print_exception(e)
        raise
    client.changed()
    for instance, index, old, value in done:
        if value != old:
            client.notify(instance.OID, instance.iid, instance.RESOURCES[index])


def _linked(client, flags, value):
    # Whether the object links in a value name instances that are there, or nothing.
    if flags & 15 != _OBJLNK:
        return True
    for link in [value[riid] for riid in instances(value)] if flags & _MULTI else (value,):
        if link != _NULL_LINK and not client.find(link[0], link[1]):
            return False
    return True


def _store(instance, index, value):
    table = instance.RESOURCES
    if value is None:
        instance.clear(table[index], table[index + 2])
    else:
        instance.write(table[index], table[index + 2], value)
