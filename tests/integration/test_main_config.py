"""main.py as a process: a bad configuration is one line and exit code 1, a good one runs, and what
is wrong around it (Wi-Fi, server, time) is said in a line each and tried again.

Servers are real sockets. Only the radio is a fake, the module `network` below: it follows the
driver of the Pico W (extmod/network_cyw43.c), whose status() is 1 while joining, 3 with an
address, -2 without an access point and -3 after a wrong password, where it stays; config() knows
no `reconnects`, and methods want active(True) first.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections import Counter
from contextlib import asynccontextmanager

import aiocoap
import aiocoap.resource
import pytest
from lwm2m_host import Server
from lwm2m_host.checkout import find_micropython, find_root
from lwm2m_host.registration.events import Deregistered
from lwm2m_host.testing.unix import UnixDevice

from tests.ports import free_port
from tests.waiting import PATIENCE_S

ROOT = find_root()
GOOD = {"endpoint": "urn:dev:os:main", "server": "coap://127.0.0.1:5683"}


def run_main(*arguments):
    return subprocess.run(
        [find_micropython(), ROOT / "firmware" / "main.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD | {"lifetime_s": "abc"}, "lifetime_s: a whole number of seconds is needed"),
        (GOOD | {"lifetim_s": 60}, "lifetim_s: unknown; known are "),
        (GOOD | {"device": {"colour": "red"}}, "device.colour: unknown; known are "),
        ({"endpoint": "a"}, "server: server or servers is needed"),
        ({"server": "coap://127.0.0.1"}, "endpoint: is missing"),
        (GOOD | {"server": "127.0.0.1"}, "server: coap://host:port is needed, not '127.0.0.1'"),
        (GOOD | {"server": "coap://h:port"}, "uri: coap://host[:port] is needed"),
        (GOOD | {"server": "coaps://h"}, "uri: coaps:// needs a secure transport"),
        (GOOD | {"watchdog_ms": 8000}, "watchdog_ms: no watchdog on linux"),
        (
            GOOD | {"network": {"kind": "wifi", "ssid": "n"}},
            "network.kind: no wifi in this MicroPython",
        ),
        (GOOD | {"network": {"kind": "ppp"}}, "network.kind: no ppp in this MicroPython"),
        (GOOD | {"network": {"kind": "wifi"}}, "network.ssid: is missing"),
        (
            GOOD | {"network": {"kind": "wifi", "ssid": "n", "password": "x"}},
            "network.password: belongs into keys.json, as wifi_password",
        ),
        ('{"endpoint": "a",\n "server": coap}', "not JSON: look at line 2"),
        ("", "not JSON: look at line 1"),
    ],
)
def test_bad_configuration_is_one_line_and_exit_code_1(tmp_path, text, line):
    file = tmp_path / "config.json"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    ended = run_main(file)
    assert ended.returncode == 1
    assert not ended.stdout
    assert ended.stderr.count("\n") == 1
    assert line in ended.stderr
    assert ended.stderr.startswith(f"{file}: ")


def test_missing_file_is_one_line_and_exit_code_1(tmp_path):
    ended = run_main(tmp_path / "nowhere.json")
    assert ended.returncode == 1
    assert ended.stderr == f"{tmp_path}/nowhere.json: no such file; see config.example.json\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl_c", "sigterm"])
async def test_end_is_a_clean_one(lwm2m_server, lwm2m_process, lwm2m_device, number):
    await lwm2m_process.wait_output("registered")
    with lwm2m_server.events() as events:
        os.killpg(lwm2m_process.pid, number)
        assert await lwm2m_process.wait(PATIENCE_S) == 0
        assert isinstance(await anext(events), Deregistered)
    assert "Traceback" not in lwm2m_process.output
    lines = lwm2m_process.output.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["registered", "deregistered"]


@pytest.mark.lwm2m_device(config={"log": False})
async def test_log_can_be_switched_off(lwm2m_process, lwm2m_device):
    os.killpg(lwm2m_process.pid, signal.SIGTERM)
    assert await lwm2m_process.wait(PATIENCE_S) == 0
    assert lwm2m_process.output == ""


@pytest.mark.lwm2m_device(config={"interval_s": 1})
async def test_weather_moves_and_extremes_start_again(lwm2m_device):
    first = await lwm2m_device.read("/3303/0/5700")
    assert 10 < first < 30
    assert 30 < await lwm2m_device.read("/3304/0/5700") < 60
    await lwm2m_device.execute("/3303/0/5605")
    values = await lwm2m_device.read("/3303/0")
    assert values[5601] == values[5602]


@pytest.mark.lwm2m_device(config={"device": {"manufacturer": "Acme", "serial": "0001"}})
async def test_device_is_what_the_configuration_says(lwm2m_device):
    assert await lwm2m_device.read("/3/0/0") == "Acme"
    assert await lwm2m_device.read("/3/0/2") == "0001"


async def test_reboot_registers_anew_from_the_start(lwm2m_server, lwm2m_process, lwm2m_device):
    with lwm2m_server.events() as events:
        await lwm2m_device.execute("/3/0/4")
        event = await anext(events)
    assert event.kind == "registered"
    assert lwm2m_process.returncode is None


# --- a network that is not there --------------------------------------------------------------

PASSWORD = "correct horse"

# `air` is a file: name of the access point, its password, the address it gives; none: no radio.
FAKE_NETWORK = """
import os

