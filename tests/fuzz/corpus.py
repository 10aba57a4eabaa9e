"""Valid requests of every kind that the device under fuzz understands, and some that it must
refuse. Message ids are put in when they are sent."""

from wire import (
    ACCEPT,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    DELETE,
    ETCH_CBOR,
    FETCH,
    GET,
    IPATCH,
    LINK,
    NON,
    OBSERVE,
    OCTETS,
    PATCH,
    POST,
    PUT,
    SENML_CBOR,
    SENML_JSON,
    SIZE1,
    SIZE2,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
    segments,
)

# fmt: off
_READS = (
    "/1", "/1/0", "/1/0/1", "/3", "/3/0", "/3/0/0", "/3/0/11", "/3/0/11/0", "/3/0/13",
    "/3/0/16", "/3303", "/3303/0", "/3303/1/5700", "/26241", "/26241/0", "/26241/300",
    "/26241/0/0", "/26241/0/2", "/26241/0/3", "/26241/0/7", "/26241/0/10", "/26241/0/10/1",
    "/26241/0/26", "/26241/0/29", "/26241/0/300", "/26241/0/31", "/0", "/0/0/0", "/", "/9",
    "/3/0/99", "/3/0/4", "/65535", "/03", "/3/0/0/0/0", "/rd/x",
)
# fmt: on

# Whole writes of object 1: what is mandatory, and more
_SERVER = b"\xc1\x01\x3c\xc1\x02\x05\xc1\x03\x0a\xc1\x06\x00\xc1\x07U"

_WRITES = (
    ("/1/0/1", TEXT, b"120"),
    ("/1/0/1", TLV, b"\xc1\x01\x3c"),
    ("/1/0", TLV, _SERVER),
    ("/1/0/7", TEXT, b"UQ"),
    ("/3/0/14", TEXT, b"+02:00"),
    ("/3/0/15", TEXT, b"Europe/Berlin"),
    ("/3/0/13", TLV, b"\xc4\x0d\x65\x53\xf1\x00"),
    ("/3303/0/5750", TEXT, b"kitchen"),
    ("/26241/0/0", TEXT, b"some text"),
    ("/26241/0/0", TLV, b"\xc8\x00\x09some text"),
    ("/26241/0/1", TEXT, b"-7000000000"),
    ("/26241/0/1", TLV, b"\xc8\x01\x08\xff\xff\xff\xfe\x5e\xc3\xe2\x80"),
    ("/26241/0/2", TLV, b"\xc3\x02\x01\x00\x00"),
    ("/26241/0/3", TEXT, b"-1.5e3"),
    ("/26241/0/3", TLV, b"\xc4\x03\x3f\x80\x00\x00"),
    ("/26241/0/3", TLV, b"\xc8\x03\x08\x3f\xf0\x00\x00\x00\x00\x00\x00"),
    ("/26241/0/4", TEXT, b"1"),
    ("/26241/0/5", TEXT, b"AAECAw=="),
    ("/26241/0/5", OCTETS, bytes(range(40))),
    ("/26241/0/6", TEXT, b"1700000000"),
    ("/26241/0/7", TEXT, b"3303:1"),
    ("/26241/0/7", TLV, b"\xc4\x07\x00\x03\x00\x00"),
    ("/26241/0/8", TEXT, b"</3/0>;x=1"),
    ("/26241/0/10", TLV, b"\x88\x0a\x09\x41\x00a\x41\x01b\x41\x05c"),
    ("/26241/0/11", TLV, b"\x80\x0b"),
    ("/26241/0/11/1", TEXT, b"55"),
    ("/26241/0/11/7", TLV, b"\x41\x07\x05"),
    ("/26241/0/15", TLV, b"\x84\x0f\x42\x00xy"),
    ("/26241/0/17", TLV, b"\x86\x11\x44\x00\x00\x03\x00\x00"),
    ("/26241/0/20", TEXT, b"4711"),
    ("/26241/0/27", OCTETS, b"in one piece"),
    ("/26241/0/28", OCTETS, b"\xeeraises"),
    ("/26241/0/30", TEXT, b"13"),
    ("/26241/0/30", TEXT, b"101"),
    ("/26241/0/300", TLV, b"\xe1\x01\x2c\x05"),
    ("/26241/0", TLV, b"\xc8\x00\x09some text\xc1\x01\x05\xc1\x04\x01\x86\x0a\x41\x00a\x41\x01b"),
    ("/26241/0", TLV, b"\x08\x00\x0b\xc1\x01\x05\xc1\x1e\x0d\xc3\x00abc"),
    ("/26241/0", TLV, b"\xc1\x01\x05\xc1\x1e\x0d"),  # what was written first goes back
    ("/26241/0/21", TEXT, b"read only"),
    ("/26241", TLV, b"\x03\x05\xc1\x01\x05"),
)

