"""Apple: "Device Information Command"."""

from random import Random
from typing import Final

from corral.apple import catalog
from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply, is_shared, target_of
from corral.simulator.facts import Facts, Model
from corral.simulator.reports.answering import tell

_GIGABYTES: Final = {
    Model.IPHONE: 128, Model.IPAD: 256, Model.MAC: 512, Model.APPLE_TV: 64, Model.VISION: 512, Model.WATCH: 64,
}  # fmt: skip
_NETWORK: Final = {"MCC": "232", "MNC": "01"}


def device_information(asked: Asked) -> Reply:
    """Only what is asked for, and of that what the device knows: the rest is left out, whatever its name."""
    queries = asked.keys.get("Queries")
    wanted = {name for name in queries if isinstance(name, str)} if isinstance(queries, list) else set[str]()
    wanted &= set(catalog.queries(target_of(asked)))
    known = _identity(asked) | _hardware(asked) | _state(asked) | asked.contents.settings
    found = {name: value for name, value in known.items() if name in wanted}
    reply = tell(asked, QueryResponses=found)
    if not asked.behaviour.information_size:
        return reply
    return Reply(keys={"QueryResponses": _padded(found, asked.behaviour.information_size)})


def _identity(asked: Asked) -> dict[str, PlistValue]:
    facts, contents = asked.facts, asked.contents
    return {
        "UDID": facts.udid,
        "ProvisioningUDID": facts.udid,
        "DeviceName": contents.device_name,
        "OSVersion": facts.os_version,
        "BuildVersion": facts.build_version,
        "SupplementalBuildVersion": facts.build_version,
        "ModelName": facts.model_name,
        "Model": facts.model_number,
        "ModelNumber": facts.model_number,
        "ProductName": facts.product_name,
        "SerialNumber": facts.serial_number,
        "SoftwareUpdateDeviceID": facts.product_name,
        "HostName": f"{facts.serial_number.lower()}.local",
        "LocalHostName": facts.serial_number.lower(),
        "DeviceID": facts.udid.lower(),
        "EASDeviceIdentifier": facts.udid.replace("-", "").lower()[:32],
        "TimeZone": "Europe/Vienna",
    }


def _hardware(asked: Asked) -> dict[str, PlistValue]:
    """The dice are thrown in the same order each time."""
    facts, dice = asked.facts, asked.contents.random
    capacity = float(_GIGABYTES[facts.model])
    portable = facts.product_name.startswith("MacBook") or "MacBook" in facts.model_name
    known: dict[str, PlistValue] = {
        "DeviceCapacity": capacity,
        "AvailableDeviceCapacity": round(capacity * dice.uniform(0.1, 0.9), 3),
        "WiFiMAC": _mac_address(dice),
        "BluetoothMAC": _mac_address(dice),
        "EthernetMAC": _mac_address(dice),
        "BatteryLevel": round(dice.uniform(0.2, 1.0), 2),
        "HasBattery": portable,
        "IsAppleSilicon": not facts.product_name.startswith("MacBookPro"),
        "SupportsLOMDevice": False,
        "SupportsiOSAppInstalls": not facts.product_name.startswith("MacBookPro"),
        "IsActivationLockSupported": True,
    }
    if facts.is_mac and not portable:
        del known["BatteryLevel"]
    return known | (_telephone(facts, dice) if facts.model is Model.IPHONE else {})


