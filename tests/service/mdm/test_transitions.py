"""Load, decide, commit: again where somebody else was faster, and one at a time where a device is told to leave."""

import asyncio
from dataclasses import replace

import pytest

from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Status
from corral.lifecycle import operating
from corral.lifecycle.change import ACCEPTED, Answer, Change
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import Policy
from corral.lifecycle.settle import settle
from corral.lifecycle.state import HOUR, CertificateStatus, Consequence, Phase, Snapshot
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.transitions import ATTEMPTS, Transitions, command_answer
from corral.store.devices import CommitOutcome, Contact, Stale
from corral.store.errors import StoreUnavailable
from lifecycle import arrange as a
from lifecycle.memory import MemoryStore
from service.fakes import Clock, FakeContacts


class Racing(MemoryStore):
    """Somebody else is faster the first few times. Every call gives others a turn, as a database does."""

    def __init__(self, stale: int = 0) -> None:
        super().__init__()
        self.stale = stale
        self.loads = 0
        self.commits = 0

    async def load(self, contact: Contact) -> Snapshot:
        self.loads += 1
        await asyncio.sleep(0)
        return await super().load(contact)

    async def commit(self, change: Change) -> CommitOutcome:
        self.commits += 1
        await asyncio.sleep(0)
        if self.stale:
            self.stale -= 1
            return Stale()
        return await super().commit(change)


class Service:
    """Transitions over a store with one connected device."""

    def __init__(self, stale: int = 0, policy: Policy | None = None) -> None:
        self.store = Racing(stale)
        self.add("UDID-1", "life", a.FINGERPRINT)
        self.contacts = FakeContacts()
        self.clock = Clock(a.NOW)
        self.book = ContactBook(self.contacts, self.clock)
        self.transitions = Transitions(self.store, self.book, policy or Policy(), self.clock)

    def add(self, udid: str, life: str, fingerprint: bytes) -> None:
        device = replace(a.device(), id=udid)
        self.store.devices[udid] = device
        self.store.connections[life] = settle(replace(a.life(life), device_id=udid), device)
        self.store.channels[life] = a.channel(connection_id=life)
        self.store.certificates[fingerprint] = a.certificate(
            fingerprint=fingerprint, connection_id=life, device_id=udid, grant_id=None
        )

    async def say(self, message: Message, fingerprint: bytes = a.FINGERPRINT) -> Answer:
        speaker = message.report.speaker if isinstance(message, Reported) else message.speaker
        contact = Contact(
            fingerprint=fingerprint,
            device_id=speaker.device_id,
            user_id=speaker.user_id,
            breaker_since=self.transitions.contact_since(),
        )
        who: Identity = a.identity(fingerprint=fingerprint, connection_id=None)
        return await self.transitions.answer(contact, message, who)

    async def heard(self) -> list[str]:
        await self.book.flush()
        return [each.channel_id for each in self.contacts.heard]


async def test_the_answer_comes_after_the_commit() -> None:
    service = Service()
    assert await service.say(a.token_update(token=b"new")) == ACCEPTED
    assert service.store.channels["life"].token == b"new"
    assert (service.store.loads, service.store.commits) == (1, 1)


@pytest.mark.parametrize("stale", [1, ATTEMPTS - 1])
async def test_a_stale_decision_is_made_again(stale: int) -> None:
    service = Service(stale)
    assert await service.say(a.token_update(token=b"new")) == ACCEPTED
    assert service.store.loads == stale + 1


async def test_after_a_few_times_the_device_is_told_to_come_back() -> None:
    service = Service(ATTEMPTS)
    with pytest.raises(StoreUnavailable):
        await service.say(a.token_update(token=b"new"))
    assert service.store.channels["life"].token == b"token"
    assert await service.heard() == []
    service.store.stale = ATTEMPTS
    with pytest.raises(StoreUnavailable):
        await service.transitions.operate("life", lambda _, m: Change(work=(), at=m.now, trip_breaker=True))


async def test_what_changes_nothing_is_not_committed() -> None:
    service = Service()
    await service.say(a.IDLE)
    assert service.store.commits == 0


async def test_the_snapshot_of_an_exchange_spares_the_first_load() -> None:
    service = Service(stale=1)
    contact = Contact(fingerprint=a.FINGERPRINT, device_id=a.UDID)
    seen = await MemoryStore.load(service.store, contact)
    await service.transitions.answer(contact, a.token_update(), a.identity(), seen)
    assert service.store.loads == 1, "and once more, since that one was stale"


async def test_the_next_command_is_given_after_a_consequence() -> None:
    service = Service()
    await service.transitions.operate(
        "life", lambda seen, m: operating.end_connection(seen, "ann", "profile", m.now + HOUR, Policy(), m)
    )
    answer = await service.say(a.reported(Status.ACKNOWLEDGED, uuid="unknown"))
    assert b"RemoveProfile" in answer.body
    assert answer.media_type == "application/xml; charset=UTF-8"
    assert command_answer(b"") == Answer(200), "zero bytes, no empty property list"


async def test_a_contact_is_noted_for_who_spoke() -> None:
    service = Service()
    await service.say(a.IDLE)
    assert await service.heard() == ["life"]


async def test_a_clone_is_no_contact_of_its_owner() -> None:
    service = Service()
    clone = Speaker("UDID-9", "", Kind.DEVICE)
    assert (await service.say(a.token_update(clone))).status == 403
    assert await service.heard() == []


async def test_users_that_are_not_there_fill_no_memory() -> None:
    service = Service()
    for number in range(5):
        await service.say(Reported(replace(a.IDLE.report, speaker=Speaker(a.UDID, f"{number}", Kind.USER)), b""))
    assert await service.heard() == []
    await service.say(a.token_update(a.ANN))
    assert await service.heard() == ["life/ANN"]


