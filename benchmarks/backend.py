"""The database under the service, as the benchmarks see it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from corral.sealing import Sealer
from corral.store.store import Store


@dataclass(frozen=True, slots=True)
class DatabaseFloor:
    """What the database does a second when it is asked for next to nothing."""

    what: str
    rate: float


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one table: names and values."""

    table: str
    columns: Sequence[str]
    values: Iterable[tuple[Any, ...]]


@dataclass(slots=True)
class Statements:
    """Each that there was, as text; None where the database cannot tell."""

    said: Sequence[str] | None = None


class Backend(Protocol):
    name: str

    def settings(self) -> Mapping[str, Any]:
        """Of the installation that the fleet is made in."""
        ...

    def open_store(self, data: Path, sealer: Sealer) -> AbstractAsyncContextManager[Store]:
        """Of that installation or of a copy, for what is put in beforehand."""
        ...

    def copy(self, data: Path, of: Path | None = None) -> Mapping[str, str]:
        """Give a site with this data folder a copy of the fleet's database, or of that of another site (`of`), which
        must not run; its environment."""
        ...

    def read(self, data: Path, query: str) -> list[Mapping[str, Any]]:
        """Rows of a site's database."""
        ...

    def fill(self, data: Path, tables: Iterable[Rows]) -> None:
        """Put many rows into the database of a site that does not run, then bring up to date what the database knows
        of its tables."""
        ...

    def counted_statements(self) -> AbstractContextManager[Statements]:
        """What the service says to the database until the end of the block."""
        ...

    def floors(self, folder: Path, seconds: float) -> tuple[DatabaseFloor, ...]:
        """The first is of durable inserts of one row of 1,000 bytes."""
        ...

    def commits(self, data: Path) -> int:
        """Transactions committed so far by the site that was copied last, reads not counted."""
        ...

    def cpu(self) -> float:
        """Seconds of CPU that processes of the database's own have used so far."""
        ...