STA_IF = 0

def country(code):
    pass

def hostname(name):
    pass

def air():
    try:
        with open(os.getenv("FAKE_AIR")) as file:
            return file.read().split("\\n")
    except OSError:
        return None

class WLAN:
    def __init__(self, interface):
        self.up = False
        self.wanted = None
        self.code = 0

    def active(self, *value):
        if value:
            self.up = value[0]
        return self.up

    def config(self, **options):
        for name in options:
            if name != "pm":
                raise ValueError("unknown config param")

    def connect(self, ssid, key=None):
        if not self.up:
            raise OSError(1)
        self.wanted = (ssid, key)
        self.code = 1

    def disconnect(self):
        self.wanted = None
        self.code = 0

    def status(self, name=None):
        if name == "rssi":
            return -58
        found = air()
        if self.code == 3 and not found:
            self.code = 0
        elif self.code == 1:
            if not found or found[0] != self.wanted[0]:
                self.code = -2
            elif found[1] != (self.wanted[1] or ""):
                self.code = -3
            else:
                self.code = 3
        return self.code

    def isconnected(self):
        return self.status() == 3

    def ipconfig(self, name):
        return (air()[2], "255.255.255.0")
"""


class Air:
    """The access point, which comes and goes."""

    def __init__(self, folder):
        self.file = folder / "air"

    def serve(self, ssid="workshop", password=PASSWORD, address="192.0.2.7"):
        new = self.file.with_suffix(".new")
        new.write_text(f"{ssid}\n{password}\n{address}")
        new.rename(self.file)

    def vanish(self):
        self.file.unlink()


@pytest.fixture
def air(tmp_path):
    return Air(tmp_path)


@asynccontextmanager
async def main(tmp_path, uri, wifi=True, password=PASSWORD, **config):
    """main.py with a fake radio, and keys.json beside its config.json."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "network.py").write_text(FAKE_NETWORK)
    if wifi:
        config["network"] = {"kind": "wifi", "ssid": "workshop", "country": "DE"}
        (tmp_path / "keys.json").write_text(json.dumps({"wifi_password": password}))
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"endpoint": "urn:dev:os:main", "server": uri, **config}))
    env = {"FAKE_AIR": str(tmp_path / "air")}
    async with UnixDevice("firmware/main.py", [file], env, path=[modules]) as device:
        yield device
        assert "Traceback" not in device.output, device.output
        assert PASSWORD not in device.output
    assert device.returncode == 0, device.output


def lines(device, prefix):
    return [line for line in device.output.splitlines() if line.startswith(prefix)]


