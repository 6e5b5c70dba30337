"""How a life begins, goes on and is renewed: Authenticate and TokenUpdate on the device channel."""

from dataclasses import replace

from corral.apple.checkin import Authenticate, TokenUpdate
from corral.apple.platform import platform_of
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Escrow, Event, Work, merge
from corral.lifecycle.configuring import await_configuration
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.leaving import end
from corral.lifecycle.policy import Admission, OnRestore, Policy
from corral.lifecycle.settle import settle
from corral.lifecycle.state import (
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Device,
    EndReason,
    EndRequest,
    EscrowKind,
    Grant,
    Origin,
    Phase,
    Purpose,
    Renewal,
    Snapshot,
)
from corral.lifecycle.unenroll import unenroll

PUSH = "push"
"""The kind of work that wakes a channel."""


def decide_authenticate(
    snapshot: Snapshot, message: Authenticate, identity: Identity, policy: Policy, moment: Moment
) -> Decision:
    """Rows 5 to 7: the same life again, a renewal, or a new life; else a refusal that changes nothing."""
    certificate, bound, current = snapshot.certificate, snapshot.bound, snapshot.current
    device = _described(snapshot.device, message, moment)
    if certificate is not None and bound is not None and not bound.is_over and certificate.device_id is not None:
        if bound.renewal is not None and _belongs_to_renewal(certificate, bound.renewal):
            return _begin_renewal(bound, bound.renewal, device, certificate, moment)
        return _repeat_authenticate(bound, device, certificate, moment)
    if certificate is None and identity.authority and current is not None and current.renewal is not None:
        pinned = _pin(identity, current.id, device.id, Purpose.RENEW, current.renewal.grant_id, moment)
        return _begin_renewal(current, current.renewal, device, pinned, moment)
    admitted, refusal = _admit(snapshot, message, identity, policy, moment)
    if refusal:
        return _refuse(snapshot, message, refusal, moment)
    return _begin_life(snapshot, message, device, identity, admitted, moment)


def decide_token_update(snapshot: Snapshot, message: TokenUpdate, policy: Policy, moment: Moment) -> Decision:
    """Rows 8 to 10. The change replaces token and magic whatever the row, if the answer is 200."""
    life, device, certificate = snapshot.bound, snapshot.device, snapshot.certificate
    if life is None or device is None or certificate is None:
        return Decision(Answer(400, reason="TokenUpdate without a connection; enroll the device again."))
    if life.phase is Phase.AUTHENTICATING:
        return _connect(snapshot, life, device, certificate, message, policy, moment)
    if life.is_over:
        if policy.on_restore is OnRestore.REFUSE:
            return _refuse_restore(snapshot, life, device, policy, moment)
        reborn = _successor(life, Origin.RESTORED, f"restore:{life.id}", moment)
        return _connect(snapshot, reborn, device, certificate, message, policy, moment)
    renewal = life.renewal
    provisional = (renewal is not None and renewal.authenticated_at is not None) or (
        life.reauthenticated_at is not None
    )
    if provisional and message.awaiting_configuration:
        admitted_by = f"grant:{certificate.grant_id}" if certificate.grant_id else life.admitted_by
        reborn = _successor(life, Origin.ENROLLED, admitted_by, moment)
        return _connect(snapshot, reborn, device, certificate, message, policy, moment)
    changed_both = _changed(snapshot.channel, message) == (True, True)
    if policy.on_restore is OnRestore.REFUSE and changed_both and renewal is None and not provisional:
        return _refuse_restore(snapshot, life, device, policy, moment)
    return _go_on(snapshot, life, device, certificate, message, policy, moment)


