"""Enrollment errors: the documents that go with a 403 (Apple: "Error Codes" of Device Management).

The same keys are sent as JSON or as a property list. What does not know a code takes it for a plain 403.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from corral.apple.platform import Platform, is_older
from corral.apple.plist import PlistValue, dump

STATUS = 403
JSON_TYPE = "application/json"
PLIST_TYPE = "application/xml"

_Document: TypeAlias = dict[str, PlistValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document403:
    """`description` is for the logs of the device, `message` for the person before it (not all show it)."""

    code: ClassVar[str]
    description: str | None = None
    message: str | None = None

    def details(self) -> _Document | None:
        return None

    def keys(self) -> _Document:
        document: _Document = {"code": self.code}
        if self.description is not None:
            document["description"] = self.description
        if self.message is not None:
            document["message"] = self.message
        details = self.details()
        return document if details is None else {**document, "details": details}

    def json(self) -> bytes:
        """For content type JSON_TYPE; data is written as base64."""
        return json.dumps(self.keys(), default=_base64).encode()

    def plist(self) -> bytes:
        """For content type PLIST_TYPE."""
        return dump(self.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecognizedDevice(_Document403):
    """The device is none of ours: it removes its enrollment. See `understands_unrecognized`."""

    code: ClassVar[str] = "com.apple.unrecognized.device"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareUpdateRequired(_Document403):
    """Setup Assistant updates the device first and then asks again for its profile (answers to MachineInfo
    only, from a device that can: MDM_CAN_REQUEST_SOFTWARE_UPDATE)."""

    code: ClassVar[str] = "com.apple.softwareupdate.required"
    os_version: str
    build_version: str | None = None
    beta_description: str | None = None
    beta_token: str | None = field(default=None, repr=False)

    def details(self) -> _Document:
        details: _Document = {"OSVersion": self.os_version}
        if self.build_version is not None:
            details["BuildVersion"] = self.build_version
        if self.beta_token is not None:
            details["RequireBetaProgram"] = {
                "Description": self.beta_description or "",
                "Token": self.beta_token,
            }
        return details


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingTokenMissing(_Document403):
    """The watch has the phone's service sign this random token (a UUID) and then asks again."""

    code: ClassVar[str] = "com.apple.watch.pairing.token.missing"
    security_token: str = field(repr=False)

    def details(self) -> _Document:
        return {"security-token": self.security_token}


@dataclass(frozen=True, slots=True, kw_only=True)
class WellKnownFailed(_Document403):
    """Refuses the discovery of an account-driven enrollment."""

    code: ClassVar[str] = "com.apple.well-known.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSSORequired(_Document403):
    """Setup Assistant of a Mac installs this package, has the person sign in, and then asks again (answers to
    MachineInfo with MDM_CAN_REQUEST_PSSO_CONFIG only). `pinning_certificates` are DER."""

    code: ClassVar[str] = "com.apple.psso.required"
    profile_url: str
    auth_url: str
    manifest_url: str
    pinning_certificates: tuple[bytes, ...] = ()
    pinning_revocation_check_required: bool = False

    def details(self) -> _Document:
        package: _Document = {"ManifestURL": self.manifest_url}
        if self.pinning_certificates:
            package["PinningCerts"] = list(self.pinning_certificates)
            package["PinningRevocationCheckRequired"] = self.pinning_revocation_check_required
        return {"ProfileURL": self.profile_url, "AuthURL": self.auth_url, "Package": package}


EnrollmentError: TypeAlias = (
    UnrecognizedDevice | SoftwareUpdateRequired | PairingTokenMissing | WellKnownFailed | PlatformSSORequired
)

_UNRECOGNIZED_SINCE = {
    Platform.IOS: "17.0",
    Platform.MACOS: "14.0",
    Platform.TVOS: "17.0",
    Platform.VISIONOS: "1.1",
    Platform.WATCHOS: "10.0",
}


def understands_unrecognized(platform: Platform | None, os_version: str | None) -> bool:
    """Whether UnrecognizedDevice makes this OS unenroll. If not, or not known, only 401 does."""
    if platform is None or os_version is None:
        return False
    try:
        return not is_older(os_version, _UNRECOGNIZED_SINCE[platform])
    except ValueError:
        return False


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} in an enrollment error")
