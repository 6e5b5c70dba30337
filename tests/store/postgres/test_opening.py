"""What a database must be like to be opened, and that a refusal says what to do in one line."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit, urlunsplit

import pytest

from contract import values as v
from corral.sealing import Sealer
from corral.store import migrations
from corral.store.errors import StoreRefused
from corral.store.migrations import Migration
from corral.store.postgres import PostgresStore, open_postgres, preparing
from corral.store.postgres.connecting import Target
from pgbouncer import pooled
from postgres_server import execute


def known_as(*known: Migration) -> Callable[[str], tuple[Migration, ...]]:
    return lambda _: known


async def refusal(opening: AbstractAsyncContextManager[PostgresStore]) -> str:
    with pytest.raises(StoreRefused) as caught:
        async with opening:
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_what_was_made_is_there_when_it_is_opened_again(url: str, sealer: Sealer) -> None:
    async with open_postgres(url, sealer, create=True) as store:
        await store.devices.commit(v.enrolled())
    async with open_postgres(url, sealer) as store:
        assert (await store.devices.load(v.contact())).bound == v.connection()
        await store.ready()


async def test_an_installation_is_made_only_in_an_empty_database(url: str, sealer: Sealer) -> None:
    assert "make one with `corral init`" in await refusal(open_postgres(url, sealer))
    async with open_postgres(url, sealer, create=True):
        pass
    assert "not empty, and is not overwritten" in await refusal(open_postgres(url, sealer, create=True))


async def test_a_database_of_another_program_is_left_alone(url: str, sealer: Sealer) -> None:
    execute(url, "CREATE TABLE theirs (id integer)")
    assert "not empty" in await refusal(open_postgres(url, sealer, create=True))
    assert "no installation" in await refusal(open_postgres(url, sealer))


async def test_another_sealing_key_is_refused(url: str, sealer: Sealer) -> None:
    async with open_postgres(url, sealer, create=True):
        pass
    other = Sealer([b"another key of the same length!!"])
    assert "sealed with another key" in await refusal(open_postgres(url, other))
    async with open_postgres(url, Sealer([b"another key of the same length!!", b"sealing key of these store tests"])):
        pass


async def test_a_newer_database_is_refused(url: str, sealer: Sealer) -> None:
    async with open_postgres(url, sealer, create=True):
        pass
    execute(url, "INSERT INTO migration (number, name) VALUES (9999, 'from the future')")
    assert "of version 9999" in await refusal(open_postgres(url, sealer))


async def test_processes_that_start_at_once_bring_it_up_to_date_once(
    url: str, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_postgres(url, sealer, create=True):
        pass
    now = migrations.read_migrations("postgres")
    more = Migration(len(now) + 1, "more", "CREATE TABLE more (id integer PRIMARY KEY); INSERT INTO more VALUES (1);")
    monkeypatch.setattr(preparing, "read_migrations", known_as(*now, more))
    await asyncio.gather(*(preparing.prepare(Target(url), sealer, create=False) for _ in range(6)))
    execute(url, "INSERT INTO more SELECT number FROM migration WHERE name = 'more'")


async def test_of_two_that_make_it_at_once_one_is_refused(url: str, sealer: Sealer) -> None:
    both = await asyncio.gather(
        *(preparing.prepare(Target(url), sealer, create=True) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in both) == ["NoneType", "StoreRefused"]


async def test_a_migration_that_fails_changes_nothing(
    url: str, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_postgres(url, sealer, create=True):
        pass
    now = migrations.read_migrations("postgres")
    bad = Migration(len(now) + 1, "bad", "CREATE TABLE half (id integer); SELECT 1 / 0;")
    monkeypatch.setattr(preparing, "read_migrations", known_as(*now, bad))
    assert "division by zero" in await refusal(open_postgres(url, sealer))
    monkeypatch.undo()
    async with open_postgres(url, sealer):
        execute(url, "CREATE TABLE half (id integer)")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "/nowhere"}, "no such database"),
        ({"netloc": "corral:hunter2@127.0.0.1:1"}, "cannot be reached"),
        ({"netloc": "corral:hunter2@host.invalid:5432"}, "cannot be reached"),
    ],
)
async def test_a_database_that_is_not_there_is_told_without_the_password(
    url: str, sealer: Sealer, change: dict[str, str], said: str
) -> None:
    wrong = urlunsplit(urlsplit(url)._replace(**change))
    told = await refusal(open_postgres(wrong, sealer))
    assert said in told
    assert "hunter2" not in told
    assert "hunter2" not in repr(Target(wrong))


async def test_an_encoding_that_cannot_hold_every_name_is_refused(url: str, sealer: Sealer) -> None:
    name = urlsplit(url).path[1:] + "_latin"
    execute(url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        latin = urlunsplit(urlsplit(url)._replace(path="/" + name))
        assert "encoded in LATIN1" in await refusal(open_postgres(latin, sealer, create=True))
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")


_IGNORED = "jit, lock_timeout, idle_in_transaction_session_timeout, statement_timeout"


@pytest.mark.parametrize(
    ("mode", "ignored", "size"),
    [("transaction", "", 3), ("session", "", 3), ("transaction", _IGNORED, 3), ("transaction", _IGNORED, 1)],
)
async def test_a_pooler_that_was_not_told_of_is_noticed(
    url: str, sealer: Sealer, mode: str, ignored: str, size: int
) -> None:
    async with open_postgres(url, sealer, create=True):
        pass
    with pooled(url, mode=mode, ignored=ignored, size=size) as through:
        assert re.search(r"pooler.*--pooler transaction", await refusal(open_postgres(through, sealer)))
        async with open_postgres(through, sealer, pooler="transaction") as store:
            await store.ready()
