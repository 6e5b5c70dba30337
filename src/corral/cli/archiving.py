"""An installation into an archive, and out of one: the database, and the settings beside it."""

import contextlib
import os
import shutil
import tomllib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corral import __version__
from corral.backup import COST, Archive, BackupError, Header, verify, write_archive
from corral.cli.databases import FILE, SQLITE, filling, reading, set_name
from corral.sealing import Sealer
from corral.service.clock import Clock, system_clock
from corral.settings import FILE as SETTINGS
from corral.settings import Settings
from corral.store.transfer import carry, opens

KEY = "sealing.key"
EVENTS_SKIPPED = 1_000_000
"""Numbers left free at a restore: those that were given out since the backup, and that a reader may have got to."""

_NAMED_FILES = ("tls_certificate", "tls_key", "apns_ca")


@dataclass(frozen=True, slots=True)
class Restored:
    """`missing` are files that the settings name and that are not there; `to_do` is what is left to a person."""

    header: Header
    missing: list[str]
    to_do: list[str]


async def save(
    settings: Settings, out: Path, passphrase: bytes, *, cost: int = COST, clock: Clock = system_clock
) -> Header:
    """Write an archive of what is there now, read it back, and only then give it its name."""
    unfinished = out.with_name(out.name + ".unfinished")
    with _private(unfinished) as descriptor:
        async with reading(settings) as source:
            header = Header(__version__, clock(), settings.public_url, _settings_text(settings.data), source.facts)
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                await write_archive(file, header, source, passphrase, cost)
            os.fsync(descriptor)
        if inspect(unfinished, passphrase) != header:
            raise BackupError("What was written does not read back as it was; nothing was kept of it.")
        os.link(unfinished, out)  # unlike a rename it never replaces anything
    _sync(out.parent)
    return header


def inspect(path: Path, passphrase: bytes) -> Header:
    """What an archive holds, after all of it was read and counted."""
    with path.open("rb") as file:
        archive = Archive(file, passphrase)
        verify(archive)
        return archive.header


async def bring_back(
    path: Path,
    passphrase: bytes,
    data: Path,
    sealer: Sealer,
    key_file: Path | None,
    database: str,
) -> Restored:
    """Make a data folder and a database of an archive; where that fails, nothing is left of it."""
    with path.open("rb") as file:
        archive = Archive(file, passphrase)
        if not opens(archive.facts.seal, sealer):
            raise BackupError("The backup is of an installation with another sealing key; give that one.")
        with _new_folder(data, key_file):
            async with filling(database, data, archive.facts.seal) as target:
                await carry(archive, target, skip={"event": EVENTS_SKIPPED})
                # The database becomes one that can be opened after this, so that nothing is ever half there.
                if key_file is not None:
                    _put_key(data / KEY, key_file)
                text, to_do = _settings_for(archive.header, database)
                _write_private(data / SETTINGS, text.encode())
            _sync(data)
    return Restored(archive.header, _missing(data, text), to_do)


def _settings_text(data: Path) -> str:
    try:
        return (data / SETTINGS).read_text()
    except FileNotFoundError:
        return ""


def _settings_for(header: Header, database: str) -> tuple[str, list[str]]:
    """The settings of the archive, for another place: the key lies in the data folder now, the database where told."""
    text, to_do = header.settings, list[str]()
    changes = [("sealing_key_file", None), ("database", None if database == SQLITE else database)]
    if "public_url" not in _values(text):
        changes.append(("public_url", header.public_url))
    for name, value in changes:
        changed = set_name(text, name, value)
        if changed is None:
            to_do.append(f"corral.toml: {'take out' if value is None else 'set'} {name}")
        text = text if changed is None else changed
    return text, to_do


def _missing(data: Path, text: str) -> list[str]:
    values = _values(text)
    named = [values[name] for name in _NAMED_FILES if isinstance(values.get(name), str)]
    named += values.get("authorities", {}).values()
    return [str(data / name) for name in named if not (data / name).exists()]


def _values(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BackupError(f"The settings in the backup are not readable TOML: {error}.") from None


@contextlib.contextmanager
def _new_folder(data: Path, key_file: Path | None) -> Generator[None]:
    """A folder with nothing in it but, perhaps, the key; emptied again where something fails."""
    fresh = not data.exists()
    data.mkdir(parents=True, mode=0o700, exist_ok=True)
    there = [each.name for each in data.iterdir() if key_file is None or not _same(each, key_file)]
    if there:
        raise BackupError(f"{data} is not empty ({', '.join(sorted(there)[:3])}), and is not overwritten.")
    try:
        yield
    except BaseException:
        if fresh:
            shutil.rmtree(data, ignore_errors=True)
        else:
            for name in (SETTINGS, FILE, *(() if key_file is None or _same(data / KEY, key_file) else (KEY,))):
                (data / name).unlink(missing_ok=True)
        raise


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _put_key(path: Path, key_file: Path) -> None:
    if not _same(path, key_file):
        _write_private(path, key_file.read_bytes())


@contextlib.contextmanager
def _private(path: Path) -> Generator[int]:
    """A descriptor of a new file for its owner alone, which is gone afterwards."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
