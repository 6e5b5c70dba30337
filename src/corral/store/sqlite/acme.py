"""ACME accounts, orders and used nonces."""

from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import acme_rows
from corral.store.acme import MOST_ORDERS
from corral.store.sqlite.applying import carry_out
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select, update
from corral.store.sqlite.writer import Write

_SPEND = insert("acme_nonce", "nonce expires_at", "ON CONFLICT DO NOTHING")
_ADD_ACCOUNT = insert(
    "acme_account",
    acme_rows.ACCOUNT,
    "ON CONFLICT (thumbprint) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)",
)
_ACCOUNT = select("FROM acme_account AS a WHERE a.id = ?", a=acme_rows.ACCOUNT)
_FIND_ACCOUNT = select("FROM acme_account AS a WHERE a.thumbprint = ?", a=acme_rows.ACCOUNT)
_KEEP_ACCOUNT = "UPDATE acme_account SET expires_at = max(expires_at, ?) WHERE id = ?"
_ORDERS_OF = "SELECT count(*) FROM acme_order WHERE account_id = ? AND expires_at > ?"
_ADD_ORDER = insert("acme_order", acme_rows.ORDER)
_ORDER = select("FROM acme_order AS o WHERE o.id = ?", o=acme_rows.ORDER)
_PUT_ORDER = update("acme_order", acme_rows.ORDER, "id = ? AND version = ?")
_FORGET = tuple(
    # Whose row it is is found by the index on its time.
    f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE expires_at <= ? LIMIT ?)"  # noqa: S608
    for table in ("acme_nonce", "acme_order", "acme_account")
)


class SqliteAcme:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def spend_nonce(self, nonce: bytes, expires_at: Instant) -> bool:
        return await carry_out(self._database, _SPEND, (nonce, expires_at)) > 0

    async def add_account(self, account: AcmeAccount) -> AcmeAccount:
        def add(write: Write) -> AcmeAccount:
            write.sql.execute(_ADD_ACCOUNT, acme_rows.account_row(account))
            row = write.sql.execute(_FIND_ACCOUNT, (account.thumbprint,)).fetchone()
            assert row is not None
            return acme_rows.account(row)

        return await self._database.write(add)

    async def account(self, account_id: str) -> AcmeAccount | None:
        row = self._database.one(_ACCOUNT, (account_id,))
        return None if row is None else acme_rows.account(row)

    async def find_account(self, thumbprint: bytes) -> AcmeAccount | None:
        row = self._database.one(_FIND_ACCOUNT, (thumbprint,))
        return None if row is None else acme_rows.account(row)

    async def add_order(self, order: AcmeOrder) -> bool:
        def add(write: Write) -> bool:
            count = write.sql.execute(_ORDERS_OF, (order.account_id, order.created_at)).fetchone()
            if count is None or count[0] >= MOST_ORDERS:
                return False
            write.sql.execute(_ADD_ORDER, acme_rows.order_row(order, self._sealer))
            write.sql.execute(_KEEP_ACCOUNT, (order.expires_at, order.account_id))
            return True

        return await self._database.write(add)

    async def order(self, order_id: str) -> AcmeOrder | None:
        def read(sql: Sql) -> AcmeOrder | None:
            row = sql.execute(_ORDER, (order_id,)).fetchone()
            return None if row is None else acme_rows.order(row, self._sealer)

        return self._database.read(read)

    async def put_order(self, order: AcmeOrder) -> bool:
        row = acme_rows.order_row(order, self._sealer)
        return await carry_out(self._database, _PUT_ORDER, (*row, order.id, order.version)) > 0

    async def forget_expired(self, now: Instant, limit: int) -> int:
        return sum([await carry_out(self._database, each, (now, limit)) for each in _FORGET])
