"""The one exception of the package and the response codes it carries.

A code is one byte, class in the upper three bits (RFC 7252 §3): 4.04 is `0x84`.
"""

from micropython import const

BAD_REQUEST = const(0x80)
UNAUTHORIZED = const(0x81)
BAD_OPTION = const(0x82)
FORBIDDEN = const(0x83)
NOT_FOUND = const(0x84)
NOT_ALLOWED = const(0x85)
NOT_ACCEPTABLE = const(0x86)
UNSUPPORTED_FORMAT = const(0x8F)
INTERNAL = const(0xA0)
NOT_IMPLEMENTED = const(0xA1)
UNAVAILABLE = const(0xA3)


class Lwm2mError(Exception):
    """Raised by an application handler to refuse an operation.

    `code` is the response code the server gets, e.g. `Lwm2mError(BAD_REQUEST)`.
    """

    def __init__(self, code=BAD_REQUEST):
        super().__init__(code)
        self.code = code
