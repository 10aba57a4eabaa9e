# matrix
"""config.json: what is right comes back, what is wrong becomes one line naming the field."""

import json
import os
import random

from lwm2m import config
from lwm2m.client import Client
from lwm2m.testing.fake_clock import FakeClock
from testing import FOLDER, eq, raises

NAME = FOLDER + "/config.json"
KEYS = FOLDER + "/keys.json"
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
        ' {"uri": "coap://g", "lifetime_s": 0, "storing": false}], "lifetime_s": 60,'
        ' "binding": "U", "storing": true, "state": "state.json", "mtu": 1152,'
        ' "interval_s": 1, "log": false, "device": {"model": "m"}}'
    )
    eq(
        settings.pop("servers"),
        [
            {"uri": "coaps://h", "ssid": 7, "binding": "UQ", "lifetime_s": 60, "storing": True},
            {"uri": "coap://g", "lifetime_s": 0, "binding": "U", "storing": False},
        ],
    )
    expected = {"endpoint": "a", "mtu": 1152, "interval_s": 1, "log": False}
    expected["state"] = "state.json"
    expected["device"] = {"model": "m"}
    eq(settings, expected)


def test_transmission_of_each_server():
    fields = {
        "ack_timeout_ms": 10000,
        "max_retransmit": 2,
        "nstart": 2,
        "response_timeout_s": 600,
        "local_port": 5683,
    }
    server = dict(fields)
    server["uri"] = "coap://h/path?query"
    text = '{"endpoint": "a", "servers": [%s]}'
    settings = _load(text % json.dumps(server))
    eq(settings["servers"], [server])
    # What is right here is right for the client.
    client = Client("a", clock=FakeClock())
    client.add_server(**settings["servers"][0])
    server["local_port"] = 65536
    line = "servers[0].local_port: 1 to 65535 ports are needed, not 65536"
    eq(_complaint(text % json.dumps(server)), line)


def test_s_26_lifetimes_of_a_configuration_are_those_of_the_client():
    client = Client("a", clock=FakeClock())
    for lifetime_s in (0, 1, 0x1FFFFFFF):
        for text in (
            '{"endpoint": "a", "server": "coap://h", "lifetime_s": %d}',
            '{"endpoint": "a", "servers": [{"uri": "coap://h", "lifetime_s": %d}]}',
        ):
            settings = _load(text % lifetime_s)
            eq(client.add_server(**settings["servers"][0]).lifetime_s, lifetime_s)
    for lifetime_s in (-1, 0x20000000, 0xFFFFFFFF):
        line = "0 to 536870911 seconds are needed, not %d" % lifetime_s
        eq(_field('"lifetime_s": %d' % lifetime_s), "lifetime_s: " + line)
        raises(ValueError, client.add_server, "coap://h", lifetime_s=lifetime_s)


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


def test_json_that_only_micropython_takes():
    eq(_complaint("{5: 6}"), "a name in quotes is needed")
    eq(_field('"device": {null: 6}'), "device: a name in quotes is needed")
    eq(_complaint("{[]: 6}"), "not JSON: look at line 1")


def test_b_09_what_is_cut_off_is_no_json():
    whole = '{"endpoint": "a\\\\\\"{", "servers": [{"uri": "coap://h", "ssid": 7}], "log": true}\n'
    _load(whole)
    for length in range(len(whole) - 1):
        line = _complaint(whole[:length])
        assert line == "not JSON: look at line 1", (length, line)


def test_b_09_marks_that_are_missing_or_too_many():
    for text in (
        '"endpoint" "a", "server": "coap://h"',
        '"endpoint": "a" "server": "coap://h"',
        '"endpoint": "a", "server": "coap://h",',
        '"endpoint": "a",, "server": "coap://h"',
        '"endpoint":: "a", "server": "coap://h"',
        '"endpoint", "a", "server", "coap://h"',
        '"endpoint": "a", "server": "coap://h", "servers": [1 2]',
        '"endpoint": "a", "server": "coap://h", "servers": [1:2]',
        '"endpoint": "a", "server": "coap://h", "servers": [1}',
    ):
        eq(_complaint("{%s}" % text), "not JSON: look at line 1")
    eq(_complaint('{\n"endpoint": "x",\n"mtu": 300\n '), "not JSON: look at line 4")


