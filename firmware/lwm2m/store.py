"""The state of a device that outlives a restart, in a file that survives a power cut.

    client.add_server("coap://192.0.2.10")
    store = Store("state.json")
    store.restore(client)            # after the servers have been added

From then on the attributes that servers write (LwM2M 1.1 Core §5.1.2) are kept.
"""

import json

from lwm2m.ports import safe_file


class Store:
    """`path` names the file; beside it, `path` + ".new" while it is written.

    A change is written at once, to the new file, which then takes the place of the old one: at any
    moment one of them is whole. Allocates: while writing, all that is kept as text.
    """

    def __init__(self, path):
        self.path = path

    def restore(self, client):
        """Give `client` what was kept, and keep what changes. What is of no use is forgotten:
        attributes of a server that is not there any more, a file that was damaged."""
        kept = self.load().get("attributes")
        kept = kept if isinstance(kept, dict) else {}
        for registration in client.registrations:
            registration.attributes.update(_attributes(kept.get(_name(registration))))
        client.store = self

    def save(self, client):
        """Write what is to be kept of `client`. An error of the file system is printed: a device
        without room goes on working."""
        kept = {}
        for registration in client.registrations:
            attributes = registration.attributes
            if attributes:
                kept[_name(registration)] = {
                    "".join("/%d" % i for i in path): attributes[path] for path in attributes
                }
        try:
            self.write({"attributes": kept})
        except OSError as e:
            print("%s: %s" % (self.path, e))

    def load(self):
        """The contents of the file, a dict; an empty one if the file is missing or damaged."""
        try:
            kept = json.loads(safe_file.read(self.path))
        except ValueError:
            return {}
        return kept if isinstance(kept, dict) else {}

    def write(self, kept):
        """Replace the contents of the file. Raises OSError."""
        safe_file.replace(self.path, json.dumps(kept).encode())


def _attributes(kept):
    # {path: {name: value}} of what was read, as far as it is that.
    found = {}
    try:
        for path in kept:
            values = {name: value for name, value in kept[path].items() if value + 0 == value}
            found[tuple(int(part) for part in path.split("/")[1:])] = values
    except (AttributeError, TypeError, ValueError):
        pass
    return found


def _name(registration):
    return "%s %d" % (registration.security.uri, registration.server.ssid)
