"""Observations as records of the registry, so that they outlive the server."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ..coap.messages import DeviceRequest
from ..model.path import Path
from ..registration.registry import ObservationRecord
from .observation import Observation, ObserveRequest


class StoredObservation(NamedTuple):
    """An observation as it was when it was written.

    address: of the device when it was asked. active: the device observes.
    started_at: seconds since 1970.
    """

    id: str
    asked: ObserveRequest
    reobserve: bool
    token: bytes
    address: str
    active: bool
    started_at: float


def record_of(observation: Observation) -> ObservationRecord:
    """The record of an observation."""
    asked = observation.asked
    request = asked.request
    content = {
        "paths": [str(path) for path in asked.paths],
        "composite": asked.composite,
        "method": request.method,
        "path": request.path,
        "payload": request.payload.hex(),
        "content_format": request.content_format,
        "query": request.query,
        "accept": asked.accept,
        "limit": asked.limit,
        "ordered": asked.ordered,
        "reobserve": observation.reobserve,
        "token": observation.token.value.hex(),
        "address": observation.address,
        "active": observation.state == "active",
        "started_at": observation.started_at,
    }
    return ObservationRecord(observation.endpoint, observation.id, json.dumps(content))


def stored_observation(record: ObservationRecord) -> StoredObservation:
    """The observation of a record. Raises ValueError, KeyError or TypeError where it is none."""
    content: dict[str, Any] = json.loads(record.content)
    request = DeviceRequest(
        content["method"],
        tuple(content["path"]),
        bytes.fromhex(content["payload"]),
        content["content_format"],
        content["accept"],
        tuple(content["query"]),
    )
    asked = ObserveRequest(
        record.endpoint,
        tuple(Path.parse(path) for path in content["paths"]),
        content["composite"],
        request,
        content["accept"],
        content["reobserve"],
        content["limit"],
        content.get("ordered", True),
    )
    return StoredObservation(
        record.id,
        asked,
        content["reobserve"],
        bytes.fromhex(content["token"]),
        content["address"],
        content["active"],
        content["started_at"],
    )