def test_name_of_a_field_is_shown_on_one_line():
    line = _field('"a\\nb": 1')
    assert line.startswith("a\\nb: unknown; "), line


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
    eq(_field('"storing": 1'), "storing: true or false is needed, not 1")
    eq(_field('"state": ""'), "state: a text is needed, not ''")
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


# --- network, time and watchdog ---------------------------------------------------------------


def test_network():
    wifi = '"network": {"kind": "wifi", "ssid": "n", "country": "DE", "hostname": "weather-1"}'
    eq(
        _load("{%s, %s}" % (GOOD, wifi))["network"],
        {"kind": "wifi", "ssid": "n", "country": "DE", "hostname": "weather-1", "password": None},
    )
    ppp = '"network": {"kind": "ppp", "uart": 0, "tx": 0, "rx": 1, "baud": 115200}'
    eq(
        _load("{%s, %s}" % (GOOD, ppp))["network"],
        {"kind": "ppp", "uart": 0, "tx": 0, "rx": 1, "baud": 115200},
    )
    eq(_load('{%s, "network": {"kind": "ppp"}}' % GOOD)["network"], {"kind": "ppp"})
    assert "network" not in _load("{%s}" % GOOD)


def test_network_fields():
    for fields, line in (
        ("3", ": {…} is needed, not 3"),
        ("{}", ".kind: is missing"),
        ('{"ssid": "n"}', ".kind: is missing"),
        ('{"kind": "lora"}', ".kind: wifi or ppp is needed, not 'lora'"),
        ('{"kind": []}', ".kind: wifi or ppp is needed, not []"),
        ('{"kind": "wifi"}', ".ssid: is missing"),
        ('{"kind": "wifi", "ssid": ""}', ".ssid: a text of 1 to 32 bytes is needed, not ''"),
        ('{"kind": "wifi", "ssid": 5}', ".ssid: a text of 1 to 32 bytes is needed, not 5"),
        (
            '{"kind": "wifi", "ssid": "%s"}' % ("ä" * 17),
            ".ssid: a text of 1 to 32 bytes is needed, not %r" % ("ä" * 17),
        ),
        (
            '{"kind": "wifi", "ssid": "n", "country": "de"}',
            ".country: two capital letters are needed, not 'de'",
        ),
        (
            '{"kind": "wifi", "ssid": "n", "hostname": "a b"}',
            ".hostname: 1 to 32 letters, digits and hyphens are needed, not 'a b'",
        ),
        ('{"kind": "wifi", "ssid": "n", "uart": 0}', ".uart: not for wifi"),
        ('{"kind": "ppp", "ssid": "n"}', ".ssid: not for ppp"),
        ('{"kind": "ppp", "tx": 64}', ".tx: 0 to 63 pins are needed, not 64"),
        (
            '{"kind": "ppp", "baud": "fast"}',
            ".baud: a whole number of bits per second is needed, not 'fast'",
        ),
    ):
        eq(_field('"network": ' + fields), "network" + line)


def test_time_and_watchdog():
    settings = _load('{%s, "ntp": "192.0.2.1", "watchdog_ms": 8000}' % GOOD)
    eq((settings["ntp"], settings["watchdog_ms"]), ("192.0.2.1", 8000))
    eq(_load('{%s, "ntp": "time.example.com:1123"}' % GOOD)["ntp"], "time.example.com:1123")
    for value in ("5", '""', '":123"', '"h:"', '"h:x"', '"h:65536"', '"fe80::1"'):
        line = _field('"ntp": ' + value)
        assert line.startswith("ntp: host or host:port is needed, not "), line
    eq(
        _field('"watchdog_ms": 500'),
        "watchdog_ms: 1000 to 3600000 milliseconds are needed, not 500",
    )


# --- what is secret ---------------------------------------------------------------------------

SECRET = "correct horse battery"
WIFI = '{%s, "network": {"kind": "wifi", "ssid": "n"}}' % GOOD


def _load_with_keys(keys, text=WIFI):
    with open(KEYS, "wb") as file:
        file.write(keys if isinstance(keys, bytes) else keys.encode())
    try:
        return _load(text)
    finally:
        os.remove(KEYS)


