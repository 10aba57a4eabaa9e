"""The ends of observations that no server has asked for: by a Register, after which a server
observes nothing, and with the registration. Loaded with the first of them.
"""


def registered(reporting):
    """End what was observed before the Register that has been accepted. What is stored of it is
    detached, until it is observed again or until the next Register."""
    detached = reporting.detached
    while detached:
        drop_stored(detached.pop())
    for observation in list(reporting.observations):
        if observation.register_count < reporting.register_count:
            if observation.stored:
                detached.append(observation)
            reporting.forget(observation)
    drop_waiting(reporting)


def close(reporting):
    """End all observations and Sends: the registration has ended."""
    for observation in list(reporting.observations):
        reporting.forget(observation)
    drop_waiting(reporting)
    for request in list(reporting.send_requests):
        request.finish(reporting.registration, "ended")


def drop_waiting(reporting, token=None):
    """Drop the last notifications, under `token` or under any, that wait to leave."""
    for observation in list(reporting.waiting):
        if observation.ended and token in (None, observation.token):
            reporting.waiting.remove(observation)
            reporting.emit("dropped", observation)


def drop_stored(observation):
    """Tell the application that what an observation has stored is of no use."""
    for _ in observation.stored.samples:
        observation.reporting.emit("dropped", observation)
