"""`corral backup` and `corral restore`: everything of an installation in one encrypted file, and back."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corral.cli.databases import SQLITE, check_database, one_line, read_installation, read_sealer
from corral.cli.failure import Failure, UsageFailure
from corral.cli.passphrases import read_passphrase

if TYPE_CHECKING:
    from corral.backup import Header

PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File of the passphrase.  [default: CORRAL_BACKUP_PASSPHRASE, or asked]"),
]
Data = Annotated[Path | None, typer.Option("--data", help="Data folder.  [default: CORRAL_DATA, or data]")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


def add(app: typer.Typer) -> None:
    group = typer.Typer(help="Save an installation in one encrypted file.", invoke_without_command=True)
    group.callback()(backup)
    group.command("verify")(verify)
    app.add_typer(group, name="backup")
    app.command()(restore)


def backup(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; it must not exist yet.")] = None,
    data: Data = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Save an installation in one encrypted file.

    The service may run meanwhile: the backup is of one moment. It is read back and counted before it gets its name.

    The sealing key is not in it: without that key, kept elsewhere, a backup is of no use to anybody.
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise UsageFailure("Name the file to write: --out FILE. See `corral backup --help`.")
    import asyncio

    from corral.cli.archiving import save

    settings = read_installation(data)
    if out.exists():
        raise Failure(f"{out} exists already; name another file, or remove it first.")
    passphrase = read_passphrase(passphrase_file, new=True)
    with one_line("Cannot write the backup"):
        header = asyncio.run(save(settings, out, passphrase))
    if as_json:
        _print_json(out, header)
        return
    print(
        f"{out} holds {settings.public_url} as it was at {_time(header)}: {_rows(header.facts.counts)} rows, verified."
    )
    key = settings.sealing_key_file if settings.sealing_key is None else "CORRAL_SEALING_KEY"
    print(f"It opens with its passphrase, and is of use only with the sealing key ({key}): keep that elsewhere.")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Read a backup to its end, and tell what is in it."""
    from corral.cli.archiving import inspect

    passphrase = read_passphrase(passphrase_file, new=False)
    with one_line("Cannot read the backup"):
        header = inspect(file, passphrase)
    if as_json:
        _print_json(file, header)
        return
    counts = header.facts.counts
    print(f"{file} is whole: {header.public_url} as it was at {_time(header)}, written by Corral {header.version}.")
    shown = ("device", "connection", "certificate", "command", "result", "event")
    print(f"{_rows(counts)} rows, among them " + ", ".join(f"{counts[name]} {name}s" for name in shown) + ".")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    data: Annotated[Path, typer.Option("--data", help="Data folder to make; nothing may be in it yet.")],
    sealing_key_file: Annotated[
        Path | None,
        typer.Option("--sealing-key-file", help="The installation's sealing key.  [default: CORRAL_SEALING_KEY]"),
    ] = None,
    database: Annotated[
        str, typer.Option("--database", help="An empty PostgreSQL database: postgresql://USER:PASSWORD@HOST/NAME.")
    ] = SQLITE,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an installation of a backup.

    Every row is counted. Stop the old installation first: two that both answer devices would part their ways.
    """
    import asyncio

    from corral.cli.archiving import bring_back

    check_database(database)
    sealer = read_sealer(sealing_key_file)
    passphrase = read_passphrase(passphrase_file, new=False)
    with one_line("Cannot restore"):
        restored = asyncio.run(bring_back(file, passphrase, data, sealer, sealing_key_file, database))
    if as_json:
        _print_json(file, restored.header, {"data": str(data), "missing": restored.missing})
        return
    header = restored.header
    print(f"{data} is {header.public_url} as it was at {_time(header)}: {_rows(header.facts.counts)} rows, all there.")
    print()
    print("Next:")
    for line in restored.to_do:
        print(f"  {line}")
    for name in restored.missing:
        print(f"  {name} is named in corral.toml and in no backup: put it there")
    print(f"  corral serve --data {data}    at the address that {header.public_url} leads to")
    print(f"  corral doctor --data {data}   tells whether devices will find it")
    print("Devices that have renewed their certificate since the backup are known again at their next contact.")


def _print_json(file: Path, header: "Header", more: Mapping[str, object] | None = None) -> None:
    import json

    found: dict[str, Any] = {
        "file": str(file),
        "size": os.stat(file).st_size,
        "created_at": _time(header),
        "version": header.version,
        "public_url": header.public_url,
        "rows": dict(header.facts.counts),
        **(more or {}),
    }
    print(json.dumps(found, indent=2, ensure_ascii=False))


def _rows(counts: Mapping[str, int]) -> str:
    return f"{sum(counts.values()):,}"


def _time(header: "Header") -> str:
    return datetime.fromtimestamp(header.created_at // 1000, UTC).isoformat().replace("+00:00", "Z")
