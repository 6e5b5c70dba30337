"""Files that commands read and write."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from corral.cli.failure import Failure


def read_bytes(path: Path, limit: int = 32 * 1024 * 1024) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror}.") from None
    if len(data) > limit:
        raise Failure(f"{path} is larger than {limit >> 20} MiB.")
    return data


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise Failure(f"{path} is not text.") from None


def write_new(path: Path, data: bytes, *, private: bool = True) -> None:
    """Write a file, which must not exist yet; `private`: for its owner alone."""
    with _creating(path, 0o600 if private else 0o644) as descriptor, os.fdopen(descriptor, "wb") as file:
        file.write(data)


@contextmanager
def open_new(path: Path) -> Generator[IO[str]]:
    """The same for text that comes bit by bit, for its owner alone."""
    with _creating(path, 0o600) as descriptor, os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file


@contextmanager
def _creating(path: Path, mode: int) -> Generator[int]:
    try:
        yield os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Failure(f"{path} exists already; name another file, or remove it first.") from None
    except OSError as error:
        raise Failure(f"Cannot write {path}: {error.strerror}.") from None
