"""Notifications on their way to one server: sent, acknowledged, timed out, kept for later.

Loaded with the first Observe or Send.
"""

import sys
from micropython import const

_NON = const(1)
_REGISTERED = const(4)

# RFC 7641 §4.5: one is confirmable at least that often, to learn whether anybody listens.
_DAY_S = const(86400)
# So many notifications in a row that nobody knew of mean that the server has lost everything.
_RESETS = const(3)


class Delivery:
    """What `Reporting` has of it. Allocates: about 100 bytes."""

    def __init__(self, registration):
        self.registration = registration
        self.client = registration.client
        self.exchange = registration.exchange
        # Observations that wait for the server, and reports to be sent
        self.stuck = []
        self.jobs = []
        # Counts notifications, and RSTs in a row
        self.count = self.resets = 0
        # What the client's clock has to be moved by to be the time of day; None: not known
        self.offset_s = None

    @property
    def ready(self):
        """Whether the server may be told something: it knows us, and nothing goes first."""
        registration = self.registration
        if self.client.is_offline or registration.dirty_fields or registration.leaving:
            return False
        return registration.state == _REGISTERED

    def confirmable(self, observation):
        """Whether its next notification is to be confirmable: as `con` says, else while values
        are stored, and once a day in any case."""
        if self.client.clock.s - observation.sure_s >= _DAY_S:
            return True
        if observation.con is not None:
            return observation.con
        return self.registration.server.storing

    def hold(self, observation):
        """Have it wait for the server."""
        if observation not in self.stuck:
            self.stuck.append(observation)

    def _resume(self):
        # What has waited, in order, as long as there is a slot
        if self.ready:
            for job in list(self.jobs):
                if self.exchange.free():
                    job.start()
            while self.stuck and self.exchange.free():
                observation = self.stuck.pop(0)
                self.push(observation)
                if observation.queue or observation.code >= 128 or self.confirmable(observation):
                    break

    def flush(self, observation):
        """Send samples that have been kept, as many as fit into one message."""
        if observation.queue and not self.exchange.in_flight(observation):
            from lwm2m.reporting.storing import fitting

            observation.count = fitting(observation)
            self.send(observation, True)

    def send(self, observation, con):
        """Send a notification now, if the server and a slot are there."""
        exchange = self.exchange
        sent = None
        if self.ready and (not con or exchange.free()):
            before = observation.number
            if not (observation.count and observation.tried):
                observation.number = self.advance()
            if con:
                sent = exchange.request(observation.code, observation, None, observation.token)
            else:
                mid = exchange.message_ids.next()
                if mid >= 0:
                    out = self.client.builder
                    token = observation.token
                    out.begin(_NON, observation.code, mid, token, 0, len(token))
                    observation.write(out)
                    exchange.write(out.buf, out.finish())
                    observation.before = observation.mid
                    observation.mid = mid
                    sent = True
            if not sent:
                observation.number = before
        if not sent:
            observation.count = 0
            self.hold(observation)
        else:
            if observation.count:
                observation.tried = observation.count
            else:
                observation.tried = 0
                observation.told()
            if not con:
                self.fate("sent", observation)

    def advance(self):
        """The next sequence number: 24 bits, and it wraps (RFC 7641 §4.4)."""
        self.count = (self.count + 1) & 0xFFFFFF
        return self.count

    def fate(self, fate, observation):
        """Tell the application; an exception in its handler is printed and forgotten."""
        if self.client.on_notification:
            try:
                self.client.on_notification(fate, observation)
            except Exception as e:
                sys.print_exception(e)

    # What has become of it

    def acknowledged(self, observation):
        self.resets = 0
        observation.sure_s = self.client.clock.s
        if observation.code < 128:
            if observation.count:
                del observation.queue[: observation.count]
                observation.count = observation.tried = 0
            self.push(observation)
            self.fate("acknowledged", observation)

    def timed_out(self, observation):
        if observation.code >= 128:
            return
        if observation.count:
            observation.count = 0
        else:
            observation.due = True
        self.hold(observation)
        # Does the server still know us?
        self.registration.update()
        self.fate("timed_out", observation)

    def rejected(self, observation):
        self.forget(observation)
        self.resets += 1
        if self.resets >= _RESETS and self.registration.registered:
            self.resets = 0
            self.registration.start()

    def on_failure(self, mid, reason):
        """A RST to a notification that was not confirmable."""
        for observation in self.observations:
            if observation.mid == mid or observation.before == mid:
                self.rejected(observation)
                return
