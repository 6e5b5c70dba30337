"""What a question can speak of: the attributes of Apple's answers, the items, and what this service itself knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corral.apple.inventory.attributes import ATTRIBUTES, CHECK_IN
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.value import Kind, Value
from corral.apple.platform import Platform


@dataclass(frozen=True, slots=True)
class Field:
    """`kept`: among the attributes; others are columns of the service's own, which change without a report.

    `values` are all that there are, where they are few and known. `ahead`: a time that usually is still to come.
    `report`: it is the time when that was told. `escrow`: it is whether a secret of that kind is in keeping here.
    """

    name: str
    kind: Kind
    title: str
    source: str
    unit: str = ""
    kept: bool = True
    values: tuple[str, ...] = ()
    ahead: bool = False
    report: str = ""
    escrow: str = ""


_REPORTS = sorted(
    {each.report for each in ATTRIBUTES.values() if each.report != CHECK_IN}
    | {each.report for each in ITEM_KINDS.values()}
)
_VALUES = {"platform": tuple(each.value for each in Platform)}
_AHEAD = {
    ("certificate", "not_after"),
    ("provisioning_profile", "expires"),
    ("update", "deferred_until"),
    ("update_status", "next_install"),
}

_OWN = (
    Field(
        "state",
        Kind.TEXT,
        "State of its connection: connected, ending, ended",
        "this service",
        kept=False,
        values=("connected", "ending", "ended"),
    ),
    Field("last_seen", Kind.TIME, "When it was heard last", "this service", kept=False),
    Field("enrolled_at", Kind.TIME, "When its connection was made", "this service", kept=False),
    *(
        Field(
            f"reported.{each.lower()}",
            Kind.TIME,
            f"When all of {each} was told last",
            "this service",
            kept=False,
            report=each,
        )
        for each in _REPORTS
    ),
    *(
        Field(name, Kind.YES_NO, f"Its {what} is in escrow here", "this service", kept=False, escrow=kind)
        for name, what, kind in (
            ("has_filevault_key", "FileVault recovery key", "filevault-recovery-key"),
            ("has_bootstrap_token", "bootstrap token", "bootstrap-token"),
            ("has_unlock_token", "unlock token", "unlock-token"),
            ("has_bypass_code", "bypass code of Activation Lock", "activation-lock-bypass-code"),
        )
    ),
)

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        **{each.name: each for each in _OWN},
        **{
            each.name: Field(
                each.name, each.kind, each.title, each.source, each.unit, values=_VALUES.get(each.name, ())
            )
            for each in ATTRIBUTES.values()
        },
    }
)
"""Of a device, by name."""

ITEM_FIELDS: Mapping[str, Mapping[str, Field]] = MappingProxyType(
    {
        kind.name: MappingProxyType(
            {
                each.name: Field(
                    each.name,
                    each.kind,
                    each.title,
                    f"{kind.report} {each.key}".rstrip(),
                    ahead=(kind.name, each.name) in _AHEAD,
                )
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
