"""What is old goes, piece by piece; what somebody still needs stays, however old it is."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract import values as v
from contract.conftest import SEALING_KEY
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.collecting import COLLECTOR, PRIORITY
from corral.lifecycle.state import DAY, HOUR, EscrowKind, Instant, Purpose, Renewal
from corral.sealing import Sealer
from corral.service.installation.retaining import PIECES, Keep, Retaining
from corral.store.contacts import Heard
from corral.store.devices import Committed, Next
from corral.store.events import Place
from corral.store.inventory import Taken
from corral.store.postgres import open_postgres
from corral.store.postgres.connecting import Target
from corral.store.postgres.database import Database as PostgresDatabase
from corral.store.postgres.retention import PostgresRetention
from corral.store.retention import Kind, Pruned, RetentionStore
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.database import Database as SqliteDatabase
from corral.store.sqlite.retention import SqliteRetention
from corral.store.store import Store
from corral.store.work import PushRecord
from kept_databases import kept_database

SEALER = Sealer([SEALING_KEY])
LATER = v.NOW + 100 * DAY
OLD = v.NOW + DAY
"""What was made at NOW is older."""


@dataclass(frozen=True)
class Opened:
    store: Store
    retention: RetentionStore

    async def prune(self, kind: Kind, before: Instant = OLD, limit: int = 100) -> int:
        """All of it; returns how many rows."""
        rows, pruned = 0, Pruned(0, "")
        while pruned.after is not None:
            pruned = await self.retention.prune(kind, before, limit, pruned.after)
            assert pruned.rows <= 2 * limit
            rows += pruned.rows
        return rows


@contextmanager
def _sqlite(folder: Path) -> Generator[Callable[[], AsyncGenerator[Opened]]]:
    async def opening() -> AsyncGenerator[Opened]:
        async with open_sqlite(folder / "corral.db", SEALER, create=True) as store:
            database = SqliteDatabase(folder / "corral.db")
            yield Opened(store, SqliteRetention(database))
            await database.close()

    yield opening


@contextmanager
def _postgres(_folder: Path) -> Generator[Callable[[], AsyncGenerator[Opened]]]:
    with kept_database(SEALING_KEY) as url:

        async def opening() -> AsyncGenerator[Opened]:
            async with open_postgres(url, SEALER) as store:
                database = PostgresDatabase(Target(url), connections=2)
                yield Opened(store, PostgresRetention(database))
                await database.close()

        yield opening


Home = Callable[[], AsyncGenerator[Opened]]
HOMES: dict[str, Callable[[Path], AbstractContextManager[Home]]] = {"postgres": _postgres, "sqlite": _sqlite}


@pytest.fixture(params=sorted(HOMES))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Home]:
    with HOMES[request.param](tmp_path) as home:
        yield home


@pytest.fixture
async def at(made: Home) -> AsyncGenerator[Opened]:
    """With device D1 connected as C1."""
    async with asynccontextmanager(made)() as opened:
        assert isinstance(await opened.store.devices.commit(v.enrolled()), Committed)
        yield opened


async def finish(at: Opened, uuid: str, now: Instant, number: int = 1, **fields: Any) -> None:
    """Queue a command and have it acknowledged."""
    who = v.contact(f"cert {number}", f"D{number}", command_uuid=uuid)
    assert await at.store.queue.enqueue(v.command(uuid, created_at=now, **fields), [f"C{number}"])
    assert isinstance(await at.store.devices.exchange(v.report(uuid, now=now, contact=who)), Next)


async def records(at: Opened) -> list[str]:
    found = await at.store.queue.list(device_id="D1", command_uuid=None, state=None, before=None, limit=100)
    return sorted(each.delivery.command_uuid for each in found)


async def test_old_results_go_with_their_deliveries_and_commands(at: Opened) -> None:
    for number in range(5):
        await finish(at, f"old {number}", v.NOW)
    await finish(at, "new", LATER)
    assert await at.prune(Kind.RESULTS) == 10
    assert await records(at) == ["new"]
    assert await at.store.queue.results("old 1", None) == ()
    assert [each.body for each in await at.store.queue.results("new", None)] == [b"result of new"]
    assert await at.store.queue.command_body("old 1") is not None, "commands are a kind of their own"
    assert await at.prune(Kind.COMMANDS) == 5
    assert await at.store.queue.command_body("old 1") is None
    assert await at.store.queue.command_body("new") is not None


async def collect(at: Opened, uuid: str, now: Instant, number: int = 1, **fields: Any) -> None:
    """The same as the schedule of the inventory does it."""
    await finish(at, uuid, now, number, **{"priority": PRIORITY, "created_by": COLLECTOR} | fields)


async def take_in(at: Opened) -> None:
    """All that was answered."""
    for arrival in await at.store.inventory.arrivals(10):
        unread = Taken(connection_id=arrival.connection_id, sequence=None, report=None)
        await at.store.inventory.take([unread], v.NOW)
    while answers := await at.store.inventory.answers(100):
        unread = [Taken(connection_id=each.connection_id, sequence=each.sequence, report=None) for each in answers]
        await at.store.inventory.take(unread, v.NOW)


async def test_of_what_was_collected_the_newest_of_each_kind_stays(at: Opened) -> None:
    for day in range(3):
        await collect(at, f"information {day}", v.NOW + day)
        await collect(at, f"security {day}", v.NOW + day, request_type="SecurityInfo")
        await finish(at, f"asked {day}", v.NOW + day)
    await take_in(at)
    assert await at.prune(Kind.COLLECTED, v.NOW + 1) == 4, "a result and a delivery each"
    assert await at.prune(Kind.COLLECTED) == 4
    assert await records(at) == ["asked 0", "asked 1", "asked 2", "information 2", "security 2"]
    recent = await at.store.queue.recent("DeviceInformation", ["C1"], 4)
    assert [each.command_uuid for each in recent] == ["asked 2", "information 2", "asked 1", "asked 0"]
    assert await at.prune(Kind.COLLECTED_COMMANDS) == 4
    assert await at.store.queue.command_body("security 1") is None
    assert await at.store.queue.command_body("security 2") is not None
    assert await at.store.queue.command_body("asked 0") is not None


async def test_what_was_collected_stays_until_it_was_taken_in(at: Opened) -> None:
    for number in range(2):
        await collect(at, f"U{number}", v.NOW + number)
    assert await at.prune(Kind.COLLECTED) == 0
    await take_in(at)
    assert await at.prune(Kind.COLLECTED) == 2


async def test_what_a_device_was_asked_for_and_never_told_goes_too(at: Opened) -> None:
    await collect(at, "U1", v.NOW)
    await take_in(at)
    who = {"priority": PRIORITY, "created_by": COLLECTOR}
    await at.store.queue.enqueue(v.command("U2", **who), ["C1"])
    await at.store.queue.cancel("U2", None, v.event("command.cancelled"), v.NOW)
    await at.store.queue.enqueue(v.command("open", **who), ["C1"])
    assert await at.prune(Kind.COLLECTED) == 1
    assert await records(at) == ["U1", "open"]


async def test_each_channel_keeps_its_own_newest(at: Opened) -> None:
    for device in (2, 3):
        await at.store.devices.commit(v.enrolled(device))
    for number in range(10):
        for device in (1, 2, 3):
            await collect(at, f"{device}/{number}", v.NOW + number, device)
    await take_in(at)
    assert await at.prune(Kind.COLLECTED, limit=7) == 2 * 9 * 3
    assert await records(at) == ["1/9"]
    assert len(await at.store.queue.recent("DeviceInformation", ["C1", "C2", "C3"])) == 3


async def test_an_open_delivery_stays_with_its_command_however_old(at: Opened) -> None:
    await at.store.queue.enqueue(v.command("waiting"), ["C1"])
    for kind in Kind:
        await at.prune(kind, LATER)
    handed = await at.store.devices.exchange(v.idle(now=LATER))
    assert isinstance(handed, Next)
    assert (handed.command_uuid, handed.body) == ("waiting", b"<plist>waiting</plist>")


async def test_a_command_stays_while_one_of_its_devices_waits_for_it(at: Opened) -> None:
    await at.store.devices.commit(v.enrolled(2))
    await at.store.queue.enqueue(v.command("both"), ["C1", "C2"])
    await at.store.devices.exchange(v.report("both", now=v.NOW))
    assert await at.prune(Kind.RESULTS) == 2
    assert await at.prune(Kind.COMMANDS) == 0
    who = v.contact("cert 2", "D2")
    handed = await at.store.devices.exchange(v.idle(who, now=LATER))
    assert isinstance(handed, Next)
    assert handed.command_uuid == "both"


async def test_a_report_that_comes_after_its_delivery_was_forgotten_does_no_harm(at: Opened) -> None:
    await finish(at, "U1", v.NOW)
    await at.prune(Kind.RESULTS)
    await at.prune(Kind.COMMANDS)
    assert isinstance(await at.store.devices.exchange(v.report("U1", now=LATER)), Next)


async def test_a_long_history_goes_in_small_pieces(at: Opened) -> None:
    for device in (2, 3):
        await at.store.devices.commit(v.enrolled(device))
    for number in range(30):
        for device in (1, 2, 3):
            await finish(at, f"{device}/{number}", v.NOW, device)
    assert await at.prune(Kind.RESULTS, limit=7) == 180
    assert await at.prune(Kind.COMMANDS, limit=7) == 90
    assert await records(at) == []


async def test_cancelled_deliveries_go_too(at: Opened) -> None:
    await at.store.queue.enqueue(v.command("U1"), ["C1"])
    await at.store.queue.cancel("U1", None, v.event("command.cancelled"), v.NOW)
    assert await at.prune(Kind.RESULTS, v.NOW) == 0
    assert await at.prune(Kind.RESULTS) == 1
    assert await at.prune(Kind.COMMANDS) == 1


async def test_old_events_go_and_their_numbers_are_not_given_again(at: Opened) -> None:
    for number in range(12):
        await at.store.events.append((v.event(data={"n": number}),))
    last = (await at.store.events.read(0, 100))[-1].sequence
    assert await at.prune(Kind.EVENTS, v.NOW, 5) == 0
    assert await at.prune(Kind.EVENTS, limit=5) == 12
    await at.store.events.append((v.event(at=LATER),))
    assert [each.sequence > last for each in await at.store.events.read(0, 100)] == [True]
    assert await at.prune(Kind.EVENTS, limit=5) == 0


async def test_an_event_of_a_clock_that_was_ahead_holds_up_no_other(at: Opened) -> None:
    await at.store.events.append((v.event(at=LATER),))
    for _ in range(12):
        await at.store.events.append((v.event(),))
    assert await at.prune(Kind.EVENTS, limit=5) == 12


async def test_old_pushes_and_contacts_go_and_the_last_of_each_stays(at: Opened) -> None:
    for day in (0, 0, 50, 50):
        await at.store.work.record_pushes([PushRecord(channel_id="C1", at=v.NOW + day * DAY, outcome="accepted")])
    await at.store.contacts.flush(
        [Heard(channel_id="C1", last_seen=v.NOW + hour * HOUR, count=1) for hour in (0, 1)], []
    )
    assert await at.prune(Kind.PUSHES) == 2
    assert await at.prune(Kind.CONTACT_HOURS, OLD) == 2
    assert await at.store.contacts.last_seen(["C1"]) == {"C1": v.NOW + HOUR}
    timeline = await at.store.events.timeline("D1", Place.of(LATER), 50)
    assert [each.kind for each in timeline if each.kind in ("push", "contacts")] == ["push", "push"]


async def test_expired_grants_go_unless_a_certificate_or_a_renewal_rests_on_them(at: Opened) -> None:
    grants = {
        "expired": v.grant("expired", "X1"),
        "living": v.grant("living", "X2", expires_at=LATER),
        "spent": v.grant("spent", "X3", spent_at=v.NOW),
        "certified": v.grant("certified", "X4"),
        "renewing": v.grant("renewing", "C1", purpose=Purpose.RENEW),
    }
    for grant in grants.values():
        assert isinstance(await at.store.devices.commit(Change(grant=grant)), Committed)
    certificate = v.certificate("waiting", "X4", grant_id="certified")
    renewing = v.connection(renewal=Renewal(grant_id="renewing", asked_at=v.NOW))
    await at.store.devices.commit(Change(certificates=(certificate,), connections=(renewing,)))
    assert await at.prune(Kind.GRANTS, LATER) == 1
    for name in grants:
        assert (await at.store.grants.grant_state(name) is None) == (name == "expired")


async def test_expired_links_go_unless_they_were_withdrawn_or_a_grant_still_rests_on_them(at: Opened) -> None:
    links = {
        "expired": v.link("expired"),
        "living": v.link("living", expires_at=LATER),
        "withdrawn": v.link("withdrawn", revoked_at=v.NOW),
        "granted": v.link("granted"),
        "used": v.link("used", used=1),
    }
    for name, link in links.items():
        await at.store.grants.add_link(link, v.fingerprint(name))
    for grant in (v.grant("G1", "X1", link_id="granted"), v.grant("G2", "X2", link_id="used", spent_at=v.NOW)):
        await at.store.devices.commit(Change(grant=grant))
    assert await at.prune(Kind.LINKS, v.NOW + 2 * DAY, 1) == 2
    assert {each.id for each in await at.store.grants.links(10, None)} == {"living", "withdrawn", "granted"}


async def test_nothing_else_goes_by_age(at: Opened) -> None:
    escrow = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=b"UNLOCK", at=1)
    await at.store.devices.commit(Change(escrow=(escrow,)))
    before = await at.store.devices.load(v.contact())
    for kind in Kind:
        assert await at.prune(kind, LATER) == 0
    assert await at.store.devices.load(v.contact()) == before
    assert before.escrow


class Counting:
    """A store that has no end, and notes what it is asked."""

    def __init__(self, full: set[Kind]) -> None:
        self.asked: list[tuple[Kind, Instant, str]] = []
        self._full = full

    async def prune(self, kind: Kind, before: Instant, limit: int, after: str = "") -> Pruned:
        self.asked.append((kind, before, after))
        return Pruned(limit, f"{len(self.asked)}") if kind in self._full else Pruned(0)


async def test_a_round_is_bounded_and_the_next_goes_on_where_it_stopped() -> None:
    store = Counting({Kind.RESULTS})
    retaining = Retaining(store, Keep(), lambda: LATER, rest=0)
    await retaining.round()
    assert len(store.asked) <= PIECES + len(Kind)
    kind, before, after = store.asked[-1]
    assert (kind, before) == (Kind.RESULTS, LATER - 90 * DAY)
    count = len(store.asked)
    assert after == str(count - 1)
    await retaining.round()
    assert store.asked[count] == (Kind.RESULTS, LATER - 90 * DAY, str(count))
    assert {kind for kind, _, _ in store.asked} == set(Kind), "one kind does not keep the others from their turn"


async def test_what_is_kept_for_ever_is_not_asked_for() -> None:
    store = Counting(set())
    await Retaining(store, Keep(results=None, collected=None, grants=None), lambda: LATER, rest=0).round()
    assert [kind for kind, _, _ in store.asked] == [
        Kind.EVENTS,
        Kind.PUSHES,
        Kind.CONTACT_HOURS,
        Kind.INVENTORY,
    ]


async def test_two_processes_at_once_delete_everything_once(at: Opened) -> None:
    for number in range(40):
        await finish(at, f"U{number}", v.NOW)
    rows = await asyncio.gather(*(at.prune(Kind.RESULTS, limit=5) for _ in range(3)))
    assert sum(rows) + await at.prune(Kind.RESULTS) == 80
    assert await records(at) == []


async def test_reports_go_on_meanwhile(at: Opened) -> None:
    """Nothing that is reported while old results are deleted is lost."""
    for number in range(60):
        await finish(at, f"old {number}", v.NOW)
    retaining = Retaining(at.retention, Keep(), lambda: LATER, rest=0)

    async def report() -> None:
        for number in range(30):
            await finish(at, f"new {number}", LATER)

    await asyncio.gather(retaining.round(), report())
    await retaining.round()
    assert len(await records(at)) == 30
    assert await at.store.queue.command_body("old 7") is None
