"""The life cycle under any interleaving of what devices, people and databases do: the invariants hold."""

import asyncio
import functools
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from corral.apple.checkin import Authenticate, CheckOut, TokenUpdate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Report, Status
from corral.lifecycle import operating
from corral.lifecycle.change import Answer, Change, Enqueue, NextCommand
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.issuance import GrantState, Issue, decide_issuance, issued
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import OnRestore, Policy
from corral.lifecycle.state import (
    DAY,
    HOUR,
    Certificate,
    CertificateStatus,
    Consequence,
    DeliveryState,
    EndReason,
    Grant,
    Link,
    Phase,
    Purpose,
    Snapshot,
)
from corral.store.devices import Ask, Committed, Contact, Next
from lifecycle.memory import MemoryStore

T = TypeVar("T")
TOPIC = "com.apple.mgmt.test"


@dataclass
class FakeDevice:
    """What a device holds: its installed identity, and the one that it is about to install."""

    udid: str
    installed: Identity | None = None
    pending: Identity | None = None
    token: int = 0
    magic: int = 0
    acknowledged: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(channel, command) of every result that was answered 200."""
    told_to_leave: bool = False
    former: list[Identity] = field(default_factory=list[Identity])


devices = st.integers(0, 2)


def with_devices(act: Callable[..., None]) -> Callable[..., None]:
    """A rule whose devices are drawn as numbers in the fleet, and may be called with devices by other rules."""

    @functools.wraps(act)
    def rule_of(machine: "LifeCycle", *drawn: Any, **named: Any) -> None:
        chosen = {
            key: machine.fleet[value] if key in ("device", "owner", "other") and isinstance(value, int) else value
            for key, value in named.items()
        }
        act(machine, *drawn, **chosen)

    return rule_of


class LifeCycle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStore()
        self.now = 1_700_000_000_000
        self.numbers = itertools.count(1)
        self.policy = Policy(breaker_limit=2)
        self.fleet = [FakeDevice(f"UDID-{number}") for number in range(3)]
        self.queued: dict[str, str] = {}

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def moment(self) -> Moment:
        return Moment(now=self.now, fresh_id=lambda: f"id-{next(self.numbers)}")

    # What devices do

    @initialize(refuse=st.booleans())
    def policies(self, refuse: bool) -> None:
        self.policy = replace(self.policy, on_restore=OnRestore.REFUSE if refuse else OnRestore.ACCEPT)

    @rule(device=devices, status=st.sampled_from([Status.ACKNOWLEDGED, Status.NOT_NOW]))
    @with_devices
    def work(self, device: FakeDevice, status: Status) -> None:
        """What a connected device does all day."""
        if self.life(device) is None:
            self.enroll(device)
        self.enqueue(device, False)
        self.poll_and_obey(device, status)

    @rule(device=devices)
    @with_devices
    def renew_and_check_in(self, device: FakeDevice) -> None:
        if self.life(device) is None:
            self.enroll(device)
        self.enqueue(device, False)
        self.renew(device)
        self.authenticate(device)

    @rule(device=devices)
    @with_devices
    def blocked_device_speaks(self, device: FakeDevice) -> None:
        """Nothing but an answer that makes it leave, or that the breaker holds back."""
        record = self.store.devices.get(device.udid)
        if record is None or record.blocked_at is None or device.installed is None or not self.is_bound(device):
            return
        answer = self.send(device, device.installed, self.token_update(device))
        assert answer.status == 401 or (answer.status == 503 and self.store.breaker_open)

    @rule(device=devices)
    @with_devices
    def enroll(self, device: FakeDevice) -> None:
        """All of it, as most devices do."""
        self.get_certificate(device, 1)
        self.authenticate(device)
        self.first_token_update(device, False)

    @rule(device=devices, uses=st.sampled_from([1, None]))
    @with_devices
    def get_certificate(self, device: FakeDevice, uses: int | None) -> None:
        """Fetch a profile under a new link and get a certificate under its grant."""
        number = next(self.numbers)
        link = Link(id=f"link-{number}", created_at=self.now, uses=uses, expires_at=self.now + DAY)
        self.store.links[link.id] = link
        grant = Grant(
            id=f"grant-{number}",
            purpose=Purpose.ENROLL,
            connection_id=f"life-{number}",
            link_id=link.id,
            created_at=self.now,
            expires_at=self.now + DAY,
            profile=b"{}",
        )
        device.pending = self.issue(GrantState(grant=grant, link=link), number)

    def issue(self, state: GrantState, number: int) -> Identity:
        outcome = decide_issuance(state, str(number).encode(), self.policy, self.now)
        assert isinstance(outcome, Issue)
        fingerprint = f"fingerprint-{number}".encode()
        certificate = Certificate(
            fingerprint=fingerprint,
            authority="",
            purpose=state.grant.purpose,
            status=CertificateStatus.ISSUED,
            connection_id=state.grant.connection_id,
            grant_id=state.grant.id,
            request_digest=str(number).encode(),
            issued_at=self.now,
            not_after=self.now + 365 * DAY,
        )
        assert isinstance(self.run(self.store.commit(issued(state, certificate, outcome.revoke))), Committed)
        return Identity(
            fingerprint=fingerprint, connection_id=state.grant.connection_id, not_after=certificate.not_after
        )

    @rule(device=devices)
    @with_devices
    def authenticate(self, device: FakeDevice) -> None:
        if device.pending is not None:
            before = self.life(device)
            answer = self.send(device, device.pending, self.authenticate_message(device))
            if answer.status == 200 and before is not None and before.phase is Phase.CONNECTED:
                assert self.store.connections[before.id].phase is Phase.CONNECTED, "the old life goes on"

    def authenticate_message(self, device: FakeDevice) -> Authenticate:
        return Authenticate(
            speaker=Speaker(device.udid, "", Kind.DEVICE),
            topic=TOPIC,
            os_version="16.0",
            product_name="iPhone14,2",
            serial_number=f"S{device.udid}",
        )

    @rule(device=devices, awaiting=st.booleans())
    @with_devices
    def first_token_update(self, device: FakeDevice, awaiting: bool) -> None:
        if device.pending is None:
            return
        device.token += 1
        device.magic += 1
        before = self.life(device)
        answer = self.send(device, device.pending, self.token_update(device, awaiting=awaiting))
        if answer.status == 200:
            self.check_succession(before, self.life(device), device.pending, awaiting)
            if device.installed is not None and device.installed != device.pending:
                device.former.append(device.installed)
            device.installed, device.pending, device.told_to_leave = device.pending, None, False

    def check_succession(self, before: Any, after: Any, identity: Identity, awaiting: bool) -> None:
        """A renewal goes on with the same life and its queue, unless the device was wiped; all else is a new one."""
        certificate = self.store.certificates[identity.fingerprint]
        if before is None or certificate.purpose is not Purpose.RENEW:
            return
        if before.renewal is None or before.renewal.grant_id != certificate.grant_id:
            return
        if awaiting and before.renewal.authenticated_at is not None:
            assert after.id != before.id
        else:
            assert after.id == before.id
            assert after.renewal is None

    @rule(device=devices)
    @with_devices
    def installation_fails(self, device: FakeDevice) -> None:
        device.pending = None

    def token_update(self, device: FakeDevice, *, awaiting: bool = False) -> TokenUpdate:
        return TokenUpdate(
            speaker=Speaker(device.udid, "", Kind.DEVICE),
            topic=TOPIC,
            push_magic=f"magic-{device.magic}",
            token=f"token-{device.token}".encode(),
            awaiting_configuration=awaiting,
        )

    @rule(device=devices)
    @with_devices
    def change_token(self, device: FakeDevice) -> None:
        if device.installed is not None:
            device.token += 1
            self.send(device, device.installed, self.token_update(device))

    @rule(device=devices)
    @with_devices
    def restore_to_itself(self, device: FakeDevice) -> None:
        if device.installed is not None:
            device.token += 1
            device.magic += 1
            self.send(device, device.installed, self.token_update(device))

    @rule(owner=devices, other=devices)
    @with_devices
    def clone(self, owner: FakeDevice, other: FakeDevice) -> None:
        """Migration Assistant: another device speaks with the owner's identity."""
        if owner is other or owner.installed is None or not self.is_bound(owner):
            return
        before = self.store.connections.copy(), self.store.channels.copy()
        answer = self.send(other, owner.installed, self.token_update(other), leaving_counts=False)
        assert answer.status == 403
        assert not answer.body
        assert (self.store.connections, self.store.channels) == before, "the owner is undisturbed"

    def is_bound(self, device: FakeDevice) -> bool:
        assert device.installed is not None
        certificate = self.store.certificates.get(device.installed.fingerprint)
        return certificate is not None and certificate.device_id == device.udid

    @rule(device=devices)
    @with_devices
    def check_out(self, device: FakeDevice) -> None:
        if device.installed is not None:
            message = CheckOut(speaker=Speaker(device.udid, "", Kind.DEVICE), topic=TOPIC)
            assert self.send(device, device.installed, message).status == 200

    @rule(device=devices, status=st.sampled_from([Status.ACKNOWLEDGED, Status.ERROR, Status.NOT_NOW]))
    @with_devices
    def poll_and_obey(self, device: FakeDevice, status: Status) -> None:
        """Idle, then one report for whatever came."""
        if device.installed is None:
            return
        answer = self.send(device, device.installed, self.report(device, Status.IDLE, None))
        if answer.status != 200 or not answer.body:
            return
        uuid = answer.body.decode()
        self.check_delivery(device, uuid)
        again = self.send(device, device.installed, self.report(device, status, uuid))
        assert again.body.decode() != uuid or status is not Status.NOT_NOW, "NotNow is not repeated at once"
        if again.status == 200 and status is not Status.NOT_NOW:
            life = self.store.certificates[device.installed.fingerprint].connection_id
            device.acknowledged.append((life, uuid))

    @rule(device=devices)
    @with_devices
    def old_life_speaks(self, device: FakeDevice) -> None:
        """A former identity of the device polls: it never gets a command."""
        for identity in device.former:
            answer = self.send(device, identity, self.report(device, Status.IDLE, None))
            certificate = self.store.certificates[identity.fingerprint]
            if self.store.connections[certificate.connection_id].phase is Phase.ENDED:
                assert not answer.body or answer.status in (401, 403)

    def report(self, device: FakeDevice, status: Status, uuid: str | None, user: str = "") -> Reported:
        kind = Kind.USER if user else Kind.DEVICE
        return Reported(Report(Speaker(device.udid, user, kind), status, uuid), b"raw")

    @rule(device=devices)
    @with_devices
    def user_connects_and_polls(self, device: FakeDevice) -> None:
        if device.installed is None:
            return
        update = replace(self.token_update(device), speaker=Speaker(device.udid, "USER", Kind.USER))
        self.send(device, device.installed, update)
        answer = self.send(device, device.installed, self.report(device, Status.IDLE, None, "USER"))
        assert answer.status in (200, 400, 401, 403)

    # What people do

    @rule(device=devices, deadline=st.sampled_from([0, HOUR]))
    @with_devices
    def end(self, device: FakeDevice, deadline: int) -> None:
        self.operate(
            device,
            lambda snapshot: operating.end_connection(
                snapshot, "admin", "profile", self.now + deadline, self.policy, self.moment()
            ),
        )

    @rule(device=devices)
    @with_devices
    def block(self, device: FakeDevice) -> None:
        self.operate(device, lambda snapshot: operating.block(snapshot, "admin", "lost", self.moment()))

    @rule(device=devices)
    @with_devices
    def unblock(self, device: FakeDevice) -> None:
        self.operate(device, lambda snapshot: operating.unblock(snapshot, "admin", self.moment()))

    @rule(device=devices, erase=st.booleans())
    @with_devices
    def enqueue(self, device: FakeDevice, erase: bool) -> None:
        life = self.life(device)
        if life is None or life.phase not in (Phase.CONNECTED, Phase.ENDING):
            return
        uuid = f"command-{next(self.numbers)}"
        self.queued[uuid] = life.id
        queued = Enqueue(
            channel_id=life.id,
            command_uuid=uuid,
            request_type="EraseDevice" if erase else "DeviceInformation",
            body=uuid.encode(),
            consequence=Consequence.ERASE_DEVICE if erase else Consequence.PLAIN,
        )
        self.run(self.store.commit(Change(enqueue=(queued,))))

    @rule(device=devices)
    @with_devices
    def renew(self, device: FakeDevice) -> None:
        """Ask for a renewal; the device fetches its certificate but has not checked in yet."""
        life = self.life(device)
        if life is None or life.phase is not Phase.CONNECTED:
            return
        number = next(self.numbers)
        grant = Grant(
            id=f"grant-{number}",
            purpose=Purpose.RENEW,
            connection_id=life.id,
            device_id=life.device_id,
            created_at=self.now,
            expires_at=self.now + DAY,
            profile=b"{}",
        )
        uuid = f"command-{number}"
        self.operate(
            device,
            lambda snapshot: operating.begin_renewal(snapshot, grant, uuid, uuid.encode(), "admin", self.moment()),
        )
        self.queued[uuid] = life.id
        stored = self.store.grants.get(grant.id)
        if stored is not None:
            device.pending = self.issue(GrantState(grant=stored, connection=self.life(device)), number)

    @rule(hours=st.sampled_from([0, 0, 1, 30]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule()
    def close_breaker(self) -> None:
        self.store.breaker_open = False
        self.store.unenrolling.clear()

    @rule(device=devices)
    @with_devices
    def binding_is_lost(self, device: FakeDevice) -> None:
        """The database is restored from a backup that does not know the certificate yet."""
        if device.installed is not None and self.is_bound(device):
            certificate = self.store.certificates[device.installed.fingerprint]
            if certificate.connection_id == device.installed.connection_id:
                del self.store.certificates[device.installed.fingerprint]

    # How it is carried out

    def life(self, device: FakeDevice) -> Any:
        return next(
            (
                c
                for c in self.store.connections.values()
                if c.device_id == device.udid and c.phase in (Phase.CONNECTED, Phase.ENDING)
            ),
            None,
        )

    def operate(self, device: FakeDevice, change: Callable[[Snapshot], Change]) -> None:
        contact = Contact(fingerprint=b"", device_id=device.udid, breaker_since=self.now - HOUR)
        snapshot = self.run(self.store.load(contact))
        try:
            decided = change(snapshot)
        except OperationRefused:
            return
        assert isinstance(self.run(self.store.commit(decided)), Committed)
        for queued in decided.enqueue:
            self.store.bodies[queued.command_uuid] = queued.command_uuid.encode()
            self.queued[queued.command_uuid] = queued.channel_id

    def send(self, device: FakeDevice, identity: Identity, message: Message, *, leaving_counts: bool = True) -> Answer:
        speaker = message.report.speaker if isinstance(message, Reported) else message.speaker
        contact = Contact(
            fingerprint=identity.fingerprint,
            device_id=speaker.device_id,
            user_id=speaker.user_id,
            named=identity.connection_id,
            command_uuid=message.report.command_uuid if isinstance(message, Reported) else None,
            breaker_since=self.now - HOUR,
        )
        if isinstance(message, Reported):
            ask = Ask(contact=contact, status=message.report.status, body=message.body, now=self.now)
            outcome = self.run(self.store.exchange(ask))
            if isinstance(outcome, Next):
                return Answer(200, outcome.body)
        snapshot = self.run(self.store.load(contact))
        decision = decide(snapshot, message, identity, self.policy, self.moment())
        for queued in decision.change.enqueue:
            self.queued[queued.command_uuid] = queued.channel_id
        assert isinstance(self.run(self.store.commit(decision.change)), Committed)
        for queued in decision.change.enqueue:
            self.store.bodies[queued.command_uuid] = queued.command_uuid.encode()
        answer = decision.answer
        if isinstance(answer, NextCommand):
            following = self.run(
                self.store.next(answer.channel_id, self.now, after_idle=answer.after_idle, only=answer.only)
            )
            return Answer(200, following.body)
        if leaving_counts and (answer.status == 401 or b"unrecognized" in answer.body):
            self.check_leaving(device, snapshot.device is not None)
            device.told_to_leave = True
        return answer

    def check_delivery(self, device: FakeDevice, uuid: str) -> None:
        assert device.installed is not None
        certificate = self.store.certificates[device.installed.fingerprint]
        assert self.queued[uuid].split("/")[0] == certificate.connection_id, "no command of another life"

    def check_leaving(self, device: FakeDevice, known: bool) -> None:
        """An unenrolling answer needs a block, a decision to end, or the restore policy."""
        assert known
        record = self.store.devices[device.udid]
        ended = [c for c in self.store.connections.values() if c.device_id == device.udid and c.end_request is not None]
        assert record.blocked_at is not None or ended

    @invariant()
    def one_life_at_most(self) -> None:
        for device in self.fleet:
            phases = [c.phase for c in self.store.connections.values() if c.device_id == device.udid]
            assert phases.count(Phase.CONNECTED) + phases.count(Phase.ENDING) <= 1
            assert phases.count(Phase.AUTHENTICATING) <= 1

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        for device in self.fleet:
            for key in device.acknowledged:
                assert key in self.store.results

    @invariant()
    def ended_lives_hold_no_open_command(self) -> None:
        for delivery in self.store.deliveries.values():
            life = self.store.connections[delivery.channel_id.split("/")[0]]
            assert life.phase is not Phase.ENDED or delivery.state is not DeliveryState.OPEN

    @invariant()
    def ended_lives_say_why(self) -> None:
        for life in self.store.connections.values():
            if life.phase is Phase.ENDED:
                assert life.end_reason in set(EndReason)
                assert life.proof
                assert not life.open

    @invariant()
    def the_breaker_holds(self) -> None:
        lately = {i for i, at in self.store.unenrolling if at >= self.now - HOUR}
        assert len(lately) <= self.policy.breaker_limit


LifeCycle.TestCase.settings = settings(max_examples=500, stateful_step_count=60, deadline=None)
TestLifeCycle = LifeCycle.TestCase