_EXECUTES = (
    ("/3/0/4", b""),
    ("/3/0/5", b"0='x'"),
    ("/3/0/12", b""),
    ("/1/0/4", b""),
    ("/1/0/8", b""),
    ("/1/0/9", b""),
    ("/3303/0/5605", b""),
    ("/26241/0/22", b"0='abc',1,2='d'"),
    ("/26241/0/22", b"5"),
    ("/26241/0/23", b""),
    ("/26241/0/24", b""),
    ("/26241/0/25", b""),
    ("/26241/0/25", b"1"),
    ("/26241/300/22", b""),
)


# fmt: off
# Every attribute, as it is set, as it contradicts others, and as it is unset
_ATTRIBUTES = (
    b"pmin=1", b"pmin=5", b"pmin", b"pmax=2", b"pmax=30", b"pmax=0", b"pmax",
    b"epmin=1", b"epmin", b"epmax=3", b"epmax", b"gt=20.5", b"gt", b"lt=15", b"lt", b"st=1",
    b"st=0.25", b"st", b"edge=0", b"edge=1", b"edge", b"con=1", b"con=0", b"con",
    b"hqmax=0", b"hqmax=1", b"hqmax=3", b"hqmax", b"pmin=-1", b"gt=nan", b"hq=1",
)

_OBSERVED = (
    "/3303/0/5700", "/3303/1/5700", "/3303/0/5601", "/3303/0", "/3303", "/26241/0/0", "/26241/0/1",
    "/26241/300/1", "/26241/0/2", "/26241/0/3", "/26241/0/4", "/26241/0/10", "/26241/0/10/1",
    "/26241/0/11", "/26241/0/11/2", "/26241/0", "/26241/0/29", "/26241/0/26", "/1/0/1", "/3/0",
    "/3/0/13", "/3303/7/5700", "/9", "/3/0/4",
)

# fmt: on

# Lists of paths in SenML-ETCH CBOR
_LISTS = (
    b"\x82\xa1\x00\x6c/3303/0/5700\xa1\x00\x6a/26241/0/1",
    b"\x82\xa1\x00\x6a/26241/0/2\xa1\x00\x6c/3303/1/5700",
    b"\x81\xa1\x00\x65/3303",
    b"\x82\xa1\x00\x68/26241/0\xa1\x00\x66/1/0/1",
    b"\x81\xa1\x00\x62/9",
)


def at(where, *more, first=None):
    """Options: `first`, the path, and `more`."""
    options = segments(where)
    options.extend(more)
    if first:
        options.insert(0, first)
    return options


