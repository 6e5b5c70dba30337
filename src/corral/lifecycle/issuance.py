"""Who gets a certificate: authorized at issuance, once, by a grant.

The same request gets the same certificate again; another key under the same grant gets a new one and revokes the
earlier, a bounded number of times: a device whose installation failed retries its cached profile with a new key.
"""

from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from corral.lifecycle.change import Change, Event
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import (
    Certificate,
    CertificateStatus,
    Connection,
    Grant,
    Instant,
    Link,
    Phase,
    Purpose,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    """What an issuance rests on: the grant, the link it came by, its certificates, and the life that it renews."""

    grant: Grant
    link: Link | None = None
    certificates: tuple[Certificate, ...] = ()
    connection: Connection | None = None
    device_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Issue:
    """Leave to issue; `revoke` are the earlier certificates of the grant that the new one replaces."""

    revoke: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class Reissue:
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class IssuanceRefused:
    reason: str


Issuance: TypeAlias = Issue | Reissue | IssuanceRefused


def decide_issuance(state: GrantState, request_digest: bytes, policy: Policy, now: Instant) -> Issuance:
    """Whether this request (SHA-256 of its CSR) may have a certificate under this grant."""
    for certificate in state.certificates:
        if certificate.request_digest == request_digest and certificate.status is not CertificateStatus.REVOKED:
            return Reissue(certificate)
    reason = _refusal(state, now)
    if reason:
        return IssuanceRefused(reason)
    if state.grant.keys_issued >= policy.keys_per_grant:
        return IssuanceRefused("too many keys have been certified under this enrollment")
    live = (CertificateStatus.ISSUED, CertificateStatus.BOUND)
    unheard = tuple(each for each in state.certificates if each.status in live and each.heard_at is None)
    earlier = state.certificates if state.grant.purpose is Purpose.ENROLL else unheard
    return Issue(tuple(each for each in earlier if each.status in live))


def _refusal(state: GrantState, now: Instant) -> str:
    grant = state.grant
    if grant.revoked_at is not None:
        return "the enrollment was withdrawn"
    if grant.spent_at is not None:
        return "the enrollment has already been used"
    if now >= grant.expires_at:
        return "the enrollment has expired"
    if state.device_blocked:
        return "the device is blocked"
    if grant.purpose is Purpose.RENEW:
        return _refusal_to_renew(state)
    return state.link.refusal(now) or "" if state.link is not None else ""


def _refusal_to_renew(state: GrantState) -> str:
    """A grant to renew is good for the renewal that is under way, and for nothing once that is through or replaced."""
    life = state.connection
    if life is None or life.phase is not Phase.CONNECTED:
        return "the connection that it renews is over"
    if life.renewal is None or life.renewal.grant_id != state.grant.id:
        return "this renewal is no longer under way"
    return ""


def issued(state: GrantState, certificate: Certificate, revoke: tuple[Certificate, ...]) -> Change:
    """The change that records an issuance. A renewal's certificate is bound at once: any message may be its first."""
    grant = state.grant
    if grant.purpose is Purpose.RENEW and state.connection is not None:
        certificate = replace(certificate, status=CertificateStatus.BOUND, device_id=state.connection.device_id)
    data: dict[str, object] = {
        "purpose": grant.purpose.value,
        "fingerprint": certificate.fingerprint.hex(),
        "grant": grant.id,
    }
    if certificate.attested is not None:
        data |= {"attested": asdict(certificate.attested)}
    events = [
        Event(
            type="certificate.issued",
            at=certificate.issued_at,
            device_id=certificate.device_id,
            connection_id=grant.connection_id,
            data=data,
        )
    ]
    events += [
        Event(
            type="certificate.revoked",
            at=certificate.issued_at,
            device_id=each.device_id,
            connection_id=grant.connection_id,
            data={"fingerprint": each.fingerprint.hex(), "why": "another key under the same grant"},
        )
        for each in revoke
    ]
    return Change(
        grant=replace(grant, keys_issued=grant.keys_issued + 1),
        certificates=(*(replace(each, status=CertificateStatus.REVOKED) for each in revoke), certificate),
        events=tuple(events),
        at=certificate.issued_at,
    )