def _telephone(facts: Facts, dice: Random) -> dict[str, PlistValue]:
    number, imei = f"+4366{dice.randint(10**7, 10**8 - 1)}", facts.imei or ""
    iccid = f"8943{dice.randint(10**15, 10**16 - 1)}"
    line: dict[str, PlistValue] = {
        "CarrierSettingsVersion": "56.0.1",
        "CurrentCarrierNetwork": "Carrier",
        "CurrentMCC": _NETWORK["MCC"],
        "CurrentMNC": _NETWORK["MNC"],
        "ICCID": iccid,
        "IMEI": imei,
        "IsDataPreferred": True,
        "IsRoaming": False,
        "IsVoicePreferred": True,
        "Label": "Primary",
        "PhoneNumber": number,
        "Slot": "CTSubscriptionSlotOne",
    }
    return {
        "IMEI": imei,
        "ModemFirmwareVersion": "3.20.05",
        "CellularTechnology": 3,
        "ICCID": iccid,
        "IsRoaming": False,
        "DataRoamingEnabled": False,
        "VoiceRoamingEnabled": False,
        "PersonalHotspotEnabled": False,
        "IsNetworkTethered": False,
        "PhoneNumber": number,
        "SubscriberCarrierNetwork": "Carrier",
        "SubscriberMCC": _NETWORK["MCC"],
        "SubscriberMNC": _NETWORK["MNC"],
        "CurrentCarrierNetwork": "Carrier",
        "CurrentMCC": _NETWORK["MCC"],
        "CurrentMNC": _NETWORK["MNC"],
        "CarrierSettingsVersion": "56.0.1",
        "ServiceSubscriptions": [line],
    }


def _state(asked: Asked) -> dict[str, PlistValue]:
    enrollment, contents, shared = asked.enrollment, asked.contents, is_shared(asked)
    known: dict[str, PlistValue] = {
        "AwaitingConfiguration": asked.is_awaiting,
        "IsSupervised": target_of(asked).supervised is True,
        "IsMultiUser": shared,
        "IsMDMLostModeEnabled": contents.locks.message is not None,
        "IsActivationLockEnabled": False,
        "IsDeviceLocatorServiceEnabled": True,
        "IsDoNotDisturbInEffect": False,
        "IsCloudBackupEnabled": not shared,
        "iTunesStoreAccountIsActive": False,
        "DiagnosticSubmissionEnabled": False,
        "AppAnalyticsEnabled": False,
        "SystemIntegrityProtectionEnabled": True,
        "PINRequiredForEraseDevice": not asked.facts.product_name.startswith("Mac1"),
        "PINRequiredForDeviceLock": True,
        "MDMOptions": {
            "ActivationLockAllowedWhileSupervised": False,
            "BootstrapTokenAllowed": asked.behaviour.bootstrap_token,
            "PromptUserToAllowBootstrapTokenForAuthentication": False,
        },
        "OSUpdateSettings": {
            "IsDefaultCatalog": True,
            "PerformPeriodicCheck": True,
            "AutoCheckEnabled": True,
            "BackgroundDownloadEnabled": True,
            "AutomaticAppInstallationEnabled": False,
            "AutomaticOSInstallationEnabled": False,
            "AutomaticSecurityUpdatesEnabled": True,
        },
        "SoftwareUpdateSettings": {"RecommendationsCadence": 0},
        "AccessibilitySettings": {"BoldTextEnabled": False, "TextSize": 0, "VoiceOverEnabled": False},
        "ActiveManagedUsers": [user.names["UserID"] for user in enrollment.users if "UserID" in user.names],
        "AutoSetupAdminAccounts": [],
    }
    if shared:
        known |= {
            "MaximumResidentUsers": 32,
            "EstimatedResidentUsers": 16,
            "ResidentUsers": len(enrollment.users),
            "QuotaSize": 8192,
            "UserSessionTimeout": 0,
            "TemporarySessionTimeout": 0,
            "TemporarySessionOnly": False,
            "ManagedAppleIDDefaultDomains": [],
            "OnlineAuthenticationGracePeriod": 7,
            "SkipLanguageAndLocaleSetupForNewUsers": False,
        }
    return known


def _padded(found: dict[str, PlistValue], size: int) -> dict[str, PlistValue]:
    """The answer made about `size` bytes, with as much structure as real ones have."""
    per_service = 390
    taken = 400 + sum(50 + len(name) + len(str(value)) for name, value in found.items())
    lines: list[PlistValue] = [
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
    return {**found, "ServiceSubscriptions": lines}


def _mac_address(random: Random) -> str:
    return ":".join(f"{byte:02x}" for byte in (random.getrandbits(8) & 0xFC, *random.randbytes(5)))
