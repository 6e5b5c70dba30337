"""Enrollment error documents: HTTP 403 with a JSON or property list body (Apple: ErrorCode... objects)."""

import json
from dataclasses import dataclass

from corral.apple import plist
from corral.apple.versions import at_least

JSON = "application/json"
PLIST = "application/xml"

_OBEY_UNRECOGNIZED = {"iOS": "17.0", "macOS": "14.0", "tvOS": "17.0", "visionOS": "1.1", "watchOS": "10.0"}


@dataclass(frozen=True, slots=True)
class EnrollmentError:
    """A document with its code; `message` may be shown to the user, `description` is for logs."""

    code: str
    description: str = ""
    message: str = ""

    def document(self) -> dict[str, str]:
        return {key: value for key, value in self._keys() if value}

    def json(self) -> bytes:
        return json.dumps(self.document()).encode()

    def plist(self) -> bytes:
        return plist.dump(self.document())

    def _keys(self) -> tuple[tuple[str, str], ...]:
        return ("code", self.code), ("description", self.description), ("message", self.message)


def unrecognized_device(description: str = "", message: str = "") -> EnrollmentError:
    """Makes a device that knows it remove its management (Apple: ErrorUnrecognizedDevice)."""
    return EnrollmentError("com.apple.unrecognized.device", description, message)


def understands_unrecognized(platform: str | None, os_version: str | None) -> bool:
    """Whether this system is known to obey the document; older ones take it for a plain 403."""
    since = _OBEY_UNRECOGNIZED.get(platform or "")
    return since is not None and os_version is not None and at_least(os_version, since)
