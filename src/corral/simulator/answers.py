"""What a device answers to a command: every RequestType of Apple's schema, and what it does not know.

Source: Apple, "Commands and Queries". What a command does to the enrollment itself is the device's affair, and
comes here only as what is to follow (`Then`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from corral.apple import catalog
from corral.apple.catalog import Target
from corral.apple.plist import PlistValue
from corral.simulator.behaviour import Behaviour, Removal
from corral.simulator.contents import (
    Contents,
    apps_of,
    bypass_code_of,
    holds_enrollment,
    information_of,
    read_other_profile,
    read_return,
    security_of,
)
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.facts import Facts, Model
from corral.simulator.filevault import WrongKey, check_escrow, escrowed_key, rotate

Keys: TypeAlias = Mapping[str, PlistValue]

_UNKNOWN_REQUEST: Final = 12021
_NOT_AUTHORIZED: Final = 12007
_NOT_INSTALLED: Final = 12075
_NOT_REMOVED: Final = 12011
_INSTALLATION_FAILED: Final = 4001
_NOT_AWAITING: Final = 101
_WRONG_KEY: Final = 12066
NOT_MANAGED: Final = 12013


class Then(Enum):
    """What a device does once its result has been taken; RENEW is done before, and makes the result."""

    GO_ON = auto()
    LEAVE = auto()
    WIPE = auto()
    SYNC_DECLARATIONS = auto()
    BE_CONFIGURED = auto()
    RENEW = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    status: str = "Acknowledged"
    keys: Keys = field(default_factory=dict[str, PlistValue], repr=False)
    then: Then = Then.GO_ON


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, where it arrived, and on what device."""

    request_type: str
    keys: Keys = field(repr=False)
    facts: Facts
    contents: Contents = field(repr=False)
    enrollment: Enrollment = field(repr=False)
    channel: Channel = field(repr=False)
    behaviour: Behaviour
    is_awaiting: bool


def error(code: int, text: str, domain: str = "MCMDMErrorDomain") -> Reply:
    """Error, with the chain of one item that devices send."""
    item = {"ErrorCode": code, "ErrorDomain": domain, "LocalizedDescription": text, "USEnglishDescription": text}
    return Reply("Error", {"ErrorChain": [item]})


def installation_failed(text: str) -> Reply:
    return error(_INSTALLATION_FAILED, f"Profile Failed to Install: {text}", "MCInstallationErrorDomain")


def answer(asked: Asked) -> Reply:
    """The reply, once the command has been held against what this device knows and may be told."""
    refusal = _refuse(asked)
    if refusal is not None:
        return refusal
    answering = _ANSWERS.get(asked.request_type)
    if answering is not None:
        return answering(asked)
    return Reply(keys=_NOTHING_THERE.get(asked.request_type, {}))


def _refuse(asked: Asked) -> Reply | None:
    name, platform = asked.request_type, asked.facts.platform
    spec = catalog.spec(name)
    if spec is None or platform not in spec.platforms:
        if asked.facts.is_mac:
            return error(_UNKNOWN_REQUEST, f"Unknown command: {name} <MDMClientError:91>")
        return Reply("CommandFormatError")
    target = Target(
        platform,
        asked.facts.os_version,
        "user" if asked.channel.is_user else "device",
        supervised=asked.behaviour.supervised or asked.behaviour.awaiting_configuration,
        access_rights=asked.enrollment.profile.access_rights,
    )
    for finding in catalog.check(name, asked.keys, target):
        if finding.severity == "error":
            if finding.where != name:
                return Reply("CommandFormatError")
            return error(_NOT_AUTHORIZED, f"{name} {finding.what}")
    return None


def _device_information(asked: Asked) -> Reply:
    known = information_of(asked.facts, asked.contents) | asked.contents.settings
    queries = asked.keys.get("Queries")
    wanted = [name for name in queries if isinstance(name, str)] if isinstance(queries, list) else []
    found: dict[str, PlistValue] = {name: known[name] for name in wanted if name in known}
    if asked.behaviour.information_size:
        _pad(found, asked.behaviour.information_size)
    return Reply(keys={"QueryResponses": found})


