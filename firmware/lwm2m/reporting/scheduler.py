"""Information reporting (LwM2M 1.1 Core §6.4) to one server: what it observes, and who is looked
at when.

A change only marks the observations that cover it; `step` looks at those and at what is due by
time, so that a step costs as much as has changed, however much is observed. Nothing is allocated
for a value that is a number. Loaded with the first Observe or Send.

For each notification `client.on_notification(status, observation)` is called with "sent" (it was
not confirmable), "acknowledged", "timed_out", or "dropped" (there was no room to store it, or it
could not be written); and with "cancelled" when the observation has ended. When the device has
ended it, `observation.code` says why, and its last notification, which carries that code, follows
as one of "acknowledged", "timed_out", "rejected" (by an RST) or "dropped" (by a Register).
"""

import sys
from micropython import const

from lwm2m.clock import Deadline
from lwm2m.reporting.conditions import due_ms
from lwm2m.reporting.index import PathIndex, parse_path
from lwm2m.reporting.notify import abandon, begin, fail, notify, resume, retry, send, send_stored

_NOT_FOUND = const(0x84)

_NEVER_MS = const(3600000)
# A clock that jumps further has been set again.
_JUMP_S = const(2)

# State of a registration (registration.registration)
_UPDATING = const(4)
_REGISTERED = const(5)


def reporting_of(peer):
    """The Reporting of a peer, made when there is none."""
    if not peer.reporting:
        peer.attach(Reporting(peer))
    return peer.reporting


