"""An order for a certificate by ACME (RFC 8555 7.1.3, 7.1.6), from the ClientIdentifier to the certificate.

An order has one authorization and that has one challenge, device-attest-01: what becomes of them is told by the order.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import Device, EnrollmentKind, Grant, Instant
from corral.pki.attestation import HardwareProperties


class OrderStatus(StrEnum):
    PENDING = "pending"
    """The challenge waits for its attestation."""
    READY = "ready"
    PROCESSING = "processing"
    """One certificate request has taken the order: no other can any more."""
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcmeAccount:
    """Whoever holds a key: anybody can make one, so it lets nobody in. `key` is a public JWK in RFC 7638's form."""

    id: str
    key: str
    thumbprint: bytes
    created_at: Instant
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedKey:
    """What Apple vouched for: the device, and the SHA-256 of the key's SubjectPublicKeyInfo."""

    properties: HardwareProperties
    key_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AcmeOrder:
    id: str
    version: int = 0
    """0: not stored yet."""
    account_id: str
    identifier: str = field(repr=False)
    """The ClientIdentifier: a secret that stands for a grant."""
    token: str
    """What the attestation must be fresh for."""
    status: OrderStatus = OrderStatus.PENDING
    created_at: Instant
    expires_at: Instant
    attested: AttestedKey | None = None
    refusal: str = ""
    """Why it is invalid, as it is told to the device."""
    request_digest: bytes = b""
    """SHA-256 of the certificate request that has taken the order."""
    fingerprint: bytes = b""
    """The receipt: the certificate that was issued."""


def proven(order: AcmeOrder, attested: AttestedKey | None) -> AcmeOrder:
    return replace(order, status=OrderStatus.READY, attested=attested)


def failed(order: AcmeOrder, why: str) -> AcmeOrder:
    return replace(order, status=OrderStatus.INVALID, refusal=why)


def taken(order: AcmeOrder, request_digest: bytes) -> AcmeOrder | None:
    """The order in the hands of this certificate request; None where it is not ready, or another has taken it."""
    match order.status:
        case OrderStatus.READY:
            return replace(order, status=OrderStatus.PROCESSING, request_digest=request_digest)
        case OrderStatus.PROCESSING | OrderStatus.VALID if order.request_digest == request_digest:
            return order
        case _:
            return None


def fulfilled(order: AcmeOrder, fingerprint: bytes) -> AcmeOrder:
    return replace(order, status=OrderStatus.VALID, fingerprint=fingerprint)


def refusal_of_attestation(
    attested: AttestedKey | None, grant: Grant, device: Device | None, policy: Attestation
) -> str | None:
    """Why this proof is not enough for a certificate under the grant; None if it is.

    `device` is the one whose life a renewal goes on with. The UDID that is attested of a Mac is its provisioning UDID,
    which has another form than the one it enrolls by: only those of one form are compared. Of a user enrollment
    Apple says neither that nor the serial number.
    """
    by_person = grant.kind is EnrollmentKind.ACCOUNT_USER
    user_enrollment = device.user_enrollment if device is not None else by_person
    if attested is None:
        return "this enrollment needs an attestation of the device" if policy is Attestation.REQUIRED else None
    said = attested.properties
    if policy is Attestation.REQUIRED and not (said.serial_number or said.udid or user_enrollment):
        return "the attestation does not say which device it is of"
    serial = (device.serial_number if device is not None else None) or grant.serial_number
    if serial and said.serial_number and serial != said.serial_number:
        return "the attestation is of another device than the enrollment"
    udid = device.id if device is not None and not user_enrollment else grant.device_id
    if udid and said.udid and len(udid) == len(said.udid) and udid.upper() != said.udid.upper():
        return "the attestation is of another device than the enrollment"
    return None


def narrowed(grant: Grant, attested: AttestedKey | None) -> Grant:
    """The grant, from now on only for the device that was attested: its Authenticate must name the same serial."""
    if attested is None or grant.serial_number is not None or attested.properties.serial_number is None:
        return grant
    return replace(grant, serial_number=attested.properties.serial_number)
