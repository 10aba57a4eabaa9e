"""Observe, Observe-Composite and Cancel (LwM2M 1.1 Core §6.4.1 to §6.4.5, RFC 7641). Loaded with
the first Observe.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.reporting.observation import Observation
from lwm2m.reporting.establish import path_of, paths_of
from lwm2m.reporting.scheduler import reporting_of

_GET = const(1)
_FETCH = const(5)
_BAD_REQUEST = const(0x80)
_LINK = const(40)


def observe(peer, message, out):
    """Look at a GET or FETCH with the option Observe, before it is read. Returns the Observation
    that begins if the read goes well, else None: then it is a plain read. A request to cancel ends
    the observation. Raises Lwm2mError for attributes that cannot be."""
    client = peer.client
    code = message.code
    reporting = peer.reporting
    observable = (code == _GET and message.depth > 0) or (code == _FETCH and message.depth == 0)
    if observable and message.observe == 1 and reporting:
        cancel(client, reporting, message)
    if (
        not observable
        or message.observe
        or message.accept == _LINK
        or message.block2 > 15
        or not peer.state
        or (reporting and _full(reporting, message))
    ):
        return None
    own = None
    if message.queries:
        from lwm2m.management.attributes import consistent, inherited, query

        own = query(message, _kind(client, message), {})
        if own is None:
            raise Lwm2mError(_BAD_REQUEST)
        together = inherited(peer.attributes, path_of(message))
        together.update(own)
        if not consistent(together):
            raise Lwm2mError(_BAD_REQUEST)
    if not reporting:
        reporting = reporting_of(peer)
    observation = Observation(reporting, bytes(message.buf[4 : 4 + message.token_len]), None)
    observation.own = own
    out.observe = observation.number = reporting.advance()
    return observation


def cancel(client, reports, message):
    """End the observation that a request names: by its token, else by its path or paths."""
    for observation in reports.observations:
        if message.has_token(observation.token):
            reports.forget(observation)
            return
    path = path_of(message)
    paths = None if path else paths_of(client, message)
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
