"""`new-object`: what it writes is tidy, loads into MicroPython, and answers over the wire."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from lwm2m_host import Server, errors
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.cli.app import run
from lwm2m_host.cli.scaffold import (
    NAME_LENGTH,
    RESERVED,
    attribute,
    class_name,
    module_name,
    names,
    source,
)
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.definitions import ObjectModel, ResourceModel
from lwm2m_host.model.values import EPOCH, DataType, ObjLink
from lwm2m_host.model.xml import parse_xml
from lwm2m_host.testing.unix import UnixDevice

from tests.host.object_files import definition, item
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


def _missing(width: int) -> str:
    try:
        find_micropython(width)
    except CheckoutError as error:
        return str(error)
    return ""


WIDTHS = [
    pytest.param(w, marks=pytest.mark.skipif(bool(_missing(w)), reason=_missing(w)))
    for w in (64, 32)
]

# Everything that a definition may hold, and names that are nobody's choice.
WILD = definition(
    oid="30001",
    version="1.2",
    items=item(0, 'Text \\ with """ quotes', "R", "String", must="Mandatory")
    + item(1, "Level", "RW", "Integer", "5..9", must="Mandatory")
    + item(2, "Level", "RW", "Unsigned Integer", "0,1,2", must="Mandatory")
    + item(3, "Level", "RW", "Float", "0.5..1.5", must="Mandatory")
    + item(4, "class", "RW", "Boolean", must="Mandatory")
    + item(5, "Data", "RW", "Opaque", must="Mandatory")
    + item(6, "Read", "R", "Time", must="Mandatory")
    + item(7, "Link", "RW", "Objlnk", must="Mandatory")
    + item(8, "Core Link", "R", "Corelnk", must="Mandatory")
    + item(9, "Many", "R", "Integer", multi="Multiple", must="Mandatory")
    + item(10, "Reset Minimum and Maximum Measured Values", "E", "")
    + item(11, "24/7 &#xdc;berwachung", "W", "String", must="Mandatory")
    + item(12, "+-?!", "", "String")
    + item(13, "Very Long Name of a Resource that Says Everything", "RW", "Integer", "0..3, 99")
    + item(14, "Very Long Name of a Resource that Says Nothing", "RW", "String")
    + item(15, "Optional", "R", "Integer", "1..3")
    + item(16, "Mode", "RW", "String", '"slow","fast"', must="Mandatory"),
)
EMPTY = definition(oid="30002").replace(b"<Name>Pump</Name>", b"<Name>3GPP</Name>")
CLOCK = definition(oid="30003", items=item(0, "Hour", "RW", range="0..23")).replace(
    b"<Name>Pump</Name>", b"<Name>Time</Name>"
)
MADE_UP = [model for data in (WILD, EMPTY, CLOCK) for model in parse_xml(data)]
ALL = [*Models.default(), *MADE_UP]


def command(*arguments: str) -> tuple[int, str, str]:
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        code = run(["new-object", *arguments])
    return code, out.getvalue(), error.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module for every definition we have."""
    place = tmp_path_factory.mktemp("objects")
    for model in ALL:
        (place / f"{module_name(model)}.py").write_text(source(model), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Sensor Value", "sensor_value"),
        ("Min Measured Value", "min_measured"),
        ("Application Type", "app_type"),
        ("On/Off", "on_off"),
        ("ExtDevInfo", "ext_dev_info"),
        ("APN link", "apn_link"),
        ("Device's Name", "devices_name"),
        ("class", "class_value"),
        ("Read", "read_value"),
        ("24/7", "n_24_7"),
        ("???", "r77"),
        ("Überwachung", "uberwachung"),
    ],
)
def test_names_of_resources(name: str, wanted: str) -> None:
    assert attribute(name, 77) == wanted


def test_names_are_unique_short_and_free() -> None:
    for model in ALL:
        found = list(names(model).values())
        assert len(set(found)) == len(found)
        assert all(len(name) <= NAME_LENGTH and name.isidentifier() for name in found), found
        assert not RESERVED & set(found)
    assert attribute("Level", 3, ["level", "level_2"]) == "level_3"


def test_names_of_the_base_class_are_kept_free() -> None:
    tree = ast.parse((ROOT / "firmware/lwm2m/objects/base.py").read_text())
    [base] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Object"]
    used: set[str] = set()
    for node in base.body:
        if isinstance(node, ast.FunctionDef):
            used.add(node.name)
        elif isinstance(node, ast.Assign):
            used |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    small = {name for name in used if name == name.lower() and not name.startswith("_")}
    assert small <= RESERVED


def test_what_is_written_is_tidy(folder: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(folder)]
    for arguments in (["check", "--ignore", "I001"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [*ruff, *arguments, *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


LOAD = """
import sys
sys.path.append(sys.argv[1])
from lwm2m.objects.base import Object
from lwm2m.objects.checks import check_table
for pair in sys.argv[2:]:
    name, cls = pair.split(":")
    cls = getattr(__import__(name), cls)
    check_table(cls)
    made = cls()
    table = cls.RESOURCES
    for i in range(0, len(table), 3):
        flags = table[i + 1]
        if flags & 0x100 and flags & 0x10 and made.value_at(i) is None:
            raise ValueError("%s/%d has no value" % (pair, table[i]))
        if flags & 0x40 and getattr(made, table[i + 2], None) is None:
            raise ValueError("%s/%d cannot be executed" % (pair, table[i]))
    del sys.modules[name]
