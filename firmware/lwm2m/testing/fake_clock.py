"""A clock that only moves when told to, for tests and simulations."""

from lwm2m.clock import Clock


class FakeClock(Clock):
    """Time is what `advance(ms)` has made it: a month passes in a second."""

    def update(self):
        """Do nothing."""