def observes():
    """A list of Observe and Cancel, each observation with a token of its own."""
    found = []

    def add(kind, code, where, *more, payload=b""):
        token = bytes((0x6F, len(found) >> 8, len(found) & 255))
        for number in (0, 0, 1):
            options = at(where, *more, first=(OBSERVE, number))
            found.append(encode(kind, code, 0, token, options, payload))
        # Once by another token than the one it was asked with
        options = at(where, *more, first=(OBSERVE, 1))
        found.append(encode(CON, code, 0, b"other", options, payload))

    for where in _OBSERVED:
        add(CON, GET, where)
        add(NON, GET, where, (ACCEPT, SENML_CBOR))
    for where in ("/3303/0/5700", "/3303", "/26241/0/10", "/26241/300"):
        add(CON, GET, where, (ACCEPT, SENML_JSON))
        add(CON, GET, where, (ACCEPT, TLV))
    add(CON, GET, "/3303/0/5700", (ACCEPT, LINK))
    add(CON, GET, "/26241/0/26", (ACCEPT, OCTETS), (BLOCK2, 16))
    # Attributes in the query (LwM2M 1.2 Core §6.4.1)
    add(CON, GET, "/3303/0/5700", (URI_QUERY, b"pmin=1"), (URI_QUERY, b"st=2"))
    add(
        CON,
        GET,
        "/3303/1/5700",
        (URI_QUERY, b"gt=30"),
        (URI_QUERY, b"lt=12.5"),
        (URI_QUERY, b"con=1"),
    )
    add(CON, GET, "/26241/0/1", (URI_QUERY, b"epmin=1"), (URI_QUERY, b"epmax=4"))
    add(CON, GET, "/26241/300/1", (URI_QUERY, b"gt=1"), (URI_QUERY, b"lt=1"))
    for payload in _LISTS:
        add(CON, FETCH, "/", (CONTENT_FORMAT, ETCH_CBOR), payload=payload)
        add(NON, FETCH, "/", (CONTENT_FORMAT, ETCH_CBOR), (ACCEPT, SENML_JSON), payload=payload)
    for value in (b"0", b"1"):
        for _ in range(6):
            options = at("/1/0/6", (CONTENT_FORMAT, TEXT))
            found.append(encode(CON, PUT, 0, b"\x01", options, value))
    for period in (b"0", b"2"):
        options = at("/1/0/2", (CONTENT_FORMAT, TEXT))
        found.append(encode(CON, PUT, 0, b"\x01", options, period))
    return found


