"""What a device tells of itself before it is enrolled (Apple: "MachineInfo"; "Profile Service" for the attributes of
an over-the-air enrollment, which are mostly the same)."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.platform import Platform, family_of, platform_of
from corral.apple.plist import Limits, PlistError, dump, parse_dict
from corral.apple.plist.value import PlistValue

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a signed message at most: certificates of a chain, and some forty short strings."""
HEADER: Final = "x-apple-aspen-deviceinfo"
"""The header of the first request to a `configuration_web_url`."""

_LIMITS: Final = Limits(bytes=MAX_MESSAGE, depth=4, objects=512)
_TOKEN_BYTES: Final = 8 * 1024


class MachineInfoError(ValueError):
    """No MachineInfo; the one line says which key is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineInfo:
    """`build_version` is the key VERSION. User enrollments tell neither UDID nor serial number, nor IMEI and MEID.

    `challenge` is that of an over-the-air enrollment's first profile.
    """

    product: str
    build_version: str
    udid: str | None = None
    serial_number: str | None = None
    os_version: str | None = None
    supplemental_build_version: str | None = None
    supplemental_os_version: str | None = None
    """Such as `(a)`: a rapid security response on top of `os_version`."""
    imei: str | None = None
    meid: str | None = None
    language: str | None = None
    can_request_software_update: bool = False
    must_update: bool = False
    """The device will update before it goes on, in any case; an answer may say to which version."""
    software_update_device_id: str | None = None
    can_request_platform_sso: bool = False
    pairing_token: bytes | None = field(default=None, repr=False)
    challenge: str | None = field(default=None, repr=False)

    @property
    def platform(self) -> Platform | None:
        return platform_of(self.product)

    @property
    def family(self) -> str:
        """Apple's model family; empty for a product that is not known."""
        return family_of(self.product)

    @property
    def version(self) -> str | None:
        """The system's version with its supplement: `16.1 (a)`."""
        if self.os_version is None or self.supplemental_os_version is None:
            return self.os_version
        return f"{self.os_version} {self.supplemental_os_version}"


def read_machine_info(content: bytes) -> MachineInfo:
    """Read the property list inside the signature; raises MachineInfoError. Keys that are not known are ignored."""
    try:
        keys = parse_dict(content, _LIMITS)
        return MachineInfo(
            product=fields.text(keys, "PRODUCT"),
            build_version=fields.text(keys, "VERSION"),
            udid=_optional(keys, "UDID"),
            serial_number=_optional(keys, "SERIAL"),
            os_version=fields.optional_text(keys, "OS_VERSION"),
            supplemental_build_version=fields.optional_text(keys, "SUPPLEMENTAL_BUILD_VERSION"),
            supplemental_os_version=fields.optional_text(keys, "SUPPLEMENTAL_OS_VERSION_EXTRA") or None,
            imei=fields.optional_text(keys, "IMEI"),
            meid=fields.optional_text(keys, "MEID"),
            language=fields.optional_text(keys, "LANGUAGE"),
            can_request_software_update=fields.flag(keys, "MDM_CAN_REQUEST_SOFTWARE_UPDATE"),
            must_update=fields.flag(keys, "MANDATORY_SOFTWARE_UPDATE_REQUIRED"),
            software_update_device_id=fields.optional_text(keys, "SOFTWARE_UPDATE_DEVICE_ID"),
            can_request_platform_sso=fields.flag(keys, "MDM_CAN_REQUEST_PSSO_CONFIG"),
            pairing_token=fields.optional_data(keys, "PAIRING_TOKEN", _TOKEN_BYTES),
            challenge=fields.optional_text(keys, "CHALLENGE"),
        )
    except PlistError as error:
        raise MachineInfoError(f"MachineInfo: {error}") from None
    except FieldError as error:
        raise MachineInfoError(f"MachineInfo: {error}") from None


def write_machine_info(info: MachineInfo) -> bytes:
    """The property list that a device would sign."""
    keys: dict[str, PlistValue | None] = {
        "UDID": info.udid,
        "SERIAL": info.serial_number,
        "PRODUCT": info.product,
        "VERSION": info.build_version,
        "OS_VERSION": info.os_version,
        "SUPPLEMENTAL_BUILD_VERSION": info.supplemental_build_version,
        "SUPPLEMENTAL_OS_VERSION_EXTRA": info.supplemental_os_version,
        "IMEI": info.imei,
        "MEID": info.meid,
        "LANGUAGE": info.language,
        "MDM_CAN_REQUEST_SOFTWARE_UPDATE": info.can_request_software_update or None,
        "MANDATORY_SOFTWARE_UPDATE_REQUIRED": info.must_update or None,
        "SOFTWARE_UPDATE_DEVICE_ID": info.software_update_device_id,
        "MDM_CAN_REQUEST_PSSO_CONFIG": info.can_request_platform_sso or None,
        "PAIRING_TOKEN": info.pairing_token,
        "CHALLENGE": info.challenge,
    }
    return dump({key: value for key, value in keys.items() if value is not None})


def decode_header(value: str) -> bytes:
    """The signed message in a header: base64, also URL-safe, folded or without its padding. Raises MachineInfoError."""
    text = "".join(value.split()).rstrip("=").replace("-", "+").replace("_", "/")
    if len(text) > MAX_MESSAGE:
        raise MachineInfoError(f"{HEADER} of more than {MAX_MESSAGE} characters")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise MachineInfoError(f"{HEADER} is not base64") from None


def _optional(keys: dict[str, PlistValue], key: str) -> str | None:
    """Whom a message is of decides too much for a broken value to be passed over."""
    return fields.text(keys, key) if key in keys else None
