"""config.json: what is right comes back, what is wrong becomes one line naming the field."""

import os

from lwm2m import config
from testing import eq, raises

NAME = "build/test_config.json"
GOOD = '"endpoint": "a", "server": "coap://h"'


def _load(text):
    with open(NAME, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    try:
        return config.load(NAME)
    finally:
        os.remove(NAME)


def _complaint(text):
    line = str(raises(config.ConfigError, _load, text))
    assert line.startswith(NAME + ": ") and "\n" not in line, line
    return line[len(NAME) + 2 :]


def _field(text):
    return _complaint("{%s, %s}" % (GOOD, text))


def test_smallest_configuration():
    eq(_load("{%s}" % GOOD), {"endpoint": "a", "servers": [{"uri": "coap://h"}]})


def test_example_is_accepted():
    settings = config.load("firmware/config.example.json")
    eq(settings["servers"], [{"uri": "coap://127.0.0.1:5683", "lifetime_s": 300}])
    assert settings["device"]["manufacturer"]


def test_every_field():
    settings = _load(
        '{"endpoint": "a", "servers": [{"uri": "coaps://h", "ssid": 7, "binding": "UQ"},'
        ' {"uri": "coap://g", "lifetime_s": 0}], "lifetime_s": 60, "binding": "U", "mtu": 1152,'
        ' "interval_s": 1, "log": false, "device": {"model": "m"}}'
    )
    eq(
        settings.pop("servers"),
        [
            {"uri": "coaps://h", "ssid": 7, "binding": "UQ", "lifetime_s": 60},
            {"uri": "coap://g", "lifetime_s": 0, "binding": "U"},
        ],
    )
    expected = {"endpoint": "a", "mtu": 1152, "interval_s": 1, "log": False}
    expected["device"] = {"model": "m"}
    eq(settings, expected)


def test_error_is_a_value_error():
    assert issubclass(config.ConfigError, ValueError)


def test_missing_file_is_named():
    line = str(raises(config.ConfigError, config.load, "nowhere.json"))
    eq(line, "nowhere.json: no such file; see config.example.json")


def test_folder_is_no_file():
    line = str(raises(config.ConfigError, config.load, "build"))
    assert line.startswith("build: cannot be read: "), line


def test_broken_json_is_located():
    eq(_complaint('{\n"endpoint": "a",\n"server": x\n}'), "not JSON: look at line 3")
    eq(_complaint(""), "not JSON: look at line 1")


def test_bytes_that_are_no_text():
    eq(_complaint(b'{"endpoint": "\xff\xfe"}'), "not UTF-8")


def test_something_else_than_an_object():
    eq(_complaint("[1]"), "{…} is needed, not [1]")


def test_required_fields():
    eq(_complaint('{"server": "coap://h"}'), "endpoint: is missing")
    for text in ('{"endpoint": "a"}', '{%s, "servers": [{"uri": "coap://h"}]}' % GOOD):
        eq(_complaint(text), "server: server or servers is needed")
    eq(_complaint('{"endpoint": "a", "servers": [{"ssid": 1}]}'), "servers: uri is missing")


def test_unknown_field_is_named_with_the_known_ones():
    line = _field('"lifetim_s": 1')
    assert line.startswith("lifetim_s: unknown; known are binding, device, endpoint,"), line
    line = _field('"device": {"colour": "red"}')
    assert line.startswith("device.colour: unknown; known are "), line


def test_whole_numbers():
    for value, shown in (('"abc"', "'abc'"), ("1.5", "1.5"), ("true", "True"), ("null", "None")):
        eq(
            _field('"lifetime_s": ' + value),
            "lifetime_s: a whole number of seconds is needed, not " + shown,
        )
    eq(_field('"lifetime_s": -1'), "lifetime_s: 0 to 536870911 seconds are needed, not -1")
    eq(_field('"mtu": 127'), "mtu: 128 to 1280 bytes are needed, not 127")
    eq(_field('"interval_s": 0'), "interval_s: 1 to 86400 seconds are needed, not 0")


def test_texts():
    eq(_complaint('{"endpoint": ""}'), "endpoint: a text is needed, not ''")
    eq(_field('"device": {"model": 5}'), "device.model: a text is needed, not 5")
    eq(_field('"device": 3'), "device: {…} is needed, not 3")
    eq(_field('"binding": "T"'), "binding: U or UQ is needed, not 'T'")
    eq(_field('"binding": []'), "binding: U or UQ is needed, not []")
    eq(_field('"log": "yes"'), "log: true or false is needed, not 'yes'")


def test_servers():
    line = "server: coap://host:port is needed, not "
    eq(_complaint('{"endpoint": "a", "server": "h"}'), line + "'h'")
    eq(_complaint('{"endpoint": "a", "servers": []}'), "servers: […] is needed, not []")
    eq(
        _complaint('{"endpoint": "a", "servers": [{"uri": "coap://h"}, {"uri": 1}]}'),
        "servers[1].uri: coap://host:port is needed, not 1",
    )


def test_an_application_adds_fields():
    fields = dict(config.FIELDS)
    fields["wifi"] = {"name": str, "key": str}
    with open(NAME, "w") as file:
        file.write("{%s, %s}" % (GOOD, '"wifi": {"name": "n", "key": 0}'))
    line = str(raises(config.ConfigError, config.load, NAME, fields))
    os.remove(NAME)
    eq(line, NAME + ": wifi.key: a text is needed, not 0")
