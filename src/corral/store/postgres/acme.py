"""ACME accounts, orders and used nonces."""

from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import acme_rows
from corral.store.acme import MOST_ORDERS
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import carry_out
from corral.store.postgres.statements import insert, select, transposed

_SPEND = insert("acme_nonce", "nonce expires_at", "ON CONFLICT DO NOTHING")
_ADD_ACCOUNT = insert(
    "acme_account",
    acme_rows.ACCOUNT,
    "ON CONFLICT (thumbprint) DO UPDATE SET expires_at = greatest(acme_account.expires_at, excluded.expires_at)",
)
_ACCOUNT = select("FROM acme_account AS a WHERE a.id = $1", a=acme_rows.ACCOUNT)
_FIND_ACCOUNT = select("FROM acme_account AS a WHERE a.thumbprint = $1", a=acme_rows.ACCOUNT)
_LOCK_ACCOUNT = "SELECT id FROM acme_account WHERE id = $1 FOR UPDATE"
_KEEP_ACCOUNT = "UPDATE acme_account SET expires_at = greatest(expires_at, $1) WHERE id = $2"
_ORDERS_OF = "SELECT count(*) FROM acme_order WHERE account_id = $1 AND expires_at > $2"
_ADD_ORDER = insert("acme_order", acme_rows.ORDER)
_ORDER = select("FROM acme_order AS o WHERE o.id = $1", o=acme_rows.ORDER)
_PUT_ORDER = (
    "UPDATE acme_order SET version = $3, status = $4, attested = $5, refusal = $6, request_digest = $7,"
    " fingerprint = $8 WHERE id = $1 AND version = $2"
)
_FORGET = tuple(
    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_at <= $1 LIMIT $2)"  # noqa: S608
    for table, key in (("acme_nonce", "nonce"), ("acme_order", "id"), ("acme_account", "id"))
)


class PostgresAcme:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def spend_nonce(self, nonce: bytes, expires_at: Instant) -> bool:
        return await carry_out(self._database, _SPEND, *transposed([(nonce, expires_at)])) > 0

    async def add_account(self, account: AcmeAccount) -> AcmeAccount:
        async def add(write: Write) -> AcmeAccount:
            await write.sql.run(_ADD_ACCOUNT, *transposed([acme_rows.account_row(account)]))
            row = await write.sql.one(_FIND_ACCOUNT, account.thumbprint)
            assert row is not None
            return acme_rows.account(row)

        return await self._database.write(add)

    async def account(self, account_id: str) -> AcmeAccount | None:
        row = await self._database.one(_ACCOUNT, account_id)
        return None if row is None else acme_rows.account(row)

    async def find_account(self, thumbprint: bytes) -> AcmeAccount | None:
        row = await self._database.one(_FIND_ACCOUNT, thumbprint)
        return None if row is None else acme_rows.account(row)

    async def add_order(self, order: AcmeOrder) -> bool:
        async def add(write: Write) -> bool:
            # One after the other: otherwise several at once would each find room for one more.
            await write.sql.one(_LOCK_ACCOUNT, order.account_id)
            count = await write.sql.one(_ORDERS_OF, order.account_id, order.created_at)
            if count is None or count[0] >= MOST_ORDERS:
                return False
            await write.sql.run(_ADD_ORDER, *transposed([acme_rows.order_row(order, self._sealer)]))
            await write.sql.run(_KEEP_ACCOUNT, order.expires_at, order.account_id)
            return True

        return await self._database.write(add)

    async def order(self, order_id: str) -> AcmeOrder | None:
        async def read(sql: Session) -> AcmeOrder | None:
            row = await sql.one(_ORDER, order_id)
            return None if row is None else acme_rows.order(row, self._sealer)

        return await self._database.read(read)

    async def put_order(self, order: AcmeOrder) -> bool:
        return (
            await carry_out(
                self._database,
                _PUT_ORDER,
                order.id,
                order.version,
                order.version + 1,
                order.status.value,
                acme_rows.write_attested(order.attested),
                order.refusal,
                order.request_digest,
                order.fingerprint,
            )
            > 0
        )

    async def forget_expired(self, now: Instant, limit: int) -> int:
        return sum([await carry_out(self._database, each, now, limit) for each in _FORGET])
