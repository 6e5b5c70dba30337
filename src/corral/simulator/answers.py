"""What a device answers to a command: every RequestType of Apple's schema, and what it does not know.

Source: Apple, "Commands and Queries". What a command does to the enrollment itself is the device's affair, and
comes here only as what is to follow (`Then`).
"""

from collections.abc import Callable, Mapping
from typing import Final

from corral.apple import catalog
from corral.apple.catalog import Target
from corral.apple.plist import PlistValue
from corral.simulator.app_commands import install_application, managed_application_list, remove_application
from corral.simulator.asked import Asked, Keys, Reply, Then, error, installation_failed, target_of
from corral.simulator.behaviour import Removal
from corral.simulator.contents import (
    OtherProfile,
    apps_of,
    bypass_code_of,
    holds_enrollment,
    information_of,
    read_other_profile,
    security_of,
)
from corral.simulator.facts import Model
from corral.simulator.filevault import WrongKey, check_escrow, escrowed_key, rotate
from corral.simulator.securing import clear_passcode, device_lock, enable_lost_mode, erase_device, in_lost_mode

_UNKNOWN_REQUEST: Final = 12021
_NOT_AUTHORIZED: Final = 12007
_NOT_INSTALLED: Final = 12075
_NOT_REMOVED: Final = 12011
_NOT_AWAITING: Final = 101
_WRONG_KEY: Final = 12066
NOT_MANAGED: Final = 12013


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
    for finding in catalog.check(name, asked.keys, target_of(asked)):
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
    """The enrollment's own first: it is there, and not managed by itself."""
    profile = asked.enrollment.profile
    own = _listed(profile.identifier, profile.uuid, profile.identifier, managed=False)
    managed = [
        _listed(each.identifier, each.uuid, str(each.keys.get("PayloadDisplayName", each.identifier)), managed=True)
        for each in asked.contents.profiles.values()
    ]
    only_managed = asked.keys.get("ManagedOnly") is True
    return Reply(keys={"ProfileList": managed if only_managed else [own, *managed]})


def _listed(identifier: str, uuid: str, name: str, *, managed: bool) -> dict[str, PlistValue]:
    return {
        "PayloadIdentifier": identifier,
        "PayloadUUID": uuid,
        "PayloadVersion": 1,
        "PayloadDisplayName": name,
        "IsManaged": managed,
        "IsEncrypted": False,
        "HasRemovalPasscode": False,
        "PayloadRemovalDisallowed": managed,
    }


def _certificate_list(asked: Asked) -> Reply:
    identity = asked.enrollment.identity
    name = identity.parsed.subject.rfc4514_string()
    certificates: list[PlistValue] = [
        {"CommonName": name, "Data": identity.certificate, "IsIdentity": True},
        *({"CommonName": "Root", "Data": root, "IsIdentity": False} for root in asked.enrollment.profile.trust_roots),
    ]
    return Reply(keys={"CertificateList": certificates})


def _refuse_profile(profile: OtherProfile, target: Target) -> Reply | None:
    """A device installs all of a profile or nothing."""
    problems = [each for each in catalog.lint(profile.keys, target) if each.severity == "error"]
    return installation_failed(f"{problems[0].where} {problems[0].what}") if problems else None


def _install_profile(asked: Asked) -> Reply:
    raw = asked.keys.get("Payload")
    try:
        profile = read_other_profile(raw if isinstance(raw, bytes) else b"")
    except ValueError as problem:
        return installation_failed(str(problem))
    if holds_enrollment(profile):
        return Reply(then=Then.RENEW)
    if profile.identifier == asked.enrollment.profile.identifier:
        return installation_failed("The profile that manages this device cannot be replaced by another.")
    refusal = _refuse_profile(profile, target_of(asked))
    if refusal is not None:
        return refusal
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
    "ManagedMediaList": {"Books": []},
    "OSUpdateStatus": {"OSUpdateStatus": []},
    "ProvisioningProfileList": {"ProvisioningProfileList": []},
    "Restrictions": {"GlobalRestrictions": {}},
}
"""Results of commands that ask for what these devices do not have."""

_ANSWERS: Final[Mapping[str, Callable[[Asked], Reply]]] = {
    "ActivationLockBypassCode": _bypass_code,
    "CertificateList": _certificate_list,
    "ClearPasscode": clear_passcode,
    "DeclarativeManagement": lambda asked: Reply(then=Then.SYNC_DECLARATIONS),
    "DeviceConfigured": _configured,
    "DeviceInformation": _device_information,
    "DeviceLock": device_lock,
    "DeviceLocation": in_lost_mode,
    "DisableLostMode": in_lost_mode,
    "EnableLostMode": enable_lost_mode,
    "EraseDevice": erase_device,
    "InstallApplication": install_application,
    "InstallEnterpriseApplication": install_application,
    "InstallProfile": _install_profile,
    "InstalledApplicationList": _installed_application_list,
    "ManagedApplicationList": managed_application_list,
    "PlayLostModeSound": in_lost_mode,
    "ProfileList": _profile_list,
    "RemoveApplication": remove_application,
    "RemoveProfile": _remove_profile,
    "RestartDevice": _restart,
    "RotateFileVaultKey": _rotate_key,
    "SecurityInfo": _security_info,
    "Settings": _settings,
    "UserConfigured": _configured,
    "UserList": _user_list,
}
