"""What a message means: the table of the life of a connection, in its order, the first row that fits answers.

`decide` is pure. It reads a Snapshot and returns an answer with the change that must be durable before the answer
is sent. A change names the device version it was decided on; if that is stale the caller decides again.
"""

from dataclasses import replace

from corral.apple.checkin import Authenticate, CheckOut, SetBootstrapToken, TokenUpdate
from corral.lifecycle.admitting import decide_authenticate
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Event, merge
from corral.lifecycle.connecting import decide_token_update
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.leaving import decide_check_out, end
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.policy import OnExpiredIdentity, OnLostBinding, Policy
from corral.lifecycle.reporting import EXPIRED, decide_report, keep
from corral.lifecycle.serving import decide_service
from corral.lifecycle.state import (
    Certificate,
    CertificateStatus,
    Connection,
    EndReason,
    EndRequest,
    Phase,
    Purpose,
    Snapshot,
)
from corral.lifecycle.unenroll import unenroll
from corral.lifecycle.users import decide_user_message

UNKNOWN = Answer(400, reason="This identity belongs to no connection here; enroll the device again.")
CLONE = Answer(403, reason="This identity belongs to another device; remove the profile and enroll this device.")
REVOKED = Answer(403, reason="This certificate was replaced by a newer one of the same enrollment.")


def decide(snapshot: Snapshot, message: Message, identity: Identity | None, policy: Policy, moment: Moment) -> Decision:
    """The answer to one message, and what must be committed before it is given."""
    if identity is None:
        return Decision(UNKNOWN)
    if snapshot.certificate is None:
        rebound = _rebind(snapshot, message, identity, policy, moment)
        if rebound is not None:
            snapshot, change = rebound
            decision = _decide_known(snapshot, message, identity, policy, moment)
            return replace(decision, change=merge(change, decision.change))
        if not isinstance(message, Authenticate):
            return Decision(UNKNOWN)
    return _decide_known(snapshot, message, identity, policy, moment)


def _decide_known(snapshot: Snapshot, message: Message, identity: Identity, policy: Policy, moment: Moment) -> Decision:
    certificate = snapshot.certificate
    speaker = message.report.speaker if isinstance(message, Reported) else message.speaker
    if certificate is not None:
        if certificate.device_id is None and not isinstance(message, Authenticate):
            return Decision(UNKNOWN)
        if certificate.device_id is not None and certificate.device_id != speaker.device_id:
            return _refuse_clone(certificate, speaker.device_id, moment)
        if certificate.status is CertificateStatus.REVOKED:
            return Decision(REVOKED)
    if not isinstance(message, CheckOut):
        why = _reason_to_leave(snapshot, moment)
        if why:
            return _tell_to_leave(snapshot, why, message, policy, moment)
    if moment.now >= identity.not_after and not _hears_expired(message, policy):
        return Decision(EXPIRED)
    if certificate is not None and certificate.status is CertificateStatus.RETIRED:
        return _decide_retired(snapshot, certificate, message, policy, moment)
    if speaker.user_id:
        return decide_user_message(snapshot, message, identity, policy, moment)
    match message:
        case Authenticate():
            return decide_authenticate(snapshot, message, identity, policy, moment)
        case TokenUpdate():
            return decide_token_update(snapshot, message, policy, moment)
        case CheckOut():
            return decide_check_out(snapshot, moment)
        case Reported():
            return decide_report(snapshot, message, identity, policy, moment)
        case _:
            return decide_service(snapshot, message, moment)


def _rebind(
    snapshot: Snapshot, message: Message, identity: Identity, policy: Policy, moment: Moment
) -> tuple[Snapshot, Change] | None:
    """A certificate of ours whose row is lost (a database restored from a backup) names its life itself."""
    named = _heir(snapshot)
    speaker = message.report.speaker if isinstance(message, Reported) else message.speaker
    if (
        identity.authority
        or named is None
        or named.device_id != speaker.device_id
        or policy.on_lost_binding is OnLostBinding.REFUSE
    ):
        return None
    certificate = Certificate(
        fingerprint=identity.fingerprint,
        authority="",
        purpose=Purpose.RENEW,
        status=CertificateStatus.BOUND,
        connection_id=named.id,
        device_id=named.device_id,
        issued_at=moment.now,
        not_after=identity.not_after,
        heard_at=moment.now,
        issuer=identity.issuer,
        der=identity.der,
    )
    event = Event(
        type="certificate.rebound",
        at=moment.now,
        device_id=named.device_id,
        connection_id=named.id,
        data={"fingerprint": identity.fingerprint.hex()},
    )
    version = snapshot.device.version if snapshot.device else 0
    change = Change(
        device_id=named.device_id,
        expects=version,
        certificates=(certificate,),
        events=(event,),
        at=moment.now,
    )
    return replace(snapshot, certificate=certificate, bound=named), change


