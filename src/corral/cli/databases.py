"""The database of an installation on this machine, opened to be read or to be filled: no service is asked for it."""

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from corral.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from corral.sealing import Sealer
    from corral.settings import Settings
    from corral.store.transfer import Source, Target

SQLITE = "sqlite"
FILE = "corral.db"
_TRACES = (FILE, "corral.toml", "sealing.key")


def is_installation(data: Path) -> bool:
    """Whether `corral init` has made something of it, whatever its database is."""
    return any((data / name).exists() for name in _TRACES)


def read_installation(data: Path | None) -> "Settings":
    """The settings of what `corral init` has made; raises Failure where there is nothing."""
    from corral.settings import SettingsError, read_settings

    place = data or Path(os.environ.get("CORRAL_DATA") or "data")
    if not is_installation(place):
        raise Failure(f"There is no installation in {place}; make one with `corral init`.")
    try:
        return read_settings({"data": data})
    except SettingsError as error:
        raise UsageFailure(str(error)) from None


def reading(settings: "Settings") -> "AbstractAsyncContextManager[Source]":
    if settings.database == SQLITE:
        from corral.store.sqlite.transfer import reading_sqlite

        return reading_sqlite(settings.data / FILE)
    from corral.store.postgres.connecting import Target as Server
    from corral.store.postgres.transfer import reading_postgres

    return reading_postgres(Server(settings.database, settings.pooler))


def filling(database: str, data: Path, seal: bytes) -> "AbstractAsyncContextManager[Target]":
    if database == SQLITE:
        from corral.store.sqlite.transfer import filling_sqlite

        return filling_sqlite(data / FILE, seal)
    from corral.store.postgres.connecting import Target as Server
    from corral.store.postgres.transfer import filling_postgres

    return filling_postgres(Server(database), seal)


def check_database(given: str) -> str:
    """`sqlite` or a URL; raises UsageFailure, which does not quote it."""
    if given != SQLITE and not re.match(r"postgres(ql)?://", given):
        raise UsageFailure("The database is given as postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    return given


def read_sealer(file: Path | None) -> "Sealer":
    """The sealing key in a file, else in CORRAL_SEALING_KEY."""
    from corral.sealing import Sealer, SealError, read_keys

    given = os.environ.get("CORRAL_SEALING_KEY")
    try:
        if file is not None:
            return Sealer(read_keys(file.read_text(), str(file)))
        if given:
            return Sealer(read_keys(given, "CORRAL_SEALING_KEY"))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"Cannot read the sealing key {file}: {getattr(error, 'strerror', 'it is no text')}.") from None
    except SealError as error:
        raise Failure(str(error)) from None
    raise UsageFailure("Give the sealing key: --sealing-key-file FILE, or CORRAL_SEALING_KEY.")


def set_name(text: str, name: str, value: str | None) -> str | None:
    """The text of a settings file with this setting (a string) changed or taken out; None if that cannot be done
    to the text without touching anything else."""
    lines = text.splitlines()
    end = next((place for place, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    head = [line for line in lines[:end] if not re.match(rf'\s*"?{name}"?\s*=', line)]
    if value is not None:
        while head and not head[-1].strip():
            head.pop()
        head.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        head += [""] if end < len(lines) else []
    changed = "\n".join([*head, *lines[end:]]) + "\n"
    try:
        before, after = tomllib.loads(text), tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        return None
    wanted = {key: each for key, each in before.items() if key != name}
    if value is not None:
        wanted[name] = value
    return changed if after == wanted else None


@contextlib.contextmanager
def one_line(what: str) -> Generator[None]:
    """Turns everything that reading and filling are known to fail with into one line."""
    from corral.backup import BackupError
    from corral.store.errors import StoreRefused, StoreUnavailable
    from corral.store.transfer import TransferFailed

    try:
        yield
    except (StoreRefused, StoreUnavailable, TransferFailed, BackupError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        raise Failure(f"{what}:{name} {error.strerror or error}.") from None
