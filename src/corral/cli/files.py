"""Files that commands read and write."""

import os
from pathlib import Path

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
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except FileExistsError:
        raise Failure(f"{path} exists already; name another file, or remove it first.") from None
    except OSError as error:
        raise Failure(f"Cannot write {path}: {error.strerror}.") from None
