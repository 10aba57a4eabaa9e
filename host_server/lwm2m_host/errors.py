"""Errors as exceptions. All derive from Lwm2mError.

A device's refusal is a ResponseError (or its subclass for the code); silence is a DeviceTimeout;
wrong arguments are ValueErrors as well (PathError, ValueTypeError).
"""

from __future__ import annotations


class Lwm2mError(Exception):
    """Base of everything this package raises on purpose."""


class PathError(Lwm2mError, ValueError):
    """The path is not /oid/iid/rid/riid, or has the wrong level for the operation."""


class ValueTypeError(Lwm2mError, ValueError):
    """The value does not fit the resource's data type."""


class OutOfRange(ValueTypeError):
    """The value has the right type, and is not among those that the definition allows."""


class OperationRefused(Lwm2mError, ValueError):
    """The definition does not have this operation on this resource."""


class NotInVersion(Lwm2mError, ValueError):
    """The LwM2M version that the device registered with has no such operation."""

    def __init__(self, what: str, since: str, endpoint: str, version: str) -> None:
        super().__init__(f"{what}: needs LwM2M {since}; {endpoint} registered with {version}")


class MissingResources(Lwm2mError, ValueError):
    """A new instance lacks mandatory resources."""


class FormatError(Lwm2mError, ValueError):
    """A payload that cannot be decoded (or a value that the format cannot carry)."""


class UnknownFormat(FormatError):
    """No codec is known for this content format."""

    def __init__(self, number: int | str | None) -> None:
        super().__init__(f"no codec for content format {number}")
        self.number = number


class ModelError(Lwm2mError, ValueError):
    """An object definition file that cannot be used."""


class ServerError(Lwm2mError):
    """The server cannot start: the address is in use or not ours."""


class HistoryError(Lwm2mError):
    """The history cannot be read or written."""


class RegistryError(ServerError):
    """The registry cannot be opened, or a change of it cannot be written."""


class DeviceBusy(ServerError):
    """Too many requests wait for a device already."""


class NotRegistered(Lwm2mError):
    """No device is registered under this endpoint name."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint} is not registered")
        self.endpoint = endpoint


class DeviceTimeout(Lwm2mError):
    """The device did not answer in time."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class DeviceUnreachable(DeviceTimeout):
    """The network reports that nobody is there (ICMP), before the time was over."""


class DeviceReset(Lwm2mError):
    """The device answered with RST: it could not process the message (RFC 7252 §4.2)."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the device rejected the message with RST: {path}")
        self.path = path


class TransferError(Lwm2mError):
    """A block-wise transfer broke off (RFC 7959)."""


class NotObserved(Lwm2mError):
    """The device answered, and does not observe; or nothing is observed there."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{reason}: {path}")
        self.path = path


class ResponseError(Lwm2mError):
    """The device answered with an error code. `code` is text, as in "4.04"."""

    title = "Error"

    def __init__(self, code: str, path: str, detail: str = "") -> None:
        text = f"{code} {self.title}: {path}"
        super().__init__(f"{text} ({detail})" if detail else text)
        self.code = code
        self.path = path
        self.detail = detail


class BadRequest(ResponseError):
    title = "Bad Request"


class Unauthorized(ResponseError):
    title = "Unauthorized"


class BadOption(ResponseError):
    title = "Bad Option"


class Forbidden(ResponseError):
    title = "Forbidden"


class NotFound(ResponseError):
    title = "Not Found"


class MethodNotAllowed(ResponseError):
    title = "Method Not Allowed"


class NotAcceptable(ResponseError):
    title = "Not Acceptable"


class RequestEntityIncomplete(ResponseError):
    title = "Request Entity Incomplete"


class PreconditionFailed(ResponseError):
    title = "Precondition Failed"


class RequestEntityTooLarge(ResponseError):
    title = "Request Entity Too Large"


class UnsupportedContentFormat(ResponseError):
    title = "Unsupported Content-Format"


class InternalServerError(ResponseError):
    title = "Internal Server Error"


class NotImplementedByDevice(ResponseError):
    title = "Not Implemented"


class ServiceUnavailable(ResponseError):
    title = "Service Unavailable"


_BY_CODE: dict[str, type[ResponseError]] = {
    "4.00": BadRequest,
    "4.01": Unauthorized,
    "4.02": BadOption,
    "4.03": Forbidden,
    "4.04": NotFound,
    "4.05": MethodNotAllowed,
    "4.06": NotAcceptable,
    "4.08": RequestEntityIncomplete,
    "4.12": PreconditionFailed,
    "4.13": RequestEntityTooLarge,
    "4.15": UnsupportedContentFormat,
    "5.00": InternalServerError,
    "5.01": NotImplementedByDevice,
    "5.03": ServiceUnavailable,
}


def response_error(code: str, path: str, detail: str = "") -> ResponseError:
    """The exception for a response code as text ("4.04"); unknown codes give ResponseError."""
    return _BY_CODE.get(code, ResponseError)(code, path, detail)
