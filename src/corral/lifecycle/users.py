"""User channels: children of a connection. Whatever happens on one, it never unenrolls its device."""

from dataclasses import replace

from corral.apple import plist
from corral.apple.checkin import (
    CheckOut,
    DeclarativeManagement,
    GetToken,
    TokenUpdate,
    UserAuthenticate,
)
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Event, Work
from corral.lifecycle.configuring import await_user_configuration
from corral.lifecycle.connected import PUSH
from corral.lifecycle.digest import Verifier
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.policy import Policy, UserAuthentication
from corral.lifecycle.reporting import decide_report, keep
from corral.lifecycle.serving import MAY_HAVE_TOKEN, PLIST, serve_declarations
from corral.lifecycle.state import Channel, Connection, Snapshot

NOT_MANAGED = Answer(410, reason="This user is not managed.")
NO_PARENT = Answer(400, reason="The device of this user is not enrolled.")


def decide_user_message(
    snapshot: Snapshot, message: Message, identity: Identity, policy: Policy, moment: Moment
) -> Decision:
    """Row 13: 410 for a user who is not managed, 400 without a parent, 200 for a CheckOut."""
    life = snapshot.bound
    if isinstance(message, CheckOut):
        return _leave(snapshot, moment)
    if isinstance(message, Reported):
        return _report(snapshot, message, identity, policy, moment)
    if life is None or life.is_over:
        return Decision(NO_PARENT)
    match message:
        case UserAuthenticate():
            return _authenticate(message, life, policy, moment)
        case TokenUpdate():
            return _connect(snapshot, life, message, policy, moment)
        case DeclarativeManagement():
            return serve_declarations(message)
        case GetToken():
            return Decision(MAY_HAVE_TOKEN)
        case _:
            return Decision(Answer(400, reason="This message is not expected on a user channel."))


def _report(snapshot: Snapshot, message: Reported, identity: Identity, policy: Policy, moment: Moment) -> Decision:
    """A channel that is not there (any more) has no queue; what it reports is kept all the same."""
    life, channel = snapshot.bound, snapshot.channel
    if life is None or life.is_over or (channel is not None and channel.ended_at is None):
        return decide_report(snapshot, message, identity, policy, moment)
    return Decision(ACCEPTED, keep(message, life, moment))


def _authenticate(message: UserAuthenticate, life: Connection, policy: Policy, moment: Moment) -> Decision:
    if not policy.manage_users or policy.user_authentication is UserAuthentication.REFUSE:
        return Decision(NOT_MANAGED)
    if policy.user_authentication is UserAuthentication.DIGEST:
        return _verify(message, life, policy.verifier, moment)
    answer = {"AuthToken": ""} if message.digest_response else {"DigestChallenge": ""}
    return Decision(Answer(200, plist.dump(answer), PLIST))


def _verify(message: UserAuthenticate, life: Connection, verifier: Verifier | None, moment: Moment) -> Decision:
    """A challenge, or what the response to one proves: a user with a wrong password gets an empty token."""
    speaker = message.speaker
    if verifier is None:
        return Decision(NOT_MANAGED)
    if not message.digest_response:
        challenge = verifier.challenge(speaker.device_id, speaker.user_id, moment.now)
        return Decision(Answer(200, plist.dump({"DigestChallenge": challenge}), PLIST))
    token = verifier.auth_token(
        message.digest_response, speaker.device_id, speaker.user_id, speaker.user_short_name, moment.now
    )
    event = _told("user.authenticated" if token else "user.refused", life, message, moment)
    answer = Answer(200, plist.dump({"AuthToken": token}), PLIST)
    return Decision(answer, Change(events=(event,), at=moment.now))


def _connect(snapshot: Snapshot, life: Connection, message: TokenUpdate, policy: Policy, moment: Moment) -> Decision:
    if not policy.manage_users:
        return Decision(NOT_MANAGED)
    speaker = message.speaker
    if not _is_whom_it_says(message, policy):
        return Decision(NOT_MANAGED, Change(events=(_told("user.refused", life, message, moment),), at=moment.now))
    known = snapshot.channel or Channel(connection_id=life.id, user_id=speaker.user_id, kind=speaker.kind.value)
    reachable = message.topic in snapshot.topics
    channel = replace(
        known,
        short_name=speaker.user_short_name or known.short_name,
        long_name=speaker.user_long_name or known.long_name,
        topic=message.topic,
        token=message.token,
        magic=message.push_magic,
        token_updated_at=moment.now,
        unreachable="" if reachable else "no push certificate for its topic",
        ended_at=None,
    )
    events: tuple[Event, ...] = ()
    if snapshot.channel is None or snapshot.channel.ended_at is not None:
        events = (_event("channel.connected", life, channel, moment),)
    work = (Work(kind=PUSH, key=channel.id, due_at=moment.now),) if reachable else ()
    change = Change(
        device_id=life.device_id,
        expects=snapshot.device.version if snapshot.device else 0,
        events=events,
        work=work,
        at=moment.now,
    )
    awaiting = message.awaiting_configuration
    return Decision(
        ACCEPTED,
        await_user_configuration(change, channel, life.device_id, awaiting=awaiting, policy=policy, moment=moment),
    )


def _is_whom_it_says(message: TokenUpdate, policy: Policy) -> bool:
    """A token that is shown must be one that this user was given for a password. One that is not shown says nothing:
    local users have none (Apple: "Managing devices and users in macOS")."""
    if policy.user_authentication is not UserAuthentication.DIGEST or message.auth_token is None:
        return True
    speaker, verifier = message.speaker, policy.verifier
    return verifier is not None and verifier.gave(message.auth_token, speaker.device_id, speaker.user_id)


def _leave(snapshot: Snapshot, moment: Moment) -> Decision:
    channel, life = snapshot.channel, snapshot.bound
    if channel is None or life is None or channel.ended_at is not None:
        return Decision(ACCEPTED)
    gone = replace(channel, ended_at=moment.now)
    event = _event("channel.ended", life, channel, moment)
    expects = snapshot.device.version if snapshot.device else 0
    change = Change(device_id=life.device_id, expects=expects, channels=(gone,), events=(event,), at=moment.now)
    return Decision(ACCEPTED, change)


def _told(kind: str, life: Connection, message: UserAuthenticate | TokenUpdate, moment: Moment) -> Event:
    data = {"user_id": message.speaker.user_id, "user_short_name": message.speaker.user_short_name}
    return Event(type=kind, at=moment.now, device_id=life.device_id, connection_id=life.id, data=data)


def _event(kind: str, life: Connection, channel: Channel, moment: Moment) -> Event:
    data = {"user_id": channel.user_id, "user_short_name": channel.short_name}
    return Event(type=kind, at=moment.now, device_id=life.device_id, connection_id=life.id, data=data)
