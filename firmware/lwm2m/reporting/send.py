"""Send (LwM2M 1.1 Core §6.4.6): the device reports values that nobody has asked for. Loaded with
the first one.

    report = client.send("/3303/0/5700", "/3/0/9")

    report = Report(client)
    report.add("/3303/0/5700")      # as often as wanted: each time the values of now
    report.send()
"""

import sys
from micropython import const

from lwm2m.coap.builder import Builder
from lwm2m.management.walk import represent
from lwm2m.reporting.scheduler import reporting_of
from lwm2m.reporting.storing import encode, pack
from lwm2m.reporting.conditions import ids

_POST = const(2)
_CHANGED = const(0x44)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_SENML_JSON = const(110)
_SENML_CBOR = const(112)
_MUTE_SEND = const(23)


def send(client, paths):
    """What `Client.send` does."""
    return Report(client, *paths).send()


class Report:
    """Values to be sent to every server, or to the one that `ssid` names.

    `paths` are texts such as "/3303/0" or "/3/0/7/1"; without any, `add` takes the samples, each
    with its time. `results` has for each short server id None while it is not known, True for
    arrived, False for not (timed out, or rejected), the response code if the server refused it,
    or "muted" if it wants none (1/x/23); `done(report, ssid)` is called when one of them comes.
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
        self.timed = not paths
        self.results = {}
        self.jobs = []
        for registration in client.registrations:
            if ssid is None or registration.server.ssid == ssid:
                self.jobs.append(Job(self, registration))
        if not self.jobs:
            raise ValueError("ssid: no such server")
        if paths:
            self.add(*paths)

    def add(self, *paths):
        """Take the values at `paths` as they are now."""
        client = self.client
        targets = []
        for path in paths:
            target = ids(path)
            while target and target[-1] < 0:
                target.pop()
            targets.append(tuple(target))
        payload = None
        # A handler may want this while the answer to its request is in the client's own buffer.
        out = Builder(client.mtu)
        for job in self.jobs:
            if payload is None or client.access:
                peer = job.registration
                payload = encode(
                    out, lambda out: represent(peer, self.codec, out, targets, 0, 0, None)
                )
                if len(payload) < 3:
                    raise ValueError("%s: no value" % " ".join(paths))
            job.samples.append((client.clock.s, client.clock.ms, payload))

    def send(self):
        """Start it; it leaves as soon as the device is registered. Returns the report."""
        for job in self.jobs:
            registration = job.registration
            if not job.samples:
                raise ValueError("nothing to send")
            if registration.server.read(_MUTE_SEND, None):
                self.settle(job, "muted")
                continue
            self.results[registration.server.ssid] = None
            reporting_of(registration).jobs.append(job)
        self.client.wake()
        return self

    def cancel(self):
        """Forget what has not arrived yet."""
        for job in self.jobs:
            job.close()

    def settle(self, job, result):
        """Take note of what has become of it."""
        ssid = job.registration.server.ssid
        self.results[ssid] = result
        if self.done:
            try:
                self.done(self, ssid)
            except Exception as e:
                sys.print_exception(e)


class Job:
    """A report on its way to one server."""

    def __init__(self, report, registration):
        self.report = report
        self.registration = registration
        self.samples = []

    def start(self):
        """Send it, unless it is under way."""
        reports = self.registration.reporting
        if reports.exchange.in_flight(self):
            return
        if reports.exchange.request(_POST, self) is False:
            self.close()
            self.report.settle(self, False)

    def close(self):
        reports = self.registration.reporting
        if reports and self in reports.jobs:
            reports.jobs.remove(self)
            outgoing = reports.exchange.in_flight(self)
            if outgoing:
                outgoing.cancel()

    # For the exchange layer

    def on_build(self, out, outgoing):
        out.option(_URI_PATH, b"dp")
        out.uint(_CONTENT_FORMAT, self.report.codec.FORMAT)
        reports = self.registration.reporting
        outgoing.payload(out)
        samples = self.samples
        pack(out, self.report.codec, samples, len(samples), reports if self.report.timed else None)

    def on_reply(self, message, tag):
        self.close()
        self.report.settle(self, True if message.code == _CHANGED else message.code)

    def on_failure(self, tag, reason):
        self.close()
        self.report.settle(self, reason if reason > 1 else False)
