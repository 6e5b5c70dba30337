"""What one answer says: attributes, and items (apps, profiles, certificates, users)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from corral.apple.inventory.value import Value


@dataclass(frozen=True, slots=True)
class Item:
    """`kind` is `app`, for example; `identifier` names it among its kind, `label` says which state of it this is (the
    version of an app). `fields` are those of its kind that are known."""

    kind: str
    identifier: str
    label: str
    fields: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`about`: the attributes that the answer speaks of; one of them that is not among `attributes` is not known any
    more. `kinds` and `of`: the kinds of items it speaks of, all of them or (not None) those with these identifiers
    alone. With `partly` there may be more of them than it tells. `remarks` say what could not be read.
    """

    attributes: Mapping[str, Value] = field(default_factory=dict[str, Value])
    about: frozenset[str] = frozenset()
    items: tuple[Item, ...] = ()
    kinds: frozenset[str] = frozenset()
    of: frozenset[str] | None = None
    partly: bool = False
    remarks: tuple[str, ...] = ()
