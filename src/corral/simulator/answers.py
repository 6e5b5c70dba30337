"""What a device answers to a command: every RequestType of Apple's schema, and what it does not know.

Source: Apple, "Commands and Queries". What a command does to the enrollment itself is the device's affair, and
comes here only as what is to follow (`Then`).
"""

from collections.abc import Callable, Mapping
from typing import Final

from corral.apple import catalog
from corral.apple.catalog import Target
from corral.apple.plist import PlistValue
from corral.simulator.app_commands import install_application, remove_application
from corral.simulator.asked import Asked, Keys, Reply, Then, error, installation_failed, target_of
from corral.simulator.behaviour import Removal
from corral.simulator.contents import OtherProfile, bypass_code_of, holds_enrollment, read_other_profile
from corral.simulator.filevault import WrongKey, check_escrow, rotate
from corral.simulator.reports.applications import installed_application_list, managed_application_list
from corral.simulator.reports.certificates import certificate_list
from corral.simulator.reports.device_information import device_information
from corral.simulator.reports.os_updates import available_os_updates, os_update_status, schedule_os_update
from corral.simulator.reports.profiles import profile_list, restrictions
from corral.simulator.reports.security_info import security_info
from corral.simulator.reports.users import user_list
from corral.simulator.securing import clear_passcode, device_lock, enable_lost_mode, erase_device, in_lost_mode

_UNKNOWN_REQUEST: Final = 12021
_NOT_AUTHORIZED: Final = 12007
_NOT_INSTALLED: Final = 12075
_NOT_REMOVED: Final = 12011
_NOT_AWAITING: Final = 101
_WRONG_KEY: Final = 12066
NOT_MANAGED: Final = 12013


_TOLD: Final = {
    "AppAnalytics": ("AppAnalyticsEnabled", "Enabled"),
    "DataRoaming": ("DataRoamingEnabled", "Enabled"),
    "DiagnosticSubmission": ("DiagnosticSubmissionEnabled", "Enabled"),
    "HostName": ("HostName", "HostName"),
    "OrganizationInfo": ("OrganizationInfo", "OrganizationInfo"),
    "PersonalHotspot": ("PersonalHotspotEnabled", "Enabled"),
    "TimeZone": ("TimeZone", "TimeZone"),
    "VoiceRoaming": ("VoiceRoamingEnabled", "Enabled"),
}
"""What DeviceInformation tells of an item of Settings, and the key of the item."""


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


def _rotate_key(asked: Asked) -> Reply:
    try:
        key = rotate(asked.contents, asked.keys)
    except WrongKey as problem:
        return error(_WRONG_KEY, str(problem))
    return Reply(keys={} if key is None else {"RotateResult": {"EncryptedNewRecoveryKey": key}})


def _bypass_code(asked: Asked) -> Reply:
    return Reply(keys={"ActivationLockBypassCode": bypass_code_of(asked.facts, asked.contents)})


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
        told, key = _TOLD.get(name, ("", ""))
        if key in item:
            asked.contents.settings[told] = item[key]
        replies.append({"Item": name, "Status": "Acknowledged"})
    return Reply(keys={"Settings": replies})


def _restart(asked: Asked) -> Reply:
    asked.contents.restarts += 1
    return Reply()


_NOTHING_THERE: Final[Mapping[str, Keys]] = {
    "ManagedApplicationAttributes": {"ApplicationAttributes": []},
    "ManagedApplicationConfiguration": {"ApplicationConfigurations": []},
    "ManagedApplicationFeedback": {"ManagedApplicationFeedback": []},
    "ManagedMediaList": {"Books": []},
    "ProvisioningProfileList": {"ProvisioningProfileList": []},
}
"""Results of commands that ask for what these devices do not have."""

_ANSWERS: Final[Mapping[str, Callable[[Asked], Reply]]] = {
    "ActivationLockBypassCode": _bypass_code,
    "AvailableOSUpdates": available_os_updates,
    "CertificateList": certificate_list,
    "ClearPasscode": clear_passcode,
    "DeclarativeManagement": lambda asked: Reply(then=Then.SYNC_DECLARATIONS),
    "DeviceConfigured": _configured,
    "DeviceInformation": device_information,
    "DeviceLock": device_lock,
    "DeviceLocation": in_lost_mode,
    "DisableLostMode": in_lost_mode,
    "EnableLostMode": enable_lost_mode,
    "EraseDevice": erase_device,
    "InstallApplication": install_application,
    "InstallEnterpriseApplication": install_application,
    "InstallProfile": _install_profile,
    "InstalledApplicationList": installed_application_list,
    "ManagedApplicationList": managed_application_list,
    "OSUpdateStatus": os_update_status,
    "PlayLostModeSound": in_lost_mode,
    "ProfileList": profile_list,
    "RemoveApplication": remove_application,
    "RemoveProfile": _remove_profile,
    "RestartDevice": _restart,
    "Restrictions": restrictions,
    "RotateFileVaultKey": _rotate_key,
    "ScheduleOSUpdate": schedule_os_update,
    "SecurityInfo": security_info,
    "Settings": _settings,
    "UserConfigured": _configured,
    "UserList": user_list,
}