def corpus():
    """A list of datagrams."""
    found = []
    tokens = (b"", b"\x01", b"\xa1\xb2\xc3\xd4", b"\x01\x02\x03\x04\x05\x06\x07\x08")

    def add(kind, code, options, payload=b""):
        found.append(encode(kind, code, 0, tokens[len(found) % 4], options, payload))

    for where in _READS:
        add(CON, GET, segments(where))
        add(NON, GET, at(where, (ACCEPT, TLV)))
        add(CON, GET, at(where, (ACCEPT, LINK)))
    for number in (0, 1, 2, 300):
        add(CON, GET, at("/26241", (BLOCK2, number << 4 | 2)))
        add(CON, GET, at("/26241/0/26", (BLOCK2, number << 4 | 6), (SIZE2, 0)))
        add(CON, GET, at("/3/0", (ACCEPT, LINK), (BLOCK2, number << 4)))
    for where in ("/3/0/0", "/26241/0/5", "/26241/0/26", "/26241/0/15/1", "/26241/0/2"):
        add(CON, GET, at(where, (ACCEPT, TEXT)))
        add(CON, GET, at(where, (ACCEPT, OCTETS)))
    add(CON, GET, at("/3/0/0", (URI_QUERY, b"pmin=5"), (60, 5), first=(7, 5683)))
    add(CON, GET, at("/3/0/0", first=(1, b"\x01\x02")))  # If-Match is not understood
    add(CON, GET, at("/3/0/0", (35, b"coap://192.0.2.9/")))
    add(CON, GET, at("/3/0/0", (2049, b"x" * 300)))
    for where, form, payload in _WRITES:
        options = at(where, (CONTENT_FORMAT, form))
        add(CON, PUT, options, payload)
        add(NON, POST, options, payload)
    for where, payload in _EXECUTES:
        add(CON, POST, segments(where), payload)
    for token in tokens:  # answered later
        found.append(encode(CON, POST, 0, token, segments("/26241/0/25")))
    add(CON, PUT, at("/3303/0/5700", (URI_QUERY, b"pmin=5"), (URI_QUERY, b"gt=20")))
    for query in _ATTRIBUTES:
        for where in ("/3303/0", "/3303/0/5700", "/26241", "/26241/0/1", "/26241/0/10/1"):
            add(CON, PUT, at(where, (URI_QUERY, query)))
    for where, payload in (
        ("/3303", b""),
        ("/3303", b"\xc8\x00\x00"),
        ("/3303", b"\xe7\x16\x76kitchen"),
        ("/3303", b"\x08\x09\x0a\xe7\x16\x76kitchen"),
        ("/26241", b"\x03\x05\xc1\x01\x05"),
        ("/26241", b"\xc1\x01\x05\xc1\x1e\x0d"),
    ):
        add(CON, POST, at(where, (CONTENT_FORMAT, TLV)), payload)
        add(CON, DELETE, segments("/3303/1"))
        add(CON, DELETE, segments("/26241/1"))
    add(CON, DELETE, segments("/26241/0/10/1"))
    add(CON, FETCH, [(CONTENT_FORMAT, TLV)], b"x")
    add(CON, PATCH, segments("/3/0"), b"x")
    add(CON, IPATCH, [(CONTENT_FORMAT, SENML_JSON)], b"[]")
    for payload in _LISTS:
        add(CON, FETCH, [(CONTENT_FORMAT, ETCH_CBOR)], payload)
    add(CON, IPATCH, [(CONTENT_FORMAT, SENML_JSON)], b'[{"n":"/26241/0/1","v":77}]')
    add(NON, IPATCH, [(CONTENT_FORMAT, SENML_CBOR)], b"\x81\xa2\x00\x6a/26241/0/1\x02\x05")
    # LwM2M 1.2: null takes something away; levels of a Discover
    for where in ("/26241/0/10/1", "/26241/0/10", "/26241/0/1", "/1/0/1", "/9/0/1"):
        name = where.encode()
        payload = b"\x81\xa2\x00" + bytes((0x60 + len(name),)) + name + b"\x02\xf6"
        add(CON, IPATCH, [(CONTENT_FORMAT, ETCH_CBOR)], payload)
        add(CON, DELETE, segments(where))
    for depth in (b"0", b"1", b"2", b"3", b"4", b"x"):
        add(CON, GET, at("/26241", (URI_QUERY, b"depth=" + depth), (ACCEPT, LINK)))
        add(CON, GET, at("/26241/0/10", (URI_QUERY, b"depth=" + depth), (ACCEPT, LINK)))
    # Uploads: to the stream, to the buffer, and the start of one that is too large
    for where, form in (("/26241/0/27", OCTETS), ("/26241/0/28", OCTETS), ("/26241/0/5", OCTETS)):
        for number in range(4):
            block = number << 4 | (8 if number < 3 else 0) | 1
            add(
                CON,
                PUT,
                at(where, (CONTENT_FORMAT, form), (BLOCK1, block)),
                b"%" * (32 if number < 3 else 5),
            )
        add(CON, PUT, at(where, (CONTENT_FORMAT, form), (BLOCK1, 8), (SIZE1, 100000)), b"%" * 16)
    add(CON, PUT, at("/26241/0/27", (CONTENT_FORMAT, TLV), (BLOCK1, 8)), b"\xe8\0\x1b\x20" * 4)
    add(CON, POST, at("/26241/0/22", (BLOCK1, 8)), b"0='aaaaaaaaaaaaa")
    add(CON, POST, at("/26241/0/22", (BLOCK1, 16)), b"'")
    # Not requests at all
    found.append(encode(CON, 0, 0))
    found.append(encode(NON, 0, 0))
    found.append(encode(2, 0, 0))
    found.append(encode(3, 0, 0))
    found.append(encode(CON, 0x45, 0, b"abcd", [(CONTENT_FORMAT, TEXT)], b"unasked"))
    return found