def _heir(snapshot: Snapshot) -> Connection | None:
    """The life that a lost certificate belongs to now: a restore goes on in a new life under the former one's
    certificate, which names the former one for ever."""
    named = snapshot.named
    if named is None or not named.is_over:
        return named
    return next((life for life in snapshot.lives if life.admitted_by == f"restore:{named.id}"), named)


def _refuse_clone(certificate: Certificate, claimed: str, moment: Moment) -> Decision:
    alarm = Event(
        type="connection.clone-refused",
        at=moment.now,
        device_id=certificate.device_id,
        connection_id=certificate.connection_id,
        data={"claimed_device_id": claimed},
    )
    return Decision(CLONE, Change(events=(alarm,), at=moment.now))


def _reason_to_leave(snapshot: Snapshot, moment: Moment) -> str:
    """Why this contact is answered by unenrolling; empty when it is not."""
    device, bound, certificate = snapshot.device, snapshot.bound, snapshot.certificate
    if device is not None and device.blocked_at is not None:
        return "The organization has blocked this device."
    # A certificate that no device has authenticated with is issued for a life, and not bound to it.
    if bound is None or certificate is None or certificate.device_id is None:
        return ""
    if bound.ended_by_decision:
        return "The organization has ended the management of this device."
    if bound.phase is Phase.ENDING and bound.end_request and moment.now >= bound.end_request.deadline:
        return "The organization has ended the management of this device."
    return ""


def _tell_to_leave(snapshot: Snapshot, why: str, message: Message, policy: Policy, moment: Moment) -> Decision:
    """Whatever the answer is, a result that came with the contact is kept; nobody is told to leave on stale rows."""
    device, bound = snapshot.device, snapshot.bound
    is_report = isinstance(message, Reported)
    decision = unenroll(bound, snapshot, policy, moment.now, why=why, is_poll=is_report)
    kept = keep(message, bound, moment) if is_report and bound is not None else Change()
    decision = replace(decision, change=merge(kept, decision.change))
    if decision.change.unenrolling is None or device is None:
        return decision
    if bound is None or bound.is_over:
        return replace(decision, change=replace(decision.change, device_id=device.id, expects=device.version))
    request = bound.end_request or EndRequest(by="block", at=moment.now, deadline=moment.now)
    proof = f"answered {decision.answer.status}" if isinstance(decision.answer, Answer) else ""
    ended = end(replace(bound, end_request=request), device, EndReason.UNENROLLED, moment, proof=proof)
    return replace(decision, change=merge(decision.change, ended))


def _hears_expired(message: Message, policy: Policy) -> bool:
    """What a device may still say under an identity that has expired: enough to be reached, repaired and ended."""
    if isinstance(message, CheckOut | Reported):
        return True
    repairs = policy.on_expired_identity is OnExpiredIdentity.REPAIR
    return repairs and isinstance(message, Authenticate | TokenUpdate | SetBootstrapToken)


def _decide_retired(
    snapshot: Snapshot, certificate: Certificate, message: Message, policy: Policy, moment: Moment
) -> Decision:
    """A certificate that a renewal has replaced is heard again: a backup from before it was restored.

    Its TokenUpdate is like any other of a restored device; everything else gets nothing, so that two copies of one
    device cannot share a queue.
    """
    bound = snapshot.bound
    if isinstance(message, TokenUpdate) and bound is not None and not message.speaker.user_id:
        again = replace(certificate, status=CertificateStatus.BOUND, heard_at=moment.now)
        decision = decide_token_update(replace(snapshot, certificate=again), message, policy, moment)
        if decision.answer != ACCEPTED:
            return decision
        return replace(decision, change=merge(Change(certificates=(again,)), decision.change))
    heard = _heard_old(bound, moment)
    if isinstance(message, Reported):
        kept = keep(message, bound, moment) if bound is not None else Change()
        return Decision(ACCEPTED, merge(kept, heard))
    return Decision(ACCEPTED if isinstance(message, CheckOut) else UNKNOWN, heard)


def _heard_old(bound: Connection | None, moment: Moment) -> Change:
    event = Event(
        type="connection.old-certificate-heard",
        at=moment.now,
        device_id=bound.device_id if bound else None,
        connection_id=bound.id if bound else None,
    )
    return Change(events=(event,), at=moment.now)
