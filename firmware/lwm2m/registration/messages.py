"""The messages of the registration interface (LwM2M 1.1 Core §6.2), and when an Update is due."""

from micropython import const

_LOCATION_PATH = const(8)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_LINK = const(40)

# States of a Registration
_REGISTERING = const(3)
_DEREGISTERING = const(6)

# Content of a Register or an Update: objects, lifetime, binding
_LINKS = const(2)
_TERM_LIFETIME = const(4)
_TERM_BINDING = const(8)

_GREATER = const(0x3E)

# Time for a Register after an Update that was not answered
_MARGIN_S = const(7)


def changed(registration):
    """The content of the request that `registration` is about to send: all of it in a Register,
    and in an Update what is dirty, or differs from what the server knows. Allocates: nothing."""
    if registration.state == _REGISTERING:
        return _LINKS | _TERM_LIFETIME | _TERM_BINDING
    fields = registration.dirty_fields
    server = registration.server
    if server.lifetime_s != registration.lifetime_s:
        fields |= _TERM_LIFETIME
    if server.binding != registration.binding:
        fields |= _TERM_BINDING
    return fields


def on_build(registration, out, outgoing):
    """Write the request that `outgoing.tag` names: a Register, an Update that says
    `registration.sent_fields`, or a De-register. Allocates: its texts."""
    client = registration.client
    fields = registration.sent_fields
    tag = outgoing.tag
    if tag == _REGISTERING:
        for segment in registration.path:
            out.option(_URI_PATH, segment)
        out.option(_URI_PATH, b"rd")
    else:
        for segment in registration.location:
            out.option(_URI_PATH, segment)
        if tag == _DEREGISTERING:
            return
    if fields & _LINKS:
        out.uint(_CONTENT_FORMAT, _LINK)
    if tag == _REGISTERING:
        out.option(_URI_QUERY, b"lwm2m=" + registration.version.encode())
        out.option(_URI_QUERY, b"ep=" + client.endpoint.encode())
        for query in registration.queries:
            out.option(_URI_QUERY, query)
    if fields & _TERM_LIFETIME:
        out.option(_URI_QUERY, b"lt=%d" % registration.lifetime_s)
    if fields & _TERM_BINDING:
        binding = registration.binding
        queue = registration.version != "1.0" and "Q" in binding
        out.option(_URI_QUERY, b"b=" + (binding.replace("Q", "") if queue else binding).encode())
        if queue:
            out.option(_URI_QUERY, b"Q")
    if fields & _LINKS:
        outgoing.payload(out)
        write_links(client, client.codec(_LINK), out, registration.version)


def locate(message):
    """The Location-Path of an answer to a Register, as a list of bytes."""
    location = []
    while message.option(_LOCATION_PATH, len(location)):
        location.append(message.text())
    return location


def schedule(due, lifetime_s, exchange):
    """Set `due` to when the next Update is due, from now on: early enough for a whole sequence of
    retransmissions (MAX_TRANSMIT_WAIT, RFC 7252 §4.8.2: 93 s) and a Register, or at half of a
    short lifetime. Allocates: nothing."""
    lead_s = exchange.ack_timeout_ms * ((2 << exchange.max_retransmit) - 1) // 1000
    lead_s = lead_s * (100 + exchange.ack_random) // 100 + _MARGIN_S
    if not lifetime_s:
        due.after_s(0x1FFFFFFF)  # for ever (§6.2.1)
    elif lifetime_s > 2 * lead_s:
        due.after_s(lifetime_s - lead_s)
    else:
        due.after(lifetime_s * 500)


def write_links(client, link, out, version="1.1"):
    """Write the links of all objects and instances but those of Security and OSCORE, with the
    codec `link`, for a `version` of LwM2M; an object alone when it has a version or no instance.
    Allocates: nothing."""
    link.begin()
    if len(client.codecs) > 1:
        from lwm2m.registration.root import write_root

        write_root(link, out, client, version)
    last = -1
    for instance in client.objects:
        oid = instance.OID
        if oid and oid != 21:
            if oid != last and instance.VERSION:
                link.object(out, instance)
            last = oid
            link.open(out, oid, instance.iid)
            out.byte(_GREATER)
    for oid in client.classes:
        if not client.find(oid):
            link.object(out, client.classes[oid])
