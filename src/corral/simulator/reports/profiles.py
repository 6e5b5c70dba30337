"""Apple: "Profile List Command", "Restrictions Command"."""

from collections.abc import Iterable, Mapping

from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Keys, Reply
from corral.simulator.contents import OtherProfile
from corral.simulator.reports.answering import tell

_RESTRICTIONS = "com.apple.applicationaccess"
_NAMED = ("PayloadDisplayName", "PayloadOrganization", "PayloadDescription")


def profile_list(asked: Asked) -> Reply:
    """The enrollment's own first: it is there, and not managed by itself."""
    profile = asked.enrollment.profile
    own = _entry({}, profile.identifier, profile.uuid, managed=False)
    if asked.enrollment.signer is not None:
        own["SignerCertificates"] = [asked.enrollment.signer]
    managed = [_listed(each) for each in asked.contents.profiles.values()]
    only_managed = asked.keys.get("ManagedOnly") is True
    return tell(asked, ProfileList=managed if only_managed else [own, *managed])


def _listed(profile: OtherProfile) -> dict[str, PlistValue]:
    payloads: list[PlistValue] = [
        {
            "PayloadType": each.get("PayloadType", ""),
            "PayloadVersion": 1,
            "PayloadIdentifier": each.get("PayloadIdentifier", ""),
            "PayloadUUID": each.get("PayloadUUID", ""),
            **_names(each),
        }
        for each in profile.payloads()
    ]
    return {**_entry(profile.keys, profile.identifier, profile.uuid, managed=True), "PayloadContent": payloads}


def _entry(keys: Keys, identifier: str, uuid: str, *, managed: bool) -> dict[str, PlistValue]:
    return {
        "PayloadIdentifier": identifier,
        "PayloadUUID": uuid,
        "PayloadVersion": 1,
        "PayloadDisplayName": identifier,
        **_names(keys),
        "IsManaged": managed,
        "IsEncrypted": False,
        "HasRemovalPasscode": False,
        "PayloadRemovalDisallowed": managed,
    }


def _names(keys: Keys) -> dict[str, PlistValue]:
    return {name: str(keys[name]) for name in _NAMED if name in keys}


def restrictions(asked: Asked) -> Reply:
    """What the profiles restrict, together and, if it is asked for, each."""
    profiles = asked.contents.profiles.values()
    told: dict[str, PlistValue] = {"GlobalRestrictions": _restricted(profiles)}
    if asked.keys.get("ProfileRestrictions") is True:
        told["ProfileRestrictions"] = {each.identifier: _restricted([each]) for each in profiles}
    return tell(asked, **told)


def _restricted(profiles: Iterable[OtherProfile]) -> dict[str, PlistValue]:
    """`restrictedBool` are what may be done or not; where one profile forbids it, it is forbidden."""
    truths: dict[str, bool] = {}
    values: dict[str, int] = {}
    for payload in (each for profile in profiles for each in profile.payloads(_RESTRICTIONS)):
        for name, value in payload.items():
            if name.startswith("Payload"):
                continue
            if isinstance(value, bool):
                truths[name] = value and truths.get(name, True)
            elif isinstance(value, int):
                values[name] = min(value, values.get(name, value))
    groups: tuple[tuple[str, Mapping[str, PlistValue]], ...] = (("restrictedBool", truths), ("restrictedValue", values))
    return {name: {key: {"value": value} for key, value in group.items()} for name, group in groups if group}