def _pad(found: dict[str, PlistValue], size: int) -> None:
    """Make the answer about `size` bytes, with as much structure as real ones have."""
    per_service = 390
    taken = 400 + sum(50 + len(name) + len(str(value)) for name, value in found.items())
    found["ServiceSubscriptions"] = [
        {
            "CarrierSettingsVersion": "56.0.1",
            "CurrentCarrierNetwork": "Carrier",
            "ICCID": f"8943 0000 {number:04d} 0000 0000",
            "IsDataPreferred": number == 0,
            "IsRoaming": False,
            "Label": "Primary",
            "Slot": "CTSubscriptionSlotOne",
        }
        for number in range(max(0, size - taken) // per_service)
    ]


def _security_info(asked: Asked) -> Reply:
    told = security_of(asked.facts)
    key = escrowed_key(asked.contents) if asked.facts.is_mac else None
    if key is not None:
        told |= {"FDE_PersonalRecoveryKeyCMS": key, "FDE_PersonalRecoveryKeyDeviceKey": asked.facts.serial_number}
    return Reply(keys={"SecurityInfo": told})


def _rotate_key(asked: Asked) -> Reply:
    try:
        key = rotate(asked.contents, asked.keys)
    except WrongKey as problem:
        return error(_WRONG_KEY, str(problem))
    return Reply(keys={} if key is None else {"RotateResult": {"EncryptedNewRecoveryKey": key}})


def _bypass_code(asked: Asked) -> Reply:
    return Reply(keys={"ActivationLockBypassCode": bypass_code_of(asked.facts, asked.contents)})


def _installed_application_list(asked: Asked) -> Reply:
    wanted = asked.keys.get("Identifiers")
    apps: list[PlistValue] = [
        {
            "Identifier": app.identifier,
            "Name": app.name,
            "Version": app.version,
            "ShortVersion": app.version,
            "BundleSize": app.size,
        }
        for app in apps_of(asked.contents)
        if not isinstance(wanted, list) or app.identifier in wanted
    ]
    return Reply(keys={"InstalledApplicationList": apps})


def _profile_list(asked: Asked) -> Reply:
    profile = asked.enrollment.profile
    profiles: list[PlistValue] = [
        {
            "PayloadIdentifier": profile.identifier,
            "PayloadUUID": profile.uuid,
            "PayloadVersion": 1,
            "IsManaged": False,
            "IsEncrypted": False,
            "HasRemovalPasscode": False,
            "PayloadRemovalDisallowed": False,
        }
    ]
    profiles += [
        {
            "PayloadIdentifier": each.identifier,
            "PayloadUUID": each.uuid,
            "PayloadVersion": 1,
            "PayloadDisplayName": str(each.keys.get("PayloadDisplayName", each.identifier)),
            "IsManaged": True,
            "IsEncrypted": False,
            "HasRemovalPasscode": False,
            "PayloadRemovalDisallowed": True,
        }
        for each in asked.contents.profiles.values()
    ]
    return Reply(keys={"ProfileList": profiles})


def _certificate_list(asked: Asked) -> Reply:
    identity = asked.enrollment.identity
    name = identity.parsed.subject.rfc4514_string()
    certificates: list[PlistValue] = [
        {"CommonName": name, "Data": identity.certificate, "IsIdentity": True},
        *({"CommonName": "Root", "Data": root, "IsIdentity": False} for root in asked.enrollment.profile.trust_roots),
    ]
    return Reply(keys={"CertificateList": certificates})


def _install_profile(asked: Asked) -> Reply:
    raw = asked.keys.get("Payload")
    try:
        profile = read_other_profile(raw if isinstance(raw, bytes) else b"")
    except ValueError as problem:
        return installation_failed(str(problem))
    if holds_enrollment(profile):
        return Reply(then=Then.RENEW)
    try:
        check_escrow(profile)
    except ValueError as problem:
        return installation_failed(str(problem))
    asked.contents.install(profile)
    return Reply()


def _remove_profile(asked: Asked) -> Reply:
    identifier = asked.keys.get("Identifier")
    if identifier == asked.enrollment.profile.identifier:
        match asked.behaviour.removal:
            case Removal.OBEY:
                return Reply(then=Then.LEAVE)
            case Removal.ANSWER_ERROR:
                return error(_NOT_REMOVED, "The profile cannot be removed.")
            case Removal.ACKNOWLEDGE_ONLY:
                return Reply()
    if not isinstance(identifier, str) or asked.contents.profiles.pop(identifier, None) is None:
        return error(_NOT_INSTALLED, f"The profile '{identifier}' is not installed.")
    return Reply()


def _configured(asked: Asked) -> Reply:
    if not asked.is_awaiting:
        who = "user" if asked.channel.is_user else "device"
        return error(_NOT_AWAITING, f"The {who} is not awaiting configuration.", "MDMDeviceEnrollment")
    return Reply(then=Then.BE_CONFIGURED)


def _settings(asked: Asked) -> Reply:
    items = asked.keys.get("Settings")
    replies: list[PlistValue] = []
    for item in items if isinstance(items, list) else ():
        name = item.get("Item") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(name, str):
            return Reply("CommandFormatError")
        if name == "DeviceName" and isinstance(item.get("DeviceName"), str):
            asked.contents.device_name = str(item["DeviceName"])
        replies.append({"Item": name, "Status": "Acknowledged"})
    return Reply(keys={"Settings": replies})


def _device_lock(asked: Asked) -> Reply:
    asked.contents.is_locked = True
    return Reply(keys={} if asked.facts.is_mac else {"MessageResult": "Success"})


def _erase(asked: Asked) -> Reply:
    """Apple: "Erase a Device": ReturnToService brings the device back by what it is given."""
    asked.contents.comes_back = read_return(asked.keys.get("ReturnToService"))
    return Reply(then=Then.WIPE)


def _restart(asked: Asked) -> Reply:
    asked.contents.restarts += 1
    return Reply()


def _user_list(asked: Asked) -> Reply:
    if asked.facts.model not in (Model.MAC, Model.IPAD):
        return Reply("CommandFormatError")
    users: list[PlistValue] = [
        {
            "UserName": user.names["UserShortName"],
            "FullName": user.names["UserLongName"],
            "UserGUID": user.names["UserID"],
            "IsLoggedIn": True,
            "HasDataToSync": False,
        }
        for user in asked.enrollment.users
    ]
    return Reply(keys={"Users": users})


_NOTHING_THERE: Final[Mapping[str, Keys]] = {
    "AvailableOSUpdates": {"AvailableOSUpdates": []},
    "ManagedApplicationAttributes": {"ApplicationAttributes": []},
    "ManagedApplicationConfiguration": {"ApplicationConfigurations": []},
    "ManagedApplicationFeedback": {"ManagedApplicationFeedback": []},
    "ManagedApplicationList": {"ManagedApplicationList": {}},
    "ManagedMediaList": {"Books": []},
    "OSUpdateStatus": {"OSUpdateStatus": []},
    "ProvisioningProfileList": {"ProvisioningProfileList": []},
    "Restrictions": {"GlobalRestrictions": {}},
}
"""Results of commands that ask for what these devices do not have."""

_ANSWERS: Final[Mapping[str, Callable[[Asked], Reply]]] = {
    "ActivationLockBypassCode": _bypass_code,
    "CertificateList": _certificate_list,
    "DeclarativeManagement": lambda asked: Reply(then=Then.SYNC_DECLARATIONS),
    "DeviceConfigured": _configured,
    "DeviceInformation": _device_information,
    "DeviceLock": _device_lock,
    "EraseDevice": _erase,
    "InstallProfile": _install_profile,
    "InstalledApplicationList": _installed_application_list,
    "ProfileList": _profile_list,
    "RemoveProfile": _remove_profile,
    "RestartDevice": _restart,
    "RotateFileVaultKey": _rotate_key,
    "SecurityInfo": _security_info,
    "Settings": _settings,
    "UserConfigured": _configured,
    "UserList": _user_list,
}
