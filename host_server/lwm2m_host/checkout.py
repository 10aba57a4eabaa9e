"""The checkout: its folder, and the MicroPython interpreters that `make setup` puts into it."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import Lwm2mError


class CheckoutError(Lwm2mError):
    """No checkout here, or no interpreter in it."""


def find_root() -> Path:
    """The project's folder: where ``firmware/lwm2m`` is, above here or above this file.

    Raises CheckoutError.
    """
    starts = (Path.cwd(), Path(__file__).resolve())
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / "firmware" / "lwm2m").is_dir():
                return folder
    raise CheckoutError("no firmware/lwm2m folder above here: run this in the checkout")


def find_micropython(width: int = 64) -> Path:
    """The interpreter of the unix port with 64 or 32 bits.

    LWM2M_MICROPYTHON (and LWM2M_MICROPYTHON32) name one; otherwise it is the one that `make setup`
    puts into build/micropython. Raises CheckoutError.
    """
    if width not in (32, 64):
        raise CheckoutError(f"the unix port has 32 or 64 bits, not {width}")
    suffix = "32" if width == 32 else ""
    for variable in ("LWM2M_MICROPYTHON", "MICROPYTHON"):
        named = os.environ.get(variable + suffix)
        if named:
            if not os.access(named, os.X_OK):
                raise CheckoutError(f"{variable}{suffix}={named} cannot be run")
            return Path(named).absolute()
    place = find_root() / "build" / "micropython" / f"mp{width}"
    if os.access(place, os.X_OK):
        return place
    missing = place.with_name(place.name + ".missing")
    reason = missing.read_text().strip() if missing.is_file() else "run `make setup`"
    raise CheckoutError(f"no {width}-bit MicroPython at {place}: {reason}")
