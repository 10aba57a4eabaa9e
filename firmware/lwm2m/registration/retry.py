"""Failures of a Register or an Update, and the times of the next attempt (LwM2M 1.1 Core §6.2).
Loaded with the first failure.
"""

import random
from micropython import const

_REQUEST_INCOMPLETE = const(0x88)
_PRECONDITION_FAILED = const(0x8C)
_TOO_MANY_REQUESTS = const(0x9D)
_INTERNAL = const(0xA0)
_UNAVAILABLE = const(0xA3)
_MAX_AGE = const(14)

# States of a Registration
_CONNECTING = const(2)
_UPDATING = const(4)

# Back-off of a server that does not answer, unless 1/x/17..20 say otherwise
_FIRST_RETRY_S = const(4)
_LAST_RETRY_S = const(300)
# Back-off of a server that refuses us: it goes on so until somebody changes something
_FIRST_REFUSED_S = const(60)
_LAST_REFUSED_S = const(3600)
# Longest Max-Age of a server that is overloaded
_LONGEST_AGE_S = const(86400)
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
            registration.wait(0, 0, _CONNECTING)
        else:
            registration.wait(0)
    elif error == _PRECONDITION_FAILED and registration.version != "1.0":
        # The next lower version, until something else ends this registration
        version = "1.1" if registration.version == "1.2" else "1.0"
        registration.wait(0, 0, _CONNECTING, version)
    else:
        s = pause_s(registration.server, registration.attempts + 1, error)
        if error == _UNAVAILABLE or error == _TOO_MANY_REQUESTS:
            s = max(s, max_age_s(registration.client.message))
        registration.close()
        registration.wait(s, 1)
        emit("register_failed", registration)


def jitter(s):
    """`s` seconds less up to half of them by chance, so that a server or a network that comes back
    is not met by all devices at once."""
    return s - random.getrandbits(8) * s // 512


def max_age_s(message):
    """The seconds after which the sender of `message` wants to be asked again (RFC 7252 §5.9.3.4,
    RFC 8516), 0 if it does not say."""
    age_s = 0
    if message.option(_MAX_AGE):
        for i in range(message.start, message.stop):
            age_s = min(age_s << 8 | message.buf[i], _LONGEST_AGE_S)
    return age_s


def refused(error):
    """True for a response code that stays the same until somebody changes something."""
    if not isinstance(error, int) or not 0x80 <= error < _INTERNAL:
        return False
    return error != _REQUEST_INCOMPLETE and error != _TOO_MANY_REQUESTS


def pause_s(server, failures, error=None):
    """The seconds until the next attempt, after `failures` in a row with `server`, an instance of
    object 1, the last of them because of `error`. It never gives up."""
    timer_s = server.retry_timer_s
    count = server.retry_count
    if timer_s is None and count is None:
        if refused(error):
            return jitter(min(_FIRST_REFUSED_S << min(failures - 1, 6), _LAST_REFUSED_S))
        return jitter(min(_FIRST_RETRY_S << min(failures - 1, 8), _LAST_RETRY_S))
    # Attempts make a sequence, each pause twice the one before; so do sequences.
    count = count or _RETRY_COUNT
    n = failures % count
    if n:
        return (timer_s or _RETRY_TIMER_S) << min(n - 1, 9)
    n = failures // count
    return (server.sequence_delay_s or _SEQUENCE_DELAY_S) << min(n - 1, 5)
