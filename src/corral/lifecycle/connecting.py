"""How a life becomes connected, goes on and is renewed: TokenUpdate on the device channel."""

from dataclasses import replace

from corral.apple.checkin import TokenUpdate
from corral.lifecycle.admitting import belongs_to_renewal, change_of, life_event, refusal_of_grant
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Escrow, Event, Work, merge
from corral.lifecycle.configuring import await_configuration
from corral.lifecycle.connected import PUSH, ask_for_reports, become_connected
from corral.lifecycle.evidence import Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.policy import Admission, OnRestore, Policy
from corral.lifecycle.proof import unproven
from corral.lifecycle.state import (
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Device,
    EndReason,
    EndRequest,
    EscrowKind,
    Origin,
    Phase,
    Purpose,
    Snapshot,
)
from corral.lifecycle.taking_over import held
from corral.lifecycle.unenroll import unenroll
from corral.values import frozen


@frozen
class _Case:
    """A TokenUpdate by a certificate of a known device, and all that it is decided by but for the life itself."""

    snapshot: Snapshot
    device: Device
    certificate: Certificate
    message: TokenUpdate
    policy: Policy
    moment: Moment


def decide_token_update(snapshot: Snapshot, message: TokenUpdate, policy: Policy, moment: Moment) -> Decision:
    """Rows 8 to 10. The change replaces token and magic whatever the row, if the answer is 200."""
    life, device, certificate = snapshot.bound, snapshot.device, snapshot.certificate
    if life is None or device is None or certificate is None:
        return Decision(Answer(400, reason="TokenUpdate without a connection; enroll the device again."))
    case = _Case(snapshot, device, certificate, message, policy, moment)
    if life.connected_at is None and life.phase in (Phase.AUTHENTICATING, Phase.ENDED):
        return _complete(case, life)
    if life.is_over:
        return _restore(case, life)
    provisional = life.reauthenticated_at is not None or (
        life.renewal is not None and life.renewal.authenticated_at is not None
    )
    if provisional and message.awaiting_configuration and life.end_request is None:
        admitted_by = f"grant:{certificate.grant_id}" if certificate.grant_id else life.admitted_by
        installed = _installed(snapshot, life) if certificate.purpose is Purpose.RENEW else life.profile
        reborn = _successor(replace(life, profile=installed), Origin.ENROLLED, admitted_by, moment)
        return _connect(case, reborn)
    changed_both = _changed(snapshot.channel, message) == (True, True)
    renewing = life.renewal is not None and moment.now < life.renewal.asked_at + policy.renewal_time
    if policy.on_restore is OnRestore.REFUSE and changed_both and not renewing and not provisional:
        return _refuse_restore(case, life)
    return _go_on(case, life)


def _complete(case: _Case, life: Connection) -> Decision:
    """Row 8 for an enrollment: the first TokenUpdate of an attempt, if what let it in still does.

    An attempt that another one has taken the place of may still be the one that was installed. It never was a
    connection, so it is no restore.
    """
    snapshot, policy, moment = case.snapshot, case.policy, case.moment
    refusal = refusal_of_grant(snapshot) or (_ended_since(snapshot, life) if life.is_over else "")
    if case.certificate.authority and policy.admission is not Admission.TRUSTED_IDENTITY:
        refusal = "certificates of another authority are not admitted here"
    if refusal:
        return _refuse_attempt(life, case.device, refusal, moment)
    begun = _successor(life, Origin.ENROLLED, life.admitted_by, moment) if life.is_over else life
    former = unproven(snapshot, begun.id, case.device, case.certificate, policy)
    if former is not None:
        return _hold(case, begun, former)
    return _connect(case, begun)


def _refuse_attempt(life: Connection, device: Device, refusal: str, moment: Moment) -> Decision:
    over = Change() if life.is_over else end(life, device, EndReason.REFUSED, moment, proof=refusal)
    told = Change(events=(life_event("connection.refused", life, moment, why=refusal),), at=moment.now)
    return Decision(Answer(403, reason=f"Not admitted: {refusal}."), merge(over, told))


