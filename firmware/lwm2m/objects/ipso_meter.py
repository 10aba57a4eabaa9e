"""Time for the IPSO objects that switch something: how long it was on, and when to act.
Loaded with the first of them, or with the first input that is debounced.
"""

from micropython import const

from lwm2m.clock import Deadline

_ON_TIME = const(5852)
_OFF_TIME = const(5854)


class Meter:
    """Adds up the time during which it runs, on the clock of a client.

    The clock may be None as long as the object belongs to no client: time begins with it.
    """

    runs = False
    s = ms = 0
    # When the time was added up last
    _at = None

    def run(self, runs, clock):
        """Run from now on, or stop."""
        self.update(clock)
        self.runs = runs

    def update(self, clock):
        """Bring `s` and `ms` up to date and return `s`. Allocates: nothing after the first."""
        if clock:
            clock.update()
            at = self._at
            if at is None:
                at = self._at = Deadline(clock)
            if self.runs:
                ms = self.ms + clock.ms - at.ms
                self.s += clock.s - at.s + ms // 1000
                self.ms = ms % 1000
            at.s = clock.s
            at.ms = clock.ms
        return self.s

    def set(self, s, ms, clock):
        """Go on counting from here."""
        self.update(clock)
        self.s = s
        self.ms = ms


class OnTime:
    """The hours of operation of an object, a mixin: its `_on_meter` runs while it is on."""

    @property
    def on_time(self):
        """Seconds that it was on; set it to count from there."""
        return self._on_meter.update(self.client and self.client.clock)

    @on_time.setter
    def on_time(self, s):
        self._on_meter.set(s or 0, 0, self.client and self.client.clock)
        self.changed(_ON_TIME)


class OnOffTime(OnTime):
    """The same with `off_time`: its `_off_meter` runs while it is off."""

    @property
    def off_time(self):
        """Seconds that it was off; set it to count from there."""
        return self._off_meter.update(self.client and self.client.clock)

    @off_time.setter
    def off_time(self, s):
        self._off_meter.set(s or 0, 0, self.client and self.client.clock)
        self.changed(_OFF_TIME)


class Alarm:
    """Calls `callback` once when its time has come; `set` again forgets the earlier time."""

    active = _armed = False

    def __init__(self, client, callback):
        self.client = client
        self.callback = callback
        self.due = Deadline(client.clock)
        self._next = Deadline(client.clock)

    def start(self, seconds):
        """Let `seconds`, an int or a float, begin; nothing rings at their end."""
        self.client.clock.update()
        s = int(seconds)
        self.due.after(int((seconds - s) * 1000))
        self.due.s += s
        self.active = True

    def set(self, seconds):
        """Ring in `seconds`."""
        self.start(seconds)
        later = self.due.s - self._next.s or self.due.ms - self._next.ms
        # One call of the client is enough for any number of later times.
        if not self._armed or later < 0:
            self._arm()

    def cancel(self):
        self.active = False

    def left_s(self):
        """Seconds left, as a float; 0.0 when it is not set."""
        if not self.active:
            return 0.0
        clock = self.client.clock
        clock.update()
        due = self.due
        return max(0.0, due.s - clock.s + (due.ms - clock.ms) / 1000)

    def _arm(self):
        # left_ms is an hour at most: a longer time takes several calls.
        ms = self.due.left_ms()
        self._next.after(ms)
        self._armed = True
        self.client.after(ms, self._ring)

    def _ring(self):
        if not self._armed or self._next.left_ms():
            return  # an earlier one has taken its place
        self._armed = False
        if self.active:
            if self.due.left_ms():
                self._arm()
            else:
                self.active = False
                self.callback()
