"""Restrictions: what is in force on a device, of whatever profile."""

from collections.abc import Iterator, Mapping

from corral.apple.inventory.facts import Facts, Item
from corral.apple.inventory.leaves import Remarks
from corral.apple.inventory.lists import facts_of, item
from corral.apple.inventory.value import clean
from corral.apple.plist import PlistValue

Keys = Mapping[str, PlistValue]

_GROUPS = (("restrictedBool", "value"), ("restrictedValue", "value"), ("intersection", "values"), ("union", "values"))


def restrictions(asked: Keys, answer: Keys) -> Facts:
    """Those of GlobalRestrictions; which profile asks for which is the profiles' own affair."""
    del asked
    remarks = Remarks()
    told = answer.get("GlobalRestrictions")
    if not isinstance(told, Mapping):
        remarks.add("Restrictions: no GlobalRestrictions")
        return Facts(remarks=remarks.all())
    return facts_of("restriction", _items(told, remarks), remarks)


def _items(told: Keys, remarks: Remarks) -> Iterator[Item | None]:
    for group, key in _GROUPS:
        several = told.get(group)
        for name, each in several.items() if isinstance(several, Mapping) else ():
            value = _value(each.get(key)) if isinstance(each, Mapping) else ""
            if value:
                yield item("restriction", {}, remarks, identifier=clean(name), value=value)
            else:
                remarks.add(f"Restrictions {clean(name)}: no value")


def _value(value: "PlistValue | None") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return clean(" ".join(each for each in value if isinstance(each, str)) or "none")
    return ""