def _restore(case: _Case, life: Connection) -> Decision:
    """Row 10: a life that was over is heard with new tokens."""
    moment = case.moment
    refusal = _ended_since(case.snapshot, life)
    if refusal:
        told = Change(events=(life_event("connection.restore-refused", life, moment, why=refusal),), at=moment.now)
        return Decision(Answer(403, reason=f"Not restored: {refusal}."), told)
    if case.policy.on_restore is OnRestore.REFUSE:
        return _refuse_restore(case, life)
    reborn = _successor(life, Origin.RESTORED, f"restore:{life.id}", moment)
    return _connect(case, reborn)


def _ended_since(snapshot: Snapshot, life: Connection) -> str:
    """Why a life that is over stays so: the device's latest one was ended by a person or policy.

    An older certificate is no way around that; a new grant is, since somebody gave it.
    """
    latest = snapshot.current or next(iter(snapshot.lives), None)
    if latest is None or latest.id == life.id or latest.end_request is None:
        return ""
    return "a later connection of this device was ended by the organization"


def _successor(life: Connection, origin: Origin, admitted_by: str, moment: Moment) -> Connection:
    """A new life of the same device under the same certificate; nothing of the former one's queue is kept."""
    return Connection(
        id=moment.fresh_id(),
        device_id=life.device_id,
        phase=Phase.AUTHENTICATING,
        origin=origin,
        topic=life.topic,
        created_at=moment.now,
        admitted_by=admitted_by,
        profile=life.profile,
    )


def _connect(case: _Case, life: Connection) -> Decision:
    """The life becomes the device's connected one; an older one is superseded in the same commit."""
    begun = replace(life, topic=case.message.topic)
    change = merge(
        Change(certificates=(_heard(case, begun),)),
        become_connected(case.snapshot, begun, case.device, case.moment),
    )
    change = replace(change, work=(*change.work, *ask_for_reports(life, case.policy, case.moment)))
    (connected,) = (row for row in change.connections if row.id == life.id)
    change = _with_tokens(change, case, connected, None)
    return Decision(ACCEPTED, change)


def _hold(case: _Case, life: Connection, former: Connection) -> Decision:
    """Nothing but its word says that this is the device which is connected already: it waits."""
    snapshot, device, moment = case.snapshot, case.device, case.moment
    waiting = replace(life, topic=case.message.topic)
    change = Change()
    for other in snapshot.lives:
        if other.phase is Phase.AUTHENTICATING and other.id != life.id:
            change = merge(change, end(other, device, EndReason.SUPERSEDED, moment, proof=f"held as {life.id}"))
    change = merge(change, change_of(device, waiting, moment=moment))
    change = replace(change, certificates=(_heard(case, waiting),))
    is_known = snapshot.bound is not None and snapshot.bound.id == life.id
    channel = snapshot.channel if is_known else None
    change = _with_tokens(change, case, waiting, channel)
    return Decision(ACCEPTED, held(change, waiting, former, moment))


def _heard(case: _Case, life: Connection) -> Certificate:
    return replace(
        case.certificate,
        status=CertificateStatus.BOUND,
        connection_id=life.id,
        device_id=life.device_id,
        heard_at=case.moment.now,
    )


