"""Object definition files of OMA's form for tests."""

from __future__ import annotations


def definition(oid: str = "30000", version: str = "1.0", items: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<LWM2M><Object ObjectType="MODefinition"><Name>Pump</Name><Description1>A
  pump.</Description1><ObjectID>{oid}</ObjectID><ObjectVersion>{version}</ObjectVersion>
<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>
<Resources>{items}</Resources></Object></LWM2M>""".encode()


ITEM = """<Item ID="{id}"><Name>{name}</Name><Operations>{ops}</Operations>
<MultipleInstances>{multi}</MultipleInstances><Mandatory>{must}</Mandatory><Type>{type}</Type>
<RangeEnumeration>{range}</RangeEnumeration><Units/><Description>.</Description></Item>"""


def item(
    id: int,
    name: str,
    ops: str,
    type: str = "Integer",
    range: str = "",
    multi: str = "Single",
    must: str = "Optional",
) -> str:
    return ITEM.format(id=id, name=name, ops=ops, type=type, range=range, multi=multi, must=must)
