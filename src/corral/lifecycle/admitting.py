"""How a life begins: Authenticate on the device channel, which starts a life, repeats itself or begins a renewal."""

from collections.abc import Sequence
from dataclasses import replace

from corral.apple.checkin import Authenticate
from corral.apple.platform import platform_of
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Event, merge
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.policy import Admission, Policy
from corral.lifecycle.proof import unproven
from corral.lifecycle.settle import settle
from corral.lifecycle.state import (
    Certificate,
    CertificateStatus,
    Connection,
    Device,
    EndReason,
    EnrollmentKind,
    Instant,
    Link,
    Origin,
    Phase,
    Purpose,
    Renewal,
    Snapshot,
)
from corral.pki.naming import names_any


def decide_authenticate(
    snapshot: Snapshot, message: Authenticate, identity: Identity, policy: Policy, moment: Moment
) -> Decision:
    """Rows 5 to 7: the same life again, a renewal, or a new life; else a refusal that changes nothing."""
    certificate, bound, current = snapshot.certificate, snapshot.bound, snapshot.current
    device = _described(snapshot, message, identity, policy, moment)
    if certificate is not None and bound is not None and not bound.is_over and certificate.device_id is not None:
        if bound.renewal is not None and belongs_to_renewal(certificate, bound.renewal):
            return _begin_renewal(bound, bound.renewal, device, certificate, moment)
        return _repeat_authenticate(bound, device, certificate, moment)
    if (
        certificate is None
        and current is not None
        and current.renewal is not None
        and _renews(current, device, identity)
    ):
        pinned = _pin(identity, current.id, device.id, Purpose.RENEW, current.renewal.grant_id, moment)
        return _begin_renewal(current, current.renewal, device, pinned, moment)
    admitted, refusal = _admit(snapshot, message, identity, policy, moment)
    if refusal:
        return _refuse(snapshot, message, refusal, moment)
    return _begin_life(snapshot, message, device, identity, admitted, moment)


def belongs_to_renewal(certificate: Certificate, renewal: Renewal) -> bool:
    return certificate.purpose is Purpose.RENEW and certificate.grant_id == renewal.grant_id


def refusal_of_grant(snapshot: Snapshot) -> str:
    """Why an attempt that was admitted may not become a connection any more; empty while it may.

    A device is in the middle of its installation, so a date that has passed meanwhile does not matter.
    """
    grant, link = snapshot.grant, snapshot.link
    if grant is None:
        return ""
    if grant.purpose is not Purpose.ENROLL:
        return "the certificate renews a connection that is over"
    if grant.spent_at is not None:
        return "this enrollment has already been used"
    if grant.revoked_at is not None:
        return "this enrollment was withdrawn"
    return _refusal_of_link(link, link.created_at) if link is not None else ""


def refusal_of_enrollment(snapshot: Snapshot, now: Instant) -> str:
    """The same, where dates matter too: nothing is under way yet, or has not been for long."""
    return refusal_of_grant(snapshot) or _refusal_by_date(snapshot, now)


def life_event(kind: str, life: Connection, moment: Moment, **data: object) -> Event:
    return Event(type=kind, at=moment.now, device_id=life.device_id, connection_id=life.id, data=data)


def change_of(device: Device, *rows: Connection, moment: Moment, events: Sequence[Event] = ()) -> Change:
    """These lives of the device, settled, at the version of it that was read."""
    return Change(
        device_id=device.id,
        expects=device.version,
        device=device,
        connections=tuple(settle(row, device) for row in rows),
        events=tuple(events),
        at=moment.now,
    )


def _described(snapshot: Snapshot, message: Authenticate, identity: Identity, policy: Policy, moment: Moment) -> Device:
    """The device as it describes itself now; what it leaves out stays as it was.

    What is known of a connected device is not changed by a newcomer's word: commands are held against it, and
    certificates against its serial number, which stays even for one that has more to show.
    """
    known = snapshot.device or Device(id=message.speaker.device_id, created_at=moment.now)
    bound = snapshot.bound.id if snapshot.bound is not None else ""
    if unproven(snapshot, bound, known, snapshot.certificate or identity, policy) is not None:
        return known
    kept = known.serial_number if snapshot.current is not None else None
    return replace(
        known,
        user_enrollment=message.speaker.kind.is_user_enrollment,
        serial_number=kept or message.serial_number or known.serial_number,
        platform=platform_of(message.product_name, message.model_name) or known.platform,
        os_version=message.os_version or known.os_version,
        build_version=message.build_version or known.build_version,
        product_name=message.product_name or known.product_name,
        model=message.model or known.model,
        model_name=message.model_name or known.model_name,
        name=message.device_name or known.name,
        imei=message.imei or known.imei,
        meid=message.meid or known.meid,
    )


def _renews(current: Connection, device: Device, identity: Identity) -> bool:
    """Whether a foreign certificate that is not known yet may renew this life: if its authority let the life in, and
    the certificate names this device by UDID or serial number.

    Else everybody with a certificate of that authority could take the life over, its queue and its escrow with it. A
    life that came by a grant of ours is never handed to one.
    """
    if not identity.authority or current.admitted_by != _by_authority(identity):
        return False
    return names_any(identity.der, {device.id, device.serial_number or device.id})


def _by_authority(identity: Identity) -> str:
    return f"authority:{identity.authority}"


def _pin(
    identity: Identity,
    connection_id: str,
    device_id: str,
    purpose: Purpose,
    grant_id: str | None,
    moment: Moment,
) -> Certificate:
    """The row of a foreign certificate, bound at its first Authenticate."""
    return Certificate(
        fingerprint=identity.fingerprint,
        authority=identity.authority,
        purpose=purpose,
        status=CertificateStatus.BOUND,
        connection_id=connection_id,
        device_id=device_id,
        grant_id=grant_id,
        issued_at=moment.now,
        not_after=identity.not_after,
        heard_at=moment.now,
        der=identity.der,
    )


