"""Writing configuration profiles (Apple: "Profile-Specific Payload Keys"), foremost the one that enrolls a
device.

What a device insists on when such a profile is installed or updated is in `installed_profile`.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from corral.apple.plist import PlistValue, dump, parse_dict

CONTENT_TYPE = "application/x-apple-aspen-config"
ALL_ACCESS_RIGHTS = 8191
PER_USER_CONNECTIONS = "com.apple.mdm.per-user-connections"
ALL_CAPABILITIES = (PER_USER_CONNECTIONS, "com.apple.mdm.bootstraptoken", "com.apple.mdm.token")

_SIGN = 1
_SIGN_AND_ENCRYPT = 5

Payload: TypeAlias = dict[str, PlistValue]


class EnrollmentMode(StrEnum):
    """Which account-driven enrollment a profile is for; devices insist on it there, and only there."""

    BYOD = "BYOD"
    ADDE = "ADDE"


@dataclass(frozen=True, slots=True)
class ScepIdentity:
    """The identity is an RSA key, certified over SCEP. `ca_fingerprint` is the digest of the CA certificate that
    the device compares (its length tells the algorithm)."""

    url: str
    name: str
    key_size: int = 2048
    ca_fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class AcmeIdentity:
    """The identity is an elliptic curve key (P-256 or P-384), certified over ACME; with `hardware_bound` it is made
    in the Secure Enclave, with `attest` the device proves that and who it is (device-attest-01)."""

    directory_url: str
    key_size: int = 384
    hardware_bound: bool = True
    attest: bool = True


IdentitySource: TypeAlias = ScepIdentity | AcmeIdentity


@dataclass(frozen=True, slots=True)
class EnrollmentFacts:
    """What an enrollment profile says about the service. A renewal must repeat all of it.

    `identifier` is the profile's PayloadIdentifier, those of its payloads are derived from it; `uuid` and
    `mdm_uuid` are PayloadUUIDs. `trust_roots` are certificates as DER. `access_rights` of None leaves the key
    out, as BYOD enrollments must. `mode` and `managed_account` (a Managed Apple Account) go with account-driven
    enrollments.
    """

    identifier: str
    uuid: str
    mdm_uuid: str
    organization: str
    display_name: str
    server_url: str
    topic: str
    check_in_url: str | None = None
    capabilities: tuple[str, ...] = ALL_CAPABILITIES
    access_rights: int | None = ALL_ACCESS_RIGHTS
    sign_message: bool = True
    check_out_when_removed: bool = True
    trust_roots: tuple[bytes, ...] = ()
    mode: EnrollmentMode | None = None
    managed_account: str | None = None


def enrollment_profile(facts: EnrollmentFacts, source: IdentitySource, secret: str, *, identity_uuid: str) -> bytes:
    """The profile as unsigned XML. `secret` pays for one certificate: it is the challenge of SCEP, or the
    ClientIdentifier of ACME. `identity_uuid` is the PayloadUUID of the identity's payload and must be a fresh one
    each time, so that a device makes a new key when it renews."""
    return _with_identity(facts, source, secret, identity_uuid, [mdm_payload(facts, identity_uuid=identity_uuid)])


def identity_profile(facts: EnrollmentFacts, source: IdentitySource, secret: str, *, identity_uuid: str) -> bytes:
    """What an over-the-air enrollment has in the middle, unsigned: an identity, and no management yet (Apple:
    "Over-the-Air Profile Delivery Concepts", phase 2). `facts` are those of the profile that it leads to."""
    name, own_uuid = f"{facts.identifier}.over-the-air", str(uuid.uuid5(uuid.NAMESPACE_URL, facts.uuid)).upper()
    return _with_identity(replace(facts, identifier=name, uuid=own_uuid), source, secret, identity_uuid, [])


def _with_identity(
    facts: EnrollmentFacts, source: IdentitySource, secret: str, identity_uuid: str, more: Sequence[Payload]
) -> bytes:
    roots = [
        root_payload(
            certificate,
            identifier=f"{facts.identifier}.root.{number}",
            # Of the profile and the certificate, so that repeating the profile repeats it.
            payload_uuid=str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, facts.uuid), certificate.hex())).upper(),
        )
        for number, certificate in enumerate(facts.trust_roots, 1)
    ]
    identity = identity_payload(
        source,
        secret,
        identifier=f"{facts.identifier}.identity",
        payload_uuid=identity_uuid,
        subject=(("O", facts.organization), ("CN", identity_uuid)),
    )
    return envelope(
        [*roots, identity, *more],
        identifier=facts.identifier,
        payload_uuid=facts.uuid,
        display_name=facts.display_name,
        organization=facts.organization,
    )


def enclosed(profile: bytes, enclose: Callable[[bytes], bytes]) -> bytes:
    """The same profile (unsigned) with its payloads enclosed for one device: `enclose` makes a CMS envelope of their
    property list (Apple: "Configuration Profile Reference", EncryptedPayloadContent)."""
    keys = parse_dict(profile)
    content = dump(keys.pop("PayloadContent"))
    return dump({**keys, "IsEncrypted": True, "EncryptedPayloadContent": enclose(content)})


DEVICE_ATTRIBUTES = ("UDID", "SERIAL", "PRODUCT", "VERSION", "IMEI", "MEID")


def profile_service(
    *, url: str, challenge: str, identifier: str, payload_uuid: str, display_name: str, organization: str
) -> bytes:
    """The first profile of an over-the-air enrollment, unsigned: it has the device post to `url` what it is, signed,
    with this challenge among it (Apple: "Over-the-Air Profile Delivery Concepts")."""
    content: Payload = {"URL": url, "DeviceAttributes": list(DEVICE_ATTRIBUTES), "Challenge": challenge}
    keys: Payload = {
        "PayloadDisplayName": display_name,
        "PayloadOrganization": organization,
        "PayloadContent": content,
    }
    return dump(payload("Profile Service", identifier, payload_uuid, keys))


def mdm_payload(facts: EnrollmentFacts, *, identity_uuid: str) -> Payload:
    keys: Payload = {
        "IdentityCertificateUUID": identity_uuid,
        "Topic": facts.topic,
        "ServerURL": facts.server_url,
        "SignMessage": facts.sign_message,
        "CheckOutWhenRemoved": facts.check_out_when_removed,
    }
    if facts.check_in_url is not None:
        keys["CheckInURL"] = facts.check_in_url
    if facts.access_rights is not None:
        keys["AccessRights"] = facts.access_rights
    if facts.capabilities:
        keys["ServerCapabilities"] = list(facts.capabilities)
    if facts.mode is not None:
        keys["EnrollmentMode"] = facts.mode.value
    if facts.managed_account is not None:
        keys["AssignedManagedAppleID"] = facts.managed_account
    return payload("com.apple.mdm", f"{facts.identifier}.mdm", facts.mdm_uuid, keys)


def identity_payload(
    source: IdentitySource,
    secret: str,
    *,
    identifier: str,
    payload_uuid: str,
    subject: Sequence[tuple[str, str]],
) -> Payload:
    """Where the identity comes from; `subject` are pairs such as ("CN", "x"). The key cannot be taken off the
    device."""
    names: list[PlistValue] = [[[kind, value]] for kind, value in subject]
    match source:
        case ScepIdentity():
            content: Payload = {
                "URL": source.url,
                "Name": source.name,
                "Subject": names,
                "Challenge": secret,
                "Keysize": source.key_size,
                "Key Type": "RSA",
                "Key Usage": _SIGN_AND_ENCRYPT,
                "KeyIsExtractable": False,
            }
            if source.ca_fingerprint is not None:
                content["CAFingerprint"] = source.ca_fingerprint
            return payload("com.apple.security.scep", identifier, payload_uuid, {"PayloadContent": content})
        case AcmeIdentity():
            keys: Payload = {
                "DirectoryURL": source.directory_url,
                "ClientIdentifier": secret,
                "KeyType": "ECSECPrimeRandom",
                "KeySize": source.key_size,
                "HardwareBound": source.hardware_bound,
                "Attest": source.attest,
                "Subject": names,
                "UsageFlags": _SIGN,
                "KeyIsExtractable": False,
            }
            return payload("com.apple.security.acme", identifier, payload_uuid, keys)


def root_payload(certificate: bytes, *, identifier: str, payload_uuid: str) -> Payload:
    """A certificate (DER) to trust; devices install it before they contact the service."""
    return payload("com.apple.security.root", identifier, payload_uuid, {"PayloadContent": certificate})


def payload(payload_type: str, identifier: str, payload_uuid: str, keys: Mapping[str, PlistValue]) -> Payload:
    return {
        "PayloadType": payload_type,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": payload_uuid,
        **keys,
    }


def envelope(
    payloads: Sequence[Payload],
    *,
    identifier: str,
    payload_uuid: str,
    display_name: str,
    organization: str,
) -> bytes:
    keys: Payload = {
        "PayloadDisplayName": display_name,
        "PayloadOrganization": organization,
        "PayloadScope": "System",
        "PayloadContent": list(payloads),
    }
    return dump(payload("Configuration", identifier, payload_uuid, keys))