class Reporting:
    """Observations and Sends of the server of one registration. Allocates: about 400 bytes.

    The registration calls `step`, `changed`, `register`, `registered`, `close` and `on_failure`;
    observations report what becomes of them (reporting.observation).
    """

    # Observations that are accepted; more are answered as plain reads (RFC 7641 §4.1).
    LIMIT = 250
    # Notifications that an observation stores unless hqmax says how many
    HISTORY = 50

    def __init__(self, registration):
        self.registration = registration
        self.client = registration.client
        self.exchange = registration.exchange
        self.observations = []
        self.index = PathIndex()
        # Chain of the observations that the next step looks at
        self.head = None
        self.tail = None
        # Observations that wait for the server, in order
        self.waiting = []
        # SendRequests without an outcome, which add and remove themselves
        self.send_requests = []
        # Ended observations with stored notifications, until they are observed again
        self.detached = []
        # Number of Registers sent
        self.register_count = 0
        # Sequence number of the last notification to this server (RFC 7641 §4.4)
        self.number = 0
        # RSTs in a row (reporting.resets), None: the last word was another one
        self.resets = None
        # Seconds from the client's clock to the time of day, None: not known
        self.offset_s = None
        # Next look at all observations
        self.deadline = Deadline(self.client.clock)
        self.deadline.after(_NEVER_MS)

    @property
    def ready(self):
        """True if notifications may leave: the server knows us, and no Update leaves before. While
        one is under way they go on: the registration is valid, and pmax is to be kept."""
        registration = self.registration
        if self.client.is_offline or registration.leaving:
            return False
        if registration.state == _UPDATING:
            return True
        return registration.state == _REGISTERED and not (
            registration.dirty_fields and self.exchange.free()
        )

    # What is observed

    def add(self, observation):
        """Begin an observation whose first value the server has just read."""
        begin(self, observation)
        self.push(observation)

    def forget(self, observation):
        """End an observation without a word to the server."""
        abandon(self.exchange, observation)
        self.remove(observation)

    def end(self, observation, code):
        """End an observation, and let the server know why by the response code `code`."""
        if observation.stored:
            from lwm2m.reporting.ending import drop_stored

            drop_stored(observation)
        observation.end(code)
        self.forget(observation)
        send(self, observation, True)

    def remove(self, observation):
        """Note the end of an observation; what of it is in flight goes on."""
        if observation in self.observations:
            parts = observation.parts or (observation,)
            observation.end()
            self.observations.remove(observation)
            for observed in parts:
                self.index.remove(observed)
            if observation in self.waiting:
                self.waiting.remove(observation)
            self.emit("cancelled", observation)

    # Seen from the registration

    def register(self):
        """Note that a Register is about to leave: it goes before what is in flight."""
        self.register_count += 1
        for observation in self.observations:
            if abandon(self.exchange, observation):
                observation.unsent()
                self.wait_for_server(observation)

    def registered(self):
        """Note that the server has taken a Register, and so forgotten what it observed before."""
        from lwm2m.reporting.ending import registered

        registered(self)
        self.resets = None

    def close(self):
        """End all observations and Sends: the registration has ended."""
        from lwm2m.reporting.ending import close

        close(self)

    def on_failure(self, mid, reason):
        """Note that a RST has come for a message that was not confirmable."""
        for observation in self.observations:
            if observation.mid == mid or observation.previous_mid == mid:
                observation.rejected()
                return

    # Changes

    def changed(self, oid, iid=-1, rid=-1):
        """Note that /oid/iid/rid has changed, or all below. `oid` may be a text, "/3303/0/5700".
        Allocates: nothing for numbers."""
        if isinstance(oid, str):
            oid, iid, rid = parse_path(oid)[:3]
        if oid == 1:
            self.deadline.after(0)  # Terms of a server: look at all.
        self.index.mark(oid, iid, rid)

    def push(self, observation):
        """Look at an observation in the next step. Allocates: nothing."""
        if observation.schedule(self.tail):
            if not self.head:
                self.head = observation
                self.client.wake()
            self.tail = observation

    # Time

    def step(self):
        """Look at what has changed and what is due: milliseconds until the next look."""
        deadline = self.deadline
        if not deadline.left_ms():
            deadline.after(_NEVER_MS)
            for observation in self.observations:
                self.push(observation)
        if (self.waiting or self.send_requests) and self.ready:
            resume(self)
        observation = self.head
        self.head = self.tail = None
        while observation:
            following = observation.unschedule()
            try:
                if not observation.ended:
                    self.look(observation)
                elif observation.code >= 128:
                    send(self, observation, True)
            except Exception as e:
                fail(self, observation, e)
            observation = following
        return 0 if self.head else deadline.left_ms()

    def look(self, observation):
        """Evaluate an observation, and notify the server if it is time."""
        clock = self.client.clock
        server = self.registration.server
        wait = observation.look()
        code = observation.refusal()
        if code:
            self.end(observation, code)
            return
        left = due_ms(observation, clock, server)
        if not left:
            if observation.index >= 0 and observation.read() is None:
                self.end(observation, _NOT_FOUND)
                return
            notify(self, observation)
            left = due_ms(observation, clock, server) or _NEVER_MS
        if observation.stored:
            send_stored(self, observation)
        wait = min(wait, left)
        if wait < self.deadline.left_ms():
            self.deadline.after(wait)

    # Notifications

    def emit(self, status, observation):
        """Call `client.on_notification`; an exception in it is printed and forgotten."""
        if self.client.on_notification:
            try:
                self.client.on_notification(status, observation)
            except Exception as e:
                self.client.collect()
                sys.print_exception(e)

    def next_number(self):
        """The next sequence number: 24 bits, and it wraps (RFC 7641 §4.4)."""
        self.number = (self.number + 1) & 0xFFFFFF
        return self.number

    def wait_for_server(self, observation):
        """Keep an observation until its notification can leave."""
        if observation not in self.waiting:
            try:
                self.waiting.append(observation)
            except MemoryError:
                retry(self)
                raise

    def epoch_offset(self, offset_s):
        """The offset of the time of day from the client's clock: `offset_s` as it is now, unless
        another one is in use that is about the same. So a stored notification has the same time
        whenever it is sent."""
        if self.offset_s is None or abs(offset_s - self.offset_s) > _JUMP_S:
            self.offset_s = offset_s
        return self.offset_s

    def on_acknowledged(self, observation):
        """Note that the server listens."""
        self.resets = None
        if not observation.ended:
            self.push(observation)
        self.emit("acknowledged", observation)

    def on_timeout(self, observation):
        """Note that the server does not answer, and ask it by an Update whether it knows us."""
        if not observation.ended:
            self.wait_for_server(observation)
            self.registration.update()
        self.emit("timed_out", observation)

    def on_reset(self, observation):
        """Note that the server does not know the observation."""
        if observation.ended:
            self.emit("rejected", observation)
            return
        self.forget(observation)
        if not self.resets:
            from lwm2m.reporting.resets import Resets

            self.resets = Resets()
        if self.resets.add(self.client.clock.s, self.observations):
            # The server has lost its state.
            self.resets = None
            if self.registration.registered:
                self.registration.start()
