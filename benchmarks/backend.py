"""The database under the service, as the benchmarks see it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
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


class Backend(Protocol):
    name: str

    def settings(self) -> Mapping[str, Any]:
        """Of the installation that the fleet is made in."""
        ...

    def open_store(self, data: Path, sealer: Sealer) -> AbstractAsyncContextManager[Store]:
        """Of that installation, for what is put in beforehand."""
        ...

    def copy(self, data: Path) -> Mapping[str, str]:
        """Give a site with this data folder a copy of the fleet's database; its environment."""
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
