"""config.json, checked field by field: a mistake is one line that names the field.

What must stay secret is in keys.json beside it, so that the one can be shown and sent around,
and the other cannot by mistake; no message holds a value of it.
"""

import errno
import json


class ConfigError(ValueError):
    """One line for the user: what is wrong, and where."""


def uri(value):
    """A check: returns what is needed, None when `value` is right."""
    if not isinstance(value, str) or not value.startswith(("coap://", "coaps://")):
        return "coap://host:port is needed"


def binding(value):
    if value != "U" and value != "UQ":
        return "U or UQ is needed"


def lwm2m(value):
    if value not in ("1.0", "1.1", "1.2"):
        return "1.0, 1.1 or 1.2 in quotes is needed"


def link(value):
    if value != "wifi" and value != "ppp":
        return "wifi or ppp is needed"


def ssid(value):
    if not isinstance(value, str) or not 0 < len(value.encode()) < 33:
        return "a text of 1 to 32 bytes is needed"


def country(value):
    if not isinstance(value, str) or len(value) != 2 or not value.isupper():
        return "two capital letters are needed"


def hostname(value):
    good = isinstance(value, str) and 0 < len(value) < 33
    for c in value if good else "":
        good = good and (c.isalpha() or c.isdigit() or c == "-")
    if not good:
        return "1 to 32 letters, digits and hyphens are needed"


def host(value):
    if isinstance(value, str) and value:
        name, colon, port = value.partition(":")
        if name and (not colon or port.isdigit() and 0 < int(port) < 65536):
            return None
    return "host or host:port is needed"


def password(value):
    if not isinstance(value, str) or not 7 < len(value.encode()) < 65:
        return "8 to 64 characters are needed; leave it out for an open network"


# What a field holds: `str`, `bool`, (lowest, highest, unit) for a whole number, a function that
# checks, a dict of fields, or a list of one of these. Add your own: FIELDS["wifi"] = {"key": str}
_LIFETIME = (0, 0x1FFFFFFF, "seconds")
_PIN = (0, 63, "pins")
FIELDS = {
    "endpoint": str,
    "server": uri,
    "servers": [
        {
            "uri": uri,
            "ssid": (1, 65534, "ids"),
            "lifetime_s": _LIFETIME,
            "binding": binding,
            "lwm2m": lwm2m,
            "storing": bool,
            # registration.parameters
            "ack_timeout_ms": (100, 60000, "milliseconds"),
            "max_retransmit": (0, 8, "retransmissions"),
            "nstart": (1, 8, "messages"),
            "response_timeout_s": (1, 86400, "seconds"),
            "local_port": (1, 65535, "ports"),
        }
    ],
    "lifetime_s": _LIFETIME,
    "binding": binding,
    "lwm2m": lwm2m,
    "storing": bool,
    "state": str,
    "mtu": (128, 1280, "bytes"),
    "interval_s": (1, 86400, "seconds"),
    "log": bool,
    "device": dict.fromkeys(
        ("manufacturer", "model", "serial", "firmware_version", "hardware_version"), str
    ),
    "network": {
        "kind": link,
        "ssid": ssid,
        "country": country,
        "hostname": hostname,
        "uart": (0, 9, "UARTs"),
        "tx": _PIN,
        "rx": _PIN,
        "baud": (9600, 4000000, "bits per second"),
    },
    "ntp": host,
    "watchdog_ms": (1000, 3600000, "milliseconds"),
}
# The fields of `network` for each kind
_KINDS = {"wifi": ("ssid", "country", "hostname"), "ppp": ("uart", "tx", "rx", "baud")}
KEYS = {"wifi_password": password}


def load(path, fields=FIELDS):
    """Read and check the JSON file `path`, and keys.json beside it if there is one.

    Returns what they hold, with `servers`, arguments of `Client.add_server`, in place of `server`,
    `lifetime_s`, `binding`, `lwm2m`, `storing`, and with the `password` in `network`. Raises
    ConfigError.
    """
    keys_path = path[: path.rfind("/") + 1] + "keys.json"
    try:
        settings = _read(path, "no such file; see config.example.json")
        _check("", settings, fields)
        if "endpoint" not in settings:
            raise ConfigError("endpoint: is missing")
        _gather(settings)
        network = settings.get("network")
        if network is not None:
            _check_network(network)
        path = keys_path
        keys = _read(path)
        _check("", keys, KEYS, True)
    except ConfigError as e:
        raise ConfigError("%s: %s" % (path, e))
    if network and network["kind"] == "wifi":
        network["password"] = keys.get("wifi_password")
    return settings


