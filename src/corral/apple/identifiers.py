"""Who sends a message: the identifier keys that every check-in and every report carries (Apple: "Check-in",
"Command and Response"; the rules are those of NanoMDM, so that its enrollments keep their names)."""

import re
from collections.abc import Mapping
from enum import StrEnum

from corral.values import frozen

SHARED_IPAD_USER_ID = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

# Identifiers are opaque, yet they go into URLs, logs and terminals.
_DEVICE_ID = re.compile(r"[\x21-\x2e\x30-\x7e]{1,255}")
_USER_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,255}")


class IdentifierError(ValueError):
    """A message that does not say who sends it, or says it in a way that no device does."""


class Kind(StrEnum):
    """What kind of enrollment, and which of its channels, a message comes from."""

    DEVICE = "device"
    USER = "user"
    SHARED_IPAD_USER = "shared_ipad_user"
    USER_ENROLLMENT_DEVICE = "user_enrollment_device"
    USER_ENROLLMENT_USER = "user_enrollment_user"

    @property
    def is_user_enrollment(self) -> bool:
        return self in (Kind.USER_ENROLLMENT_DEVICE, Kind.USER_ENROLLMENT_USER)

    @property
    def is_user_channel(self) -> bool:
        return self in (Kind.USER, Kind.SHARED_IPAD_USER, Kind.USER_ENROLLMENT_USER)


@frozen
class Speaker:
    """The channel that a message comes from.

    `device_id` is the UDID, or the EnrollmentID of a user enrollment; `user_id` is empty on the device
    channel and unique only together with `device_id`. Both are kept exactly as sent.
    """

    device_id: str
    user_id: str
    kind: Kind
    user_short_name: str | None = None
    user_long_name: str | None = None


def identify(message: Mapping[str, object]) -> Speaker:
    """Exactly one of UDID and EnrollmentID is sent; should both come, the UDID counts."""
    if "UDID" in message:
        device_id = _required(message, "UDID", _DEVICE_ID)
        if "UserID" not in message:
            return Speaker(device_id, "", Kind.DEVICE)
        user_id = _required(message, "UserID", _USER_ID)
        kind = Kind.USER
        if user_id == SHARED_IPAD_USER_ID:
            # All users of a Shared iPad send this one; the short name is what tells them apart.
            user_id, kind = _required(message, "UserShortName", _USER_ID), Kind.SHARED_IPAD_USER
    elif "EnrollmentID" in message:
        device_id = _required(message, "EnrollmentID", _DEVICE_ID)
        if "EnrollmentUserID" not in message:
            return Speaker(device_id, "", Kind.USER_ENROLLMENT_DEVICE)
        user_id, kind = _required(message, "EnrollmentUserID", _USER_ID), Kind.USER_ENROLLMENT_USER
    else:
        raise IdentifierError("message has neither UDID nor EnrollmentID: one of them is required")
    return Speaker(device_id, user_id, kind, _name(message, "UserShortName"), _name(message, "UserLongName"))


def _required(message: Mapping[str, object], key: str, form: re.Pattern[str]) -> str:
    value = message.get(key)
    if isinstance(value, str) and form.fullmatch(value):
        return value
    raise IdentifierError(f"{key} must be a string of 1 to 255 printable characters")


def _name(message: Mapping[str, object], key: str) -> str | None:
    value = message.get(key)
    return value if isinstance(value, str) and _USER_ID.fullmatch(value) else None
