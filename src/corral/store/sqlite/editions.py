"""How often something was edited."""

from collections.abc import Mapping

from corral.store.sqlite.database import Database


class SqliteEditions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Mapping[str, int]:
        return {row[0]: row[1] for row in self._database.all("SELECT room, number FROM edition")}
