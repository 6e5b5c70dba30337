"""What is on a simulated device beside its enrollment: what commands ask for and change."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.pki import cms
from corral.simulator.facts import Facts
from corral.simulator.installed_apps import InstalledApps
from corral.simulator.locking import Locks
from corral.simulator.managed_apps import ManagedApps


@dataclass(frozen=True, slots=True)
class OtherProfile:
    """An installed profile that is not the enrollment's."""

    identifier: str
    uuid: str
    keys: Mapping[str, PlistValue] = field(repr=False)

    def payloads(self, *types: str) -> Iterator[Mapping[str, PlistValue]]:
        """Those of these types; all, where none is named."""
        content = self.keys.get("PayloadContent")
        for each in content if isinstance(content, list) else ():
            if isinstance(each, Mapping) and (not types or each.get("PayloadType") in types):
                yield each


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
    """What DeviceInformation tells otherwise since somebody has set it."""
    comes_back: Return | None = None
    setups: int = 0
    """How often the device has been erased."""
    rotations: int = 0
    """How often the FileVault recovery key was replaced."""
    encrypted: bool | None = None
    """Whether FileVault is on, where somebody has decided it; else most Macs have it on."""
    own_apps: InstalledApps = field(init=False)
    apps: ManagedApps = field(default_factory=ManagedApps)
    locks: Locks = field(default_factory=Locks)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.own_apps = InstalledApps(self.seed)

    @property
    def random(self) -> Random:
        return Random(self.seed)  # noqa: S311 - an inventory, not a secret

    def install(self, profile: OtherProfile) -> None:
        """A profile with the identifier of one that is there replaces it."""
        self.profiles[profile.identifier] = profile

    def payloads(self, *types: str) -> Iterator[Mapping[str, PlistValue]]:
        """Those of these types, of all profiles but the enrollment's."""
        for profile in self.profiles.values():
            yield from profile.payloads(*types)


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
    return any(profile.payloads("com.apple.mdm"))


_CODE_CHARACTERS: Final = "0123456789ACDEFGHJKLMNPQRTUVWXY"


def bypass_code_of(facts: Facts, contents: Contents) -> str:
    """Of its Activation Lock: the same until the device is erased."""
    random = Random(f"{facts.udid} {contents.setups}")  # noqa: S311 - of a simulated lock
    return "-".join("".join(random.choices(_CODE_CHARACTERS, k=5)) for _ in range(6))
