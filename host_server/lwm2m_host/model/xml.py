"""Reader for OMA's object definition files (schema LWM2M.xsd of the OMA registry)."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ..errors import ModelError
from .definitions import ObjectModel, ResourceModel, parse_version
from .path import MAX_ID
from .values import DataType, whole_number

_TYPES = {
    "": DataType.NONE,
    "string": DataType.STRING,
    "integer": DataType.INTEGER,
    "unsigned integer": DataType.UNSIGNED,
    "float": DataType.FLOAT,
    "boolean": DataType.BOOLEAN,
    "opaque": DataType.OPAQUE,
    "time": DataType.TIME,
    "objlnk": DataType.OBJLNK,
    "corelnk": DataType.CORELNK,
}


def _text(element: Element, name: str) -> str:
    return " ".join((element.findtext(name) or "").split())


def _operations(text: str, number: int) -> str:
    """``RW`` of ``R, W``; nothing of ``NONE`` or of no text. Raises ModelError."""
    letters = text.upper().replace(" ", "").replace(",", "").replace("/", "")
    if letters in ("NONE", "-"):
        return ""
    if letters.strip("RWE"):
        raise ModelError(f"resource {number} has unknown operations {text[:40]!r}")
    return "".join(operation for operation in "RWE" if operation in letters)


def _is(element: Element, name: str, yes: str, no: str) -> bool:
    """One of two words; an empty one is `no`. Raises ModelError."""
    word = _text(element, name)
    if word.lower() not in (yes, no, ""):
        raise ModelError(f"{name} is {yes} or {no}, not {word[:40]!r}")
    return word.lower() == yes


def _id(text: str, what: str) -> int:
    number = whole_number(text, MAX_ID)
    if number is not None:
        return number
    raise ModelError(f"{what} has a bad id {text[:40]!r}")


def _resource(item: Element) -> ResourceModel:
    number = _id((item.get("ID") or "").strip(), "a resource")
    type_text = _text(item, "Type").lower()
    if type_text not in _TYPES:
        raise ModelError(f"resource {number} has an unknown type {type_text[:40]!r}")
    return ResourceModel(
        id=number,
        name=_text(item, "Name"),
        type=_TYPES[type_text],
        operations=_operations(_text(item, "Operations"), number),
        multiple=_is(item, "MultipleInstances", "multiple", "single"),
        mandatory=_is(item, "Mandatory", "mandatory", "optional"),
        range=_text(item, "RangeEnumeration"),
        units=_text(item, "Units"),
        description=_text(item, "Description"),
    )


def _object(element: Element) -> ObjectModel:
    number = _id(_text(element, "ObjectID"), "the object")
    resources: dict[int, ResourceModel] = {}
    for item in element.iterfind("Resources/Item"):
        resource = _resource(item)
        if resource.id in resources:
            raise ModelError(f"resource {resource.id} occurs twice")
        resources[resource.id] = resource
    return ObjectModel(
        id=number,
        name=_text(element, "Name"),
        version=parse_version(_text(element, "ObjectVersion") or "1.0"),
        urn=_text(element, "ObjectURN"),
        multiple=_is(element, "MultipleInstances", "multiple", "single"),
        mandatory=_is(element, "Mandatory", "mandatory", "optional"),
        description=_text(element, "Description1"),
        resources=resources,
    )


def parse_xml(data: bytes, source: str = "the definition") -> list[ObjectModel]:
    """The objects that a file defines. Raises ModelError, which names `source`.

    External entities and entity declarations are refused.
    """
    try:
        root: Element = fromstring(data)
    except (ParseError, ValueError, LookupError, DefusedXmlException) as error:
        raise ModelError(f"{source}: not readable as XML ({error})") from None
    for element in root.iter():
        # Some tools write a default namespace; the names mean the same in each.
        element.tag = element.tag.rpartition("}")[2]
    objects = [root] if root.tag == "Object" else root.findall("Object")
    if not objects:
        raise ModelError(f"{source}: no <Object> in it")
    try:
        return [_object(element) for element in objects]
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from None