def _read(path, missing=None):
    try:
        with open(path) as file:
            try:
                settings = json.load(file)
            except UnicodeError:
                raise ConfigError("not UTF-8")
            except (ValueError, TypeError):
                at = file.tell()
            else:
                at = 0
        with open(path, "rb") as file:
            # MicroPython's reader takes a text that is cut off, or lacks commas.
            line = file.read(at - 1).count(b"\n") + 1 if at else _check_marks(file)
        if line:
            raise ConfigError("not JSON: look at line %d" % line)
        return settings
    except OSError as e:
        if e.errno == errno.ENOENT:
            if not missing:
                return {}
            raise ConfigError(missing)
        raise ConfigError("cannot be read: %s" % e)


def _check_marks(file):
    """The number of the line where brackets, commas and colons are not JSON; 0 if they are.

    `file` holds a text that `json.load` has taken: its values are right. Allocates a character at
    a time.
    """
    line = 1
    inside = b""  # the brackets that are open
    # What may come: "v" a value, "n" a name, ":" or "," one of these, "e" also an end at once.
    wanted = b"v"
    c = file.read(1)
    while c:
        if c == b"\n":
            line += 1
        if c in b" \t\r\n":
            pass
        elif c in b"}]":
            if (
                not inside
                or inside[-1:] != (b"{" if c == b"}" else b"[")
                or wanted not in (b"e", b",")
            ):
                return line
            inside = inside[:-1]
            wanted = b","
        elif c in b",:":
            if wanted != c or not inside:
                return line
            wanted = b"v" if c == b":" or inside[-1:] == b"[" else b"n"
        elif wanted in (b":", b","):
            return line
        else:
            is_name = inside[-1:] == b"{" and wanted != b"v"
            wanted = b":" if is_name else b","
            if c in b"{[":
                inside += c
                wanted = b"e"
            elif c == b'"':
                c = file.read(1)
                while c and c != b'"':
                    c = file.read(2 if c == b"\\" else 1)[-1:]
            else:
                while c and c not in b",:{}[] \t\r\n":
                    c = file.read(1)
                continue
        c = file.read(1)
    return line if inside or wanted != b"," else 0


def _check(name, value, kind, secret=False):
    if isinstance(kind, dict) and isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                # MicroPython's reader takes anything for a name.
                raise ConfigError("%sa name in quotes is needed" % (name and name + ": "))
            inner = name + "." + key if name else key
            if key not in kind:
                inner = repr(inner)[1:-1]  # whatever is in it, one line
                if not secret and ("password" in key or key in ("key", "psk")):
                    raise ConfigError("%s: belongs into keys.json, as wifi_password" % inner)
                raise ConfigError("%s: unknown; known are %s" % (inner, ", ".join(sorted(kind))))
            _check(inner, value[key], kind[key], secret)
    elif isinstance(kind, list) and isinstance(value, list) and value:
        for i in range(len(value)):
            _check("%s[%d]" % (name, i), value[i], kind[0], secret)
    else:
        needed = _needed(value, kind)
        if needed:
            shown = "" if secret else ", not %r" % (value,)
            raise ConfigError("%s%s%s" % (name and name + ": ", needed, shown))


def _needed(value, kind):
    if kind is str or kind is bool:
        good = isinstance(value, kind) and value != ""
        return None if good else "a text is needed" if kind is str else "true or false is needed"
    if isinstance(kind, tuple):
        if not isinstance(value, int):
            return "a whole number of %s is needed" % kind[2]
        return None if kind[0] <= value <= kind[1] else "%d to %d %s are needed" % kind
    if isinstance(kind, dict):
        return "{…} is needed"
    return "[…] is needed" if isinstance(kind, list) else kind(value)


def _gather(settings):
    if ("server" in settings) == ("servers" in settings):
        raise ConfigError("server: server or servers is needed")
    if "server" in settings:
        settings["servers"] = [{"uri": settings.pop("server")}]
    for name in ("lifetime_s", "binding", "lwm2m", "storing"):
        common = settings.pop(name, None)
        for server in settings["servers"]:
            if "uri" not in server:
                raise ConfigError("servers: uri is missing")
            if common is not None:
                server.setdefault(name, common)


def _check_network(network):
    if "kind" not in network:
        raise ConfigError("network.kind: is missing")
    known = _KINDS[network["kind"]]
    for name in network:
        if name != "kind" and name not in known:
            raise ConfigError("network.%s: not for %s" % (name, network["kind"]))
    if "ssid" in known and "ssid" not in network:
        raise ConfigError("network.ssid: is missing")
