"""Writing configuration profiles (Apple: "Profile-Specific Payload Keys"), foremost the one that enrolls a
device.

What a device insists on when such a profile is installed or updated is in `installed_profile`.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from corral.apple.plist import PlistValue, dump

CONTENT_TYPE = "application/x-apple-aspen-config"
ALL_ACCESS_RIGHTS = 8191
PER_USER_CONNECTIONS = "com.apple.mdm.per-user-connections"
ALL_CAPABILITIES = (PER_USER_CONNECTIONS, "com.apple.mdm.bootstraptoken", "com.apple.mdm.token")

_SIGN_AND_ENCRYPT = 5

Payload: TypeAlias = dict[str, PlistValue]


@dataclass(frozen=True, slots=True)
class EnrollmentFacts:
    """What an enrollment profile says about the service. A renewal must repeat all of it.

    `identifier` is the profile's PayloadIdentifier, those of its payloads are derived from it; `uuid` and
    `mdm_uuid` are PayloadUUIDs. `ca_fingerprint` is the digest of the CA certificate that the device may
    compare, `trust_roots` are certificates as DER. `access_rights` of None leaves the key out, as BYOD
    enrollments must.
    """

    identifier: str
    uuid: str
    mdm_uuid: str
    organization: str
    display_name: str
    scep_url: str
    scep_name: str
    server_url: str
    topic: str
    check_in_url: str | None = None
    ca_fingerprint: bytes | None = None
    capabilities: tuple[str, ...] = ALL_CAPABILITIES
    access_rights: int | None = ALL_ACCESS_RIGHTS
    sign_message: bool = True
    check_out_when_removed: bool = True
    key_size: int = 2048
    trust_roots: tuple[bytes, ...] = ()


def enrollment_profile(facts: EnrollmentFacts, challenge: str, *, identity_uuid: str) -> bytes:
    """The profile as unsigned XML. `challenge` pays for one certificate; `identity_uuid` is the PayloadUUID
    of the SCEP payload and must be a fresh one each time, so that a device makes a new key when it
    renews."""
    roots = [
        root_payload(
            certificate,
            identifier=f"{facts.identifier}.root.{number}",
            # Of the profile and the certificate, so that repeating the profile repeats it.
            payload_uuid=str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, facts.uuid), certificate.hex())).upper(),
        )
        for number, certificate in enumerate(facts.trust_roots, 1)
    ]
    identity = scep_payload(
        facts.scep_url,
        identifier=f"{facts.identifier}.identity",
        payload_uuid=identity_uuid,
        name=facts.scep_name,
        subject=(("O", facts.organization), ("CN", identity_uuid)),
        challenge=challenge,
        ca_fingerprint=facts.ca_fingerprint,
        key_size=facts.key_size,
    )
    return envelope(
        [*roots, identity, mdm_payload(facts, identity_uuid=identity_uuid)],
        identifier=facts.identifier,
        payload_uuid=facts.uuid,
        display_name=facts.display_name,
        organization=facts.organization,
    )


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
    return payload("com.apple.mdm", f"{facts.identifier}.mdm", facts.mdm_uuid, keys)


def scep_payload(
    url: str,
    *,
    identifier: str,
    payload_uuid: str,
    name: str,
    subject: Sequence[tuple[str, str]],
    challenge: str,
    ca_fingerprint: bytes | None = None,
    key_size: int = 2048,
) -> Payload:
    """An identity by SCEP; `subject` are pairs such as ("CN", "x"). The key cannot be taken off the
    device."""
    content: Payload = {
        "URL": url,
        "Name": name,
        "Subject": [[[kind, value]] for kind, value in subject],
        "Challenge": challenge,
        "Keysize": key_size,
        "Key Type": "RSA",
        "Key Usage": _SIGN_AND_ENCRYPT,
        "KeyIsExtractable": False,
    }
    if ca_fingerprint is not None:
        content["CAFingerprint"] = ca_fingerprint
    return payload("com.apple.security.scep", identifier, payload_uuid, {"PayloadContent": content})


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