def test_password_comes_from_keys_json_beside_it():
    settings = _load_with_keys('{"wifi_password": "%s"}' % SECRET)
    eq(settings["network"]["password"], SECRET)
    eq(_load(WIFI)["network"]["password"], None)
    eq(_load_with_keys("{}")["network"]["password"], None)
    # Of no use here, and no harm
    settings = _load_with_keys('{"wifi_password": "%s"}' % SECRET, "{%s}" % GOOD)
    assert SECRET not in repr(settings)


def test_password_in_config_json_is_refused_and_not_shown():
    for text in (
        '{%s, "password": "%s"}' % (GOOD, SECRET),
        '{%s, "wifi_password": "%s"}' % (GOOD, SECRET),
        '{%s, "network": {"kind": "wifi", "ssid": "n", "password": "%s"}}' % (GOOD, SECRET),
        '{%s, "network": {"kind": "wifi", "ssid": "n", "key": "%s"}}' % (GOOD, SECRET),
        '{%s, "network": {"kind": "wifi", "ssid": "n", "psk": "%s"}}' % (GOOD, SECRET),
    ):
        line = _complaint(text)
        assert line.endswith(": belongs into keys.json, as wifi_password"), line
        assert SECRET not in line and "horse" not in line


def test_mistakes_in_keys_json_name_the_field_and_no_value():
    eight = "wifi_password: 8 to 64 characters are needed; leave it out for an open network"
    for text, line in (
        ('{"wifi_password": "%s"}' % SECRET[:7], eight),
        ('{"wifi_password": "%s"}' % (SECRET * 4), eight),
        ('{"wifi_password": 1357924680}', eight),
        ('{"wifi_password": ["%s"]}' % SECRET, eight),
        ('{"wifi_pasword": "%s"}' % SECRET, "wifi_pasword: unknown; known are wifi_password"),
        ('{"password": "%s"}' % SECRET, "password: unknown; known are wifi_password"),
        ('["%s"]' % SECRET, "{…} is needed"),
        ('"%s"' % SECRET, "{…} is needed"),
        ('{\n"wifi_password": %s}' % SECRET, "not JSON: look at line 2"),
        (b'{"wifi_password": "\xff\xfe horse"}', "not UTF-8"),
    ):
        error = str(raises(config.ConfigError, _load_with_keys, text))
        eq(error, KEYS + ": " + line)


def test_fuzz():
    random.seed(7)
    good = (
        '{"endpoint": "a", "servers": [{"uri": "coap://h", "ssid": 7}], "ntp": "h:1", "mtu": 576,'
        ' "network": {"kind": "wifi", "ssid": "nä", "country": "DE"}, "log": true}'
    ).encode()
    accepted = 0
    for i in range(3000):
        data = bytearray(good if i % 2 else b'{"wifi_password": "%s"}' % SECRET.encode())
        for _ in range(1 + random.getrandbits(2)):
            at = random.randrange(len(data))
            if random.getrandbits(1):
                data[at] = random.getrandbits(8)
            else:
                data[at : at + random.getrandbits(2)] = random.choice(
                    (b"", b'"', b"\\n", b"{", b"[", b"null", b"-1", b"1e99", b"\xff", b"\\u00e4")
                )
        try:
            if i % 2:
                _load(bytes(data))
            else:
                _load_with_keys(bytes(data))
            accepted += 1
        except config.ConfigError as e:
            line = str(e)
            assert line.startswith(FOLDER) and "\n" not in line, (data, line)
    assert 100 < accepted < 2000, accepted


def test_keys_json_of_the_current_folder():
    here = os.getcwd()
    os.chdir(FOLDER)
    try:
        with open("config.json", "w") as file:
            file.write(WIFI)
        with open("keys.json", "w") as file:
            file.write('{"wifi_password": "%s"}' % SECRET)
        eq(config.load("config.json")["network"]["password"], SECRET)
    finally:
        os.remove("keys.json")
        os.remove("config.json")
        os.chdir(here)


def test_an_application_adds_fields():
    fields = dict(config.FIELDS)
    fields["wifi"] = {"name": str, "key": str}
    with open(NAME, "w") as file:
        file.write("{%s, %s}" % (GOOD, '"wifi": {"name": "n", "key": 0}'))
    line = str(raises(config.ConfigError, config.load, NAME, fields))
    os.remove(NAME)
    eq(line, NAME + ": wifi.key: a text is needed, not 0")
