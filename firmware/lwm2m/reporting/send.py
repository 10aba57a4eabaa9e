"""Send (LwM2M 1.1 Core §6.4.6): values that the device reports without having been asked. Loaded
with the first one.

    request = client.send("/3303/0/5700", "/3/0/9")

    request = SendRequest(client)
    request.add("/3303/0/5700")      # as often as wanted: each time the values of now
    request.send()
"""

import sys
from micropython import const

from lwm2m.coap.builder import Builder
from lwm2m.management.walk import represent
from lwm2m.reporting.index import parse_path
from lwm2m.reporting.notify import abandon, in_flight
from lwm2m.reporting.scheduler import reporting_of
from lwm2m.reporting.storing import clock_of, encode

_POST = const(2)
_CHANGED = const(0x44)
_TOO_LARGE = const(0x8D)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_SENML_JSON = const(110)
_SENML_CBOR = const(112)
_MUTE_SEND = const(23)

# Reason of a failure (coap.outgoing)
_RESET = const(1)


def send(client, paths):
    """Do what `Client.send` says."""
    return SendRequest(client, *paths).send()


class SendRequest:
    """Values to be sent to every server, or to the one with the short server id `ssid`.

    `paths` are texts such as "/3303/0" or "/3/0/7/1"; without any, `add` takes samples, each with
    its time. `results` has for each short server id None while the outcome is not known, True for
    arrived, or why it has not: the response code by which the server refused it (4.13 if it does
    not fit), "timed_out" or the OSError of the network, "rejected" (by an RST), "muted" (the
    server wants none, 1/x/23), "version" (it knows us by LwM2M 1.0, which has no Send), "ended"
    (so has the registration), "cancelled". `done(request, ssid)` is called with each outcome but
    the last.
    Raises ValueError for a path without a value, and when the client speaks no SenML.
    Allocates: the payload, once for each server when there are access rights; and while values
    are taken, a buffer of the client's `mtu`.
    """

    def __init__(self, client, *paths, ssid=None, done=None):
        self.client = client
        self.done = done
        self.codec = client.codec(_SENML_CBOR) or client.codec(_SENML_JSON)
        if not self.codec:
            raise ValueError("add_format(SenmlCbor()) or SenmlJson() is needed")
        # Each sample carries its time
        self.timed = not paths
        # Outcome for each short server id
        self.results = {}
        # Samples (s, ms, payload) for each registration
        self.samples = {}
        for registration in client.registrations:
            if ssid is None or registration.server.ssid == ssid:
                self.samples[registration] = []
        if not self.samples:
            raise ValueError("ssid: no such server")
        if paths:
            self.add(*paths)

    def add(self, *paths):
        """Take the values at `paths` as they are now."""
        client = self.client
        targets = []
        for path in paths:
            target = parse_path(path)
            while target and target[-1] < 0:
                target.pop()
            targets.append(tuple(target))
        payload = None
        # A handler may want this while the answer to its request is in the client's own buffer.
        out = Builder(client.mtu)
        for peer in self.samples:
            if payload is None or client.access:
                payload = encode(
                    out, lambda out: represent(peer, self.codec, out, targets, 0, 0, None)
                )
                if len(payload) < 3:
                    raise ValueError("%s: no value" % " ".join(paths))
            self.samples[peer].append((client.clock.s, client.clock.ms, payload))

    def send(self):
        """Begin to send; it leaves as soon as the device is registered. Returns this request.
        Raises ValueError without a value, and if all servers know us by LwM2M 1.0."""
        if not [registration for registration in self.samples if registration.version > "1.0"]:
            raise ValueError("Send is of LwM2M 1.1: registered with 1.0")
        for registration in self.samples:
            if not self.samples[registration]:
                raise ValueError("nothing to send")
            if registration.server.read(_MUTE_SEND, None):
                self.finish(registration, "muted")
                continue
            self.results[registration.server.ssid] = None
            reporting_of(registration).send_requests.append(self)
        self.client.wake()
        return self

    def cancel(self):
        """Forget what has not arrived yet."""
        for registration in self.samples:
            if self._remove(registration):
                self.results[registration.server.ssid] = "cancelled"

    def start(self, registration):
        """Send it to one server now, unless it is in flight."""
        exchange = registration.exchange
        if registration.version == "1.0":
            self.finish(registration, "version")
        elif not in_flight(exchange, self):
            if exchange.request(_POST, self, registration) is False:
                self.finish(registration, _TOO_LARGE)

    def _remove(self, registration):
        # True if the outcome for this server was still to come
        reporting = registration.reporting
        if not reporting or self not in reporting.send_requests:
            return False
        reporting.send_requests.remove(self)
        abandon(registration.exchange, self)
        return True

    def finish(self, registration, result):
        """Note the outcome for one server."""
        self._remove(registration)
        ssid = registration.server.ssid
        self.results[ssid] = result
        if self.done:
            try:
                self.done(self, ssid)
            except Exception as e:
                self.client.collect()
                sys.print_exception(e)

    # An owner of messages (coap.outgoing)

    def on_build(self, out, outgoing):
        registration = outgoing.tag
        for segment in registration.path:
            out.option(_URI_PATH, segment)
        out.option(_URI_PATH, b"dp")
        out.uint(_CONTENT_FORMAT, self.codec.FORMAT)
        for query in registration.queries:
            out.option(_URI_QUERY, query)
        outgoing.payload(out)
        samples = self.samples[registration]
        time_ms = clock_of(registration.reporting) if self.timed else None
        self.codec.pack(out, samples, len(samples), time_ms)

    def on_reply(self, message, tag):
        self.finish(tag, True if message.code == _CHANGED else message.code)

    def on_failure(self, tag, reason):
        if reason == _RESET:
            reason = "rejected"
        self.finish(tag, reason or tag.exchange.error or "timed_out")
