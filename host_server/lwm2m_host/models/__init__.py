"""Object definitions: what the ids mean. Shipped ones in `oma/`, others from a folder."""

from .catalogue import Models
from .model import ObjectModel, ResourceModel
from .xml import parse_xml

__all__ = ["Models", "ObjectModel", "ResourceModel", "parse_xml"]
