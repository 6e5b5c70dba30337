"""The profile by which Macs give their FileVault recovery key into keeping (Apple: "FDERecoveryKeyEscrow",
"FDEFileVault")."""

import uuid
from dataclasses import dataclass

from corral.apple.plist import PlistValue
from corral.apple.profile import Payload, envelope, payload


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowProfile:
    """`certificate` (DER) is for whom keys are enclosed; `location` is read by a person who needs the key."""

    identifier: str
    organization: str
    certificate: bytes
    location: str


def escrow_profile(facts: EscrowProfile, *, enable: bool) -> bytes:
    """Unsigned XML, the same again for the same facts. With `enable` it also has FileVault turned on, at the next
    login of a user, whose key nobody is shown."""
    certificate_uuid = _uuid(facts, "certificate")
    payloads: list[Payload] = [
        payload(
            "com.apple.security.pkcs1",
            f"{facts.identifier}.certificate",
            certificate_uuid,
            {"PayloadContent": facts.certificate, "PayloadDisplayName": f"{facts.organization} Escrow"},
        ),
        payload(
            "com.apple.security.FDERecoveryKeyEscrow",
            f"{facts.identifier}.escrow",
            _uuid(facts, "escrow"),
            {"EncryptCertPayloadUUID": certificate_uuid, "Location": facts.location},
        ),
    ]
    if enable:
        turned_on: dict[str, PlistValue] = {
            "Enable": "On",
            "Defer": True,
            "DeferForceAtUserLoginMaxBypassAttempts": 0,
            "UseRecoveryKey": True,
            "ShowRecoveryKey": False,
        }
        payloads.append(
            payload("com.apple.MCX.FileVault2", f"{facts.identifier}.filevault", _uuid(facts, "filevault"), turned_on)
        )
    return envelope(
        payloads,
        identifier=facts.identifier,
        payload_uuid=_uuid(facts, "profile"),
        display_name=f"{facts.organization}: FileVault recovery key",
        organization=facts.organization,
    )


def _uuid(facts: EscrowProfile, name: str) -> str:
    space = uuid.uuid5(uuid.NAMESPACE_URL, facts.identifier)
    return str(uuid.uuid5(space, f"{name} {facts.certificate.hex()}")).upper()
