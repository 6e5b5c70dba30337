"""How often something was edited."""

from collections.abc import Mapping

from corral.store.postgres.database import Database


class PostgresEditions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await self._database.all("SELECT room, number FROM edition")}
