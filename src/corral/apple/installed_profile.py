"""An enrollment profile as the device sees it: what it insists on when it installs one, and what it refuses
in an update (Apple: "MDM" payload and "Renewing the identity"; observed by others where Apple is
silent)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.plist import LIMITS, Limits, PlistError, PlistValue, parse_dict
from corral.apple.profile import PER_USER_CONNECTIONS

TOPIC_PREFIX = "com.apple.mgmt."

_UUID = re.compile(r"[0-9A-Za-z]{8}-(?:[0-9A-Za-z]{4}-){3}[0-9A-Za-z]{12}")
_SCEP = "com.apple.security.scep"
_ACME = "com.apple.security.acme"
_IDENTITY_TYPES = (_SCEP, _ACME, "com.apple.security.pkcs12")
_ROOT_TYPES = ("com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.pem")
_INSPECT_NEEDED = ((2, 1), (128, 64))
_LONG = 4096
_CERTIFICATE_BYTES = 64 * 1024

_Keys: TypeAlias = Mapping[str, PlistValue]
_Default = TypeVar("_Default", int, None)


class ProfileError(ValueError):
    """A profile that a device would not install; the one line says why."""


@dataclass(frozen=True, slots=True)
class ScepIdentity:
    """How to get the identity certificate; `subject` are pairs of type and value in order."""

    url: str
    name: str | None
    subject: tuple[tuple[str, str], ...]
    challenge: str | None = field(repr=False)
    key_size: int = 1024
    key_usage: int = 0
    ca_fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class AcmeIdentity:
    """How to get the identity certificate by ACME: always an elliptic curve key of 256 or 384 bits here."""

    directory_url: str
    client_identifier: str = field(repr=False)
    key_size: int
    hardware_bound: bool
    attest: bool
    subject: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    identifier: str
    uuid: str
    identity_uuid: str
    identity_type: str
    scep: ScepIdentity | None
    acme: AcmeIdentity | None
    mdm_identifier: str
    mdm_uuid: str
    topic: str
    server_url: str
    check_in_url: str | None
    access_rights: int | None
    capabilities: frozenset[str]
    sign_message: bool
    check_out_when_removed: bool
    enrollment_mode: str | None
    assigned_managed_apple_id: str | None
    required_app_id: int | None
    trust_roots: tuple[bytes, ...]

    @property
    def check_in_address(self) -> str:
        """Where check-in messages go."""
        return self.check_in_url or self.server_url


def read_enrollment_profile(data: bytes, limits: Limits = LIMITS) -> InstalledProfile:
    """Reads the property list of a profile (the content of its signature), as strictly as an Apple device."""
    try:
        return _profile(parse_dict(data, limits))
    except (PlistError, FieldError) as error:
        raise ProfileError(f"enrollment profile: {error}") from None


def read_identity_profile(data: bytes, limits: Limits = LIMITS) -> tuple[ScepIdentity, tuple[bytes, ...]] | None:
    """The SCEP payload and the roots of a profile that brings an identity and no management (phase 2 of an over-the-air
    enrollment); None for any other profile. Raises ProfileError for what is none."""
    try:
        envelope = parse_dict(data, limits)
        if _common(envelope) != "Configuration" or "PayloadContent" not in envelope:
            return None
        payloads = [each for each in _list(envelope, "PayloadContent") if isinstance(each, Mapping)]
        kinds = [_common(each) for each in payloads]
        if kinds.count(_SCEP) != 1 or "com.apple.mdm" in kinds:
            return None
        return _scep(payloads[kinds.index(_SCEP)]), _roots(payloads)
    except (PlistError, FieldError) as error:
        raise ProfileError(f"identity profile: {error}") from None


def check_update(old: InstalledProfile, new: InstalledProfile) -> list[str]:
    """Why a device that has `old` refuses `new` and keeps the old one; empty if it installs it."""
    reasons = [
        f"{name} must stay as it was installed"
        for name, before, after in (
            ("PayloadIdentifier of the profile", old.identifier, new.identifier),
            ("PayloadIdentifier of the MDM payload", old.mdm_identifier, new.mdm_identifier),
            ("PayloadUUID of the MDM payload", old.mdm_uuid, new.mdm_uuid),
            ("Topic", old.topic, new.topic),
            ("ServerURL", old.server_url, new.server_url),
            ("CheckInURL", old.check_in_url, new.check_in_url),
            ("EnrollmentMode", old.enrollment_mode, new.enrollment_mode),
            ("AssignedManagedAppleID", old.assigned_managed_apple_id, new.assigned_managed_apple_id),
            ("RequiredAppIDForMDM", old.required_app_id, new.required_app_id),
        )
        if before != after
    ]
    if (new.access_rights or 0) & ~(old.access_rights or 0):
        reasons.append("AccessRights may lose rights but not gain any")
    if (PER_USER_CONNECTIONS in old.capabilities) != (PER_USER_CONNECTIONS in new.capabilities):
        reasons.append(f"ServerCapabilities must neither gain nor lose {PER_USER_CONNECTIONS}")
    return reasons


def _profile(envelope: _Keys) -> InstalledProfile:
    if _common(envelope) != "Configuration":
        raise FieldError("PayloadType must be Configuration at the top")
    payloads: dict[str, _Keys] = {}
    for item in _list(envelope, "PayloadContent"):
        if not isinstance(item, Mapping):
            raise FieldError("PayloadContent must hold dictionaries only")
        _common(item)
        payload_uuid = fields.text(item, "PayloadUUID")
        if payload_uuid in payloads:
            raise FieldError(f"two payloads have the PayloadUUID {payload_uuid}")
        payloads[payload_uuid] = item
    found = [keys for keys in payloads.values() if keys["PayloadType"] == "com.apple.mdm"]
    if len(found) != 1:
        raise FieldError(f"it holds {len(found)} payloads of type com.apple.mdm, and needs exactly one")
    return _installed(envelope, found[0], payloads)


def _common(keys: _Keys) -> str:
    """The PayloadType, after the keys that every payload has."""
    fields.text(keys, "PayloadIdentifier")
    fields.text(keys, "PayloadUUID")
    if keys.get("PayloadVersion") != 1:
        raise FieldError("PayloadVersion must be 1")
    return fields.text(keys, "PayloadType")


def _installed(envelope: _Keys, mdm: _Keys, payloads: Mapping[str, _Keys]) -> InstalledProfile:
    identity_uuid = fields.text(mdm, "IdentityCertificateUUID")
    if not _UUID.fullmatch(identity_uuid):
        raise FieldError("IdentityCertificateUUID must have the form of a UUID")
    identity = payloads.get(identity_uuid, {})
    identity_type = identity.get("PayloadType")
    if not isinstance(identity_type, str) or identity_type not in _IDENTITY_TYPES:
        raise FieldError("IdentityCertificateUUID must be the PayloadUUID of an identity payload beside it")
    topic = fields.text(mdm, "Topic")
    if not topic.startswith(TOPIC_PREFIX):
        raise FieldError(f"Topic must begin with {TOPIC_PREFIX}")
    mode = fields.optional_text(mdm, "EnrollmentMode")
    account = fields.optional_text(mdm, "AssignedManagedAppleID")
    if (mode is None) != (account is None) or mode not in (None, "BYOD", "ADDE"):
        raise FieldError("EnrollmentMode must be BYOD or ADDE and come with AssignedManagedAppleID, or neither")
    return InstalledProfile(
        identifier=fields.text(envelope, "PayloadIdentifier"),
        uuid=fields.text(envelope, "PayloadUUID"),
        identity_uuid=identity_uuid,
        identity_type=identity_type,
        scep=_scep(identity) if identity_type == _SCEP else None,
        acme=_acme(identity) if identity_type == _ACME else None,
        mdm_identifier=fields.text(mdm, "PayloadIdentifier"),
        mdm_uuid=fields.text(mdm, "PayloadUUID"),
        topic=topic,
        server_url=_https(mdm, "ServerURL"),
        check_in_url=_https(mdm, "CheckInURL") if "CheckInURL" in mdm else None,
        access_rights=_access_rights(mdm, mode),
        capabilities=_capabilities(mdm),
        sign_message=fields.flag(mdm, "SignMessage"),
        check_out_when_removed=fields.flag(mdm, "CheckOutWhenRemoved"),
        enrollment_mode=mode,
        assigned_managed_apple_id=account,
        required_app_id=_integer(mdm, "RequiredAppIDForMDM", None),
        trust_roots=_roots(payloads.values()),
    )


def _roots(payloads: Iterable[_Keys]) -> tuple[bytes, ...]:
    return tuple(
        fields.data(keys, "PayloadContent", _CERTIFICATE_BYTES)
        for keys in payloads
        if keys["PayloadType"] in _ROOT_TYPES
    )


def _access_rights(mdm: _Keys, mode: str | None) -> int | None:
    rights = _integer(mdm, "AccessRights", None)
    if mode == "BYOD" and rights is not None:
        raise FieldError("AccessRights must be absent for EnrollmentMode BYOD")
    if rights is None:
        return None
    if rights <= 0:
        raise FieldError("AccessRights must not be 0")
    for right, needed in _INSPECT_NEEDED:
        if rights & right and not rights & needed:
            raise FieldError(f"AccessRights has {right}, which needs {needed} too")
    return rights


def _capabilities(mdm: _Keys) -> frozenset[str]:
    found = _list(mdm, "ServerCapabilities")
    names = frozenset(name for name in found if isinstance(name, str))
    if len(names) != len(found):
        raise FieldError("ServerCapabilities must be an array of strings without repetition")
    return names


def _scep(payload: _Keys) -> ScepIdentity:
    content = payload.get("PayloadContent")
    if not isinstance(content, Mapping):
        raise FieldError("PayloadContent of the SCEP payload must be a dictionary")
    key_size = _integer(content, "Keysize", 1024)
    if key_size not in (1024, 2048, 4096):
        raise FieldError("Keysize must be 1024, 2048 or 4096")
    if content.get("Key Type", "RSA") != "RSA":
        raise FieldError("Key Type must be RSA")
    return ScepIdentity(
        url=fields.text(content, "URL", _LONG),
        name=fields.optional_text(content, "Name"),
        subject=_subject(content),
        challenge=fields.optional_text(content, "Challenge", _LONG),
        key_size=key_size,
        key_usage=_integer(content, "Key Usage", 0),
        ca_fingerprint=fields.optional_data(content, "CAFingerprint", 64),
    )


def _acme(payload: _Keys) -> AcmeIdentity:
    """Apple: "ACMECertificate" payload. A key that is bound to the hardware is one of an elliptic curve, and only such
    a one is attested; RSA keys are read by no device here."""
    bound, attest = fields.flag(payload, "HardwareBound"), fields.flag(payload, "Attest")
    if attest and not bound:
        raise FieldError("Attest needs HardwareBound")
    if fields.text(payload, "KeyType") != "ECSECPrimeRandom":
        raise FieldError("KeyType must be ECSECPrimeRandom")
    key_size = _integer(payload, "KeySize", 0)
    if key_size not in (256, 384):
        raise FieldError("KeySize must be 256 or 384")
    if "Subject" not in payload:
        raise FieldError("Subject is missing")
    return AcmeIdentity(
        directory_url=_https(payload, "DirectoryURL"),
        client_identifier=fields.text(payload, "ClientIdentifier", _LONG),
        key_size=key_size,
        hardware_bound=bound,
        attest=attest,
        subject=_subject(payload),
    )


def _subject(content: _Keys) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for name in _list(content, "Subject"):
        for pair in name if isinstance(name, list) else [None]:
            match pair:
                case [str(kind), str(value)]:
                    pairs.append((kind, value))
                case _:
                    raise FieldError("Subject must be an array of arrays of pairs of strings")
    return tuple(pairs)


def _https(keys: _Keys, key: str) -> str:
    url = fields.text(keys, key, _LONG)
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise FieldError(f"{key} must be an https URL")
    return url


def _list(keys: _Keys, key: str) -> list[PlistValue]:
    found = keys.get(key, [])
    if not isinstance(found, list):
        raise FieldError(f"{key} must be an array")
    return found


def _integer(keys: _Keys, key: str, default: _Default) -> int | _Default:
    found = keys.get(key)
    if found is None:
        return default
    if not isinstance(found, int) or isinstance(found, bool):
        raise FieldError(f"{key} must be an integer")
    return found
