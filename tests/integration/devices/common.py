"""What the devices of the integration tests share: a client from a JSON file, and its loop."""

import json
import sys
import time

import lwm2m.client
from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text


def load():
    """The JSON object in the file that the first argument names."""
    with open(sys.argv[1]) as file:
        return json.load(file)


def tell(event, registration):
    """Print an event, the server it is about, and when it was: `event registered 1 at 1234`."""
    print("event", event, registration.server.ssid, "at", time.ticks_ms())


def client_from(config):
    """A client as `config` describes it: endpoint, mtu, servers, terms, exchange, formats."""
    print("modules from", lwm2m.client.__file__)
    client = Client(config["endpoint"], mtu=config.get("mtu", 640), on_event=tell)
    if config.get("formats", True):
        client.add_format(Text())
        client.add_format(Opaque())
    terms = {"lwm2m": "1.2"}
    terms.update(config.get("terms", {}))
    for uri in config["servers"]:
        client.add_server(uri, lifetime_s=config.get("lifetime_s", 60), **terms)
    for registration in client.registrations:
        for name in config.get("exchange", {}):
            setattr(registration.exchange, name, config["exchange"][name])
    return client


def loop(client):
    """Run until Ctrl-C, then say good-bye to the servers."""
    print("started")
    try:
        while True:
            client.wait(client.step())
    except KeyboardInterrupt:
        client.stop()
    print("stopped")
