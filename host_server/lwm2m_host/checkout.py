"""The checkout of the project that this program runs in."""

from __future__ import annotations

from pathlib import Path

from .errors import Lwm2mError


class CheckoutError(Lwm2mError):
    """No folder of the project above the present one."""


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
