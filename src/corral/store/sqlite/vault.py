"""What belongs to the installation itself."""

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import records
from corral.store.records import secret_place
from corral.store.sqlite.applying import add_events, carry_out
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select, upsert
from corral.store.sqlite.writer import Write
from corral.store.vault import StoredPushCertificate

_PUT_SECRET = upsert("secret", "name value", "name")
_NEW_SECRET = insert("secret", "name value", "ON CONFLICT DO NOTHING")
_PUT_CERTIFICATE = upsert("push_certificate", records.PUSH_CERTIFICATE, "topic")
_CERTIFICATES = select("FROM push_certificate AS p ORDER BY p.topic", p=records.PUSH_CERTIFICATE)


class SqliteVault:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def get_secret(self, name: str) -> bytes | None:
        def get(sql: Sql) -> bytes | None:
            row = sql.execute("SELECT value FROM secret WHERE name = ?", (name,)).fetchone()
            return None if row is None else self._sealer.open(row[0], secret_place(name))

        return self._database.read(get)

    async def put_secret(self, name: str, value: bytes, events: tuple[Event, ...] = ()) -> None:
        await carry_out(self._database, _PUT_SECRET, (name, self._sealer.seal(value, secret_place(name))), events)

    async def keep_secret(self, name: str, value: bytes) -> bytes:
        await carry_out(self._database, _NEW_SECRET, (name, self._sealer.seal(value, secret_place(name))))
        kept = await self.get_secret(name)
        return value if kept is None else kept

    async def delete_secret(self, name: str) -> None:
        await carry_out(self._database, "DELETE FROM secret WHERE name = ?", (name,))

    async def push_certificates(self) -> tuple[StoredPushCertificate, ...]:
        def read(sql: Sql) -> tuple[StoredPushCertificate, ...]:
            return tuple(records.push_certificate(row, self._sealer) for row in sql.execute(_CERTIFICATES))

        return self._database.read(read)

    async def put_push_certificate(self, certificate: StoredPushCertificate, events: tuple[Event, ...] = ()) -> None:
        row = records.push_certificate_row(certificate, self._sealer)
        await carry_out(self._database, _PUT_CERTIFICATE, row, events)

    async def stop_topic(self, topic: str, why: str) -> None:
        await carry_out(self._database, "UPDATE push_certificate SET stopped = ? WHERE topic = ?", (why, topic))

    async def close_breaker(self, now: Instant, events: tuple[Event, ...] = ()) -> None:
        def close(write: Write) -> None:
            write.sql.execute("UPDATE breaker SET opened_at = NULL")
            write.sql.execute("DELETE FROM unenrolling WHERE at <= ?", (now,))
            add_events(write, events)

        await self._database.write(close)

    async def breaker_opened_at(self) -> Instant | None:
        row = self._database.one("SELECT opened_at FROM breaker")
        return None if row is None else row[0]
