"""One turn of the loop that drives a client: `Client.step` and `Client.wait`."""

import time
from micropython import const

_NEVER_MS = const(3600000)
# Datagrams handled in one step before timers get their turn
_BURST = const(8)
# Pause after something that found no memory
_AGAIN_MS = const(1000)


def step(client) -> int:
    """Handle what has arrived and what is due: the milliseconds until it wants to run again, at
    most an hour, 0 after an event. Never raises for what comes from the network, nor for want of
    memory: then a message is lost, as it may be on the way (docs/memory.md).
    Allocates: each received datagram."""
    client.clock.update()
    due = _NEVER_MS
    # What one server asks may be work for another registration: hear all first.
    for registration in client.registrations:
        burst = _BURST
        exchange = registration.exchange
        try:
            while burst and not client.is_offline and exchange.poll():
                burst -= 1
        except MemoryError:
            client.collect(exchange.counter)
            burst = 0
        if not burst:
            due = 0
    if client.timers:
        try:
            from lwm2m.timers import run

            due = min(due, run(client))
        except MemoryError:
            client.collect()
            due = _AGAIN_MS
    for registration in client.registrations:
        try:
            due = min(due, registration.step())
        except MemoryError:
            client.collect(registration.exchange.counter)
            due = _AGAIN_MS
    if client.event:
        client.event = False
        return 0
    return due


def wait(client, ms: int):
    """Block until a datagram arrives, at most `ms` milliseconds."""
    for registration in client.registrations:
        if registration.transport.sock:
            for _ in client.poll.ipoll(ms):
                break
            return
    time.sleep_ms(ms)
