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

    Returns the attributes in the query of an Observe, a dict, () without a query; None if what
    follows is but a Read. Raises Lwm2mError for attributes that cannot be.
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
    ):
        return None
    attributes = ()
    if message.queries:
        from lwm2m.management.attributes import query

        if peer.version < "1.2":
            raise Lwm2mError(_BAD_REQUEST, "attributes in an Observe: with LwM2M 1.2")
        attributes = query(peer, message, _kind(client, message), {})
        if attributes is None:
            raise Lwm2mError(_BAD_REQUEST)
    if reporting and _full(reporting, message, attributes):
        return None
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
    try:
        if message.queries or peer.attributes:
            from lwm2m.management.attributes import resolve

            resolve(observation, attributes if message.queries else None)
        stored = _replace(reporting, observation)
        reporting.add(observation)
    except MemoryError:
        observation.end()  # It may be in the chain of those to be looked at.
        raise
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
    # A request names the observation to be ended by its token, else all by path and format.
    for observation in reporting.observations:
        if message.has_token(observation.token):
            reporting.forget(observation)
            return
    path = _path_of(message) or None
    paths = None if path else _paths(client, message)
    for observation in list(reporting.observations):
        if observation.path == path and observation.paths() == paths:
            if message.accept in (-1, observation.codec.FORMAT):
                reporting.forget(observation)


def _full(reporting, message, attributes):
    # An observation that replaces another one has room in any case.
    if len(reporting.observations) < reporting.LIMIT:
        return False
    path = _path_of(message)
    for observation in reporting.observations:
        if message.has_token(observation.token) or (
            path
            and path == observation.path
            and message.accept in (-1, observation.codec.FORMAT)
            and attributes == (observation.request_attributes or ())
        ):
            return False
    return True


def _replace(reporting, observation):
    # End what a repeated Observe replaces: one with its token, or of the same paths, format and
    # attributes (RFC 7641 §3.1). Returns what that has stored.
    found = None
    attributes = observation.request_attributes
    for other in reporting.detached:
        if other.same(observation) and (not found or other.request_attributes == attributes):
            found = other
    if found:
        reporting.detached.remove(found)
    stored = found and found.stored
    for other in list(reporting.observations):
        same = other.same(observation)
        if other.token == observation.token or (same and other.request_attributes == attributes):
            if same:
                stored = other.stored or stored
            reporting.forget(other)
    # The server would take the end of another observation under this token for that of this one.
    if reporting.waiting:
        from lwm2m.reporting.ending import drop_waiting

        drop_waiting(reporting, observation.token)
    for outgoing in reporting.exchange.outgoing:
        if outgoing.state and outgoing.code >= 64 and outgoing.token == observation.token:
            outgoing.cancel()
    return stored
