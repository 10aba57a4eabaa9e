"""The host's server, and other people's CoAP programs as its devices.

A program that answers requests and cannot register is known from before: its registration is in
the server's registry, as after a restart.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lwm2m_host import Clock, Device, MemoryRegistry, Server, Timing
from lwm2m_host.model.catalogue import Models
from lwm2m_host.registration.registration import ObjectLinks, Registration

from tests.interop.leshan.programs import MODELS
from tests.waiting import PATIENCE_S

ENDPOINT = "theirs"
LINKS = b'</>;rt="oma.lwm2m";ct="0 42 110",</3303/0>,</26241/0>'
PLACE = "/3303/0/5700"
BYTES = "/26241/0/5"
# Links that take more than one block
MANY_LINKS = b",".join(b"</26241/%d>" % iid for iid in range(300))


def server(**options: Any) -> Server:
    """A server on a free port that knows object 26241."""
    models = Models.default()
    assert models.load(MODELS) == []
    options.setdefault("timing", Timing(timeout_s=PATIENCE_S))
    return Server(port=0, models=models, **options)


@asynccontextmanager
async def managing(port: int, **options: Any) -> AsyncIterator[tuple[Server, Device]]:
    """A server whose device is a program on a port of the loopback interface."""
    clock = Clock()
    registry = MemoryRegistry(clock)
    now = clock.now()
    known = Registration(
        endpoint=ENDPOINT,
        location="/rd/known",
        address=f"127.0.0.1:{port}",
        lifetime_s=86400,
        version="1.1",
        binding="U",
        queue_mode=False,
        links=ObjectLinks.parse(LINKS),
        registered_at=now,
        updated_at=now,
    )
    registry.restore(known, time.monotonic() + known.lifetime_s)
    async with server(clock=clock, registry=registry, **options) as running:
        yield running, running.device(ENDPOINT)
