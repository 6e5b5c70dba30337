"""Reading a package, whichever kind it is, and the digests of its chunks."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from corral.cli.failure import Failure
from corral.cli.packages import ipa, pkg
from corral.cli.packages.facts import PackageError, PackageFacts

CHUNK = 10 * 1024 * 1024
"""Bytes of a chunk: a device that loses its connection begins with the last one again."""

_MOST_CHUNKS = 2_000
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    size: int
    chunk_size: int
    sha256s: tuple[str, ...]
    md5s: tuple[str, ...]


def read_package(path: Path) -> PackageFacts:
    """By its first bytes; raises Failure."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == pkg.MAGIC:
                return pkg.read(file)
            if start[:2] == b"PK":
                return ipa.read(file)
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror or error}.") from None
    except PackageError as error:
        raise Failure(f"{path}: {error}.") from None
    raise Failure(f"{path} is neither an .ipa nor a .pkg.")


def digest(path: Path, *, with_md5: bool) -> Digests:
    """Of all chunks, read one after the other; raises Failure."""
    try:
        size = path.stat().st_size
        chunk_size = max(CHUNK, -(-size // _MOST_CHUNKS))
        with path.open("rb") as file:
            found = list(_chunks(file, chunk_size))
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror}.") from None
    return Digests(
        size=size,
        chunk_size=chunk_size,
        sha256s=tuple(sha256 for sha256, _ in found),
        md5s=tuple(md5 for _, md5 in found) if with_md5 else (),
    )


def _chunks(file: BinaryIO, chunk_size: int) -> Iterator[tuple[str, str]]:
    while True:
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        left = chunk_size
        while left and (block := file.read(min(_BLOCK, left))):
            sha256.update(block)
            md5.update(block)
            left -= len(block)
        if left == chunk_size:
            return
        yield sha256.hexdigest(), md5.hexdigest()
