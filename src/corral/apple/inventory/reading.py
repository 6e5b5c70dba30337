"""From an answer to its facts. Reads everything that a device can send: what does not fit is left out."""

from collections.abc import Callable, Mapping

from corral.apple.inventory import certificates, lists, restrictions
from corral.apple.inventory.attributes import ATTRIBUTES, DEVICE, SECURITY, Attribute
from corral.apple.inventory.facts import Facts
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.leaves import Remarks, found, leaf
from corral.apple.inventory.value import Value
from corral.apple.platform import platform_of
from corral.apple.plist import PlistValue

Keys = Mapping[str, PlistValue]

_OUTER = {DEVICE: "QueryResponses", SECURITY: "SecurityInfo"}
_LISTS: Mapping[str, Callable[[Keys, Keys], Facts]] = {
    "InstalledApplicationList": lists.installed_applications,
    "ManagedApplicationList": lists.managed_applications,
    "ProfileList": lists.profiles,
    "CertificateList": certificates.certificates,
    "UserList": lists.users,
    "AvailableOSUpdates": lists.available_updates,
    "OSUpdateStatus": lists.update_status,
    "ProvisioningProfileList": lists.provisioning_profiles,
    "Restrictions": restrictions.restrictions,
}

REPORTS = (DEVICE, SECURITY, *_LISTS)
"""The commands whose answers are read."""

assert {kind.report for kind in ITEM_KINDS.values()} == set(_LISTS)


def read(report: str, asked: Keys, answer: Keys) -> Facts | None:
    """What an answer to this command says; `asked` are the keys of the command. None if it says nothing at all."""
    if report in _LISTS:
        return _LISTS[report](asked, answer)
    told = answer.get(_OUTER[report]) if report in _OUTER else None
    if not isinstance(told, Mapping):
        return None
    known = [each for each in ATTRIBUTES.values() if each.report == report]
    if report == DEVICE:
        known = _asked(known, asked, told)
    remarks = Remarks()
    values = dict[str, Value]()
    for each in known:
        value = leaf(each.kind, found(told, each.path), each.source, remarks)
        if value is not None:
            values[each.name] = value
    platform = platform_of(_text(values.get("product")), _text(values.get("model_name"))) if report == DEVICE else None
    if platform is not None:
        values["platform"] = platform.value
    return Facts(attributes=values, about=frozenset({*values, *(each.name for each in known)}), remarks=remarks.all())


def _text(value: Value | None) -> str | None:
    return value if isinstance(value, str) else None


def _asked(known: list[Attribute], asked: Keys, told: Keys) -> list[Attribute]:
    """Those that the command has asked for: the answer says nothing of others. Whatever is told counts as asked."""
    queries = asked.get("Queries")
    wanted = {each for each in queries if isinstance(each, str)} if isinstance(queries, list) else set[str]()
    return [each for each in known if each.path[0] in wanted or each.path[0] in told]
