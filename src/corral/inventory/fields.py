"""What a question can speak of: the attributes of Apple's answers, the items, and what this service itself knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corral.apple.inventory.attributes import ATTRIBUTES
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.value import Kind, Value


@dataclass(frozen=True, slots=True)
class Field:
    """`kept`: among the attributes; others are columns of the service's own, which change without a report."""

    name: str
    kind: Kind
    title: str
    source: str
    unit: str = ""
    kept: bool = True


_OWN = (
    Field("state", Kind.TEXT, "State of its connection: connected, ending, ended", "this service", kept=False),
    Field("last_seen", Kind.TIME, "When it was heard last", "this service", kept=False),
    Field("enrolled_at", Kind.TIME, "When its connection was made", "this service", kept=False),
)

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        **{each.name: each for each in _OWN},
        **{each.name: Field(each.name, each.kind, each.title, each.source, each.unit) for each in ATTRIBUTES.values()},
    }
)
"""Of a device, by name."""

ITEM_FIELDS: Mapping[str, Mapping[str, Field]] = MappingProxyType(
    {
        kind.name: MappingProxyType(
            {
                each.name: Field(each.name, each.kind, each.title, f"{kind.report} {each.key}".rstrip())
                for each in kind.fields.values()
            }
        )
        for kind in ITEM_KINDS.values()
    }
)
"""By kind and name."""


@dataclass(frozen=True, slots=True)
class Known:
    """Of one device: its fields, own ones too, and its items by kind."""

    values: Mapping[str, Value]
    items: Mapping[str, tuple[Mapping[str, Value], ...]]