async def test_a_new_life_is_heard_and_not_the_one_that_it_replaces() -> None:
    service = Service()
    service.store.connections["life"] = a.life(phase=Phase.ENDED)
    await service.say(a.token_update())
    (new,) = (each for each in service.store.connections.values() if each.phase is Phase.CONNECTED)
    assert await service.heard() == [new.id]


async def test_the_history_is_not_filled_by_one_who_repeats_himself() -> None:
    service = Service()
    service.store.connections["life"] = a.life(phase=Phase.ENDED)
    for _ in range(20):
        await service.say(a.IDLE)
    assert a.kinds_of(service.store.events) == ["connection.still-here"]
    assert service.store.commits == 1
    service.clock.now += HOUR
    await service.say(a.IDLE)
    assert a.kinds_of(service.store.events) == ["connection.still-here"] * 2


async def test_a_result_that_comes_with_a_repetition_is_kept() -> None:
    service = Service()
    service.store.connections["life"] = a.life(phase=Phase.ENDED)
    for number in range(3):
        await service.say(a.reported(Status.ACKNOWLEDGED, uuid=f"command {number}"))
    assert len(service.store.results) == 3
    assert len(service.store.events) == 1


async def test_a_remark_of_a_stale_decision_is_told_by_the_next() -> None:
    service = Service(stale=1)
    service.store.connections["life"] = a.life(phase=Phase.ENDED)
    await service.say(a.IDLE)
    assert a.kinds_of(service.store.events) == ["connection.still-here"]


async def test_of_many_that_are_to_leave_at_once_no_more_are_told_than_the_breaker_allows() -> None:
    service = Service(policy=Policy(breaker_limit=3))
    speakers = [Speaker(f"UDID-{number}", "", Kind.DEVICE) for number in range(1, 21)]
    for number, speaker in enumerate(speakers):
        service.add(speaker.device_id, f"life {number}", f"{number}".encode())
        device = service.store.devices[speaker.device_id]
        service.store.devices[speaker.device_id] = replace(device, blocked_at=a.NOW)
    answers = await asyncio.gather(
        *(service.say(a.token_update(speaker), f"{number}".encode()) for number, speaker in enumerate(speakers))
    )
    assert sorted(answer.status for answer in answers) == [401] * 3 + [503] * 17
    assert service.store.breaker_open
    assert len({key for key, _ in service.store.unenrolling}) == 3


async def test_nobody_is_told_to_leave_who_was_unblocked_meanwhile() -> None:
    service = Service()
    blocked = replace(service.store.devices[a.UDID], blocked_at=a.NOW)
    service.store.devices[a.UDID] = blocked

    class Unblocking(Racing):
        async def commit(self, change: Change) -> CommitOutcome:
            if change.unenrolling is not None:
                free = replace(blocked, blocked_at=None, version=blocked.version + 1)
                self.devices[a.UDID] = free
            return await super().commit(change)

    store = Unblocking()
    vars(store).update(vars(service.store))
    service.transitions = Transitions(store, service.book, Policy(), service.clock)
    assert await service.say(a.token_update()) == ACCEPTED
    assert store.unenrolling == []


async def test_a_new_token_writes_its_channel_and_nothing_that_stays_as_it_was() -> None:
    service = Service()
    written: list[Change] = []

    class Watched(Racing):
        async def commit(self, change: Change) -> CommitOutcome:
            written.append(change)
            return await super().commit(change)

    store = Watched()
    vars(store).update(vars(service.store))
    service.transitions = Transitions(store, service.book, Policy(), service.clock)
    assert await service.say(a.token_update(token=b"another")) == ACCEPTED
    (change,) = written
    assert (change.device, change.connections) == (None, ())
    assert [channel.token for channel in change.channels] == [b"another"]
    assert change.expects > 0


# What people do


async def test_a_device_is_named_by_its_id_or_by_that_of_a_connection() -> None:
    service = Service()
    by_device = await service.transitions.look(a.UDID)
    assert [life.id for life in by_device.lives] == ["life"]
    by_life = await service.transitions.look("life")
    assert by_life.bound == service.store.connections["life"]
    assert await service.transitions.look("nobody") == Snapshot(topics=service.store.topics)


async def test_an_operation_is_decided_again_where_somebody_else_was_faster() -> None:
    service = Service(stale=2)
    seen: list[int] = []

    def change(snapshot: Snapshot, moment: Moment) -> Change:
        assert snapshot.device is not None
        seen.append(snapshot.device.version)
        return operating.block(snapshot, "ann", "", moment)

    done = await service.transitions.operate(a.UDID, change)
    assert len(seen) == 3
    assert done.device is not None
    assert service.store.devices[a.UDID].blocked_at == a.NOW


async def test_a_refused_operation_changes_nothing() -> None:
    service = Service()
    with pytest.raises(OperationRefused):
        await service.transitions.operate(a.UDID, lambda seen, m: operating.unblock(seen, "ann", m))
    assert service.store.commits == 0


async def test_the_two_halves_of_a_removal_do_not_wait_for_each_other() -> None:
    """An operation and a contact that ends in an unenrolling answer take the same turn, one after the other."""
    service = Service()
    service.store.devices[a.UDID] = replace(service.store.devices[a.UDID], blocked_at=a.NOW)
    answer, _ = await asyncio.gather(
        service.say(a.token_update()),
        service.transitions.operate(a.UDID, lambda seen, m: operating.unblock(seen, "ann", m)),
    )
    assert answer.status in (200, 401)
    assert service.store.certificates[a.FINGERPRINT].status is CertificateStatus.BOUND
    assert all(d.consequence is not Consequence.REMOVE_PROFILE for d in service.store.deliveries.values())
