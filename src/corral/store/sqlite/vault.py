"""What belongs to the installation itself."""

from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select, upsert
from corral.store.sqlite.writer import Write
from corral.store.vault import Credential, StoredPushCertificate

_PUT_SECRET = upsert("secret", "name value", "name")
_CERTIFICATE = "topic certificate_pem key_pem apple_account not_after imported_at stopped"
_PUT_CERTIFICATE = upsert("push_certificate", _CERTIFICATE, "topic")
_CERTIFICATES = select("FROM push_certificate AS p ORDER BY p.topic", p=_CERTIFICATE)
_CREDENTIAL = "id name digest created_at expires_at revoked_at"
_ADD_CREDENTIAL = insert("credential", _CREDENTIAL)
_FIND_CREDENTIAL = select("FROM credential AS c WHERE c.digest = ?", c=_CREDENTIAL)
_CREDENTIALS = select("FROM credential AS c ORDER BY c.created_at DESC, c.rowid DESC", c=_CREDENTIAL)
_REVOKE = "UPDATE credential SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"


class SqliteVault:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def get_secret(self, name: str) -> bytes | None:
        def get(sql: Sql) -> bytes | None:
            row = sql.execute("SELECT value FROM secret WHERE name = ?", (name,)).fetchone()
            return None if row is None else self._sealer.open(row[0], _secret_place(name))

        return self._database.read(get)

    async def put_secret(self, name: str, value: bytes) -> None:
        await self._execute(_PUT_SECRET, (name, self._sealer.seal(value, _secret_place(name))))

    async def delete_secret(self, name: str) -> None:
        await self._execute("DELETE FROM secret WHERE name = ?", (name,))

    async def push_certificates(self) -> tuple[StoredPushCertificate, ...]:
        def read(sql: Sql) -> tuple[StoredPushCertificate, ...]:
            return tuple(self._certificate(row) for row in sql.execute(_CERTIFICATES))

        return self._database.read(read)

    async def put_push_certificate(self, certificate: StoredPushCertificate) -> None:
        row = (
            certificate.topic,
            certificate.certificate_pem,
            self._sealer.seal(certificate.key_pem, _key_place(certificate.topic)),
            certificate.apple_account,
            certificate.not_after,
            certificate.imported_at,
            certificate.stopped,
        )
        await self._execute(_PUT_CERTIFICATE, row)

    async def stop_topic(self, topic: str, why: str) -> None:
        await self._execute("UPDATE push_certificate SET stopped = ? WHERE topic = ?", (why, topic))

    async def add_credential(self, credential: Credential) -> None:
        row = (
            credential.id,
            credential.name,
            credential.digest,
            credential.created_at,
            credential.expires_at,
            credential.revoked_at,
        )
        await self._execute(_ADD_CREDENTIAL, row)

    async def find_credential(self, digest: bytes) -> Credential | None:
        row = self._database.one(_FIND_CREDENTIAL, (digest,))
        return None if row is None else _credential(row)

    async def credentials(self) -> tuple[Credential, ...]:
        """Newest first."""
        return tuple(_credential(row) for row in self._database.all(_CREDENTIALS))

    async def revoke_credential(self, credential_id: str, now: Instant) -> bool:
        return await self._execute(_REVOKE, (now, credential_id)) > 0

    async def close_breaker(self, now: Instant) -> None:
        def close(write: Write) -> None:
            write.sql.execute("UPDATE breaker SET opened_at = NULL")
            write.sql.execute("DELETE FROM unenrolling WHERE at <= ?", (now,))

        await self._database.write(close)

    async def breaker_opened_at(self) -> Instant | None:
        row = self._database.one("SELECT opened_at FROM breaker")
        return None if row is None else row[0]

    async def _execute(self, statement: str, values: Row) -> int:
        def execute(write: Write) -> int:
            write.sql.execute(statement, values)
            return write.sql.changes()

        return await self._database.write(execute)

    def _certificate(self, row: Row) -> StoredPushCertificate:
        topic, certificate_pem, key_pem, apple_account, not_after, imported_at, stopped = row
        return StoredPushCertificate(
            topic=topic,
            certificate_pem=certificate_pem,
            key_pem=self._sealer.open(key_pem, _key_place(topic)),
            apple_account=apple_account,
            not_after=not_after,
            imported_at=imported_at,
            stopped=stopped,
        )


def _secret_place(name: str) -> str:
    return f"secret/value/{name}"


def _key_place(topic: str) -> str:
    return f"push_certificate/key_pem/{topic}"


def _credential(row: Row) -> Credential:
    id_, name, digest, created_at, expires_at, revoked_at = row
    return Credential(
        id=id_, name=name, digest=digest, created_at=created_at, expires_at=expires_at, revoked_at=revoked_at
    )
