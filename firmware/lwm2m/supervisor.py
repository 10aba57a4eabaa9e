"""A supervisor keeps a client reachable on a board: network, time, watchdog and updates on trial,
as config.json asks for them. It loads only what it is asked for.

    supervisor = Supervisor(client, settings)
    while True:
        client.wait(supervisor.step())           # in the place of client.step()
"""

import machine
import sys
from micropython import const

from lwm2m.clock import Deadline

# Ctrl-C, SIGTERM and the application get their turn so often.
_AWAKE_MS = const(500)

# A Register is given up after a minute and more; who watches is told sooner that nobody answers.
_QUIET_MS = const(5000)
_REGISTERING = const(3)


class Supervisor:
    """`settings` are what `lwm2m.config.load` returns; of it are used `network`, `ntp`,
    `watchdog_ms`. `say(line)` is told what happens, a line for each event.

    Raises ValueError for what cannot be.
    """

    def __init__(self, client, settings, say=print):
        self.client = client
        self.say = say
        self.link = self.ntp = self.watchdog = None
        self.quiet = Deadline(client.clock)
        self._listen()
        self.trial = hasattr(machine, "reset") or "/slot" in sys.path
        if "network" in settings:
            self.link = self._connect(**settings["network"])
        if "ntp" in settings:
            self.ntp = self._ask(settings["ntp"])
        if "watchdog_ms" in settings:
            self.watchdog = self._guard(settings["watchdog_ms"])

    def step(self):
        """Do what is due, the client's work included. Returns the milliseconds until there is
        more, half a second at most.

        While there is no network the client is offline.
        """
        due = _AWAKE_MS
        try:
            if self.link:
                due = self._follow(self.link, due)
        except MemoryError:
            self.client.collect()  # The next step tries again.
        due = min(due, self.client.step())
        try:
            if not self.client.is_offline:
                if self.ntp:
                    due = min(due, self.ntp.step())
                if self.waiting and not self.quiet.left_ms():
                    self._complain()
        except MemoryError:
            self.client.collect()
        if self.watchdog:
            self.watchdog.feed()
            due = self.watchdog.within(due)
        return due

    def _follow(self, link, due):
        due = min(due, link.step())
        client = self.client
        if link.up == client.is_offline:
            if link.up:
                client.online()
            else:
                client.offline()
        return due

    def report(self, event, registration):
        """To be called with each event of the client."""
        self._listen()
        if event == "registered" and self.trial:
            # An update has proved itself when it has reached its server.
            self.trial = False
            from lwm2m.ports.update.trial import mark_valid

            mark_valid()
        elif event == "register_failed" and self.link and registration.attempts % 5 == 0:
            # A driver may not notice that the network has gone; where a server has answered, or
            # knows the device, it has not.
            if isinstance(registration.error, int):
                return
            for other in self.client.registrations:
                if other.registered:
                    return
            self.link.renew()

    def _listen(self):
        self.waiting = True
        self.quiet.after(_QUIET_MS)

    def _complain(self):
        self.waiting = False
        for registration in self.client.registrations:
            if registration.state == _REGISTERING:
                error = registration.exchange.error
                why = " (%s)" % error if error else ""
                self.say("%s: no answer yet%s" % (registration.security.uri, why))

    def _connect(self, kind, **terms):
        try:
            if kind == "wifi":
                from lwm2m.ports.wifi import Wifi as link
            else:
                from lwm2m.ports.ppp import over_uart as link
        except ImportError:
            raise ValueError("network.kind: no %s in this MicroPython" % kind)
        return link(on_event=self._report_link, clock=self.client.clock, **terms)

    def _report_link(self, event, link):
        if event == "connected":
            self.say("network: connected, %s" % link.address)
            link.after(self.client)
            self._listen()
            if self.ntp:
                self.ntp.restart()
        elif event == "connecting" or event == "lost":
            self.say("network: " + event)
        else:
            why = " (%s)" % link.error if link.error else ""
            line = "network: %s%s, next attempt in %d s"
            self.say(line % (event.replace("_", " "), why, link.pause_s))

    def _ask(self, host):
        from lwm2m.ports.ntp import Ntp, set_rtc

        # A process leaves the clock of its machine alone.
        set_time = set_rtc if hasattr(machine, "RTC") else lambda ms: None
        host, _, port = host.partition(":")
        return Ntp(host, int(port or 123), set_time, 21600, self._report_time, self.client.clock)

    def _report_time(self, event, ntp):
        if event == "time_set":
            device = self.client.find(3)
            if device:
                device.time_offset_s = 0
            self.say("ntp: time set by %s" % ntp.host)
        else:
            self.say("ntp: no time from %s (%s)" % (ntp.host, ntp.error or "no answer"))

    def _guard(self, timeout_ms):
        from lwm2m.ports.reset import cause, error_code
        from lwm2m.ports.watchdog import Watchdog

        why = cause()
        device = self.client.find(3)
        if device and error_code(why):
            device.report_error(error_code(why))
        watchdog = Watchdog(timeout_ms)
        self.say("watchdog: %d ms; last reset: %s" % (watchdog.timeout_ms, why.replace("_", " ")))
        return watchdog
