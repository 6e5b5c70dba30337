"""A profile as somebody uploads it, signed or not, read within bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from corral.apple.plist import Limits, PlistError, PlistValue, dump, is_binary, parse_dict
from corral.pki import cms
from corral.service.errors import RequestRefused

LARGEST = 4 * 1024 * 1024
"""Bytes of a profile: each install sends it whole to each device."""

LIMITS = Limits(bytes=LARGEST, depth=48, objects=20_000, unique_keys=True)
_IN_COMMANDS = Limits(unique_keys=True)
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """`content` is the property list without a signature; it may hold passwords, and so may `keys`."""

    content: bytes = field(repr=False)
    keys: Mapping[str, PlistValue] = field(repr=False)
    identifier: str
    uuid: str
    display_name: str
    was_signed: bool

    def with_uuid(self, uuid: str) -> "ReadProfile":
        """The same under another PayloadUUID, which is what a device tells two versions apart by."""
        keys = {**self.keys, "PayloadUUID": uuid}
        return ReadProfile(dump(keys), keys, self.identifier, uuid, self.display_name, self.was_signed)


def read_profile(raw: bytes, limits: Limits = LIMITS) -> ReadProfile:
    """Raises RequestRefused with one line. A signature is checked and taken off: what devices get is signed anew."""
    if len(raw) > limits.bytes:
        raise RequestRefused(f"A profile of {len(raw):,} bytes; {limits.bytes:,} are the most.")
    try:
        signed = not (is_binary(raw) or raw.lstrip()[:1] == b"<" or raw.startswith(b"\xef\xbb\xbf"))
        content = cms.verify_attached(raw, limits.bytes)[0] if signed else raw
        keys = parse_dict(content, limits)
        if is_binary(content):
            content = dump(keys)
    except cms.CmsError as error:
        raise RequestRefused(f"This is neither a property list nor one with a signature that holds: {error}.") from None
    except PlistError as error:
        raise RequestRefused(f"The profile cannot be read: {error}.") from None
    if keys.get("PayloadType") != "Configuration":
        raise RequestRefused("This is no configuration profile: its PayloadType is not Configuration.")
    return ReadProfile(
        content,
        keys,
        identifier=_text(keys, "PayloadIdentifier"),
        uuid=_text(keys, "PayloadUUID"),
        display_name=str(keys.get("PayloadDisplayName") or "")[:_LONGEST],
        was_signed=signed,
    )


@lru_cache(64)
def identifier_of(raw: bytes) -> str | None:
    """The PayloadIdentifier of a profile that is about to be sent; None for what cannot be read."""
    try:
        return read_profile(raw, _IN_COMMANDS).identifier
    except RequestRefused:
        return None


def _text(keys: Mapping[str, PlistValue], name: str) -> str:
    value = keys.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise RequestRefused(f"{name} of the profile must be text of 1 to {_LONGEST} characters.")
    return value
