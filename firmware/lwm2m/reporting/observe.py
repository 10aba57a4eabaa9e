"""Observe, Observe-Composite and Cancel (LwM2M 1.1 Core §6.4.1 to §6.4.5, RFC 7641). Loaded with
the first Observe.

The request is a Read, too (dispatch): `observe` looks at it before that, and `begin` afterwards.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.reporting.observation import Observation
from lwm2m.reporting.scheduler import reporting_of

_GET = const(1)
_FETCH = const(5)
_BAD_REQUEST = const(0x80)
_LINK = const(40)
_NUMBER_MASK = const(15)


def observe(peer, message, out):
    """Carry out a Cancel, or have the answer to an Observe say that an observation begins.

    Returns the attributes in the query of an Observe, a dict; None if what follows is but a Read.
    Raises Lwm2mError for attributes that cannot be.
    """
    client = peer.client
    code = message.code
    reporting = peer.reporting
    observable = (code == _GET and message.depth > 0) or (code == _FETCH and message.depth == 0)
    if observable and message.observe == 1 and reporting:
        _cancel(client, reporting, message)
    if (
        not observable
        or message.observe
        or message.accept == _LINK
        or message.block2 > _NUMBER_MASK
        or not peer.state
        or (reporting and _full(reporting, message))
    ):
        return None
    attributes = {}
    if message.queries:
        from lwm2m.management.attributes import consistent, inherited, query

        attributes = query(peer, message, _kind(client, message), attributes)
        if attributes is None or peer.version < "1.2":
            raise Lwm2mError(_BAD_REQUEST)
        together = inherited(peer.attributes, _path_of(message))
        together.update(attributes)
        if not consistent(together):
            raise Lwm2mError(_BAD_REQUEST)
    out.observe = reporting_of(peer).next_number()
    return attributes


def begin(peer, message, number, attributes):
    """Begin an observation of what has just been read with the option Observe `number`, unless
    `observe` has returned None for `attributes`."""
    if attributes is None:
        return
    client = peer.client
    reporting = peer.reporting
    token = bytes(message.buf[4 : 4 + message.token_len])
    path = paths = None
    if message.code == _GET:
        path = _path_of(message)
    else:
        paths = _paths(client, message)
    codec = client.codec(message.accept)
    observation = Observation(reporting, token, codec, number, path, paths)
    if attributes or peer.attributes:
        from lwm2m.management.attributes import resolve

        resolve(observation, attributes)
    stored = _replace(reporting, observation)
    reporting.add(observation)
    if stored:
        observation.inherit(stored)


def _path_of(message):
    return tuple(message.path[i] for i in range(message.depth))


def _paths(client, message):
    # The paths in the payload of a FETCH
    from lwm2m.management.composite import read_paths

    codec = client.codec(message.format)
    if not codec or not codec.carries_paths:
        return None
    reader = codec.reader()
    reader.open(message.body, message.payload, message.end, message.path, 0)
    return read_paths(reader)


def _kind(client, message):
    # The type of the resource that a request names, 0 if it names none
    if message.depth > 2:
        instance = client.find(message.path[0], message.path[1])
        index = instance.index_of(message.path[2]) if instance else -1
        if index >= 0:
            return instance.RESOURCES[index + 1] & 15
    return 0


def _cancel(client, reporting, message):
    # A request names the observation to be ended by its token, else by its path or paths.
    for observation in reporting.observations:
        if message.has_token(observation.token):
            reporting.forget(observation)
            return
    path = _path_of(message) or tuple(_paths(client, message) or ())
    for observation in reporting.observations:
        if observation.key()[1] == path:
            reporting.forget(observation)
            return


def _full(reporting, message):
    # An observation that replaces another one has room in any case.
    if len(reporting.observations) < reporting.LIMIT:
        return False
    path = _path_of(message)
    for observation in reporting.observations:
        if message.has_token(observation.token) or (path and path == observation.path):
            return False
    return True


def _replace(reporting, observation):
    # End what a repeated Observe replaces. Returns what that has stored.
    detached = reporting.detached.pop(observation.key(), None)
    stored = detached and detached.stored
    for other in list(reporting.observations):
        if other.token == observation.token or other.key()[1] == observation.key()[1]:
            if other.key() == observation.key():
                stored = other.stored or stored
            reporting.forget(other)
    # The server would take the end of another observation under this token for that of this one.
    for other in list(reporting.waiting):
        if other.ended and other.token == observation.token:
            reporting.waiting.remove(other)
    for outgoing in reporting.exchange.outgoing:
        if outgoing.state and outgoing.code >= 64 and outgoing.token == observation.token:
            outgoing.cancel()
    return stored
