"""The managed apps of a simulated device, and what becomes of them (Apple: "Install Application Command", State;
"Managed Application List Command", Status).

An installation is acknowledged before it is done: the device gets the manifest afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from corral.apple.app_manifest import ManifestError, read_manifest
from corral.apple.plist import PlistError, PlistValue, dump

_SOURCES = ("ManifestURL", "Manifest", "iTunesStoreID", "Identifier")


class AppRefused(ValueError):
    """`reason` is Apple's RejectionReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ManagedApp:
    """`name` and `version` are those of what is installed, empty where nothing is."""

    status: str
    name: str = ""
    version: str = ""
    flags: int = 0
    configuration: bool = False


@dataclass(slots=True)
class ManagedApps:
    """`waiting` are manifests to get, with the keys of the command that named them."""

    apps: dict[str, ManagedApp] = field(default_factory=dict[str, ManagedApp])
    waiting: list[tuple[str, Mapping[str, PlistValue]]] = field(
        default_factory=list[tuple[str, Mapping[str, PlistValue]]]
    )

    def install(self, keys: Mapping[str, PlistValue]) -> tuple[str, str]:
        """Identifier, where it is known yet, and State; raises AppRefused. Exactly one thing must say which app."""
        sources = [name for name in _SOURCES if name in keys]
        if len(sources) != 1:
            raise AppRefused("NotSupported" if sources else "CouldNotVerifyAppID")
        match keys[sources[0]]:
            case str() as url if sources[0] == "ManifestURL":
                if not url.startswith("https://"):
                    raise AppRefused("NotSupported")
                self.waiting.append((url, keys))
                return "", "Queued"
            case dict() as manifest:
                try:
                    return self.take(dump(manifest), keys), "Managed"
                except PlistError:
                    raise AppRefused("NotAnApp") from None
            case int() as number if sources[0] == "iTunesStoreID":
                identifier = f"com.example.store.{number}"
            case value:
                identifier = str(value)
        self._put(identifier, "Managed", keys, identifier.rpartition(".")[2], "1.0")
        return identifier, "Managed"

    def take(self, manifest: bytes, keys: Mapping[str, PlistValue]) -> str:
        """Install by a manifest that has come; its identifier. Raises AppRefused."""
        try:
            found = read_manifest(manifest)
        except ManifestError:
            raise AppRefused("NotAnApp") from None
        self._put(found.bundle_id, "Managed", keys, found.title, found.version)
        return found.bundle_id

    def fail(self, keys: Mapping[str, PlistValue]) -> None:
        """The manifest, and so the app, was not to be had."""
        self._put(str(keys.get("ManifestURL")), "Failed", keys)

    def remove(self, identifier: str) -> bool:
        """Whether it was there, under management."""
        return self.apps.pop(identifier, None) is not None

    def listed(self, identifiers: "PlistValue | None") -> dict[str, PlistValue]:
        """The answer to ManagedApplicationList."""
        return {
            identifier: {
                "Status": each.status,
                "ManagementFlags": each.flags,
                "HasConfiguration": each.configuration,
                "UnusedRedemptionCode": "",
                "HasFeedback": False,
                "IsValidated": True,
                "ExternalVersionIdentifier": 0,
            }
            for identifier, each in self.apps.items()
            if not isinstance(identifiers, list) or identifier in identifiers
        }

    def _put(
        self, identifier: str, status: str, keys: Mapping[str, PlistValue], name: str = "", version: str = ""
    ) -> None:
        flags = keys.get("ManagementFlags", 0)
        self.apps[identifier] = ManagedApp(
            status, name, version, flags if isinstance(flags, int) else 0, "Configuration" in keys
        )
