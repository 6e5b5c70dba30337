"""`corral migrate-database`: an installation moves from SQLite to PostgreSQL."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corral.cli.databases import (
    FILE,
    SQLITE,
    check_database,
    filling,
    one_line,
    read_installation,
    read_sealer,
    reading,
    set_name,
)
from corral.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from corral.settings import Settings


def add(app: typer.Typer) -> None:
    app.command("migrate-database")(migrate_database)


def migrate_database(
    to: Annotated[
        str, typer.Option("--to", help="An empty PostgreSQL database: postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    ],
    data: Annotated[Path | None, typer.Option("--data", help="Data folder.  [default: CORRAL_DATA, or data]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Move an installation from SQLite to PostgreSQL.

    The service is stopped for it. Every row is counted on both sides, and the SQLite file stays as it is.
    """
    import asyncio

    settings = read_installation(data)
    if check_database(to) == SQLITE:
        raise UsageFailure("--to takes a PostgreSQL database: postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    if settings.database != SQLITE:
        raise Failure("This installation is on PostgreSQL already: the setting `database` says so.")
    with one_line("Cannot migrate"):
        rows = asyncio.run(_move(settings, to))
        told = _tell_settings(settings.data, to)
    if as_json:
        import json

        print(json.dumps({"data": str(settings.data), "rows": rows, "settings_written": told}, indent=2))
        return
    print(f"{sum(rows.values()):,} rows of {settings.data / FILE} are in PostgreSQL, and counted there.")
    if told:
        print(f"{settings.data / 'corral.toml'} names the new database.")
    else:
        print(f"Set `database` to its URL in {settings.data / 'corral.toml'}, or CORRAL_DATABASE.")
    print(f"Next: corral serve --data {settings.data}. {FILE} was not changed; remove it when all is well.")


async def _move(settings: "Settings", to: str) -> dict[str, int]:
    from corral.sealing import Sealer, read_keys
    from corral.store.errors import StoreRefused
    from corral.store.sqlite.database import exclusive
    from corral.store.transfer import carry, opens

    if settings.sealing_key is not None:
        sealer = Sealer(read_keys(settings.sealing_key.get_secret_value(), "CORRAL_SEALING_KEY"))
    else:
        sealer = read_sealer(settings.sealing_key_file)
    with exclusive(settings.data / FILE):
        async with reading(settings) as source:
            if not opens(source.facts.seal, sealer):
                raise StoreRefused("The database was sealed with another key; give the sealing key that it has.")
            async with filling(to, settings.data, source.facts.seal) as target:
                await carry(source, target)
            return dict(source.facts.counts)


def _tell_settings(data: Path, to: str) -> bool:
    """Whether `corral.toml` could be made to name the new database."""
    path = data / "corral.toml"
    if "CORRAL_DATABASE" in os.environ or not path.exists():
        return False
    changed = set_name(path.read_text(), "database", to)
    if changed is None:
        return False
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(changed)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    return True
