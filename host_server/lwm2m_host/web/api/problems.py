"""Exceptions as HTTP answers."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ... import errors

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")

_DEVICE_STATUS = {
    "4.00": 400,
    "4.01": 403,  # the device's rights, not this server's
    "4.03": 403,
    "4.04": 404,
    "4.05": 405,
    "4.06": 406,
    "4.08": 408,
    "4.12": 412,
    "4.13": 413,
    "4.15": 415,
    "5.01": 501,
}

_KINDS: list[tuple[type[Exception], int]] = [
    (errors.NotRegistered, 404),
    (errors.NotObserved, 404),
    (errors.DeviceTimeout, 504),
    (errors.PathError, 400),
    (errors.ValueTypeError, 400),
    (errors.OperationRefused, 400),
    (errors.MissingResources, 400),
    (errors.NotInVersion, 400),
    (errors.ServerError, 503),
    (errors.RegistryError, 503),
    (errors.HistoryError, 503),
    (errors.Lwm2mError, 502),  # what is left is the device's fault: RST, broken payloads
]


class BadArgument(errors.Lwm2mError, ValueError):
    """The HTTP request itself is wrong: its body or its query."""


def problem(error: Exception) -> tuple[int, dict[str, Any]]:
    """HTTP status and body for an error.

    The body: `error` is the exception's name, `message` its text, `code` the device's response
    code or null; `status`, `valid`, `success` and `failure` are as Leshan has them.
    """
    code = None
    status = next((number for kind, number in _KINDS if isinstance(error, kind)), 500)
    name = _WORD.sub(" ", type(error).__name__)
    if isinstance(error, BadArgument):
        status = 400
    if isinstance(error, errors.ResponseError):
        code = error.code
        status = _DEVICE_STATUS.get(code, 400 if code.startswith("4") else 502)
        name = error.title
    text = name.upper().replace(" ", "_").replace("-", "_")
    return status, {
        "status": f"{text}({code.replace('.', '')})" if code else text,
        "valid": code is not None,
        "success": False,
        "failure": True,
        "error": type(error).__name__,
        "code": code,
        "message": str(error),
    }


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for Lwm2mError."""
    status, body = problem(error)
    return JSONResponse(body, status)
