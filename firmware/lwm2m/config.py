"""config.json, checked field by field: a mistake is one line that names the field."""

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


# What a field holds: `str`, `bool`, (lowest, highest, unit) for a whole number, a function that
# checks, a dict of fields, or a list of one of these. Add your own: FIELDS["wifi"] = {"key": str}
_LIFETIME = (0, 0x1FFFFFFF, "seconds")
FIELDS = {
    "endpoint": str,
    "server": uri,
    "servers": [
        {"uri": uri, "ssid": (1, 65534, "ids"), "lifetime_s": _LIFETIME, "binding": binding}
    ],
    "lifetime_s": _LIFETIME,
    "binding": binding,
    "mtu": (128, 1280, "bytes"),
    "interval_s": (1, 86400, "seconds"),
    "log": bool,
    "device": dict.fromkeys(
        ("manufacturer", "model", "serial", "firmware_version", "hardware_version"), str
    ),
}


def load(path, fields=FIELDS):
    """Read and check the JSON file `path`.

    Returns what it holds, with `servers`, arguments of `Client.add_server`, in place of `server`,
    `lifetime_s`, `binding`. Raises ConfigError.
    """
    try:
        settings = _read(path)
        _check("", settings, fields)
        if "endpoint" not in settings:
            raise ConfigError("endpoint: is missing")
        _gather(settings)
    except ConfigError as e:
        raise ConfigError("%s: %s" % (path, e))
    return settings


def _read(path):
    try:
        with open(path) as file:
            try:
                return json.load(file)
            except UnicodeError:
                raise ConfigError("not UTF-8")
            except ValueError:
                at = file.tell()
        with open(path) as file:
            raise ConfigError("not JSON: look at line %d" % (file.read(at - 1).count("\n") + 1))
    except OSError as e:
        if e.errno == errno.ENOENT:
            raise ConfigError("no such file; see config.example.json")
        raise ConfigError("cannot be read: %s" % e)


def _check(name, value, kind):
    if isinstance(kind, dict) and isinstance(value, dict):
        for key in value:
            inner = name + "." + key if name else key
            if key not in kind:
                raise ConfigError("%s: unknown; known are %s" % (inner, ", ".join(sorted(kind))))
            _check(inner, value[key], kind[key])
    elif isinstance(kind, list) and isinstance(value, list) and value:
        for i in range(len(value)):
            _check("%s[%d]" % (name, i), value[i], kind[0])
    else:
        needed = _needed(value, kind)
        if needed:
            raise ConfigError("%s%s, not %r" % (name and name + ": ", needed, value))


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
    for name in ("lifetime_s", "binding"):
        common = settings.pop(name, None)
        for server in settings["servers"]:
            if "uri" not in server:
                raise ConfigError("servers: uri is missing")
            if common is not None:
                server.setdefault(name, common)
