"""Every statement of a device's traffic goes by its indexes, whatever the tables were like when it was prepared."""

import re

import pytest

from contract import values as v
from corral.apple.report import Status
from corral.store.devices import Next
from corral.store.postgres import PostgresStore, applying, exchanging, putting, snapshot
from corral.store.postgres.connecting import STABLE_PLANS
from postgres_server import connect

HISTORY = 200
# pyright: reportPrivateUsage=false
# What statements say is nobody's business but their modules'; how they are carried out is this test's.
STATEMENTS = {
    "poll": exchanging._POLL,
    "report": exchanging._REPORT,
    "next": exchanging.NEXT,
    "load": snapshot._LOAD,
    "count up": applying._COUNT_UP,
    "count one up": applying._COUNT_ONE_UP,
    "put grant": applying._PUT_GRANT,
    "use link": applying._USE_LINK,
    "answered": putting._ANSWERED,
    "last escrow": putting._LAST_ESCROW,
    "drop": putting._DROP,
    "end channels": putting._END_CHANNELS,
    "retire": putting._RETIRE,
    "put channel": putting._PUT_CHANNEL,
    "put connection": putting._PUT_CONNECTION,
    "put work": putting._PUT_WORK,
}
ONE_ROW_EACH = ("breaker", "push_certificate")
"""Read whole once a statement: they hold one row, or one a push certificate."""


async def explained(url: str, statement: str, *, filled: bool) -> str:
    """How a session of batches carries the statement out; `filled` tells the server how little there is."""
    connection = await connect(url)
    try:
        if filled:
            await connection.execute("VACUUM ANALYZE")
        for name, value in STABLE_PLANS.items():
            await connection.execute(f"SET {name} = '{value}'")
        await connection.execute(f"PREPARE looked_at AS {statement}")
        places = ", ".join(["NULL"] * len(set(re.findall(r"\$(\d+)", statement))))
        rows = await connection.fetch(f"EXPLAIN EXECUTE looked_at ({places})")
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()


def read_whole(told: str) -> set[str]:
    """Tables that a plan reads from end to end, be it along an index."""
    whole: set[str] = set()
    for node in re.split(r"->", told):
        scan = re.search(r"(Seq|Index|Index Only) Scan (?:Backward )?(?:using \w+ )?on (\w+)", node)
        if scan and "Index Cond" not in node:
            whole.add(scan[2])
    return whole


@pytest.fixture
async def used(store: PostgresStore) -> PostgresStore:
    """A few devices, one of them with a history."""
    for number in range(1, 20):
        await store.devices.commit(v.enrolled(number))
    for number in range(HISTORY):
        await store.queue.enqueue(v.command(f"old {number}"), ["C1"])
        await store.devices.exchange(v.report(f"old {number}"))
    return store


async def test_no_table_is_read_whole(store: PostgresStore, url: str) -> None:
    """Of an installation that is new, and of one whose few rows the server has counted."""
    for filled in (False, True):
        for name, statement in STATEMENTS.items():
            told = await explained(url, statement, filled=filled)
            assert read_whole(told) <= set(ONE_ROW_EACH), f"{name}, {filled=}\n{told}"
            assert "Bitmap" not in told, f"{name}\n{told}"
        for number in range(1, 20):
            await store.devices.commit(v.enrolled(number))


async def test_what_was_rare_when_the_server_counted_is_not_read_whole_when_it_is_not(
    used: PostgresStore, url: str
) -> None:
    """Of a fleet that is just about to enroll it knows that hardly any certificate is bound."""
    connection = await connect(url)
    try:
        await connection.execute("CREATE TABLE kept AS SELECT fingerprint, status FROM certificate")
        await connection.execute("UPDATE certificate SET status = 'issued'")
        await connection.execute("VACUUM ANALYZE")
        await connection.execute(
            "UPDATE certificate AS c SET status = kept.status FROM kept WHERE kept.fingerprint = c.fingerprint"
        )
    finally:
        await connection.close()
    for name, statement in STATEMENTS.items():
        told = await explained(url, statement, filled=False)
        assert not re.search(r"Index Cond: \((status|state|phase) (?!.* AND )", told), f"{name}\n{told}"


async def test_no_table_is_read_whole_when_there_is_more(used: PostgresStore, url: str) -> None:
    for name, statement in STATEMENTS.items():
        told = await explained(url, statement, filled=True)
        assert read_whole(told) <= set(ONE_ROW_EACH), f"{name}\n{told}"
        assert "Sort" not in told, f"{name}\n{told}"
        if name in ("poll", "report", "next"):
            assert "delivery_open" in told, f"{name}\n{told}"


async def test_what_is_open_is_found_beside_a_long_history(used: PostgresStore, url: str) -> None:
    """Blocks that a poll touches do not grow with what a device has done before."""
    await used.queue.enqueue(v.command("new"), ["C1"])
    assert await used.devices.exchange(v.idle()) == Next("C1", "new", b"<plist>new</plist>")
    await used.devices.exchange(v.report("new", Status.NOT_NOW))
    connection = await connect(url)
    try:
        await connection.execute("VACUUM")
        for name, value in STABLE_PLANS.items():
            await connection.execute(f"SET {name} = '{value}'")
        await connection.execute(f"PREPARE poll AS {exchanging._POLL}")
        asked = f"ARRAY['\\x{v.fingerprint('cert 1').hex()}'::bytea], ARRAY[{v.NOW}], ARRAY['D1'], ARRAY['']"
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE poll ({asked})")
    finally:
        await connection.close()
    told = "\n".join(row[0] for row in rows)
    touched = re.search(r"Buffers: shared hit=(\d+)", told.partition("Planning")[0])
    assert touched is not None
    assert int(touched[1]) <= 16, told
