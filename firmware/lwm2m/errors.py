"""The exception by which an application refuses an operation."""


class Lwm2mError(Exception):
    """Raised by an application handler to refuse an operation.

    `Lwm2mError(code, text)`: the response code that the server gets, one byte with the class in
    the upper three bits (RFC 7252 §3); `lwm2m.codes` has the names. Default: 4.00 Bad Request.
    `text`, for people, is optional: it goes with the code as a diagnostic payload.
    """