async def test_provision_with_wrong_wifi_password(tmp_path, air, lwm2m_server):
    air.serve(password="another one")
    async with main(tmp_path, lwm2m_server.uri) as device:
        await device.wait_output("network: wrong password (-3), next attempt in ")
        assert lines(device, "network")[0] == "network: connecting"
        assert "coap://" not in device.output  # nothing is tried without a network
        air.serve()
        await device.wait_output("network: connected, 192.0.2.7")
        await device.during(lwm2m_server.wait_for("urn:dev:os:main", PATIENCE_S))
        await device.wait_output(": registered")


async def test_provision_with_the_name_of_no_wifi(tmp_path, air, lwm2m_server):
    air.serve(ssid="elsewhere")
    async with main(tmp_path, lwm2m_server.uri) as device:
        await device.wait_output("network: no access point (-2), next attempt in ")
        air.serve()
        await device.wait_output(": registered")


async def test_network_that_is_lost_and_comes_back_costs_an_update(tmp_path, air, lwm2m_server):
    air.serve()
    async with main(tmp_path, lwm2m_server.uri) as device:
        await device.wait_output(": registered")
        air.vanish()
        await device.wait_output("network: lost")
        air.serve()
        await device.wait_output(": updated")
        assert device.output.count(": registered") == 1


async def test_network_with_another_address_costs_a_registration(tmp_path, air, lwm2m_server):
    air.serve()
    async with main(tmp_path, lwm2m_server.uri) as device:
        await device.wait_output(": registered")
        air.vanish()
        await device.wait_output("network: lost")
        with lwm2m_server.events() as events:
            air.serve(address="192.0.2.8")
            await device.wait_output("network: connected, 192.0.2.8")
            event = await asyncio.wait_for(anext(events), PATIENCE_S)
        assert event.kind == "registered"
        assert ": updated" not in device.output


async def test_end_without_a_network_is_a_quick_one(tmp_path, air, lwm2m_server):
    async with main(tmp_path, lwm2m_server.uri) as device:
        await device.wait_output("network: no access point")
        os.killpg(device.pid, signal.SIGINT)
        assert await device.wait(45) == 0


# --- a server that is not there, or is none ----------------------------------------------------


async def test_no_server_is_said_and_tried_until_there_is_one(tmp_path):
    port = free_port()
    async with main(tmp_path, f"coap://127.0.0.1:{port}", wifi=False) as device:
        await device.wait_output(f"coap://127.0.0.1:{port}: no answer yet ([Errno 111]")
        async with Server(port=port) as server:
            await device.during(server.wait_for("urn:dev:os:main", PATIENCE_S))
            await device.wait_output(": registered")


@pytest.mark.slow
async def test_no_server_is_given_up_and_tried_again(tmp_path):
    # MAX_TRANSMIT_WAIT is 93 s (RFC 7252 §4.8.2).
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        uri = f"coap://127.0.0.1:{silent.getsockname()[1]}"
        async with main(tmp_path, uri, wifi=False) as device:
            await device.wait_output(f"{uri}: no answer yet\n")
            await device.wait_output(f"{uri}: register failed\n", 10 * PATIENCE_S)
            await device.wait_output(f"{uri}: register failed\n{uri}: no answer yet\n", PATIENCE_S)


async def test_server_whose_name_does_not_resolve(tmp_path):
    async with main(tmp_path, "coap://nowhere.invalid", wifi=False) as device:
        await device.wait_output("coap://nowhere.invalid: register failed (")
        os.killpg(device.pid, signal.SIGINT)
        assert await device.wait(PATIENCE_S) == 0


async def test_wrong_server_is_said_with_its_answer(tmp_path):
    # A CoAP server that knows no registration: everything is 4.04 to it.
    port = free_port()
    context = await aiocoap.Context.create_server_context(
        aiocoap.resource.Site(), bind=("127.0.0.1", port), transports=["udp6"]
    )
    try:
        async with main(tmp_path, f"coap://127.0.0.1:{port}", wifi=False) as device:
            await device.wait_output(f"coap://127.0.0.1:{port}: register failed (4.04)")
    finally:
        await context.shutdown()


# --- the time ----------------------------------------------------------------------------------


