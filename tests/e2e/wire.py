"""Requests as bytes, for what no HTTP client would send, and answers as they come."""

import asyncio
from dataclasses import dataclass

import apsw

from corral.store.sqlite.connecting import Sql, typed
from e2e.installation import Installation

_PASSING = ("contact", "contact_hour", "push_log", "push_state", "work")
"""Tables of what passes by; all others are state."""
_GATHERED = {"delivery": ("delivered_at", "attempts", "taken_in"), "connection": ("taken_in",)}
"""Columns that are written some time after what they are about ..."""
_TAKEN_IN = "inventory"
"""... and how the tables begin that are made of stored answers after some time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` 0: the server hung up without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


async def connect(
    at: Installation, source: str = "", port: int = 0
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """`source` is another address of this machine to come from, `port` another listener of the service."""
    port = port or int(at.url.rpartition(":")[2])
    local = (source, 0) if source else None
    if at.is_plain:
        return await asyncio.open_connection("127.0.0.1", port, local_addr=local)
    return await asyncio.open_connection("127.0.0.1", port, ssl=at.tls, server_hostname="127.0.0.1", local_addr=local)


async def raw(at: Installation, request: bytes, *, seconds: float = 5, source: str = "", port: int = 0) -> Reply:
    """The first answer to these very bytes, sent on a connection of their own."""
    reader, writer = await connect(at, source, port)
    try:
        writer.write(request)
        async with asyncio.timeout(seconds):
            return await _read(reader, head_only=request.startswith(b"HEAD "))
    except ConnectionError:
        return Reply(0, {}, b"")
    finally:
        writer.close()


async def replies(at: Installation, request: bytes, *, seconds: float = 5) -> list[Reply]:
    """All answers to these bytes until the server hangs up, or has nothing to say any more."""
    reader, writer = await connect(at)
    found: list[Reply] = []
    try:
        writer.write(request)
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(seconds):
            while (reply := await _read(reader, head_only=False)).status:
                found.append(reply)
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return found


async def _read(reader: asyncio.StreamReader, *, head_only: bool) -> Reply:
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return Reply(0, {}, b"")
        start, *lines = head.strip().split("\r\n")
        status = int(start.split(" ")[1])
        if status >= 200:
            break
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if head_only:
        return Reply(status, headers, b"")
    if "content-length" in headers:
        return Reply(status, headers, await reader.readexactly(int(headers["content-length"])))
    return Reply(status, headers, await reader.read())


def being_pushed(at: Installation) -> int:
    """How many pushes are still on their way: what Apple says to them changes what is known of a channel."""
    database = apsw.Connection(str(at.data / "corral.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        row = typed(database).execute("SELECT count(*) FROM work WHERE kind = 'push'").fetchone()
    finally:
        database.close()
    return int(row[0]) if row is not None else 0


def state(at: Installation) -> dict[str, int]:
    """How many rows each table of the database has."""
    return {table: len(found) for table, found in contents(at).items()}


def contents(at: Installation) -> dict[str, tuple[tuple[object, ...], ...]]:
    """All rows of each table of the database, of whatever is more than passing by."""
    database = apsw.Connection(str(at.data / "corral.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        sql = typed(database)
        names = [str(row[0]) for row in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: _rows(sql, name) for name in names if name not in _PASSING and not name.startswith(_TAKEN_IN)}
    finally:
        database.close()


def _rows(sql: Sql, table: str) -> tuple[tuple[object, ...], ...]:
    columns = [str(row[1]) for row in sql.execute(f"PRAGMA table_info({table})")]
    kept = ", ".join(each for each in columns if each not in _GATHERED.get(table, ()))
    return tuple(sql.execute(f"SELECT {kept} FROM {table}"))  # noqa: S608 - names of our own tables and columns
