"""Observe, Observe-Composite and Cancel (LwM2M 1.1 Core §6.4.1 to §6.4.5, RFC 7641). Loaded with
the first Observe.
"""

from micropython import const

from lwm2m.reporting.observation import Observation
from lwm2m.reporting.scheduler import Reporting
from lwm2m.reporting.conditions import Watch

_GET = const(1)
_FETCH = const(5)
_CONTENT = const(0x45)
_BAD_REQUEST = const(0x80)
_LINK = const(40)


def observe(client, message, out, serve):
    """Carry out a GET or FETCH with the option Observe: `serve` reads, and if that goes well what
    it has read is observed, or not any more. Returns the response code."""
    code = message.code
    registration = client.current
    reports = registration.reports
    watched = (code == _GET and message.depth > 0) or (code == _FETCH and message.depth == 0)
    if watched and message.observe == 1 and reports:
        cancel(client, reports, message)
    if (
        not watched
        or message.observe
        or message.accept == _LINK
        or message.block2 > 15
        or not registration.state
        or (reports and _full(reports, message))
    ):
        return serve(client, message, out)
    own = None
    if message.queries:
        from lwm2m.management.attributes import consistent, inherited, query

        own = query(message, _kind(client, message), {})
        if own is None:
            return _BAD_REQUEST
        together = inherited(registration.attributes or {}, path_of(message))
        together.update(own)
        if not consistent(together):
            return _BAD_REQUEST
    if not reports:
        reports = registration.reports = Reporting(registration)
    observation = Observation(reports, bytes(message.buf[4 : 4 + message.token_len]), None)
    out.observe = observation.number = reports.advance()
    try:
        result = serve(client, message, out)
    finally:
        out.observe = -1
    if result != _CONTENT:
        return result
    observation.codec = client.codec(message.accept)
    observation.own = own
    if code == _GET:
        observation.path = path_of(message)
        observation.place(client)
    else:
        observation.parts = []
        for path in _paths(client, message):
            watch = Watch()
            watch.owner = observation
            watch.path = path
            watch.place(client)
            observation.parts.append(watch)
    if own or registration.attributes:
        from lwm2m.management.attributes import resolve

        resolve(observation)
    _replace(reports, observation)
    return result


def path_of(message):
    """The path of a request as a tuple."""
    return tuple(message.path[i] for i in range(message.depth))


def cancel(client, reports, message):
    """End the observation that a request names: by its token, else by its path or paths."""
    for observation in reports.observations:
        if message.has_token(observation.token):
            reports.forget(observation)
            return
    path = path_of(message)
    paths = None if path else _paths(client, message)
    for observation in reports.observations:
        if observation.key()[1] == (path or tuple(paths or ())):
            reports.forget(observation)
            return


def _full(reports, message):
    # Whether there is no room for one more; one that takes the place of another has room.
    if len(reports.observations) < reports.LIMIT:
        return False
    path = path_of(message)
    for observation in reports.observations:
        if message.has_token(observation.token) or (path and path == observation.path):
            return False
    return True


def _kind(client, message):
    # The type of the resource that a request names, 0 if it names none
    if message.depth > 2:
        instance = client.find(message.path[0], message.path[1])
        index = instance.index_of(message.path[2]) if instance else -1
        if index >= 0:
            return instance.RESOURCES[index + 1] & 15
    return 0


def _paths(client, message):
    from lwm2m.management.composite import read_paths

    codec = client.codec(message.format)
    if not codec or not hasattr(codec, "compose"):
        return None
    reader = codec.reader()
    reader.open(message.body, message.payload, message.end, message.path, 0)
    return read_paths(reader)


def _replace(reports, observation):
    # A second Observe of the same takes the place of the first, with what that has kept.
    kept = reports.kept.pop(observation.key(), None)
    queue = kept and kept.queue
    for other in list(reports.observations):
        if other.token == observation.token or other.key()[1] == observation.key()[1]:
            if other.key() == observation.key():
                queue = other.queue or queue
            reports.forget(other)
    # Nor may the server be told under this token that another one has ended.
    for other in list(reports.stuck):
        if other.over and other.token == observation.token:
            reports.stuck.remove(other)
    for slot in reports.exchange.slots:
        if slot.state and slot.code >= 64 and slot.token == observation.token:
            slot.state = 0
    observation.queue = queue
    reports.add(observation)
    # What was kept follows, and after it once more what the server has just read: the newest is
    # last.
    observation.due = observation.again = bool(queue)