def _described(device: Device | None, message: Authenticate, moment: Moment) -> Device:
    """The device as it describes itself now; what it leaves out stays as it was."""
    known = device or Device(id=message.speaker.device_id, created_at=moment.now)
    return replace(
        known,
        user_enrollment=message.speaker.kind.is_user_enrollment,
        serial_number=message.serial_number or known.serial_number,
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


def _belongs_to_renewal(certificate: Certificate, renewal: Renewal) -> bool:
    return certificate.purpose is Purpose.RENEW and certificate.grant_id == renewal.grant_id


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


def _event(kind: str, life: Connection, moment: Moment, **data: object) -> Event:
    return Event(type=kind, at=moment.now, device_id=life.device_id, connection_id=life.id, data=data)


def _change(device: Device, *rows: Connection, moment: Moment) -> Change:
    return Change(
        device_id=device.id,
        expects=device.version,
        device=device,
        connections=tuple(settle(row, device) for row in rows),
        at=moment.now,
    )


def _repeat_authenticate(life: Connection, device: Device, certificate: Certificate, moment: Moment) -> Decision:
    """Row 5: the answer was lost, or the same profile was installed again; nothing is reset."""
    again = life if life.phase is Phase.AUTHENTICATING else replace(life, reauthenticated_at=moment.now)
    change = _change(device, again, moment=moment)
    heard = replace(certificate, heard_at=moment.now)
    event = _event("connection.authenticated-again", life, moment)
    return Decision(ACCEPTED, replace(change, certificates=(heard,), events=(event,)))


def _begin_renewal(
    life: Connection, renewal: Renewal, device: Device, certificate: Certificate, moment: Moment
) -> Decision:
    """Row 6: deliveries pause; the TokenUpdate tells whether this renews the life or begins another."""
    provisional = replace(life, renewal=replace(renewal, authenticated_at=moment.now))
    change = _change(device, provisional, moment=moment)
    heard = replace(certificate, heard_at=moment.now)
    event = _event("connection.renewal-authenticated", life, moment)
    return Decision(ACCEPTED, replace(change, certificates=(heard,), events=(event,)))


def _admit(
    snapshot: Snapshot, message: Authenticate, identity: Identity, policy: Policy, moment: Moment
) -> tuple[str, str]:
    """What lets this device in, and else why nothing does: (admitted by, refusal), one of them empty."""
    grant = snapshot.grant
    if identity.authority:
        if policy.admission is Admission.TRUSTED_IDENTITY:
            return f"authority:{identity.authority}", ""
        return "", "certificates of another authority are not admitted here"
    if snapshot.certificate is None or grant is None:
        return "", "the certificate was issued for no enrollment that is known here"
    if grant.purpose is not Purpose.ENROLL:
        return "", "the certificate renews a connection that is over"
    if grant.spent_at is not None:
        return "", "this enrollment has already been used"
    if grant.revoked_at is not None or moment.now >= grant.expires_at:
        return "", "this enrollment has expired or was withdrawn"
    if grant.device_id not in (None, message.speaker.device_id):
        return "", "this enrollment is meant for another device"
    if grant.serial_number is not None and grant.serial_number != message.serial_number:
        return "", "this enrollment is meant for another serial number"
    if snapshot.link is not None and snapshot.link.refusal(moment.now):
        return "", str(snapshot.link.refusal(moment.now))
    return f"grant:{grant.id}", ""


def _refuse(snapshot: Snapshot, message: Authenticate, refusal: str, moment: Moment) -> Decision:
    event = Event(
        type="connection.refused",
        at=moment.now,
        device_id=message.speaker.device_id,
        connection_id=snapshot.bound.id if snapshot.bound else None,
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
    """Row 7: provisional. An older life goes on until this one is connected; a former attempt does not."""
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
    begun = replace(
        _change(device, life, moment=moment),
        certificates=(bound,),
        events=(
            _event(
                "connection.authenticated",
                life,
                moment,
                admitted_by=admitted_by,
                serial_number=device.serial_number,
                os_version=device.os_version,
            ),
        ),
    )
    return Decision(ACCEPTED, merge(change, begun))


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


def _connect(
    snapshot: Snapshot,
    life: Connection,
    device: Device,
    certificate: Certificate,
    message: TokenUpdate,
    policy: Policy,
    moment: Moment,
) -> Decision:
    """The life becomes the device's connected one; an older one is superseded in the same commit."""
    connected = replace(life, phase=Phase.CONNECTED, connected_at=moment.now, topic=message.topic)
    change = Change()
    for former in snapshot.lives:
        if former.id != life.id and not former.is_over:
            reason = EndReason.SUPERSEDED if former.erasing_at is None else EndReason.ERASED
            change = merge(change, end(former, device, reason, moment, proof=f"connected as {life.id}"))
    bound = replace(
        certificate,
        status=CertificateStatus.BOUND,
        connection_id=life.id,
        device_id=device.id,
        heard_at=moment.now,
    )
    kind = "connection.restored" if life.origin is Origin.RESTORED else "connection.connected"
    begun = replace(
        _change(device, connected, moment=moment),
        certificates=(bound,),
        events=(_event(kind, connected, moment, origin=life.origin.value, admitted_by=life.admitted_by),),
    )
    change = merge(change, begun)
    spent = _spend(snapshot, moment)
    if spent is not None:
        change = replace(change, grant=spent[0], link_used=spent[1])
    change = _with_tokens(change, snapshot, connected, device, None, message, policy, moment)
    return Decision(ACCEPTED, change)


def _spend(snapshot: Snapshot, moment: Moment) -> tuple[Grant, str | None] | None:
    grant = snapshot.grant
    if grant is None or grant.spent_at is not None or grant.purpose is not Purpose.ENROLL:
        return None
    return replace(grant, spent_at=moment.now), grant.link_id


def _go_on(
    snapshot: Snapshot,
    life: Connection,
    device: Device,
    certificate: Certificate,
    message: TokenUpdate,
    policy: Policy,
    moment: Moment,
) -> Decision:
    """Row 9, and the second half of a renewal: the same life, with new tokens."""
    renewal = life.renewal
    renewed = renewal is not None and _belongs_to_renewal(certificate, renewal)
    events: list[Event] = []
    after = replace(life, reauthenticated_at=None, topic=message.topic)
    if renewed:
        after = replace(after, renewal=None)
        events.append(_event("connection.renewed", life, moment, fingerprint=certificate.fingerprint.hex()))
    elif renewal is not None:
        after = replace(after, renewal=replace(renewal, authenticated_at=None))
    token_changed, magic_changed = _changed(snapshot.channel, message)
    unlock_changed = message.unlock_token is not None and (
        snapshot.escrow.get(EscrowKind.UNLOCK_TOKEN, message.unlock_token) != message.unlock_token
    )
    if (magic_changed or unlock_changed) and not renewed:
        events.append(
            _event(
                "connection.possible-restore",
                life,
                moment,
                token_changed=token_changed,
                magic_changed=magic_changed,
                unlock_token_changed=unlock_changed,
            )
        )
    elif token_changed:
        events.append(_event("push.token-changed", life, moment))
    change = _change(device, after, moment=moment)
    if certificate.heard_at is None or renewed:
        change = replace(change, certificates=(replace(certificate, heard_at=moment.now),))
    if renewed:
        change = replace(change, retire=(life.id, certificate.fingerprint))
    change = replace(change, events=tuple(events))
    change = _with_tokens(change, snapshot, after, device, snapshot.channel, message, policy, moment)
    return Decision(ACCEPTED, change)


def _changed(channel: Channel | None, message: TokenUpdate) -> tuple[bool, bool]:
    """Whether (token, push magic) differ from what was stored; a first token is no change."""
    if channel is None or channel.token is None:
        return False, False
    return channel.token != message.token, channel.magic != message.push_magic


def _with_tokens(
    change: Change,
    snapshot: Snapshot,
    life: Connection,
    device: Device,
    channel: Channel | None,
    message: TokenUpdate,
    policy: Policy,
    moment: Moment,
) -> Change:
    """The change with push token, unlock token and await period of the message put in."""
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
        events.append(_event("push.topic-unknown", life, moment, topic=message.topic))
    escrow = change.escrow
    if message.unlock_token is not None and snapshot.escrow.get(EscrowKind.UNLOCK_TOKEN) != message.unlock_token:
        kept = Escrow(connection_id=life.id, kind=EscrowKind.UNLOCK_TOKEN, value=message.unlock_token, at=moment.now)
        escrow = (*escrow, kept)
    work = (*change.work, Work(kind=PUSH, key=put.id, due_at=moment.now)) if reachable else change.work
    change = replace(change, channels=(*change.channels, put), events=tuple(events), escrow=escrow, work=work)
    return await_configuration(
        change, life, device, awaiting=message.awaiting_configuration, policy=policy, moment=moment
    )


def _refuse_restore(snapshot: Snapshot, life: Connection, device: Device, policy: Policy, moment: Moment) -> Decision:
    """`on_restore` says refuse: the restored device is told to leave, through the breaker like all others."""
    decision = unenroll(
        life,
        device,
        snapshot.breaker,
        policy,
        moment.now,
        why="Restored from a backup; the organization asks for a new enrollment.",
        is_poll=False,
    )
    if decision.change.unenrolling is None:
        return decision
    request = life.end_request or EndRequest(by="policy on_restore", at=moment.now, deadline=moment.now)
    ended = end(replace(life, end_request=request), device, EndReason.UNENROLLED, moment, proof="restore refused")
    if life.is_over:
        ended = replace(ended, events=(_event("connection.restore-refused", life, moment),))
    return replace(decision, change=merge(decision.change, ended))