print("loaded", len(sys.argv) - 2)
"""


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_definition_loads_into_micropython(
    width: int, folder: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program_of_the_test.py"
    program.write_text(LOAD)
    pairs = [f"{module_name(model)}:{class_name(model)}" for model in ALL]
    async with UnixDevice(program, [folder, *pairs], width=width, source="py") as device:
        assert await device.wait(PATIENCE_S) == 0, device.output
    assert f"loaded {len(ALL)}" in device.output


SERVE = """
import sys
sys.path.append(sys.argv[1])
from lwm2m.client import Client
from lwm2m.objects.device import Device
from pump import Pump
from temperature import Temperature
client = Client("urn:dev:os:made")
client.add_server(sys.argv[2], lifetime_s=60)
client.add(Device())
client.add(Pump())
t = client.add(Temperature())
t.sensor_value = 21.5
while True:
    client.wait(client.step())
"""


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_generated_object_answers_over_the_wire(
    width: int, folder: Path, tmp_path: Path
) -> None:
    program = tmp_path / "device.py"
    program.write_text(SERVE)
    models = Models.default()
    for model in MADE_UP:
        models.add(model)
    async with (
        Server(port=0, models=models) as server,
        UnixDevice(program, [folder, server.uri], width=width, source="py") as process,
    ):
        device = await process.during(server.wait_for("urn:dev:os:made", PATIENCE_S))
        assert (await device.registration()).objects[30001].version == "1.2"
        assert await device.read("/3303/0/5700") == 21.5
        assert await device.read("/30001/0") == {
            0: "",
            1: 5,
            2: 0,
            3: 0.5,
            4: False,
            5: b"",
            6: EPOCH,
            7: ObjLink(65535, 65535),
            8: "",
            9: {0: 0},
            16: "slow",
        }
        await device.write("/30001/0/1", 9)
        await device.write("/30001/0/2", 2)
        assert await device.read("/30001/0/1") == 9
        for path, value in (("/30001/0/1", 10), ("/30001/0/2", 3), ("/30001/0/3", 0.25)):
            with pytest.raises(errors.OutOfRange):
                await device.write(path, value)
            with pytest.raises(errors.BadRequest):
                await device.write(path, value, force=True)
        with pytest.raises(errors.NotImplementedByDevice):
            await device.execute("/30001/0/10")
        assert await device.read("/30001/0/1") == 9


def test_the_command_writes_a_module(tmp_path: Path) -> None:
    file = tmp_path / "30001.xml"
    file.write_bytes(WILD)
    code, out, error = command(str(file), "-o", str(tmp_path))
    assert (code, error) == (0, "")
    assert out == f"{tmp_path / 'pump.py'}  class Pump, object 30001\n"
    assert "class Pump(Object):" in (tmp_path / "pump.py").read_text()
    code, _, error = command(str(file), "-o", str(tmp_path))
    assert code == 1
    assert "is there already" in error
    code, out, _ = command(str(file), "-o", str(tmp_path), "--force", "--json")
    assert json.loads(out) == [
        {"file": str(tmp_path / "pump.py"), "class": "Pump", "object": 30001}
    ]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_bytes(b"<LWM2M>")
    for arguments, message in (
        ((str(tmp_path / "none.xml"),), "No such file"),
        ((str(tmp_path / "bad.xml"),), "not readable as XML"),
        ((str(tmp_path),), "s a directory"),
    ):
        code, _, error = command(*arguments)
        assert code == 2
        assert message in error
    (tmp_path / "good.xml").write_bytes(WILD)
    code, _, error = command(str(tmp_path / "good.xml"), "-o", str(tmp_path / "none"))
    assert (code, "no folder" in error) == (2, True)


def test_modules_and_classes_have_names_of_their_own() -> None:
    told = [(module_name(model), class_name(model)) for model in MADE_UP]
    assert told == [("pump", "Pump"), ("object_30002", "Object30002"), ("time_object", "Time")]
    odd = ObjectModel(30004, "Object", resources={0: ResourceModel(0, "X", DataType.STRING, "R")})
    assert class_name(odd) == "Object30004"
