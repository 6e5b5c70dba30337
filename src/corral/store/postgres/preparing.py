"""What is looked at before a database is used: what stands in between, its version, its seal; and migrations."""

from asyncpg import exceptions as failures

from corral.sealing import Sealer
from corral.store.errors import StoreRefused, StoreUnavailable
from corral.store.migrations import Migration, pending, read_migrations
from corral.store.postgres.connecting import TELLING, Session, Target, connect, is_lost, reason
from corral.store.transfer import SEAL_PLACE, SEALED, opens

OLDEST_SERVER = 140000
"""PostgreSQL 14, as the server numbers it."""
PATIENCE = 60.0
"""Seconds that a statement of a migration may take."""

_LOCK = "SELECT pg_advisory_xact_lock(1129271890)"
"""Held while a database is made or brought up to date; the number is `CORR` in ASCII."""
_SHARED = (failures.InvalidSQLStatementNameError, failures.DuplicatePreparedStatementError)
"""What preparing a statement ends in where somebody else's transaction comes before its execution."""
_POOLER = (
    "{name} is reached through a connection pooler: say so with `--pooler transaction`, or connect to PostgreSQL"
    " itself, which is much faster."
)


async def prepare(target: Target, sealer: Sealer, *, create: bool) -> None:
    """Make the database's tables (`create`), or check it and bring it up to date. Raises StoreRefused."""
    try:
        session = await connect(target, patience=PATIENCE)
    except Exception as error:
        raise _refused(target, error) from error
    try:
        if target.pooler == "none":
            await _expect_no_pooler(target, session)
        await session.begin()
        await session.one(_LOCK)
        await _check_server(target, session)
        await (_create if create else _update)(target, session, sealer)
        await session.commit()
    except StoreRefused:
        raise
    except Exception as error:
        raise _refused(target, error) from error
    finally:
        session.terminate()


def _refused(target: Target, error: Exception) -> StoreRefused:
    if "unsupported startup parameter" in str(error) or isinstance(error, _SHARED):
        return StoreRefused(_POOLER.format(name=target.name))
    if isinstance(error, StoreUnavailable):
        return StoreRefused(str(error))
    if is_lost(error):
        return StoreRefused(f"Cannot use the database {target.name}: {reason(error)}.")
    return StoreRefused(f"Cannot use the database {target.name}: {' '.join(str(error).split())}.")


async def _expect_no_pooler(target: Target, session: Session) -> None:
    """A pooler swallows the settings of a session, or gives one server process to two sessions in turn."""
    source = await session.one("SELECT source FROM pg_settings WHERE name = $1", TELLING)
    first = await session.one("SELECT pg_backend_pid()")
    other = await connect(target, patience=PATIENCE)
    try:
        second = await other.one("SELECT pg_backend_pid()")
    finally:
        other.terminate()
    if source is None or source[0] != "client" or first == second:
        raise StoreRefused(_POOLER.format(name=target.name))


async def _check_server(target: Target, session: Session) -> None:
    row = await session.one(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),"
        " current_setting('server_encoding')"
    )
    assert row is not None
    number, version, encoding = row
    if number < OLDEST_SERVER:
        raise StoreRefused(f"The server of {target.name} is PostgreSQL {version}; use 14 or newer.")
    if encoding != "UTF8":
        raise StoreRefused(f"The database {target.name} is encoded in {encoding}; make one with ENCODING 'UTF8'.")


async def _create(target: Target, session: Session, sealer: Sealer) -> None:
    taken = await session.one(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() LIMIT 1"
    )
    if taken is not None:
        raise StoreRefused(f"The database {target.name} is not empty, and is not overwritten; give an empty one.")
    for migration in read_migrations("postgres"):
        await _apply(session, migration)
    await session.run("INSERT INTO meta (name, value) VALUES ('seal', $1)", sealer.seal(SEALED, SEAL_PLACE))


async def _update(target: Target, session: Session, sealer: Sealer) -> None:
    """Nothing is changed before it is clear that the database is ours, not newer, and opens with our key."""
    ours = await session.one("SELECT to_regclass('migration') IS NOT NULL AND to_regclass('meta') IS NOT NULL")
    if ours is None or not ours[0]:
        raise StoreRefused(f"There is no installation in the database {target.name}; make one with `corral init`.")
    row = await session.one("SELECT max(number) FROM migration")
    missing = pending(read_migrations("postgres"), row[0] if row is not None and row[0] is not None else 0)
    seal = await session.one("SELECT value FROM meta WHERE name = 'seal'")
    if seal is None or not opens(seal[0], sealer):
        raise StoreRefused(
            f"The database {target.name} was sealed with another key; give the sealing key that it was made with."
        )
    for migration in missing:
        await _apply(session, migration)


async def _apply(session: Session, migration: Migration) -> None:
    await session.script(migration.sql)
    await session.run("INSERT INTO migration (number, name) VALUES ($1, $2)", migration.number, migration.name)
