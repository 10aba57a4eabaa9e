"""Values, formats and requests of OMA's enabler tests of device management."""

from __future__ import annotations

from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import Code
from lwm2m_host import Device, Server

from tests.raw_request import send_raw

TEXT, LINK, OCTETS, CBOR, SENML_JSON, SENML_CBOR = 0, 40, 42, 60, 110, 112
TLV, JSON, LWM2M_CBOR = 11542, 11543, 11544

# What carries an instance, what a single value, what a composite operation
TREES = ("tlv", "json", "senml-json", "senml-cbor", "lwm2m-cbor")
SINGLE = ("text", "cbor", *TREES)
COMPOSITE = ("senml-json", "senml-cbor", "lwm2m-cbor")

ACCOUNT = {0: 1, 1: 60, 2: 1, 3: 10, 5: 86400, 6: False, 7: "U"}
ABOUT = {
    0: "Open Mobile Alliance",
    1: "Lightweight M2M Client",
    2: "345000123",
    3: "1.0",
    6: {0: 1, 1: 5},
    7: {0: 3800, 1: 5000},
    8: {0: 125, 1: 900},
    9: 100,
    11: {0: 0},
    16: "U",
}
IDENTITY = {
    0: "Host Device ID #1",
    1: "Host Device Manufacturer #1",
    2: "Host Device Model #1",
    3: "Host Device Software Version #1",
}


def steady(tree: dict[int, Any]) -> dict[int, Any]:
    """Object 3 without its memory and its clock."""
    return {rid: value for rid, value in tree.items() if rid not in (10, 13, 21)}


def full(tree: dict[int, Any]) -> dict[int, Any]:
    """An instance without the multiple resources that have no instances."""
    return {rid: value for rid, value in tree.items() if value != {}}


async def everything(device: Device) -> dict[str, Any]:
    """All that is there: what a refused request must not have changed."""
    tree: dict[str, Any] = {}
    for oid, obj in sorted((await device.registration()).objects.items()):
        tree[f"discovered /{oid}"] = [str(link) for link in await device.discover(f"/{oid}")]
        if obj.instances and oid != 7:  # 7 counts the questions
            tree[f"/{oid}"] = await device.read(f"/{oid}")
    tree["/3"] = {iid: steady(instance) for iid, instance in tree["/3"].items()}
    return tree


async def ask(
    server: Server,
    device: Device,
    code: Code,
    path: str,
    payload: bytes = b"",
    query: tuple[str, ...] = (),
    **options: Any,
) -> Message:
    """The answer to a request of one datagram, whatever its code."""
    segments = [part for part in path.split("/") if part]
    message = Message(code=code, payload=payload, uri_path=segments, uri_query=query)
    for name, value in options.items():
        setattr(message.opt, name, value)
    return await send_raw(server, device, message)


def told(links: list[Any]) -> dict[str, dict[str, Any]]:
    return {link.target: link.attributes for link in links}
