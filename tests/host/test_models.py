"""Object definitions: the shipped ones, the reader, the lookup by version."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest
from lwm2m_host.errors import ModelError
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.definitions import ObjectModel
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType
from lwm2m_host.model.xml import parse_xml

from tests.host.object_files import definition

ITEM = """<Item ID="5"><Name>Flow</Name><Operations>RW</Operations>
<MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory>
<Type>Unsigned Integer</Type><RangeEnumeration>0..10</RangeEnumeration><Units>l/s</Units>
<Description>How fast.</Description></Item>"""


def test_what_is_shipped_covers_the_core_objects_and_the_first_sensors() -> None:
    found = {item.id: item for item in Models.default()}
    assert {0, 1, 2, 3, 4, 5, 6, 7, 16, 19, 3442, *range(3200, 3204)} <= set(found)
    assert {*range(3300, 3307), 3308, *range(3311, 3333), 3334, 3338, 3340} <= set(found)
    assert {*range(3342, 3345), 3346, 3347, 3348, 3350} <= set(found)
    assert all(item.resources and item.name and item.description for item in found.values())
    for item in found.values():
        for resource in item.resources.values():
            assert resource.name, resource
            assert resource.description, resource
            assert resource.executable == (resource.type is DataType.NONE), resource


@pytest.mark.parametrize(
    ("path", "name", "kind", "operations", "multiple", "units"),
    [
        ("/1/0/1", "Lifetime", DataType.UNSIGNED, "RW", False, "s"),
        ("/1/0/8", "Registration Update Trigger", DataType.NONE, "E", False, ""),
        ("/3/0/7", "Power Source Voltage", DataType.INTEGER, "R", True, "mV"),
        ("/3/0/13", "Current Time", DataType.TIME, "RW", False, ""),
        ("/3/0/22", "ExtDevInfo", DataType.OBJLNK, "R", True, ""),
        ("/5/0/0", "Package", DataType.OPAQUE, "W", False, ""),
        ("/6/0/0", "Latitude", DataType.FLOAT, "R", False, "lat"),
        ("/3303/0/5700", "Sensor Value", DataType.FLOAT, "R", False, ""),
        ("/3311/0/5850", "On/Off", DataType.BOOLEAN, "RW", False, ""),
        ("/16/0/0", "Identity", DataType.STRING, "RW", True, ""),
        ("/19/0/0", "Data", DataType.OPAQUE, "RW", True, ""),
        ("/3200/0/5500", "Digital Input State", DataType.BOOLEAN, "R", False, ""),
        ("/3203/0/5650", "Analog Output Current Value", DataType.FLOAT, "RW", False, ""),
        ("/3302/0/5903", "Busy to Clear delay", DataType.INTEGER, "RW", False, "ms"),
        ("/3305/0/5806", "Active Power Calibration", DataType.FLOAT, "W", False, "W"),
        ("/3313/0/5702", "X Value", DataType.FLOAT, "R", False, ""),
        ("/3340/0/5521", "Delay Duration", DataType.FLOAT, "RW", False, "s"),
        ("/3308/0/5900", "Set Point Value", DataType.FLOAT, "RW", False, ""),
        ("/3334/0/5513", "Max Z Value", DataType.FLOAT, "R", False, ""),
        ("/3348/0/5547", "Multi-state Input", DataType.INTEGER, "R", False, ""),
        ("/3342/0/5854", "Off Time", DataType.INTEGER, "RW", False, "s"),
        ("/3347/0/5501", "Digital Input Counter", DataType.INTEGER, "R", False, ""),
        ("/3442/0/1125", "Multiple Unsigned Integer Value", DataType.UNSIGNED, "RW", True, ""),
        ("/3442/0/180", "CoreLnk Value", DataType.CORELNK, "RW", False, ""),
    ],
)
def test_shipped_resources_are_as_the_registry_has_them(
    path: str, name: str, kind: DataType, operations: str, multiple: bool, units: str
) -> None:
    resource = Models.default().resource(Path.parse(path))
    assert resource is not None
    assert resource.name == name
    assert resource.type is kind
    assert resource.operations == operations
    assert resource.multiple is multiple
    assert resource.units == units


def test_nobody_changes_what_is_shipped_for_others() -> None:
    Models.default().add(ObjectModel(3, "mine", (1, 2)))
    device = Models.default().object(3)
    assert device is not None
    assert device.name == "Device"


def test_security_is_never_readable() -> None:
    security = Models.default().object(0)
    assert security is not None
    assert all(item.operations == "" for item in security.resources.values())


def test_a_definition_is_read_whole() -> None:
    [pump] = parse_xml(definition(items=ITEM))
    assert (pump.id, pump.name, pump.version, pump.multiple) == (30000, "Pump", (1, 0), True)
    assert pump.description == "A pump."
    flow = pump.resources[5]
    assert flow.type is DataType.UNSIGNED
    assert (flow.readable, flow.writable, flow.executable) == (True, True, False)
    assert (flow.range, flow.units, flow.mandatory) == ("0..10", "l/s", True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not readable as XML"),
        (b"<LWM2M>", "not readable as XML"),
        (b"<LWM2M></LWM2M>", "no <Object>"),
        (definition(oid="x"), "bad id"),
        (definition(oid="70000"), "bad id"),
        (definition(version="one"), "bad version"),
        (definition(items=ITEM + ITEM), "resource 5 occurs twice"),
        (definition(items=ITEM.replace("Unsigned Integer", "Complex")), "unknown type 'complex'"),
        (definition(items='<Item ID="-1"/>'), "bad id"),
        (
            b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><LWM2M>&e;</LWM2M>',
            "not readable as XML",
        ),
        (
            b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><LWM2M>&b;</LWM2M>',
            "not readable as XML",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        parse_xml(data, "pump.xml")
    assert str(caught.value).startswith("pump.xml: ")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, (1, 2)),
        ("1.0", (1, 0)),
        ("1.1", (1, 0)),
        ("1.2", (1, 2)),
        ("1.10", (1, 2)),
        ("2.0", (1, 2)),
        ("0.9", (1, 0)),
        ("rubbish", (1, 2)),
    ],
)
def test_the_latest_version_that_is_not_above_the_wanted_one(
    wanted: str | None, found: tuple[int, int]
) -> None:
    models = Models([ObjectModel(9, "old", (1, 0)), ObjectModel(9, "new", (1, 2))])
    item = models.object(9, wanted)
    assert item is not None
    assert item.version == found


def test_an_unknown_object_or_resource_has_no_definition() -> None:
    models = Models.default()
    assert models.object(9999) is None
    assert models.resource(Path((3, 0, 9999))) is None
    assert models.type_of(Path((3, 0))) is None


def test_a_folder_adds_its_files_and_tells_which_it_left_out(tmp_path: FilePath) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "30000.xml").write_bytes(definition(items=ITEM))
    (tmp_path / "broken.xml").write_bytes(b"<LWM2M>")
    (tmp_path / "readme.txt").write_bytes(b"<LWM2M>")
    models = Models.default()
    [problem] = models.load(tmp_path)
    assert "broken.xml" in problem
    assert models.type_of(Path((30000, 0, 5))) is DataType.UNSIGNED
    assert models.object(3) is not None


def test_a_folder_that_is_not_there_is_an_error(tmp_path: FilePath) -> None:
    with pytest.raises(ModelError, match="no folder of object definitions"):
        Models().load(tmp_path / "nowhere")
