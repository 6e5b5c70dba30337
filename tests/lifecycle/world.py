"""A small world for the life cycle: devices with what they hold, a store in memory, and what is sent between them.

It keeps its own record of what was promised (commands queued, results taken, devices told to leave), so that what the
life cycle does can be held against something that it did not write itself.
"""

import asyncio
import itertools
import pickle
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from corral.apple.checkin import Authenticate, TokenUpdate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Report, Status
from corral.lifecycle.change import Answer, Change, Decision, Enqueue, NextCommand
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.issuance import GrantState, IssuanceRefused, Issue, decide_issuance, issued
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import OnRestore, Policy
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Connection,
    Consequence,
    Grant,
    Phase,
    Purpose,
    Snapshot,
)
from corral.lifecycle.taking_over import is_held, let_in
from corral.store.devices import Ask, Committed, Contact, Next, Stale
from lifecycle.memory import MemoryStore

T = TypeVar("T")
TOPIC = "com.apple.mgmt.test"
DATABASE = ("devices", "connections", "channels", "certificates", "grants", "links", "deliveries", "bodies", "results")


@dataclass
class FakeDevice:
    """What a device holds: its installed identity, and the one that it is about to install."""

    udid: str
    installed: Identity | None = None
    pending: Identity | None = None
    token: int = 0
    magic: int = 0
    unlock: int = 0
    bootstrap: bytes | None = None
    """What was escrowed in its present life."""
    former: list[Identity] = field(default_factory=list[Identity])
    """Of earlier lives, and from before renewals: a backup may bring any of them back."""

    @property
    def speaker(self) -> Speaker:
        return Speaker(self.udid, "", Kind.DEVICE)

    def user(self, user_id: str) -> Speaker:
        return Speaker(self.udid, user_id, Kind.USER)

    def authenticate(self) -> Authenticate:
        return Authenticate(
            speaker=self.speaker,
            topic=TOPIC,
            os_version="16.0",
            product_name="iPhone14,2",
            serial_number=f"S{self.udid}",
        )

    def token_update(self, *, awaiting: bool = False) -> TokenUpdate:
        return TokenUpdate(
            speaker=self.speaker,
            topic=TOPIC,
            push_magic=f"magic-{self.magic}",
            token=f"token-{self.token}".encode(),
            unlock_token=f"unlock-{self.unlock}".encode(),
            awaiting_configuration=awaiting,
        )

    def report(self, status: Status, uuid: str | None = None, user: str = "") -> Reported:
        speaker = self.user(user) if user else self.speaker
        return Reported(Report(speaker, status, uuid), b"raw")


