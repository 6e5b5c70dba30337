"""Who was let in, and how: what every way of enrolling comes to before a grant is made of it."""

from dataclasses import dataclass, replace

from corral.lifecycle.change import Change, Event
from corral.lifecycle.state import EnrollmentKind, Grant, IdentityKind, Instant, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A device, or a person with one, that may enroll.

    `device_id` (its UDID) and `serial_number` bind the grant to that device, as far as they are known; `account` is
    the Managed Apple Account. `source` is what let it in (`assignment:<server>`, `rule:<name>`), `evidence` what was
    proven about it, both in words for a person.
    """

    kind: EnrollmentKind
    device_id: str | None = None
    serial_number: str | None = None
    account: str | None = None
    link_id: str | None = None
    """The enrollment link that it uses up."""
    source: str
    evidence: str = ""
    identity: IdentityKind = IdentityKind.SCEP

    @property
    def is_bound(self) -> bool:
        """Whether it is about one device, so that asking again is the same admission again."""
        return self.device_id is not None or self.serial_number is not None


def grant_of(
    admitted: Admitted, *, grant_id: str, connection_id: str, profile: bytes, now: Instant, expires_at: Instant
) -> Grant:
    """The grant of an admission, not stored yet; `profile` is what a renewal will have to repeat."""
    return Grant(
        id=grant_id,
        purpose=Purpose.ENROLL,
        kind=admitted.kind,
        connection_id=connection_id,
        link_id=admitted.link_id,
        device_id=admitted.device_id,
        serial_number=admitted.serial_number,
        account=admitted.account,
        evidence="; ".join(filter(None, (admitted.source, admitted.evidence))),
        created_at=now,
        expires_at=expires_at,
        profile=profile,
    )


def admission(grant: Grant, admitted: Admitted) -> Change:
    """The change that records a new grant, and tells of it."""
    data = {
        "grant": grant.id,
        "kind": admitted.kind.value,
        "serial_number": admitted.serial_number,
        "account": admitted.account,
        "source": admitted.source,
        "evidence": admitted.evidence,
        "identity": admitted.identity.value,
    }
    event = Event(type="enrollment.admitted", at=grant.created_at, device_id=admitted.device_id, data=data)
    return Change(grant=grant, events=(event,), at=grant.created_at)


def serves_again(grant: Grant, wanted: Grant, now: Instant) -> bool:
    """Whether this stored grant does for the same admission asked for again: a profile that never was used."""
    unused = grant.keys_issued == 0 and grant.spent_at is None and grant.revoked_at is None
    same = replace(
        wanted, version=grant.version, connection_id=grant.connection_id, created_at=0, expires_at=0
    ) == replace(grant, created_at=0, expires_at=0)
    return unused and same and now < grant.expires_at
