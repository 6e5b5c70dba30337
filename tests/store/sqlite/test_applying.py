"""What a change leaves in the tables where no reader shows it."""

from contract import values as v
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import EscrowKind
from corral.store.devices import Committed
from corral.store.sqlite import SqliteStore


async def count(store: SqliteStore, table: str) -> int:
    database = store._database  # pyright: ignore[reportPrivateUsage] - no Protocol counts rows
    row = database.one(f"SELECT count(*) FROM {table}")  # noqa: S608 - the test's own word
    assert row is not None
    return row[0]


async def test_an_escrowed_value_that_comes_again_is_no_new_version(store: SqliteStore) -> None:
    """A device repeats its unlock token in every TokenUpdate."""
    await store.devices.commit(v.enrolled())
    for value, versions in ((b"a", 1), (b"a", 1), (b"b", 2), (b"a", 3), (None, 4), (None, 4)):
        escrow = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=value, at=1)
        assert await store.devices.commit(Change(escrow=(escrow,))) == Committed()
        assert await count(store, "escrow") == versions


async def test_the_facts_of_a_profile_are_kept_once_for_all_who_have_them(store: SqliteStore) -> None:
    for number in range(5):
        await store.devices.commit(v.enrolled(number))
        life = v.connection(f"C{number}", f"D{number}", profile=b"the same facts")
        await store.devices.commit(Change(connections=(life,)))
    assert await count(store, "profile") == 1


async def test_a_forgotten_device_leaves_no_row_behind(store: SqliteStore) -> None:
    await store.devices.commit(v.enrolled())
    await store.queue.enqueue(v.command(), ["C1"])
    await store.devices.exchange(v.report())
    await store.devices.forget("D1")
    for table in ("device", "connection", "channel", "certificate", "delivery", "command", "result", "work"):
        assert await count(store, table) == 0, table
