"""The admission of devices: who may register as whom, and how much of it there may be."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..coap.messages import Peer
from .registration import Registration


class TakeoverPolicy(StrEnum):
    """The answer to a Register from another address, while the endpoint is registered.

    ACCEPT: it replaces the registration. WARN: it does, and the log names both addresses.
    REFUSE_WHILE_ALIVE: the address of the registration is asked first, by a CoAP ping. When it
    replies, or an Update comes from the device meanwhile, the Register is 4.03. When nobody
    replies, as after a reboot or behind a NAT that has forgotten the device, it replaces the
    registration, and the log names both addresses. A device in queue mode may be asleep: its
    silence lets in the same host only, at whatever port.

    Behind DTLS the identity decides, whatever the policy: the same one is let in, and who has none
    does not replace the registration of who has one.
    """

    ACCEPT = "accept"
    WARN = "warn"
    REFUSE_WHILE_ALIVE = "refuse-while-alive"


@dataclass(frozen=True)
class Limits:
    """Bounds of what devices may leave in the registry.

    devices: registrations; a further one is answered 5.03.
    links: links of one registration. link_bytes: their text; more of either is 4.13.
    parameters: query parameters that LwM2M does not define. parameter_bytes: their text.
    """

    devices: int = 100_000
    links: int = 2000
    link_bytes: int = 64 * 1024
    parameters: int = 20
    parameter_bytes: int = 2000


@dataclass(frozen=True)
class RegistrationRequest:
    """A Register, Update or De-register that waits for its answer.

    operation: "register", "update" or "deregister". registration: what there is under the
    endpoint or the location, None for a new one.
    """

    operation: str
    endpoint: str
    peer: Peer
    registration: Registration | None


Authorizer = Callable[[RegistrationRequest], bool | Awaitable[bool]]
"""Decides about a request; False is answered 4.03."""


def anybody(request: RegistrationRequest) -> bool:
    """The authorizer that lets everybody in."""
    return True


def of_patterns(patterns: Iterable[str]) -> Authorizer:
    """An authorizer that lets in what one of the patterns fits: ``ENDPOINT`` or
    ``ENDPOINT@NETWORK``.

    ENDPOINT may have ``*`` and ``?``; NETWORK is an address or a network (192.0.2.0/24). Raises
    ValueError for a network that is none.
    """
    rules: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network | None]] = []
    for pattern in patterns:
        endpoint, separator, network = pattern.rpartition("@")
        try:
            rules.append((endpoint, ipaddress.ip_network(network, strict=False)))
        except ValueError:
            if separator and _looks_like_network(network):
                raise ValueError(f"no network: {network}") from None
            rules.append((pattern, None))

    def authorize(request: RegistrationRequest) -> bool:
        host = request.peer.address.rpartition(":")[0].strip("[]").partition("%")[0]
        address = ipaddress.ip_address(host)
        return any(
            fnmatch.fnmatchcase(request.endpoint, endpoint)
            and (network is None or address in network)
            for endpoint, network in rules
        )

    return authorize


def _looks_like_network(text: str) -> bool:
    return bool(text) and all(character in "0123456789abcdefABCDEF.:/" for character in text)