def _repeat_authenticate(life: Connection, device: Device, certificate: Certificate, moment: Moment) -> Decision:
    """Row 5: the answer was lost, or the same profile was installed again; nothing is reset."""
    again = life if life.phase is Phase.AUTHENTICATING else replace(life, reauthenticated_at=moment.now)
    change = change_of(device, again, moment=moment)
    heard = replace(certificate, heard_at=moment.now)
    event = life_event("connection.authenticated-again", life, moment)
    return Decision(ACCEPTED, replace(change, certificates=(heard,), events=(event,)))


def _begin_renewal(
    life: Connection, renewal: Renewal, device: Device, certificate: Certificate, moment: Moment
) -> Decision:
    """Row 6: deliveries pause; the TokenUpdate tells whether this renews the life or begins another."""
    provisional = replace(life, renewal=replace(renewal, authenticated_at=moment.now))
    change = change_of(device, provisional, moment=moment)
    heard = replace(certificate, heard_at=moment.now)
    event = life_event("connection.renewal-authenticated", life, moment)
    return Decision(ACCEPTED, replace(change, certificates=(heard,), events=(event,)))


def _admit(
    snapshot: Snapshot, message: Authenticate, identity: Identity, policy: Policy, moment: Moment
) -> tuple[str, str]:
    """What lets this device in, and else why nothing does: (admitted by, refusal), one of them empty."""
    grant, bound = snapshot.grant, snapshot.bound
    if moment.now >= identity.not_after:
        return "", "the certificate has expired"
    if identity.authority:
        if policy.admission is Admission.TRUSTED_IDENTITY:
            return ("", moment.objection) if moment.objection else (_by_authority(identity), "")
        return "", "certificates of another authority are not admitted here"
    if snapshot.certificate is None or grant is None:
        return "", "the certificate was issued for no enrollment that is known here"
    refusal = refusal_of_enrollment(snapshot, moment.now)
    if refusal:
        return "", refusal
    if bound is not None and bound.ended_by_decision:
        return "", "this enrollment was ended by the organization"
    if grant.kind is not EnrollmentKind.LINK and message.speaker.kind.is_user_enrollment != (
        grant.kind is EnrollmentKind.ACCOUNT_USER
    ):
        return "", "this enrollment is of another kind"
    if grant.device_id not in (None, message.speaker.device_id):
        return "", "this enrollment is meant for another device"
    if grant.serial_number is not None and grant.serial_number != message.serial_number:
        return "", "this enrollment is meant for another serial number"
    if moment.objection:
        return "", moment.objection
    return f"grant:{grant.id}", ""


def _refusal_by_date(snapshot: Snapshot, now: Instant) -> str:
    if snapshot.grant is not None and now >= snapshot.grant.expires_at:
        return "this enrollment has expired"
    return _refusal_of_link(snapshot.link, now) if snapshot.link is not None else ""


def _refusal_of_link(link: Link, at: Instant) -> str:
    return (link.refusal(at) or "").rstrip(".")


def _refuse(snapshot: Snapshot, message: Authenticate, refusal: str, moment: Moment) -> Decision:
    certificate = snapshot.certificate
    event = Event(
        type="connection.refused",
        at=moment.now,
        device_id=message.speaker.device_id,
        connection_id=certificate.connection_id if certificate and certificate.device_id else None,
        data={"why": refusal, "serial_number": message.serial_number},
    )
    return Decision(Answer(403, reason=f"Not admitted: {refusal}."), Change(events=(event,), at=moment.now))


def _begin_life(
    snapshot: Snapshot,
    message: Authenticate,
    device: Device,
    identity: Identity,
    admitted_by: str,
    moment: Moment,
) -> Decision:
    """Row 7: provisional. An older life goes on until this one is connected; a former attempt does not.

    The grant is put as it was read, for its version: of two devices that come with one certificate at the same
    moment the second decides again, and finds that the certificate is bound.
    """
    certificate = snapshot.certificate
    reusable = certificate is not None and snapshot.bound is None
    life = Connection(
        id=certificate.connection_id if certificate is not None and reusable else moment.fresh_id(),
        device_id=device.id,
        phase=Phase.AUTHENTICATING,
        origin=Origin.ENROLLED,
        topic=message.topic,
        created_at=moment.now,
        admitted_by=admitted_by,
        profile=snapshot.grant.profile if snapshot.grant else b"",
    )
    if certificate is None:
        bound = _pin(identity, life.id, device.id, Purpose.PINNED, None, moment)
    else:
        bound = replace(
            certificate,
            status=CertificateStatus.BOUND,
            connection_id=life.id,
            device_id=device.id,
            heard_at=moment.now,
        )
    change = Change()
    former = snapshot.life(Phase.AUTHENTICATING)
    if former is not None:
        change = end(former, device, EndReason.SUPERSEDED, moment, proof=f"a new attempt, {life.id}")
    older = {"would_replace": snapshot.current.id} if snapshot.current else {}
    begun = replace(
        change_of(device, life, moment=moment),
        grant=snapshot.grant,
        certificates=(bound,),
        events=(
            life_event(
                "connection.authenticated",
                life,
                moment,
                admitted_by=admitted_by,
                serial_number=device.serial_number,
                os_version=device.os_version,
                **older,
            ),
        ),
    )
    return Decision(ACCEPTED, merge(change, begun))
