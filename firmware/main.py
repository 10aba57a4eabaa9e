"""A small weather station that a LwM2M server manages.

    micropython main.py [CONFIG]         CONFIG is config.json unless said otherwise

Ctrl-C de-registers it and ends it. To make it yours, replace `measure`.
"""

import math
import sys
import time

import machine

from lwm2m.client import Client
from lwm2m.config import ConfigError, load
from lwm2m.formats.text import Text
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.supervisor import Supervisor

ON_A_BOARD = hasattr(machine, "reset")


def measure():
    """Temperature in °C and relative humidity in %: read your sensor here."""
    day = math.sin(time.time() % 600 * math.pi / 300)  # ten minutes long
    noise = time.ticks_ms() % 31 - 15  # of a sensor: even at noon no value is like the last
    return round(21 + 4 * day + noise / 100, 2), round(48 - 9 * day + noise / 10, 1)


def reboot():
    """What the server's Reboot does: a process, which cannot be reset, starts over."""
    if ON_A_BOARD:
        machine.reset()
    raise Restart


class Restart(BaseException):
    """Ends `run` without a word to the server, as a reset would."""


def build(settings):
    """The client that `settings` describe. Raises ValueError for what cannot be."""
    client = Client(settings["endpoint"], mtu=settings.get("mtu", 576))
    for server in settings["servers"]:
        client.add_server(**server)
    client.add_format(Text())
    if any(server.get("storing") for server in settings["servers"]):
        # Values that are kept while a server is away have their time in this format.
        from lwm2m.formats.senml_cbor import SenmlCbor

        client.add_format(SenmlCbor())
    if "state" in settings:
        from lwm2m.store import Store

        Store(settings["state"]).restore(client)
    client.add(Device(reboot=reboot, **settings.get("device", {})))
    return client


def attend(client, settings):
    """Network, time and watchdog for it, as `settings` ask; one line for whatever happens."""
    say = print if settings.get("log", True) else lambda line: None
    supervisor = Supervisor(client, settings, say)

    def report(event, registration):
        reason = registration.error
        if isinstance(reason, int):
            reason = "%d.%02d" % (reason >> 5, reason & 31)
        line = "%s: %s" % (registration.security.uri, event.replace("_", " "))
        say(line + (" (%s)" % reason if reason else ""))
        supervisor.report(event, registration)

    client.on_event = report
    return supervisor


def run(client, supervisor, interval_s):
    """Measure every `interval_s` seconds and serve in between, until Ctrl-C."""
    temperature = client.add(Temperature(unit="Cel", application="outside"))
    humidity = client.add(Humidity(unit="%RH", application="outside"))
    left_ms = 0
    while not terminated:
        if left_ms <= 0:
            start = time.ticks_ms()
            temperature.value, humidity.value = measure()
        client.wait(supervisor.step())
        left_ms = interval_s * 1000 - time.ticks_diff(time.ticks_ms(), start)


terminated = False


def on_sigterm(_):
    """Called in the middle of anything, as an interrupt is: it may not allocate."""
    global terminated
    terminated = True


def catch_sigterm():
    """Let the end of a process be as clean as Ctrl-C; without ffi it is like a power cut."""
    global handler  # lives as long as the process
    try:
        import ffi
    except ImportError:
        return
    handler = ffi.callback("v", on_sigterm, "i", lock=True)
    ffi.open(None).func("p", "signal", "iC")(15, handler)


def main(path="config.json"):
    """Run until Ctrl-C. Returns the exit code: 1, after one line, when the settings are wrong."""
    while True:
        try:
            settings = load(path)
            client = build(settings)
            supervisor = attend(client, settings)
        except ConfigError as e:
            print(e, file=sys.stderr)
            return 1
        except ValueError as e:
            print("%s: %s" % (path, e), file=sys.stderr)
            return 1
        try:
            run(client, supervisor, settings.get("interval_s", 5))
        except Restart:
            client.stop(deregister=False)
            continue
        except KeyboardInterrupt:
            if supervisor.watchdog:
                print("The watchdog will reset the board in a moment, prompt or not.")
        client.stop(timeout_ms=2000)
        return 0


if __name__ == "__main__":
    if ON_A_BOARD:
        main()
    else:
        catch_sigterm()
        sys.exit(main(*sys.argv[1:2]))
