"""What the content formats cost, and what each optional module does.

    format.NAME.{encode,decode}.{us,heap_bytes}         the Device instance /3/0
    format.NAME.scalar.{encode,decode}.{us,heap_bytes}  one resource
    module.NAME.{mpy_bytes,heap_bytes}                  a module that a plain client does not load

A reader's module is NAME_reader. The heap of a module is what its import takes beside a client,
with every module that it brings along, and now and then with a larger table of names, which grows
in steps of some kB; `mpy_bytes` is the file alone.
"""

from __future__ import annotations

import json
import sys

from device_runs import MPY, finish, prepare, running

FORMATS = ("tlv", "text", "opaque", "cbor", "senml_json", "senml_cbor", "json", "lwm2m_cbor")

# Folders whose modules a program adds, or that are loaded when they are first needed
OPTIONAL = ("formats", "objects", "management", "reporting", "coap")


def measure_formats() -> dict[str, float]:
    """Every metric of this file. Raises BenchError."""
    metrics: dict[str, float] = {}
    with running("format_codec", *FORMATS, heap="256k") as process:
        for line in finish(process).splitlines():
            metrics.update(json.loads(line))
    metrics.update(measure_modules())
    return metrics


def measure_modules() -> dict[str, float]:
    """module.*: each one in an interpreter of its own, beside a client."""
    with running("format_modules", "lwm2m.client", heap="256k") as process:
        finish(process)
    metrics: dict[str, float] = {}
    for folder in OPTIONAL:
        for path in sorted((MPY / "lwm2m" / folder).glob("*.mpy")):
            name = ".".join(path.relative_to(MPY).with_suffix("").parts)
            with running("format_modules", name, heap="256k") as process:
                heap_bytes = int(finish(process).split()[-1])
            if heap_bytes > 100:  # else the client has it already
                metrics[f"module.{path.stem}.mpy_bytes"] = path.stat().st_size
                metrics[f"module.{path.stem}.heap_bytes"] = heap_bytes
    return metrics


if __name__ == "__main__":
    prepare()
    for name, value in measure_formats().items():
        print(f"{value:>10.6g}  {name}", file=sys.stdout)