class TimeServer(asyncio.DatagramProtocol):
    """An NTP server (RFC 5905 §7.3); `drop` questions are not answered."""

    def __init__(self):
        self.questions = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.questions.append(data)
        now = struct.pack(">II", int(time.time()) + 2208988800, 0)
        reply = struct.pack(">BBbbII4s", 0x24, 1, 6, -20, 0, 0, b"LOCL") + now + data[40:48]
        self.transport.sendto(reply + now + now, peer)


async def test_time_is_asked_for(tmp_path, lwm2m_server):
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        TimeServer, local_addr=("127.0.0.1", 0)
    )
    try:
        place = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        async with main(tmp_path, lwm2m_server.uri, wifi=False, ntp=place) as device:
            await device.wait_output("ntp: time set by 127.0.0.1")
            await device.wait_output(": registered")
    finally:
        transport.close()
    assert len(server.questions) == 1
    assert len(server.questions[0]) == 48
    assert server.questions[0][0] == 0x23


async def test_no_time_server_is_said_and_no_obstacle(tmp_path, lwm2m_server):
    async with main(
        tmp_path, lwm2m_server.uri, wifi=False, ntp=f"127.0.0.1:{free_port()}"
    ) as device:
        await device.wait_output("ntp: no time from 127.0.0.1 ([Errno 111]")
        await device.wait_output(": registered")


# --- an update on trial ------------------------------------------------------------------------

# Makes a slot with an image, as an update does, and ends.
UPDATE = """
import hashlib, os, sys
from lwm2m.ports.update.file import FileSlots

class Flash:
    def __init__(self):
        self.data = bytearray(8 * 4096)
    def readblocks(self, n, buf, offset=0):
        at = n * 4096 + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]
        return 0
    def writeblocks(self, n, buf, offset=0):
        at = n * 4096 + offset
        self.data[at : at + len(buf)] = buf
        return 0
    def ioctl(self, op, arg):
        return 8 if op == 4 else 4096 if op == 5 else 0

os.chdir(sys.argv[1])
flash = Flash()
os.VfsLfs2.mkfs(flash)
with os.VfsLfs2(flash).open("news.py", "w") as file:
    file.write("print('news')")
slots = FileSlots()
slots.open(len(flash.data))
slots.write(0, flash.data)
assert slots.verify(hashlib.sha256(flash.data).digest())
slots.activate()
"""

# What a board does when it starts: boot.py, then main.py
START = """
import os, sys
os.chdir(sys.argv[1])
for name in ("boot.py", "main.py"):
    if name == "main.py" and "/slot" in sys.path:
        import news
    with open(name) as file:
        exec(file.read())
"""


async def test_update_is_marked_valid_when_it_has_reached_its_server(tmp_path, lwm2m_server):
    for name in ("boot.py", "main.py"):
        shutil.copy(ROOT / "firmware" / name, tmp_path)
    # main.py is the program's own name there: it reads config.json of its folder.
    program = tmp_path / "main.py"
    program.write_text(program.read_text().replace("main(*sys.argv[1:2])", "main()"))
    (tmp_path / "update.py").write_text(UPDATE)
    (tmp_path / "start.py").write_text(START)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(GOOD | {"server": "coap://nowhere.invalid"}))
    found = Counter()

    async def run(text):
        async with UnixDevice(tmp_path / "start.py", [tmp_path]) as device:
            await device.wait_output(text)
            found[device.output.splitlines()[0]] += 1

    async with UnixDevice(tmp_path / "update.py", [tmp_path]) as device:
        assert await device.wait(PATIENCE_S) == 0, device.output
    # It never reaches a server: three starts, then the factory's.
    for _ in range(5):
        await run("register failed")
    assert found == {"slot: a": 3, "slot: factory": 2}

    config.write_text(json.dumps(GOOD | {"server": lwm2m_server.uri}))
    async with UnixDevice(tmp_path / "update.py", [tmp_path]) as device:
        assert await device.wait(PATIENCE_S) == 0, device.output
    found.clear()
    for _ in range(5):
        await run(": registered")
    assert found == {"slot: a": 5}
