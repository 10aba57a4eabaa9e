"""Answers and notifications of a temperature sensor, for tests of Observe."""

from __future__ import annotations

import json

from aiocoap.numbers.codes import Code

TEMPERATURE = "/3303/0/5700"


def degrees(value: float) -> tuple[Code, bytes, int | None]:
    return (Code.CONTENT, str(value).encode(), 0)


def timed(*samples: tuple[float, float]) -> tuple[Code, bytes, int | None]:
    pack = [{"n": TEMPERATURE, "t": t, "v": v} for t, v in samples]
    return (Code.CONTENT, json.dumps(pack).encode(), 110)


PACK = json.dumps([{"n": "/3/0/0", "vs": "Acme"}, {"n": TEMPERATURE, "v": 21.5}]).encode()
