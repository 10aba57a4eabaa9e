"""The one exception of the package."""


class Lwm2mError(Exception):
    """Raised by an application handler to refuse an operation.

    `code` is the response code that the server gets, one byte with the class in the upper three
    bits (RFC 7252 §3): 0x80 is 4.00 Bad Request; `lwm2m.codes` has the names.
    """

    def __init__(self, code=0x80):
        super().__init__(code)
        self.code = code
