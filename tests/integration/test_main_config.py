"""main.py as a process: a bad configuration is one line and exit code 1, a good one runs."""

import json
import os
import signal
import subprocess

import pytest
from lwm2m_host.events import Deregistered
from lwm2m_host.testing.unix import find_micropython, find_root

ROOT = find_root()
GOOD = {"endpoint": "urn:dev:os:main", "server": "coap://127.0.0.1:5683"}


def run_main(*arguments):
    return subprocess.run(
        [find_micropython(), ROOT / "firmware" / "main.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
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
        assert await lwm2m_process.wait(5) == 0
        assert isinstance(await anext(events), Deregistered)
    assert "Traceback" not in lwm2m_process.output
    lines = lwm2m_process.output.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["registered", "deregistered"]


@pytest.mark.lwm2m_device(config={"log": False})
async def test_log_can_be_switched_off(lwm2m_process, lwm2m_device):
    os.killpg(lwm2m_process.pid, signal.SIGTERM)
    assert await lwm2m_process.wait(5) == 0
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
