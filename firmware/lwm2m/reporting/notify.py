"""Notify (LwM2M 1.1 Core §6.4.2): what is due leaves, replaces what is in flight, is stored, or
waits for the server. Loaded with the first Observe or Send.

Called by the scheduler from above; what becomes of a notification comes back from the exchange
layer to its Observation.
"""

import sys
from micropython import const

_NON = const(1)

# Pause before what could not be read is looked at again
_RETRY_MS = const(1000)

# RFC 7641 §4.5: one notification in a day is confirmable, to learn whether the server listens.
_DAY_S = const(86400)


def notify(reporting, observation):
    """Notify the server of what an observation has seen last, or store it."""
    registration = reporting.registration
    con = _confirmable(reporting, observation)
    storing = registration.server.storing and observation.attributes.get("hqmax") != 0
    # What is stored goes before what is new, whatever the server wants by now.
    if observation.stored or (storing and (con or not reporting.ready)):
        from lwm2m.reporting.storing import store

        if store(observation) or observation.stored:
            send_stored(reporting, observation)
            return
    outgoing = in_flight(reporting.exchange, observation)
    if not outgoing:
        send(reporting, observation, con)
    elif outgoing.next():
        # The newest value takes the place of the one that is not acknowledged yet, as a message
        # of its own (RFC 7641 §4.5.2): the next transmission carries it.
        observation.renumber()
        observation.mark_notified()


def send(reporting, observation, con):
    """Send a notification now; if the server is not there, or nothing is free for a
    confirmable one, it waits."""
    exchange = reporting.exchange
    sent = None
    mid = -1
    if reporting.ready:
        if not con:
            mid = exchange.message_ids.next()
            if mid >= 0:
                out = reporting.client.builder
                token = observation.token
                observation.renumber()
                out.begin(_NON, observation.code, mid, token, 0, len(token))
                observation.write(out)
                exchange.write(out.buf, out.finish())
                sent = True
        elif exchange.free():
            sent = exchange.request(observation.code, observation, None, observation.token)
    if not sent:
        observation.unsent()
        reporting.wait_for_server(observation)
        return
    observation.sent(mid)
    if not con:
        reporting.emit("sent", observation)


def send_stored(reporting, observation):
    """Send stored notifications, as many as fit into one message."""
    stored = observation.stored
    if stored and not in_flight(reporting.exchange, observation):
        stored.prepare(observation)
        send(reporting, observation, True)


def resume(reporting):
    """Send what has waited for the server, in order: confirmable ones as far as there is
    room for them in flight, and all others."""
    exchange = reporting.exchange
    for request in list(reporting.send_requests):
        if exchange.free():
            request.start(reporting.registration)
    room = 0
    for outgoing in exchange.outgoing:
        if not outgoing.state:
            room += 1
    waiting = reporting.waiting
    i = 0
    while i < len(waiting):
        observation = waiting[i]
        if observation.stored or observation.code >= 128 or _confirmable(reporting, observation):
            if not room:
                i += 1
                continue
            room -= 1
        reporting.push(waiting.pop(i))


def in_flight(exchange, owner):
    """The Outgoing of `owner` that is in flight, or None. Allocates: nothing."""
    for outgoing in exchange.outgoing:
        if outgoing.state and outgoing.owner is owner:
            return outgoing
    return None


def abandon(exchange, owner):
    """Forget what `owner` has in flight, without a word to it. False if there is nothing."""
    outgoing = in_flight(exchange, owner)
    if outgoing:
        outgoing.cancel()
    return bool(outgoing)


def _confirmable(reporting, observation):
    # As `con` says, else while notifications are stored; and once a day, when there is room
    if observation.attributes.get("con", reporting.registration.server.storing):
        return True
    late = reporting.client.clock.s - observation.last_acked_s >= _DAY_S
    return late and bool(reporting.exchange.free())


def begin(reporting, observation):
    """Add an observation to those of `reporting`: wholly, or not at all (MemoryError)."""
    index = reporting.index
    parts = observation.parts or (observation,)
    try:
        for observed in parts:
            index.add(observed)
        observation.mark_notified()
        reporting.observations.append(observation)
    except MemoryError:
        for observed in parts:
            index.remove(observed)
        raise


def fail(reporting, observation, error):
    """Note that an observation could not be looked at, or not be notified, because of `error`."""
    retry(reporting)
    try:
        if not isinstance(error, MemoryError):
            # What cannot be read, or has no form in its format, is not notified.
            sys.print_exception(error)
            observation.mark_notified()
            reporting.emit("dropped", observation)
            return
    except MemoryError:
        pass
    # It is still to be notified.
    reporting.client.collect(reporting.exchange.counter)
    observation.evaluate_again()
    for part in observation.parts or ():
        part.evaluate_again()
    if observation.ended:
        reporting.push(observation)  # its last notification


def retry(reporting):
    """Have all observations looked at in a moment."""
    if reporting.deadline.left_ms() > _RETRY_MS:
        reporting.deadline.after(_RETRY_MS)