class World:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStore()
        self.now = 1_700_000_000_000
        self.numbers = itertools.count(1)
        self.policy = Policy(breaker_limit=2)
        self.authority = 1
        """Which authority issues and stands in the profiles that are given out: counted up by each roll-over."""
        self.queued: dict[str, str] = {}
        """Channel of every command that was ever queued."""
        self.taken: list[tuple[str, str]] = []
        """(channel, command) of every result that was answered 200."""
        self.told: list[tuple[str, int]] = []
        """(connection or device, when) of everything that counts against the breaker since it was last closed."""
        self.waits: Counter[str] = Counter()
        """How many await periods each life has begun."""
        self.forgotten: Counter[str] = Counter()
        """How often the row of a certificate was lost, by its fingerprint."""
        self.failed_setup: set[str] = set()
        self.owner: dict[bytes, str] = {}
        """The first device of each certificate."""

    def close(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def moment(self) -> Moment:
        return Moment(now=self.now, fresh_id=lambda: f"id-{next(self.numbers)}")

    def restart(self) -> None:
        """The process dies; what is left is what can be read back from bytes."""
        rows = pickle.dumps(vars(self.store))
        self.store = MemoryStore()
        vars(self.store).update(pickle.loads(rows))  # noqa: S301 - just written

    # What is there

    def life(self, device: FakeDevice) -> Connection | None:
        """The device's current life."""
        speaking = (Phase.CONNECTED, Phase.ENDING)
        return next((c for c in self.lives(device) if c.phase in speaking), None)

    def lives(self, device: FakeDevice) -> list[Connection]:
        return [c for c in self.store.connections.values() if c.device_id == device.udid]

    def is_bound(self, device: FakeDevice) -> bool:
        certificate = self.store.certificates.get(device.installed.fingerprint) if device.installed else None
        return certificate is not None and certificate.device_id == device.udid

    # What happens

    def issue(self, grant_id: str, grant: Grant | None = None) -> Identity | None:
        """A certificate for a new key under a grant, as the SCEP service does it; None if it is refused."""
        number = next(self.numbers)
        stored = self.store.grants.get(grant_id) or grant
        assert stored is not None
        state = GrantState(
            grant=stored,
            link=self.store.links.get(stored.link_id or ""),
            certificates=tuple(c for c in self.store.certificates.values() if c.grant_id == stored.id),
            connection=self.store.connections.get(stored.connection_id),
        )
        outcome = decide_issuance(state, str(number).encode(), self.policy, self.now)
        if isinstance(outcome, IssuanceRefused):
            return None
        assert isinstance(outcome, Issue)
        certificate = Certificate(
            fingerprint=f"fingerprint-{number}".encode(),
            authority="",
            purpose=stored.purpose,
            status=CertificateStatus.ISSUED,
            connection_id=stored.connection_id,
            grant_id=stored.id,
            request_digest=str(number).encode(),
            issued_at=self.now,
            not_after=self.now + 365 * DAY,
            issuer=str(self.authority),
        )
        self.commit(issued(state, certificate, outcome.revoke))
        return Identity(
            fingerprint=certificate.fingerprint,
            connection_id=stored.connection_id,
            not_after=certificate.not_after,
        )

    def commit(self, change: Change) -> None:
        assert isinstance(self.run(self.store.commit(change)), Committed)
        self._record(change)

    def operate(self, device: FakeDevice, decide_change: Callable[[Snapshot], Change]) -> bool:
        """What a person decides; False if it was refused."""
        contact = Contact(fingerprint=b"", device_id=device.udid, breaker_since=self.since)
        snapshot = self.run(self.store.load(contact))
        try:
            change = decide_change(snapshot)
        except OperationRefused:
            return False
        self.commit(change)
        return True

    def send(self, device: FakeDevice, identity: Identity, message: Message) -> Answer:
        """One message, and what the service does with it: exchange, or load, decide and commit."""
        contact = self._contact(identity, message)
        if isinstance(message, Reported):
            ask = Ask(contact=contact, status=message.report.status, body=message.body, now=self.now)
            outcome = self.run(self.store.exchange(ask))
            if isinstance(outcome, Next):
                return self._delivered(identity, Answer(200, outcome.body))
        snapshot = self.run(self.store.load(contact))
        decision = decide(snapshot, message, identity, self.policy, self.moment())
        self.commit(decision.change)
        answer = self._answer(device, identity, snapshot, decision)
        self._decide_takeover(device)
        return answer

    def _decide_takeover(self, device: FakeDevice) -> None:
        """A person says at once that whoever is held is the device."""
        for life in self.lives(device):
            snapshot = self.run(self.store.load_connection(life.id, self.since))
            if is_held(snapshot):
                assert self.life(device) is not None, "nobody is held whose place is free"
                grant = self.store.grants.get(life.admitted_by.removeprefix("grant:"))
                link = self.store.links.get(grant.link_id or "") if grant else None
                self.commit(let_in(snapshot, grant, link, "a person", self.moment()))

    def send_both(self, *sent: tuple[FakeDevice, Identity, Message]) -> None:
        """Messages that are decided at the same moment: whoever commits later decides again, once."""
        seen = [self.run(self.store.load(self._contact(identity, message))) for _, identity, message in sent]
        decided = [
            decide(snapshot, message, identity, self.policy, self.moment())
            for snapshot, (_, identity, message) in zip(seen, sent, strict=True)
        ]
        for snapshot, decision, (device, identity, message) in zip(seen, decided, sent, strict=True):
            outcome = self.run(self.store.commit(decision.change))
            if isinstance(outcome, Stale):
                self.send(device, identity, message)
            else:
                self._record(decision.change)
                self._answer(device, identity, snapshot, decision)
                self._decide_takeover(device)

    @property
    def since(self) -> int:
        return self.now - self.policy.breaker_window

    def _contact(self, identity: Identity, message: Message) -> Contact:
        report = message.report if isinstance(message, Reported) else None
        speaker = message.report.speaker if isinstance(message, Reported) else message.speaker
        return Contact(
            fingerprint=identity.fingerprint,
            device_id=speaker.device_id,
            user_id=speaker.user_id,
            named=identity.connection_id,
            command_uuid=report.command_uuid if report else None,
            breaker_since=self.since,
        )

    def _answer(self, device: FakeDevice, identity: Identity, snapshot: Snapshot, decision: Decision) -> Answer:
        answer = decision.answer
        if isinstance(answer, NextCommand):
            after_idle, only = answer.after_idle, answer.only
            following = self.run(self.store.next(answer.channel_id, self.now, after_idle=after_idle, only=only))
            return self._delivered(identity, Answer(200, following.body))
        if answer.status == 401 or b"unrecognized" in answer.body:
            self._check_leaving(device, snapshot)
        return answer

    def _delivered(self, identity: Identity, answer: Answer) -> Answer:
        """No command of another life, none to a closed one, and none but RemoveProfile past the deadline."""
        if answer.body:
            uuid = answer.body.decode()
            life = self.store.connections[self.store.certificates[identity.fingerprint].connection_id]
            channel = self.queued[uuid]
            assert channel.split("/")[0] == life.id
            assert life.phase in (Phase.CONNECTED, Phase.ENDING)
            assert life.end_request is None or self.now < life.end_request.deadline
            delivery = self.store.deliveries[channel, uuid]
            repairs = (Consequence.RENEWAL, Consequence.REMOVE_PROFILE)
            assert self.now < identity.not_after or delivery.consequence in repairs
        return answer

    def _check_leaving(self, device: FakeDevice, seen: Snapshot) -> None:
        """Row 4, or the policy on restores; and never for a certificate that is not bound to the speaker."""
        # A certificate whose row is lost is bound again by the life that it names, and then the same holds.
        record, bound = seen.device, seen.bound or seen.named
        assert record is not None
        owned = seen.certificate is None or seen.certificate.device_id in (None, device.udid)
        assert owned
        assert (
            record.blocked_at is not None
            or (bound is not None and bound.ended_by_decision)
            or (bound is not None and bound.end_request is not None and self.now >= bound.end_request.deadline)
            or self.policy.on_restore is OnRestore.REFUSE
        )

    def _record(self, change: Change) -> None:
        for queued in change.enqueue:
            self.queued[queued.command_uuid] = queued.channel_id
            self.store.bodies[queued.command_uuid] = queued.command_uuid.encode()
        if change.unenrolling is not None:
            self.told.append((change.unenrolling, self.now))
        self.waits.update(e.connection_id or "" for e in change.events if e.type == "configuration.awaited")
        self.failed_setup |= {e.connection_id or "" for e in change.events if e.type == "configuration.failed"}
        for certificate in change.certificates:
            if certificate.device_id is not None:
                self.owner.setdefault(certificate.fingerprint, certificate.device_id)

    def enqueue(self, channel_id: str, request_type: str = "DeviceInformation") -> None:
        uuid = f"command-{next(self.numbers)}"
        erases = request_type == "EraseDevice"
        consequence = Consequence.ERASE_DEVICE if erases else Consequence.PLAIN
        queued = Enqueue(
            channel_id=channel_id,
            command_uuid=uuid,
            request_type=request_type,
            body=uuid.encode(),
            consequence=consequence,
        )
        self.commit(Change(enqueue=(queued,)))

    def renewal_grant(self, life: Connection) -> Grant:
        return Grant(
            id=f"grant-{next(self.numbers)}",
            purpose=Purpose.RENEW,
            connection_id=life.id,
            device_id=life.device_id,
            created_at=self.now,
            expires_at=self.now + 30 * DAY,
            profile=self.profile,
        )

    @property
    def profile(self) -> bytes:
        """What is kept of the profiles that are given out now."""
        return f"of authority {self.authority}".encode()

    def lose_binding(self, device: FakeDevice) -> None:
        """The database is restored from a backup that does not know the certificate yet."""
        if device.installed is not None and self.is_bound(device):
            certificate = self.store.certificates[device.installed.fingerprint]
            if certificate.connection_id == device.installed.connection_id:
                del self.store.certificates[device.installed.fingerprint]
                self.forgotten[device.installed.fingerprint.hex()] += 1

    def withdraw(self, grant_id: str) -> None:
        grant = self.store.grants[grant_id]
        self.store.grants[grant_id] = replace(grant, revoked_at=self.now, version=grant.version + 1)
