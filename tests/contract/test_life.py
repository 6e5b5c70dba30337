"""The life of a connection, decided by the life cycle and kept by a store, from a link to the end."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from contract import values as v
from corral.apple.checkin import Authenticate, TokenUpdate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Report, Status
from corral.lifecycle import operating
from corral.lifecycle.change import Answer, Change, NextCommand
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.issuance import GrantState, issued
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.policy import OnTakeover, Policy
from corral.lifecycle.state import CertificateStatus, DeliveryState, EndReason, Phase, Snapshot
from corral.store.devices import Ask, Committed, Contact, Next
from corral.store.store import Store

POLICY = Policy()
IPHONE = Speaker(device_id="D1", user_id="", kind=Kind.DEVICE)


@dataclass
class Service:
    """Load, decide, commit, and again where it was stale: what the services do, in a few lines."""

    store: Store
    policy: Policy = POLICY
    now: int = v.NOW
    fresh: Callable[[], str] = field(default_factory=lambda: map("fresh {}".format, itertools.count()).__next__)
    tries: int = 0

    def moment(self) -> Moment:
        return Moment(now=self.now, fresh_id=self.fresh)

    async def hear(self, message: Message, key: str) -> Answer | Next:
        report = message.report if isinstance(message, Reported) else None
        contact = self._contact(key, report)
        snapshot = None
        if report is not None and isinstance(message, Reported):
            ask = Ask(
                contact=contact, status=report.status, body=message.body, now=self.now, push_again_at=self.now + 600
            )
            passed = await self.store.devices.exchange(ask)
            if isinstance(passed, Next):
                return passed
            snapshot = passed
        identity = Identity(fingerprint=v.fingerprint(key), not_after=v.certificate().not_after)
        while True:
            self.tries += 1
            snapshot = snapshot or await self.store.devices.load(contact)
            await asyncio.sleep(0)
            decision = decide(snapshot, message, identity, self.policy, self.moment())
            if await self.store.devices.commit(decision.change) == Committed():
                break
            snapshot = None
        if isinstance(decision.answer, NextCommand):
            answer = decision.answer
            return await self.store.devices.next(
                answer.channel_id, self.now, after_idle=answer.after_idle, only=answer.only
            )
        return decision.answer

    async def operate(self, act: Callable[[Snapshot], Change]) -> None:
        current = await self.look()
        assert await self.store.devices.commit(act(current)) == Committed()

    async def look(self) -> Snapshot:
        return await self.store.devices.load(Contact(fingerprint=b"", device_id="D1"))

    def _contact(self, key: str, report: Report | None) -> Contact:
        uuid = report.command_uuid if report else None
        return v.contact(key, command_uuid=uuid)

    async def invite(self, number: int) -> str:
        """A link with one use, its grant, and a certificate under it: the name of its key."""
        key = f"key {number}"
        await self.store.grants.add_link(v.link(f"L{number}"), v.fingerprint(f"token {number}"))
        grant = v.grant(f"G{number}", f"life {number}", link_id=f"L{number}", profile=b'{"identifier": "x"}')
        made = v.certificate(
            key,
            f"life {number}",
            status=CertificateStatus.ISSUED,
            device_id=None,
            grant_id=grant.id,
            request_digest=v.fingerprint(f"csr {number}"),
        )
        assert await self.store.devices.commit(issued(GrantState(grant=grant), made, ())) == Committed()
        return key

    async def enroll(self, number: int) -> str:
        key = await self.invite(number)
        assert await self.hear(Authenticate(IPHONE, v.TOPIC, "27.0", serial_number="S1"), key) == Answer(200)
        assert await self.hear(TokenUpdate(IPHONE, v.TOPIC, v.MAGIC, v.TOKEN), key) == Answer(200)
        return key


def poll() -> Reported:
    return Reported(Report(IPHONE, Status.IDLE), b"")


def done(uuid: str) -> Reported:
    return Reported(Report(IPHONE, Status.ACKNOWLEDGED, uuid), b"result of " + uuid.encode())


async def test_a_device_enrolls_by_a_link_that_is_used_once_it_is_connected(store: Store) -> None:
    await store.vault.put_push_certificate(v.push_certificate())
    service = Service(store)
    key = await service.invite(1)
    assert await service.hear(Authenticate(IPHONE, v.TOPIC, "27.0", serial_number="S1"), key) == Answer(200)
    before = await service.look()
    assert [life.phase for life in before.lives] == [Phase.AUTHENTICATING]
    assert await service.hear(poll(), key) == Answer(200), "no command before it is connected"
    link = await store.grants.link("L1")
    assert link is not None
    assert link.used == 0
    assert await service.hear(TokenUpdate(IPHONE, v.TOPIC, v.MAGIC, v.TOKEN, b"unlock"), key) == Answer(200)
    after = await service.look()
    assert [life.phase for life in after.lives] == [Phase.CONNECTED]
    link = await store.grants.link("L1")
    assert link is not None
    assert link.used == 1
    life = after.lives[0].id
    assert [work.key for work in await store.work.lease("push", v.NOW, v.NOW + 1, 9)] == [life]
    (target,) = await store.work.push_targets([life])
    assert (target.token, target.magic) == (v.TOKEN, v.MAGIC)
    kinds = [each.event.type for each in await store.events.read(0, 99)]
    assert kinds[0] == "certificate.issued"
    assert "connection.connected" in kinds


async def test_a_connected_device_gets_its_commands_and_a_new_life_gets_none_of_them(store: Store) -> None:
    service = Service(store, Policy(on_takeover=OnTakeover.ACCEPT))
    first = await service.enroll(1)
    old = (await service.look()).lives[0].id
    for uuid in ("U1", "U2"):
        assert await store.queue.enqueue(v.command(uuid), [old]) == (old,)
    answer = await service.hear(poll(), first)
    assert isinstance(answer, Next)
    assert answer.command_uuid == "U1"
    answer = await service.hear(done("U1"), first)
    assert isinstance(answer, Next)
    assert answer.command_uuid == "U2"
    service.now += 1
    second = await service.enroll(2)
    lives = (await service.look()).lives
    assert [(life.phase, life.end_reason) for life in lives] == [
        (Phase.CONNECTED, None),
        (Phase.ENDED, EndReason.SUPERSEDED),
    ]
    assert await service.hear(poll(), second) == Next(lives[0].id)
    assert await service.hear(poll(), first) == Answer(200), "the old life is heard, and gets nothing"
    states = await store.queue.list(device_id="D1", command_uuid="U2", state=None, before=None, limit=9)
    assert [each.delivery.state for each in states] == [DeliveryState.DROPPED]


async def test_a_device_that_obeys_its_removal_is_over_and_is_told_to_leave_if_it_comes_back(store: Store) -> None:
    service = Service(store)
    key = await service.enroll(1)

    def end(snapshot: Snapshot) -> Change:
        return operating.end_connection(snapshot, "me", "the profile", v.NOW + 1000, POLICY, service.moment())

    await service.operate(end)
    removal = await service.hear(poll(), key)
    assert isinstance(removal, Next)
    assert b"RemoveProfile" in removal.body
    assert await service.hear(done(removal.command_uuid), key) == Answer(200)
    (life,) = (await service.look()).lives
    assert (life.phase, life.end_reason, life.proof) == (
        Phase.ENDED,
        EndReason.REMOVED,
        "RemoveProfile acknowledged",
    )
    (stored,) = await store.queue.results(removal.command_uuid, None)
    assert stored.body == b"result of " + removal.command_uuid.encode()
    answer = await service.hear(poll(), key)
    assert isinstance(answer, Answer)
    assert answer.status in (401, 403)


async def test_messages_of_one_device_that_race_are_all_answered_and_none_is_lost(store: Store) -> None:
    service = Service(store)
    key = await service.enroll(1)
    before = (await service.look()).device
    assert before is not None
    tokens = [TokenUpdate(IPHONE, v.TOPIC, f"magic {n}", v.TOKEN) for n in range(8)]
    service.tries = 0
    answers = await asyncio.gather(*(service.hear(each, key) for each in tokens))
    assert answers == [Answer(200)] * 8
    assert service.tries > 8, "some of them were decided again"
    after = await store.devices.load(v.contact(key))
    assert after.device is not None
    assert after.device.version == before.version + 8
    assert after.channel is not None
    assert after.channel.magic in {each.push_magic for each in tokens}


async def test_a_blocked_device_does_not_pass_and_an_unblocked_one_goes_on(store: Store) -> None:
    service = Service(store)
    key = await service.enroll(1)
    life = (await service.look()).lives[0]
    await store.queue.enqueue(v.command(), [life.id])
    await service.operate(lambda snapshot: operating.block(snapshot, "me", "lost", service.moment()))
    closed = await store.devices.exchange(replace(v.idle(), contact=v.contact(key)))
    assert isinstance(closed, Snapshot)
    await service.operate(lambda snapshot: operating.unblock(snapshot, "me", service.moment()))
    assert await service.hear(poll(), key) == Next(life.id, "U1", b"<plist>U1</plist>")
