"""A SQLite store in a folder of its own, and a disk that fails when it is told to."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from corral.sealing import Sealer
from corral.store.sqlite import SqliteStore, open_sqlite
from corral.store.sqlite.connecting import typed

SEALER = Sealer([b"sealing key of the sqlite tests "])


def run(path: Path, statements: str) -> None:
    """What somebody else does to a database file."""
    connection = apsw.Connection(str(path))
    typed(connection).execute(statements)
    connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "corral.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(path, SEALER, create=True) as opened:
        yield opened


class Disk:
    """Fails every operation of the named kinds with an error, from when it is told to until it is mended."""

    def __init__(self) -> None:
        self.failing: dict[str, type[apsw.Error]] = {}

    def check(self, operation: str) -> None:
        error = self.failing.get(operation)
        if error is not None:
            raise error("the test's disk fails")

    def fail(self, error: type[apsw.Error], *operations: str) -> None:
        self.failing = dict.fromkeys(operations, error)

    def mend(self) -> None:
        self.failing = {}


@pytest.fixture
def disk() -> Iterator[Disk]:
    """The disk that SQLite works on during the test."""
    disk = Disk()
    former = apsw.vfs_names()[0]

    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            disk.check("open")
            super().__init__(former, name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
            disk.check("write")
            super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType] - apsw's stubs say Buffer

        def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
            disk.check("sync")
            super().xSync(flags)

        def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name
            disk.check("read")
            return super().xRead(amount, offset)

    class Failing(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("failing", base=former, makedefault=True, exclude={"xGetLastError"})

        def xOpen(self, name: Any, flags: list[int]) -> File:  # noqa: N802 - apsw's name
            return File(name, flags)

    vfs = Failing()
    assert apsw.vfs_names()[0] == "failing"
    yield disk
    disk.mend()
    vfs.unregister()
    assert apsw.vfs_names()[0] == former
