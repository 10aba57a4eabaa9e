"""Server accounts: an instance of Security and one of Server in, a Registration out.

Loaded with the first account. Whoever has such a pair of instances, an application or a bootstrap
server, opens the account with `open`.
"""

from lwm2m.objects.security import Security
from lwm2m.objects.server import Server
from lwm2m.registration.registration import Registration


def add_server(client, uri, ssid, lifetime_s, binding, transport, terms):
    """Add a server account: an instance of Security and one of Server. Returns the latter.

    `uri` "coap://host[:port][/path][?query]"; `ssid` 1 to 65534, no other server's (default: the
    next one); `lifetime_s` up to 536870911, 0 for ever; `terms` further resources of object 1,
    e.g. `retry_timer_s=30`, what registration.parameters lists, e.g. `ack_timeout_ms=10000` or
    `local_port=5683`, and `lwm2m`, the version to register with, "1.0", "1.1" (default) or "1.2":
    a server that answers 4.12 is asked for the next lower one; `transport` (transport.base) in the
    place of UDP. Raises ValueError naming the invalid argument, and for coaps:// without a secure
    transport.
    """
    lwm2m = terms.pop("lwm2m", "1.1")
    # A tuple of them would take 100 bytes more.
    if lwm2m != "1.1" and lwm2m != "1.0" and lwm2m != "1.2":
        raise ValueError("lwm2m")
    secure = parse_uri(uri)[0]
    if secure and not (transport and transport.secure):
        from lwm2m.registration.uri import fail

        fail(secure)
    if not isinstance(lifetime_s, int) or not 0 <= lifetime_s < 0x20000000:
        raise ValueError("lifetime_s")
    free = 1
    for registration in client.registrations:
        free = max(free, registration.server.ssid + 1)
        if ssid == registration.server.ssid:
            ssid = 0
    if ssid is None:
        ssid = free
    if not 0 < ssid < 65535:
        raise ValueError("ssid")
    parameters = None
    for name in terms:
        if name not in Server.RESOURCES:
            from lwm2m.registration.parameters import split

            parameters = split(terms)
            break
    server = Server(ssid=ssid, lifetime_s=lifetime_s, binding=binding, **terms)
    security = client.add(Security(uri=uri, ssid=ssid))
    client.add(server)
    return open(client, security, server, transport, parameters, lwm2m).server


def open(client, security, server, transport=None, terms=None, lwm2m="1.1"):
    """Start to register with the server that the instances `security` and `server` describe.

    `transport` (default: the one for the URI), `terms` a registration.parameters.Parameters,
    `lwm2m` as in `add_server`. Returns the Registration. Raises ValueError for a URI that cannot
    be used.
    """
    _, host, port, path, queries = parse_uri(security.uri)
    if not transport:
        from lwm2m.transport.udp import Udp

        transport = Udp(host, port, terms and terms.bind)
    registration = Registration(client, security, server, transport, lwm2m, path, queries)
    if terms:
        terms.attach(registration.exchange)
    client.registrations.append(registration)
    if client.access:
        client.access.created(registration, server)
    registration.start()
    return registration


def parse_uri(uri):
    """(secure, host, port, path, queries) of "coap[s]://host[:port][/path][?query]", IPv6 in
    brackets; the last two are tuples of bytes. Raises ValueError."""
    host = colon = port = ""
    path = queries = ()
    scheme = ""
    if isinstance(uri, str):
        scheme, _, place = uri.partition("://")
    secure = scheme == "coaps"
    if secure or scheme == "coap":
        place = place.rstrip("/")
        host, colon, port = place.partition(":")
        for c in place.encode():
            if c in b"/?#@[":
                from lwm2m.registration.uri import split

                host, colon, port, path, queries = split(place)
                break
    port = int(port) if port.isdigit() else 0
    if not colon:
        port = 5684 if secure else 5683
    if not host or not 0 < port < 65536:
        from lwm2m.registration.uri import fail

        fail(False)
    return secure, host, port, path, queries
