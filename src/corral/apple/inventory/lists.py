"""Answers that list something: apps, profiles, users, updates."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from corral.apple.inventory.facts import Facts, Item
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.leaves import Remarks, dictionaries, leaf
from corral.apple.inventory.value import Value, clean
from corral.apple.plist import PlistValue

Keys = Mapping[str, PlistValue]

MOST = 5000
"""Items of one answer; more are left out, with a remark."""


def item(kind: str, keys: Keys, remarks: Remarks, **made: Value | None) -> Item | None:
    """Of a dictionary of Apple's, with fields that are `made` of something else; None without what identifies it."""
    catalog = ITEM_KINDS[kind]
    fields = dict[str, Value]()
    for each in catalog.fields.values():
        value = made.get(each.name) if each.name in made else None
        if value is None and each.key:
            value = leaf(each.kind, keys.get(each.key), f"{catalog.report} {each.key}", remarks)
        if value is not None and value != "":
            fields[each.name] = value
    identifier = fields.get(catalog.identifier)
    if identifier is None:
        remarks.add(f"{catalog.report}: an entry without {catalog.identifier}")
        return None
    return Item(kind, str(identifier), str(fields.get(catalog.label, "")), fields)


def facts_of(kind: str, items: Iterable[Item | None], remarks: Remarks, *, of: frozenset[str] | None = None) -> Facts:
    """All items of a kind; `of` as in Facts."""
    kept = [each for each in items if each is not None]
    if len(kept) > MOST:
        remarks.add(f"{ITEM_KINDS[kind].report}: {len(kept)} entries, of which {MOST} are kept")
    return Facts(items=tuple(kept[:MOST]), kinds=frozenset({kind}), of=of, remarks=remarks.all())


def installed_applications(asked: Keys, answer: Keys) -> Facts:
    """An app has the version that people see, or for want of that the build's; `ManagedAppsOnly` leaves others out."""

    def app(keys: Keys) -> Item | None:
        build = leaf(_APP["build"].kind, keys.get("Version"), "InstalledApplicationList Version", Remarks())
        shown = leaf(_APP["version"].kind, keys.get("ShortVersion"), "InstalledApplicationList ShortVersion", remarks)
        named = keys.get("Identifier") or (keys.get("Name") if isinstance(keys.get("Name"), str) else None)
        identifier = clean(named) if isinstance(named, str) else None
        return item("app", keys, remarks, version=shown or build, identifier=identifier)

    remarks = Remarks()
    several = dictionaries(answer, "InstalledApplicationList", remarks)
    if several is None:
        return Facts(remarks=remarks.all())
    found = facts_of("app", map(app, several), remarks, of=_identifiers(asked))
    return replace(found, partly=True) if asked.get("ManagedAppsOnly") is True else found


_APP = ITEM_KINDS["app"].fields


def managed_applications(asked: Keys, answer: Keys) -> Facts:
    """By identifier; ManagementFlags are bits (Apple: 1 goes with the management, 4 keeps data out of backups)."""
    remarks = Remarks()
    several = answer.get("ManagedApplicationList")
    if not isinstance(several, Mapping):
        remarks.add("ManagedApplicationList: no dictionary")
        return Facts(remarks=remarks.all())

    def app(identifier: str, keys: PlistValue) -> Item | None:
        if not isinstance(keys, Mapping):
            remarks.add("ManagedApplicationList: an entry that is no dictionary")
            return None
        flags = keys.get("ManagementFlags")
        bits = flags if isinstance(flags, int) and not isinstance(flags, bool) else None
        return item(
            "managed_app",
            keys,
            remarks,
            identifier=clean(identifier),
            removed_with_profile=None if bits is None else bool(bits & 1),
            backup_prevented=None if bits is None else bool(bits & 4),
        )

    return facts_of("managed_app", (app(*each) for each in several.items()), remarks, of=_identifiers(asked))


def profiles(asked: Keys, answer: Keys) -> Facts:
    """With the types of the payloads in each; `ManagedOnly` leaves others out."""

    def profile(keys: Keys) -> Item | None:
        payloads = keys.get("PayloadContent")
        inner = payloads if isinstance(payloads, list) else []
        types = [each.get("PayloadType") for each in inner if isinstance(each, Mapping)]
        words = sorted({each for each in types if isinstance(each, str)})
        return item("profile", keys, remarks, types=clean(" ".join(words)))

    remarks = Remarks()
    several = dictionaries(answer, "ProfileList", remarks)
    if several is None:
        return Facts(remarks=remarks.all())
    found = facts_of("profile", map(profile, several), remarks)
    return replace(found, partly=True) if asked.get("ManagedOnly") is True else found


def users(asked: Keys, answer: Keys) -> Facts:
    del asked
    return _listed("user", "Users", answer)


def available_updates(asked: Keys, answer: Keys) -> Facts:
    del asked
    return _listed("update", "AvailableOSUpdates", answer)


def update_status(asked: Keys, answer: Keys) -> Facts:
    del asked
    return _listed("update_status", "OSUpdateStatus", answer)


def provisioning_profiles(asked: Keys, answer: Keys) -> Facts:
    found = _listed("provisioning_profile", "ProvisioningProfileList", answer)
    return replace(found, partly=True) if asked.get("ManagedOnly") is True else found


def _listed(kind: str, key: str, answer: Keys) -> Facts:
    remarks = Remarks()
    several = dictionaries(answer, key, remarks)
    if several is None:
        return Facts(remarks=remarks.all())
    return facts_of(kind, (item(kind, each, remarks) for each in several), remarks)


def _identifiers(asked: Keys) -> frozenset[str] | None:
    """Of a question about some apps only."""
    several = asked.get("Identifiers")
    if not isinstance(several, list) or not several:
        return None
    return frozenset(clean(each) for each in several if isinstance(each, str))
