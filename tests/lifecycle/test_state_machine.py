"""The life cycle under any interleaving of what devices, people and databases do: the invariants hold."""

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from corral.apple.checkin import CheckOut, GetBootstrapToken, SetBootstrapToken, TokenUpdate
from corral.apple.report import Status
from corral.lifecycle import operating
from corral.lifecycle.change import Answer
from corral.lifecycle.evidence import Identity
from corral.lifecycle.expiry import warning
from corral.lifecycle.policy import OnExpiredIdentity, OnRestore, OnTakeover
from corral.lifecycle.settle import settle
from corral.lifecycle.state import (
    DAY,
    HOUR,
    Certificate,
    CertificateStatus,
    Connection,
    Consequence,
    DeliveryState,
    EndReason,
    EscrowKind,
    Grant,
    Link,
    Origin,
    Phase,
    Purpose,
    channel_id,
)
from lifecycle.world import FakeDevice, World

RESULTS = (Status.ACKNOWLEDGED, Status.ERROR, Status.NOT_NOW)
USERS = ("ANN", "BOB")

devices = st.integers(0, 2)
results = st.sampled_from(RESULTS)


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
        self.world = World()
        self.fleet = [FakeDevice(f"UDID-{number}") for number in range(3)]

    def teardown(self) -> None:
        self.world.close()

    @initialize(
        restores=st.sampled_from(OnRestore),
        takeovers=st.sampled_from(OnTakeover),
        expired=st.sampled_from(OnExpiredIdentity),
        users=st.booleans(),
    )
    def policies(self, restores: OnRestore, takeovers: OnTakeover, expired: OnExpiredIdentity, users: bool) -> None:
        self.world.policy = replace(
            self.world.policy,
            on_restore=restores,
            on_takeover=takeovers,
            on_expired_identity=expired,
            manage_users=users,
        )

    def send(self, device: FakeDevice, identity: Identity, message: Any) -> Answer:
        """A message, after which no older certificate has led around what a person decided."""
        before, spent = self.world.life(device), self.spent()
        answer = self.world.send(device, identity, message)
        after = self.world.life(device)
        if after is not None and (before is None or after.id != before.id):
            self.check_succession(device, after, spent)
        return answer

    def spent(self) -> set[str]:
        return {g.id for g in self.world.store.grants.values() if g.spent_at is not None}

    def check_succession(self, device: FakeDevice, after: Connection, spent: set[str]) -> None:
        """Whoever was told to go is back by an enrollment only, which is spent by it."""
        latest_before = [c for c in self.world.lives(device) if c.id != after.id][-1:]
        if latest_before and latest_before[0].end_request is not None:
            assert after.origin is Origin.ENROLLED
            assert after.admitted_by.removeprefix("grant:") in self.spent() - spent

    # Enrolling

    @rule(device=devices, awaiting=st.booleans())
    @with_devices
    def enroll(self, device: FakeDevice, awaiting: bool = False) -> None:
        """All of it, as most devices do."""
        self.get_certificate(device, 1)
        self.authenticate(device)
        self.first_token_update(device, awaiting)

    @rule(device=devices, uses=st.sampled_from([1, 2, None]))
    @with_devices
    def get_certificate(self, device: FakeDevice, uses: int | None) -> None:
        """Fetch a profile under a new link and get a certificate under its grant."""
        number = next(self.world.numbers)
        link = Link(id=f"link-{number}", created_at=self.world.now, uses=uses, expires_at=self.world.now + DAY)
        self.world.store.links[link.id] = link
        self.fetch(device, link)

    @rule(device=devices, number=st.integers(0, 5))
    @with_devices
    def use_link_again(self, device: FakeDevice, number: int) -> None:
        """Somebody else follows a link that was given out before."""
        links = list(self.world.store.links.values())
        if links:
            self.fetch(device, links[-1 - number % len(links)])

    def fetch(self, device: FakeDevice, link: Link) -> None:
        number = next(self.world.numbers)
        grant = Grant(
            id=f"grant-{number}",
            purpose=Purpose.ENROLL,
            connection_id=f"life-{number}",
            link_id=link.id,
            created_at=self.world.now,
            expires_at=self.world.now + DAY,
            profile=self.world.profile,
        )
        device.pending = self.world.issue(grant.id, grant)

    @rule(device=devices)
    @with_devices
    def new_key(self, device: FakeDevice) -> None:
        """The cached profile is tried again with a new key: the one before is revoked."""
        if device.pending is None:
            return
        pending = self.certificate(device.pending)
        if pending is None or pending.grant_id is None:
            return
        again = self.world.issue(pending.grant_id)
        if again is not None:
            if pending.device_id is None or pending.purpose is Purpose.ENROLL:
                assert self.world.send(device, device.pending, device.authenticate()).status == 403
            device.pending = again

    @rule(device=devices)
    @with_devices
    def authenticate(self, device: FakeDevice) -> None:
        if device.pending is None:
            return
        before = self.world.life(device)
        answer = self.send(device, device.pending, device.authenticate())
        if answer.status == 200 and before is not None and before.phase is Phase.CONNECTED:
            assert self.world.store.connections[before.id].phase is Phase.CONNECTED, "the old life goes on"

    @rule(device=devices)
    @with_devices
    def speak_before_authenticate(self, device: FakeDevice) -> None:
        if device.pending is None:
            return
        certificate = self.certificate(device.pending)
        if certificate is None or certificate.device_id is not None:
            return
        for message in (device.token_update(), device.report(Status.IDLE), GetBootstrapToken(device.speaker)):
            assert self.world.send(device, device.pending, message).status in (400, 401, 403, 503)
        assert self.certificate(device.pending) == certificate

    @rule(device=devices, awaiting=st.booleans())
    @with_devices
    def first_token_update(self, device: FakeDevice, awaiting: bool) -> None:
        if device.pending is None:
            return
        certificate = self.certificate(device.pending)
        device.token += 1
        device.magic += 1
        before = self.world.life(device)
        answer = self.send(device, device.pending, device.token_update(awaiting=awaiting))
        if answer.status == 200:
            self.check_renewal(before, self.world.life(device), certificate, awaiting)
            self.installed(device)

    def check_renewal(
        self,
        before: Connection | None,
        after: Connection | None,
        certificate: Certificate | None,
        awaiting: bool,
    ) -> None:
        """A renewal goes on with the same life and its queue, unless the device was wiped; all else is a new one."""
        assert after is not None
        if before is None or certificate is None or before.renewal is None:
            return
        if certificate.purpose is not Purpose.RENEW or before.renewal.grant_id != certificate.grant_id:
            return
        if awaiting and (before.renewal.authenticated_at is not None or before.reauthenticated_at is not None):
            assert after.id != before.id
        else:
            assert after.id == before.id
            assert after.renewal is None
            assert after.profile == self.world.store.grants[certificate.grant_id or ""].profile, "it is installed now"
            assert self.world.store.grants[certificate.grant_id or ""].spent_at is not None

    def installed(self, device: FakeDevice) -> None:
        if device.installed is not None and device.installed != device.pending:
            device.former.append(device.installed)
        device.installed, device.pending = device.pending, None
        self.check_unlock_token(device)

    def check_unlock_token(self, device: FakeDevice) -> None:
        life = self.world.life(device)
        assert life is not None
        held = self.world.store.escrow_of(life.id)
        assert held[EscrowKind.UNLOCK_TOKEN] == device.token_update().unlock_token

    @rule(device=devices)
    @with_devices
    def installation_fails(self, device: FakeDevice) -> None:
        """At whatever point it had come to: the device keeps what it had, and is served as before."""
        pending, device.pending = device.pending, None
        if pending is None or device.installed is None or not self.world.is_bound(device):
            return
        certificate = self.certificate(pending)
        life = self.world.life(device)
        if certificate is None or life is None or certificate.connection_id != life.id:
            return
        blocked = self.world.store.devices[device.udid].blocked_at
        if blocked is None and life.phase is Phase.CONNECTED and self.world.now < device.installed.not_after:
            self.send(device, device.installed, device.report(Status.IDLE))
            after = self.world.life(device)
            assert after is not None
            if after.id == life.id and after.reauthenticated_at is None:
                assert after.open

    @rule(owner=devices, other=devices)
    @with_devices
    def two_with_one_key(self, owner: FakeDevice, other: FakeDevice) -> None:
        """A key that was copied before its first use: of two devices at the same moment one gets in."""
        if owner is other or owner.pending is None:
            return
        certificate = self.certificate(owner.pending)
        if certificate is None or certificate.device_id is not None:
            return
        self.world.send_both((owner, owner.pending, owner.authenticate()), (other, owner.pending, other.authenticate()))

    @rule(owner=devices, other=devices)
    @with_devices
    def both_at_once(self, owner: FakeDevice, other: FakeDevice) -> None:
        """First TokenUpdates at the same moment, of one link perhaps: no link is used more often than it may be."""
        if owner is other or owner.pending is None or other.pending is None:
            return
        pending = {owner.udid: owner.pending, other.udid: other.pending}
        for device in (owner, other):
            self.send(device, pending[device.udid], device.authenticate())
        self.world.send_both(*((each, pending[each.udid], each.token_update()) for each in (owner, other)))
        for device in (owner, other):
            life, known = self.world.life(device), self.world.store.devices.get(device.udid)
            if known is not None and known.blocked_at is not None:
                continue  # it was told to leave, or the breaker held that back: what it said is not taken
            certificate = self.certificate(pending[device.udid])
            if life is not None and certificate is not None and certificate.connection_id == life.id:
                self.installed(device)

    def certificate(self, identity: Identity) -> Certificate | None:
        return self.world.store.certificates.get(identity.fingerprint)

    # What a connected device does

    @rule(device=devices, status=results)
    @with_devices
    def work(self, device: FakeDevice, status: Status) -> None:
        """What a connected device does all day."""
        if self.world.life(device) is None:
            self.enroll(device)
        self.enqueue(device, False)
        self.poll_and_obey(device, status)

    @rule(device=devices, status=results)
    @with_devices
    def poll_and_obey(self, device: FakeDevice, status: Status, user: str = "") -> None:
        """Idle, then one report for whatever came."""
        if device.installed is None:
            return
        answer = self.send(device, device.installed, device.report(Status.IDLE, None, user))
        if answer.status != 200 or not answer.body:
            return
        uuid = answer.body.decode()
        channel = self.world.queued[uuid]
        if self.world.store.deliveries[channel, uuid].consequence is Consequence.ERASE_DEVICE:
            self.be_erased(device, status, uuid)
            return
        again = self.send(device, device.installed, device.report(status, uuid, user))
        assert again.body.decode() != uuid or status is not Status.NOT_NOW, "NotNow is not repeated at once"
        if again.status == 200 and status is not Status.NOT_NOW:
            self.world.taken.append((channel, uuid))

    def be_erased(self, device: FakeDevice, status: Status, uuid: str) -> None:
        """An erased device holds no key any more, and waits in Setup Assistant for its next enrollment."""
        assert device.installed is not None
        self.send(device, device.installed, device.report(status, uuid))
        if status is Status.ACKNOWLEDGED:
            device.installed, device.pending, device.bootstrap, device.former = None, None, None, []
            device.unlock += 1

    @rule(device=devices)
    @with_devices
    def repeat_report(self, device: FakeDevice) -> None:
        """A result that was taken is sent once more, and one for a command that nobody knows."""
        if device.installed is None:
            return
        for uuid in (*(uuid for _, uuid in self.world.taken[-1:]), "unknown"):
            self.send(device, device.installed, device.report(Status.ACKNOWLEDGED, uuid))

    @rule(device=devices, restored=st.booleans(), awaiting=st.booleans())
    @with_devices
    def update_token(self, device: FakeDevice, restored: bool, awaiting: bool) -> None:
        """A new token; with a new magic too, that of a device that was restored from its own backup."""
        if device.installed is None:
            return
        device.token += 1
        device.magic += restored
        device.unlock += restored
        answer = self.send(device, device.installed, device.token_update(awaiting=awaiting))
        if answer.status == 200:
            self.check_unlock_token(device)

    @rule(device=devices, empty=st.booleans())
    @with_devices
    def escrow(self, device: FakeDevice, empty: bool) -> None:
        if device.installed is None:
            return
        token = None if empty else f"bootstrap-{next(self.world.numbers)}".encode()
        before = self.world.life(device)
        if self.send(device, device.installed, SetBootstrapToken(device.speaker, token)).status == 200:
            certificate = self.certificate(device.installed)
            assert certificate is not None
            if before is not None and certificate.connection_id == before.id:
                held = self.world.store.escrow_of(before.id).get(EscrowKind.BOOTSTRAP_TOKEN)
                assert held == token

    @rule(device=devices)
    @with_devices
    def authenticate_again(self, device: FakeDevice) -> None:
        """The installed profile checks in anew under its own identity."""
        if device.installed is not None:
            self.send(device, device.installed, device.authenticate())

    @rule(device=devices)
    @with_devices
    def check_out(self, device: FakeDevice) -> None:
        if device.installed is not None:
            message = CheckOut(speaker=device.speaker)
            revoked = self.certificate(device.installed)
            answer = self.send(device, device.installed, message)
            assert answer.status == 200 or (revoked and revoked.status is CertificateStatus.REVOKED)

    @rule(owner=devices, other=devices)
    @with_devices
    def clone(self, owner: FakeDevice, other: FakeDevice) -> None:
        """Migration Assistant: another device speaks with the owner's identity."""
        if owner is other or owner.installed is None or not self.world.is_bound(owner):
            return
        store = self.world.store
        before = store.connections.copy(), store.channels.copy(), store.certificates.copy()
        for message in (other.token_update(), other.authenticate(), other.report(Status.IDLE)):
            answer = self.world.send(other, owner.installed, message)
            assert answer.status == 403
            assert not answer.body
        assert (store.connections, store.channels, store.certificates) == before, "the owner is undisturbed"

    @rule(device=devices, back=st.integers(0, 3))
    @with_devices
    def old_backup(self, device: FakeDevice, back: int) -> None:
        """A backup from before a renewal, or of an earlier life, is restored."""
        if len(device.former) <= back:
            return
        identity = device.former[-1 - back]
        device.token += 1
        device.magic += 1
        answer = self.send(device, identity, device.token_update())
        if answer.status == 200:
            device.former.append(device.installed or identity)
            device.installed = identity
            self.check_unlock_token(device)

    @rule(device=devices)
    @with_devices
    def old_identity_speaks(self, device: FakeDevice) -> None:
        """A former identity of the device polls: it never gets a command of a life that is not its own."""
        for identity in device.former:
            certificate = self.certificate(identity)
            answer = self.send(device, identity, device.report(Status.IDLE))
            if certificate is not None and certificate.status is CertificateStatus.RETIRED:
                assert not answer.body or answer.status == 403

    # Users

    @rule(device=devices, user=st.sampled_from(USERS))
    @with_devices
    def user_connects(self, device: FakeDevice, user: str) -> None:
        if device.installed is None:
            return
        update = TokenUpdate(device.user(user), "com.apple.mgmt.test", f"magic of {user}", b"token")
        answer = self.send(device, device.installed, update)
        assert answer.status in (200, 400, 401, 403, 410, 503)
        if answer.status == 200 and (life := self.world.life(device)):
            self.world.enqueue(channel_id(life.id, user))

    @rule(device=devices, user=st.sampled_from(USERS), status=results)
    @with_devices
    def user_polls(self, device: FakeDevice, user: str, status: Status) -> None:
        self.poll_and_obey(device, status, user)

    @rule(device=devices, user=st.sampled_from(USERS))
    @with_devices
    def user_leaves(self, device: FakeDevice, user: str) -> None:
        """The channel is over, its device is not; what it is sent later is nothing."""
        if device.installed is None or not self.world.is_bound(device):
            return
        before = self.world.life(device)
        self.send(device, device.installed, CheckOut(speaker=device.user(user)))
        assert self.world.life(device) == before
        answer = self.send(device, device.installed, device.report(Status.IDLE, None, user))
        assert not answer.body or answer.status in (401, 403)

    # What people do

    @rule(device=devices, deadline=st.sampled_from([0, HOUR]), identifier=st.sampled_from(["profile", ""]))
    @with_devices
    def end(self, device: FakeDevice, deadline: int, identifier: str) -> None:
        world = self.world
        due = world.now + deadline
        world.operate(
            device,
            lambda seen: operating.end_connection(seen, "admin", identifier, due, world.policy, world.moment()),
        )

    @rule(device=devices)
    @with_devices
    def end_and_come_back(self, device: FakeDevice) -> None:
        """By all that a device still holds of what it once was."""
        if self.world.life(device) is None:
            self.enroll(device)
        self.enroll(device)
        self.end(device, HOUR, "profile")
        self.authenticate_again(device)
        self.update_token(device, restored=True, awaiting=True)
        self.old_backup(device, 0)

    @rule(device=devices)
    @with_devices
    def block(self, device: FakeDevice) -> None:
        self.world.operate(device, lambda seen: operating.block(seen, "admin", "lost", self.world.moment()))

    @rule(device=devices)
    @with_devices
    def unblock(self, device: FakeDevice) -> None:
        self.world.operate(device, lambda seen: operating.unblock(seen, "admin", self.world.moment()))

    @rule(device=devices)
    @with_devices
    def blocked_device_speaks(self, device: FakeDevice) -> None:
        """Nothing but an answer that makes it leave, or that the breaker holds back."""
        record = self.world.store.devices.get(device.udid)
        if record is None or record.blocked_at is None or device.installed is None or not self.world.is_bound(device):
            return
        certificate = self.certificate(device.installed)
        assert certificate is not None
        answer = self.send(device, device.installed, device.token_update())
        revoked = certificate.status is CertificateStatus.REVOKED
        assert answer.status == 401 or revoked or (answer.status == 503 and self.world.store.breaker_open)

    @rule(device=devices, erase=st.booleans())
    @with_devices
    def enqueue(self, device: FakeDevice, erase: bool) -> None:
        life = self.world.life(device)
        if life is not None:
            self.world.enqueue(life.id, "EraseDevice" if erase else "DeviceInformation")

    @rule(device=devices)
    @with_devices
    def renew(self, device: FakeDevice) -> None:
        """Ask for a renewal; the device fetches its certificate but has not checked in yet."""
        life = self.world.life(device)
        if life is None:
            return
        grant = self.world.renewal_grant(life)
        asked = self.world.operate(
            device,
            lambda seen: operating.begin_renewal(seen, grant, b"", "admin", self.world.moment()),
        )
        assert asked == (life.phase is Phase.CONNECTED)
        if asked and device.installed is not None:
            device.pending = self.world.issue(grant.id)

    @rule(device=devices)
    @with_devices
    def renew_by_request(self, device: FakeDevice) -> None:
        """RenewalReq: the device asks by itself, with the identity that it has."""
        life = self.world.life(device)
        if life is None or device.installed is None:
            return
        grant = replace(self.world.renewal_grant(life), profile=life.profile)
        opened = self.world.operate(device, lambda seen: operating.renewal_by_request(seen, grant, self.world.moment()))
        if opened:
            device.pending = self.world.issue(grant.id, grant)

    @rule(device=devices)
    @with_devices
    def renew_and_check_in(self, device: FakeDevice) -> None:
        if self.world.life(device) is None:
            self.enroll(device)
        self.enqueue(device, False)
        self.renew(device)
        self.authenticate(device)

    @rule(number=st.integers(0, 5))
    def grant_is_withdrawn(self, number: int) -> None:
        grants = list(self.world.store.grants)
        if grants:
            self.world.withdraw(grants[-1 - number % len(grants)])

    @rule(number=st.integers(0, 5))
    def link_is_withdrawn(self, number: int) -> None:
        links = list(self.world.store.links.values())
        if links:
            link = links[-1 - number % len(links)]
            self.world.store.links[link.id] = replace(link, revoked_at=self.world.now)

    # What else happens

    @rule()
    def roll_over(self) -> None:
        """Another authority issues; whoever is renewed from now on gets a profile that names it."""
        self.world.authority += 1

    @rule(device=devices, number=st.integers(0, 3))
    @with_devices
    def warn_of_expiry(self, device: FakeDevice, number: int) -> None:
        """Whatever else happens to its certificate meanwhile: told once for each of the days that are left."""
        mine = [each for each in self.world.store.certificates.values() if each.device_id == device.udid]
        life = self.world.life(device)
        if not mine or life is None:
            return
        certificate = mine[number % len(mine)]
        days = warning(certificate.not_after, self.world.now)
        if days is None or (certificate.warned_days is not None and certificate.warned_days <= days):
            return
        told = self.world.operate(
            device,
            lambda seen: operating.warn_of_expiry(
                replace(seen, bound=seen.current), certificate, days, "a test", self.world.moment()
            ),
        )
        assert told == (life.phase is Phase.CONNECTED)

    @rule(hours=st.sampled_from([0, 0, 1, 1, 30, 400 * 24]))
    def time_passes(self, hours: int) -> None:
        self.world.now += hours * HOUR

    @rule()
    def close_breaker(self) -> None:
        self.world.store.breaker_open = False
        self.world.store.unenrolling.clear()
        self.world.told.clear()

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(device=devices)
    @with_devices
    def binding_is_lost(self, device: FakeDevice) -> None:
        self.world.lose_binding(device)

    # What holds all the time

    @invariant()
    def one_life_at_most(self) -> None:
        for device in self.fleet:
            phases = [life.phase for life in self.world.lives(device)]
            assert phases.count(Phase.CONNECTED) + phases.count(Phase.ENDING) <= 1
            assert phases.count(Phase.AUTHENTICATING) <= 1

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        for key in self.world.taken:
            assert key in self.world.store.results

    @invariant()
    def ended_lives_hold_no_open_command(self) -> None:
        for delivery in self.world.store.deliveries.values():
            life = self.world.store.connections[delivery.channel_id.split("/")[0]]
            assert life.phase is not Phase.ENDED or delivery.state is not DeliveryState.OPEN

    @invariant()
    def ended_lives_say_why(self) -> None:
        for life in self.world.store.connections.values():
            if life.phase is Phase.ENDED:
                assert life.end_reason in set(EndReason)
                assert life.proof
                assert not life.open

    @invariant()
    def lives_are_settled(self) -> None:
        """What lets ordinary traffic pass always says what the state demands."""
        for life in self.world.store.connections.values():
            if not life.is_over:
                assert life == settle(life, self.world.store.devices[life.device_id])

    @invariant()
    def the_breaker_holds(self) -> None:
        lately = {who for who, at in self.world.told if at >= self.world.since}
        assert len(lately) <= self.world.policy.breaker_limit

    @invariant()
    def links_and_grants_are_used_as_often_as_they_may_be(self) -> None:
        store = self.world.store
        for link in store.links.values():
            spent = [g for g in store.grants.values() if g.link_id == link.id and g.spent_at is not None]
            assert link.used == len(spent)
            assert link.uses is None or link.used <= link.uses
        users: dict[str, set[str]] = {}
        for life in store.connections.values():
            if life.connected_at is not None and life.admitted_by.startswith("grant:"):
                users.setdefault(life.admitted_by, set()).add(life.device_id)
        assert all(len(by) == 1 for by in users.values())

    @invariant()
    def a_certificate_is_of_one_device(self) -> None:
        for certificate in self.world.store.certificates.values():
            if certificate.device_id is not None:
                assert self.world.owner[certificate.fingerprint] == certificate.device_id

    @invariant()
    def nobody_is_warned_twice(self) -> None:
        """But of a certificate whose row was lost: with it goes what was told of it."""
        told = Counter(
            str(each.data["fingerprint"]) for each in self.world.store.events if each.type == "identity.expired"
        )
        assert all(count <= 1 + self.world.forgotten[fingerprint] for fingerprint, count in told.items())

    @invariant()
    def setup_assistant_is_released_once(self) -> None:
        """DeviceConfigured is queued once an await period, and is there until it was tried."""
        releases = [d for d in self.world.store.deliveries.values() if d.consequence is Consequence.DEVICE_CONFIGURED]
        for life in self.world.store.connections.values():
            of_life = [d for d in releases if d.channel_id == life.id]
            assert len(of_life) == self.world.waits[life.id]
            if life.phase is Phase.CONNECTED and life.awaiting_since and life.id not in self.world.failed_setup:
                assert any(d.state is DeliveryState.OPEN for d in of_life)


class LongLifeCycle(LifeCycle):
    pass


LifeCycle.TestCase.settings = settings(max_examples=250, stateful_step_count=60, deadline=None)
TestLifeCycle = LifeCycle.TestCase

LongLifeCycle.TestCase.settings = settings(max_examples=8000, stateful_step_count=80, deadline=None)
TestLongLifeCycle = pytest.mark.long(pytest.mark.timeout(1800)(LongLifeCycle.TestCase))
