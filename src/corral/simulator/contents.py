"""What is on a simulated device beside its enrollment: what commands ask for and change."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.pki import cms
from corral.simulator.facts import Facts, Model
from corral.simulator.locking import Locks
from corral.simulator.managed_apps import ManagedApps


class App(NamedTuple):
    identifier: str
    name: str
    version: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class OtherProfile:
    """An installed profile that is not the enrollment's."""

    identifier: str
    uuid: str
    keys: Mapping[str, PlistValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Return:
    """What brings an erased device back: the enrollment profile and that of its network, as far as they were given."""

    profile: bytes | None = field(repr=False)
    network: bytes | None = field(repr=False)


@dataclass(slots=True)
class Contents:
    """`seed` makes the inventory, which is made again for each question rather than kept."""

    seed: int
    device_name: str
    profiles: dict[str, OtherProfile] = field(default_factory=dict[str, OtherProfile])
    settings: dict[str, PlistValue] = field(default_factory=dict[str, PlistValue])
    comes_back: Return | None = None
    setups: int = 0
    """How often the device has been erased."""
    rotations: int = 0
    """How often the FileVault recovery key was replaced."""
    apps: ManagedApps = field(default_factory=ManagedApps)
    locks: Locks = field(default_factory=Locks)
    restarts: int = 0

    @property
    def random(self) -> Random:
        return Random(self.seed)  # noqa: S311 - an inventory, not a secret

    def install(self, profile: OtherProfile) -> None:
        """A profile with the identifier of one that is there replaces it."""
        self.profiles[profile.identifier] = profile


def read_other_profile(raw: bytes) -> OtherProfile:
    """The profile in an InstallProfile command, signed or not; raises ValueError with one line."""
    try:
        content = raw if raw.lstrip()[:5] == b"<?xml" or raw.startswith(b"bplist") else cms.verify_attached(raw)[0]
        keys = parse_dict(content)
    except (PlistError, cms.CmsError) as error:
        raise ValueError(f"The profile cannot be read: {error}") from None
    identifier = keys.get("PayloadIdentifier")
    if keys.get("PayloadType") != "Configuration" or not isinstance(identifier, str) or not identifier:
        raise ValueError("The profile has no PayloadType Configuration or no PayloadIdentifier")
    return OtherProfile(identifier, str(keys.get("PayloadUUID") or uuid.uuid4()), keys)


def read_return(found: "PlistValue | None") -> Return | None:
    """Of a ReturnToService dictionary, in EraseDevice or in the answer to the check-in; None if it is not enabled."""
    if not isinstance(found, Mapping) or found.get("Enabled") is not True:
        return None
    profile, network = found.get("MDMProfileData"), found.get("WiFiProfileData")
    return Return(profile if isinstance(profile, bytes) else None, network if isinstance(network, bytes) else None)


def holds_enrollment(profile: OtherProfile) -> bool:
    """Whether there is an MDM payload in it."""
    content = profile.keys.get("PayloadContent")
    items = content if isinstance(content, list) else []
    return any(isinstance(item, Mapping) and item.get("PayloadType") == "com.apple.mdm" for item in items)


_APPS: Final = (
    ("com.acme.timesheet", "Timesheet"), ("com.acme.floorplan", "Floor Plan"), ("com.example.notes", "Field Notes"),
    ("com.example.scanner", "Scanner"), ("org.example.maps", "Trail Maps"), ("com.example.mail", "Courier"),
    ("com.example.draw", "Sketch Pad"), ("com.example.chat", "Hallway"), ("org.example.reader", "Reader"),
    ("com.example.cards", "Flash Cards"), ("com.example.tuner", "Tuner"), ("com.acme.inventory", "Inventory"),
)  # fmt: skip


def apps_of(contents: Contents) -> tuple[App, ...]:
    """The same few apps each time that this device is asked."""
    random = contents.random
    chosen = random.sample(_APPS, random.randint(4, len(_APPS)))
    return tuple(
        App(identifier, name, f"{random.randint(1, 9)}.{random.randint(0, 20)}", random.randint(5, 900) * 1_000_000)
        for identifier, name in chosen
    )


_CODE_CHARACTERS: Final = "0123456789ACDEFGHJKLMNPQRTUVWXY"


def bypass_code_of(facts: Facts, contents: Contents) -> str:
    """Of its Activation Lock: the same until the device is erased."""
    random = Random(f"{facts.udid} {contents.setups}")  # noqa: S311 - of a simulated lock
    return "-".join("".join(random.choices(_CODE_CHARACTERS, k=5)) for _ in range(6))


_GIGABYTES: Final = {Model.IPHONE: 128, Model.IPAD: 256, Model.MAC: 512, Model.APPLE_TV: 64, Model.VISION: 512}


def information_of(facts: Facts, contents: Contents) -> dict[str, PlistValue]:
    """All that this device answers to DeviceInformation (Apple: "Device Information Command", Queries)."""
    random = contents.random
    capacity = float(_GIGABYTES[facts.model])
    answers: dict[str, PlistValue] = {
        "UDID": facts.udid,
        "DeviceName": contents.device_name,
        "OSVersion": facts.os_version,
        "BuildVersion": facts.build_version,
        "ModelName": facts.model_name,
        "Model": facts.model_number,
        "ModelNumber": facts.model_number,
        "ProductName": facts.product_name,
        "SerialNumber": facts.serial_number,
        "DeviceCapacity": capacity,
        "AvailableDeviceCapacity": round(capacity * random.uniform(0.1, 0.9), 3),
        "WiFiMAC": _mac_address(random),
        "BluetoothMAC": _mac_address(random),
        "IsSupervised": False,
        "IsMDMLostModeEnabled": False,
        "AwaitingConfiguration": False,
        "iTunesStoreAccountIsActive": False,
        "TimeZone": "Europe/Vienna",
    }
    if facts.is_mac:
        answers |= {
            "HostName": f"{facts.serial_number.lower()}.local",
            "LocalHostName": facts.serial_number.lower(),
            "EthernetMAC": _mac_address(random),
            "IsAppleSilicon": not facts.product_name.startswith("MacBookPro"),
            "SystemIntegrityProtectionEnabled": True,
            "SupportsiOSAppInstalls": True,
            "IsActivationLockEnabled": False,
        }
    else:
        answers |= {
            "IsActivationLockEnabled": False,
            "IsDeviceLocatorServiceEnabled": True,
            "IsCloudBackupEnabled": True,
            "BatteryLevel": round(random.uniform(0.2, 1.0), 2),
        }
    if facts.model is Model.IPHONE:
        answers |= {
            "IMEI": facts.imei or "",
            "ModemFirmwareVersion": "3.20.05",
            "CellularTechnology": 3,
            "IsRoaming": False,
            "DataRoamingEnabled": False,
            "VoiceRoamingEnabled": False,
            "PhoneNumber": f"+4366{random.randint(10**7, 10**8 - 1)}",
            "SIMCarrierNetwork": "Carrier",
        }
    return answers


def security_of(facts: Facts) -> dict[str, PlistValue]:
    """The SecurityInfo of this device."""
    if facts.is_mac:
        return {
            "FDE_Enabled": True,
            "FDE_HasPersonalRecoveryKey": True,
            "FDE_HasInstitutionalRecoveryKey": False,
            "SystemIntegrityProtectionEnabled": True,
            "FirewallSettings": {"FirewallEnabled": True, "BlockAllIncoming": False, "StealthMode": False},
            "ManagementStatus": {
                "EnrolledViaDEP": False,
                "UserApprovedEnrollment": True,
                "IsUserEnrollment": False,
                "IsActivationLockManageable": False,
            },
        }
    return {
        "HardwareEncryptionCaps": 3,
        "PasscodePresent": True,
        "PasscodeCompliant": True,
        "PasscodeCompliantWithProfiles": True,
        "PasscodeLockGracePeriod": 0,
        "PasscodeLockGracePeriodEnforced": 0,
    }


def _mac_address(random: Random) -> str:
    return ":".join(f"{byte:02x}" for byte in (random.getrandbits(8) & 0xFC, *random.randbytes(5)))