def _go_on(case: _Case, life: Connection) -> Decision:
    """Row 9, and the second half of a renewal: the same life, with new tokens."""
    snapshot, certificate, message, moment = case.snapshot, case.certificate, case.message, case.moment
    renewal = life.renewal
    renewed = renewal is not None and belongs_to_renewal(certificate, renewal)
    events: list[Event] = []
    after = life
    if life.reauthenticated_at is not None or life.topic != message.topic:
        after = replace(life, reauthenticated_at=None, topic=message.topic)
    if renewed:
        after = replace(after, renewal=None, profile=_installed(snapshot, life))
        events.append(life_event("connection.renewed", life, moment, fingerprint=certificate.fingerprint.hex()))
    elif renewal is not None:
        after = replace(after, renewal=replace(renewal, authenticated_at=None))
    token_changed, magic_changed = _changed(snapshot.channel, message)
    unlock_changed = message.unlock_token is not None and (
        snapshot.escrow.get(EscrowKind.UNLOCK_TOKEN, message.unlock_token) != message.unlock_token
    )
    if (magic_changed or unlock_changed) and not renewed:
        events.append(
            life_event(
                "connection.possible-restore",
                life,
                moment,
                token_changed=token_changed,
                magic_changed=magic_changed,
                unlock_token_changed=unlock_changed,
            )
        )
    elif token_changed:
        events.append(life_event("push.token-changed", life, moment))
    change = change_of(case.device, after, moment=moment, events=events)
    if certificate.heard_at is None or renewed:
        change = replace(change, certificates=(replace(certificate, heard_at=moment.now),))
    if renewed:
        spent = replace(snapshot.grant, spent_at=moment.now) if snapshot.grant else None
        change = replace(change, grant=spent, retire=(life.id, certificate.fingerprint))
    change = _with_tokens(change, case, after, snapshot.channel)
    return Decision(ACCEPTED, change)


def _installed(snapshot: Snapshot, life: Connection) -> bytes:
    """What the next renewal repeats: the profile that this one has brought, where it was one."""
    return (snapshot.grant.profile if snapshot.grant else b"") or life.profile


def _changed(channel: Channel | None, message: TokenUpdate) -> tuple[bool, bool]:
    """Whether (token, push magic) differ from what was stored; a first token is no change."""
    if channel is None or channel.token is None:
        return False, False
    return channel.token != message.token, channel.magic != message.push_magic


def _with_tokens(change: Change, case: _Case, life: Connection, channel: Channel | None) -> Change:
    """The change with push token, unlock token and await period of the message put in."""
    snapshot, message, moment = case.snapshot, case.message, case.moment
    reachable = message.topic in snapshot.topics
    put = replace(
        channel or Channel(connection_id=life.id, kind=message.speaker.kind.value),
        topic=message.topic,
        token=message.token,
        magic=message.push_magic,
        token_updated_at=moment.now,
        unreachable="" if reachable else "no push certificate for its topic",
        ended_at=None,
    )
    events = list(change.events)
    if not reachable:
        events.append(life_event("push.topic-unknown", life, moment, topic=message.topic))
    # The escrow that was read is that of the bound life; a successor of it has none yet.
    is_of_life = snapshot.bound is not None and snapshot.bound.id == life.id
    held = snapshot.escrow.get(EscrowKind.UNLOCK_TOKEN) if is_of_life else None
    escrow = change.escrow
    if message.unlock_token is not None and held != message.unlock_token:
        kept = Escrow(connection_id=life.id, kind=EscrowKind.UNLOCK_TOKEN, value=message.unlock_token, at=moment.now)
        escrow = (*escrow, kept)
    work = (*change.work, Work(kind=PUSH, key=put.id, due_at=moment.now)) if reachable else change.work
    change = replace(change, channels=(*change.channels, put), events=tuple(events), escrow=escrow, work=work)
    return await_configuration(
        change, life, case.device, awaiting=message.awaiting_configuration, policy=case.policy, moment=moment
    )


def _refuse_restore(case: _Case, life: Connection) -> Decision:
    """`on_restore` says refuse: the restored device is told to leave, through the breaker like all others."""
    moment = case.moment
    decision = unenroll(
        life,
        case.snapshot,
        case.policy,
        moment.now,
        why="Restored from a backup; the organization asks for a new enrollment.",
        is_poll=False,
    )
    if decision.change.unenrolling is None:
        return decision
    request = life.end_request or EndRequest(by="policy on_restore", at=moment.now, deadline=moment.now)
    ended = end(replace(life, end_request=request), case.device, EndReason.UNENROLLED, moment, proof="restore refused")
    if life.is_over:
        ended = replace(ended, events=(life_event("connection.restore-refused", life, moment),))
    return replace(decision, change=merge(decision.change, ended))
