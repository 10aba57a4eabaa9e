"""Names of the response codes that a handler may refuse with (RFC 7252 §12.1.2)."""

from micropython import const

BAD_REQUEST = const(0x80)
UNAUTHORIZED = const(0x81)
BAD_OPTION = const(0x82)
FORBIDDEN = const(0x83)
NOT_FOUND = const(0x84)
METHOD_NOT_ALLOWED = const(0x85)
NOT_ACCEPTABLE = const(0x86)
CONFLICT = const(0x89)
PRECONDITION_FAILED = const(0x8C)
TOO_LARGE = const(0x8D)
UNSUPPORTED_FORMAT = const(0x8F)
INTERNAL = const(0xA0)
NOT_IMPLEMENTED = const(0xA1)
UNAVAILABLE = const(0xA3)
