"""The program of the emulated board: a thermometer, and what `make emulate` wants to know of it.

Settings are in config.json: endpoint, server, and watchdog_ms for a watchdog. Everything that is
measured is printed in a line of its own, for whoever reads the console. A letter typed there asks
for more: "h" for the heap, "t" for a change of the temperature, "s" for a Send of it.

The network comes up before the package is imported, and this program was compiled before, so that
what the heap loses between "before" and "now" is the client with its buffers.
"""

import gc
import json
import select
import sys
import time

import machine
import network

MOST_WAIT_MS = 50
SENML_CBOR = 112  # content format


def heap(when):
    gc.collect()
    print("heap", when, gc.mem_alloc(), gc.mem_free())


def connect():
    """PPP over UART 0. Keep what is returned: a link that is collected goes down."""
    uart = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1), rxbuf=4096)
    link = network.PPP(uart)
    link.connect()
    while not link.isconnected():
        time.sleep_ms(5)
    print("network", link.ipconfig("addr4")[0])
    return link


def hang():
    """Reboot by a loop that dies: only the watchdog can help."""
    print("hanging")
    while True:
        pass


def build(settings):
    begun = time.ticks_us()
    from lwm2m.client import Client
    from lwm2m.objects.device import Device
    from lwm2m.objects.ipso import Temperature

    loading_us = time.ticks_diff(time.ticks_us(), begun)
    heap("imported")
    start_ms = time.ticks_ms()

    def report(event, registration):
        print("event", event, time.ticks_diff(time.ticks_ms(), start_ms), registration.error)

    def make():
        client = Client(settings["endpoint"], on_event=report)
        client.add_server(settings["server"], lifetime_s=300)
        client.add(Device(manufacturer="Acme", model="Emulator", reboot=hang))
        return client

    # The first account loads modules too; to make the same again tells what is not loading.
    begun = time.ticks_us()
    client = make()
    loading_us += time.ticks_diff(time.ticks_us(), begun)
    begun = time.ticks_us()
    make()
    print("import_us", loading_us - time.ticks_diff(time.ticks_us(), begun))
    thermometer = client.add(Temperature(unit="Cel"))
    thermometer.value = 21.5
    return client, thermometer


def run(client, thermometer, watchdog):
    keys = select.poll()
    keys.register(sys.stdin, select.POLLIN)
    while True:
        client.wait(min(client.step(), MOST_WAIT_MS))
        if watchdog:
            watchdog.feed()
        for _ in keys.ipoll(0):
            key = sys.stdin.read(1)
            if key == "h":
                heap("now")
            elif key == "t":
                thermometer.value += 1
            elif key == "s":
                send(client)


def send(client):
    if not client.codec(SENML_CBOR):
        from lwm2m.formats.senml_cbor import SenmlCbor

        client.add_format(SenmlCbor())
    client.send("/3303/0/5700")


def main():
    print("boot", machine.reset_cause())
    with open("config.json") as file:
        settings = json.load(file)
    link = connect()
    watchdog = None
    if "watchdog_ms" in settings:
        watchdog = machine.WDT(timeout=settings["watchdog_ms"])
    heap("before")
    client, thermometer = build(settings)
    run(client, thermometer, watchdog)
    link.disconnect()


main()
