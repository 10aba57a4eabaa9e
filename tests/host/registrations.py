"""Registrations of tests."""

from __future__ import annotations

from dataclasses import replace

from lwm2m_host.registration.registration import ObjectLinks, Registration


def registration(endpoint: str, location: str, **changes: object) -> Registration:
    """A registration for 60 s, with changes of its fields."""
    record = Registration(
        endpoint=endpoint,
        location=location,
        address="192.0.2.1:5683",
        lifetime_s=60,
        version="1.1",
        binding="U",
        queue_mode=False,
        links=ObjectLinks(),
        registered_at=0.0,
        updated_at=0.0,
    )
    return replace(record, **changes)  # type: ignore[arg-type]
