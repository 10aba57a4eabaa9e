"""The beginning of an observation, after its first value was read. Loaded with the first one."""

from micropython import const

from lwm2m.reporting.conditions import Watch

_GET = const(1)


def establish(observation, message):
    """Begin an observation whose first value has just been written."""
    reporting = observation.reports
    client = reporting.client
    observation.codec = client.codec(message.accept)
    if message.code == _GET:
        observation.path = path_of(message)
        observation.place(client)
    else:
        observation.parts = []
        for path in paths_of(client, message):
            watch = Watch()
            watch.owner = observation
            watch.path = path
            watch.place(client)
            observation.parts.append(watch)
    if observation.own or observation.registration.attributes:
        from lwm2m.management.attributes import resolve

        resolve(observation)
    _replace(reporting, observation)


def path_of(message):
    """The path of a request as a tuple."""
    return tuple(message.path[i] for i in range(message.depth))


def paths_of(client, message):
    """The paths of a composite request, or None."""
    from lwm2m.management.composite import read_paths

    codec = client.codec(message.format)
    if not codec or not codec.carries_paths:
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
    for outgoing in reports.exchange.outgoing:
        if outgoing.state and outgoing.code >= 64 and outgoing.token == observation.token:
            outgoing.cancel()
    observation.queue = queue
    reports.add(observation)
    # What was kept follows, and after it once more what the server has just read: the newest is
    # last.
    observation.due = observation.again = bool(queue)
