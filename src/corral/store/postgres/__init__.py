"""The store over PostgreSQL: any number of processes on any number of machines share one database."""

from corral.store.postgres.connecting import Pooler
from corral.store.postgres.store import PostgresStore, open_postgres

__all__ = ["Pooler", "PostgresStore", "open_postgres"]
