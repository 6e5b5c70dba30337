"""The escrowed secrets of devices."""

from corral.lifecycle.state import EscrowKind
from corral.sealing import Sealer
from corral.store import rows
from corral.store.escrow import EscrowVersion
from corral.store.sqlite.database import Database

_VERSIONS = (
    "SELECT e.id, e.connection_id, e.kind, e.at, e.value IS NULL FROM connection AS co"
    " JOIN escrow AS e ON e.connection_id = co.id WHERE co.device_id = ? ORDER BY e.id DESC"
)
_VALUE = (
    "SELECT e.connection_id, e.kind, e.value FROM escrow AS e JOIN connection AS co ON co.id = e.connection_id"
    " WHERE co.device_id = ? AND e.id = ? AND e.value IS NOT NULL"
)


class SqliteEscrow:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def versions(self, device_id: str) -> tuple[EscrowVersion, ...]:
        return tuple(
            EscrowVersion(
                number=number, connection_id=connection, kind=EscrowKind(kind), at=at, withdrawn=bool(withdrawn)
            )
            for number, connection, kind, at, withdrawn in self._database.all(_VERSIONS, (device_id,))
        )

    async def value(self, device_id: str, number: int) -> bytes | None:
        row = self._database.one(_VALUE, (device_id, number))
        return None if row is None else self._sealer.open(row[2], rows.escrow_place(row[0], row[1]))
