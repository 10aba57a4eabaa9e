"""A network that tortures: a UDP relay that loses, doubles, reorders, delays and corrupts.

async with Relay(("127.0.0.1", 5683), faults=Faults(loss=0.3, duplicate=0.1), seed=1) as relay:
    ...  # let the device talk to relay.uri
    relay.change(loss=0.0)
    relay.rebind()
"""

from .journal import Coap, Entry, Tally
from .plan import FaultError, Faults
from .relay import Relay

__all__ = ["Coap", "Entry", "FaultError", "Faults", "Relay", "Tally"]
