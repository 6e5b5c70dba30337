"""The embedded store: one SQLite file, one process."""

from corral.store.sqlite.store import SqliteStore, open_sqlite

__all__ = ["SqliteStore", "open_sqlite"]
