"""The time of a client besides its protocol: calls that are due at a time, and a quiet
end. Loaded with the first of them.
"""

import sys
from micropython import const

from lwm2m.clock import Deadline

_NEVER_MS = const(3600000)


def add(client, ms, callback):
    """Have `callback()` called in `ms` milliseconds. Allocates: about 100 bytes."""
    client.clock.update()
    deadline = Deadline(client.clock)
    deadline.after(ms)
    client.timers.append((deadline, callback))
    client.wake()


def run(client):
    """Call what is due: milliseconds until the next one."""
    due = _NEVER_MS
    timers = client.timers
    i = 0
    while i < len(timers):
        left = timers[i][0].left_ms()
        if left:
            due = min(due, left)
            i += 1
        else:
            callback = timers.pop(i)[1]
            try:
                callback()
            except Exception as e:
                client.collect()
                sys.print_exception(e)
    return due


def finish(client, deregister, timeout_ms):
    """Do what `Client.stop` says."""
    client.deregister(deregister)
    deadline = Deadline(client.clock)
    deadline.after(timeout_ms)
    while True:
        due = client.step()
        left = deadline.left_ms()
        if not left:
            client.deregister(False)
        if client.ended:
            break
        client.wait(min(due, left))
