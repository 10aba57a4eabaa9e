"""Failures of a Register or an Update, and the times of the next attempt (LwM2M 1.1 Core §6.2).
Loaded with the first failure.
"""

import random
from micropython import const

_PRECONDITION_FAILED = const(0x8C)

# State of a Registration
_UPDATING = const(4)

# Back-off of a server that does not answer, unless 1/x/17..20 say otherwise
_FIRST_RETRY_S = const(4)
_LAST_RETRY_S = const(300)
# Defaults of 1/x/17..20, in force as soon as one of them is set
_RETRY_COUNT = const(5)
_RETRY_TIMER_S = const(60)
_SEQUENCE_DELAY_S = const(86400)


def fail(registration, error):
    """Have `registration` register again in time. `error` is a response code, an OSError, or None
    for a time-out or a RST."""
    emit = registration.client.emit
    if registration.state == _UPDATING:
        emit("update_failed", registration)
        if isinstance(error, int):
            registration.register(registration.lwm2m)
        else:
            registration.wait(0)
    elif error == _PRECONDITION_FAILED and registration.version != "1.0":
        # The next lower version, until something else ends this registration
        registration.register("1.1" if registration.version == "1.2" else "1.0")
    else:
        registration.close()
        registration.wait(pause_s(registration.server, registration.attempts + 1), 1)
        emit("register_failed", registration)


def jitter(s):
    """`s` seconds less up to half of them by chance, so that a server or a network that comes back
    is not met by all devices at once."""
    return s - random.getrandbits(8) * s // 512


def pause_s(server, failures):
    """The seconds until the next attempt, after `failures` in a row with `server`, an instance of
    object 1. It never gives up."""
    timer_s = server.retry_timer_s
    count = server.retry_count
    if timer_s is None and count is None:
        return jitter(min(_FIRST_RETRY_S << min(failures - 1, 8), _LAST_RETRY_S))
    # Attempts make a sequence, each pause twice the one before; so do sequences.
    count = count or _RETRY_COUNT
    n = failures % count
    if n:
        return (timer_s or _RETRY_TIMER_S) << min(n - 1, 9)
    n = failures // count
    return (server.sequence_delay_s or _SEQUENCE_DELAY_S) << min(n - 1, 5)
