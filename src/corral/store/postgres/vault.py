"""What belongs to the installation itself."""

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import records
from corral.store.postgres.database import Database, Write, opening
from corral.store.postgres.putting import add_events, carry_out
from corral.store.postgres.statements import insert, select, transposed, upsert
from corral.store.records import secret_place
from corral.store.vault import StoredPushCertificate

_GET_SECRET = "SELECT value FROM secret WHERE name = $1"  # noqa: S105 - a statement
_PUT_SECRET = upsert("secret", "name value", "name")
_NEW_SECRET = insert("secret", "name value", "ON CONFLICT DO NOTHING")
_DELETE_SECRET = "DELETE FROM secret WHERE name = $1"  # noqa: S105 - a statement
_PUT_CERTIFICATE = upsert("push_certificate", records.PUSH_CERTIFICATE, "topic")
_CERTIFICATES = select("FROM push_certificate AS p ORDER BY p.topic", p=records.PUSH_CERTIFICATE)
_STOP_TOPIC = "UPDATE push_certificate SET stopped = $1 WHERE topic = $2"


class PostgresVault:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def get_secret(self, name: str) -> bytes | None:
        row = await self._database.one(_GET_SECRET, name)
        with opening():
            return None if row is None else self._sealer.open(row[0], secret_place(name))

    async def put_secret(self, name: str, value: bytes, events: tuple[Event, ...] = ()) -> None:
        row = name, self._sealer.seal(value, secret_place(name))
        await carry_out(self._database, _PUT_SECRET, *transposed([row]), events=events)

    async def keep_secret(self, name: str, value: bytes) -> bytes:
        await carry_out(
            self._database, _NEW_SECRET, *transposed([(name, self._sealer.seal(value, secret_place(name)))])
        )
        kept = await self.get_secret(name)
        return value if kept is None else kept

    async def delete_secret(self, name: str) -> None:
        await carry_out(self._database, _DELETE_SECRET, name)

    async def push_certificates(self) -> tuple[StoredPushCertificate, ...]:
        found = await self._database.all(_CERTIFICATES)
        with opening():
            return tuple(records.push_certificate(row, self._sealer) for row in found)

    async def put_push_certificate(self, certificate: StoredPushCertificate, events: tuple[Event, ...] = ()) -> None:
        row = records.push_certificate_row(certificate, self._sealer)
        await carry_out(self._database, _PUT_CERTIFICATE, *transposed([row]), events=events)

    async def stop_topic(self, topic: str, why: str) -> None:
        await carry_out(self._database, _STOP_TOPIC, why, topic)

    async def close_breaker(self, now: Instant, events: tuple[Event, ...] = ()) -> None:
        async def close(write: Write) -> None:
            await write.sql.run("UPDATE breaker SET opened_at = NULL")
            await write.sql.run("DELETE FROM unenrolling WHERE at <= $1", now)
            await add_events(write, events)

        await self._database.write(close)

    async def breaker_opened_at(self) -> Instant | None:
        row = await self._database.one("SELECT opened_at FROM breaker")
        return None if row is None else row[0]
