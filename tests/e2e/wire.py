"""Requests as bytes, for what no HTTP client would send, and answers as they come."""

import asyncio
from dataclasses import dataclass

import apsw

from corral.store.sqlite.connecting import typed
from e2e.installation import Installation

_PASSING = ("contact", "contact_hour", "push_log", "push_state", "work")
"""Tables of what passes by; all others are state."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` 0: the server hung up without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


async def connect(at: Installation) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(at.url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, ssl=at.tls, server_hostname="127.0.0.1")


async def raw(at: Installation, request: bytes, *, seconds: float = 5) -> Reply:
    """The first answer to these very bytes, sent on a connection of their own."""
    reader, writer = await connect(at)
    try:
        writer.write(request)
        async with asyncio.timeout(seconds):
            return await _read(reader, head_only=request.startswith(b"HEAD "))
    except ConnectionError:
        return Reply(0, {}, b"")
    finally:
        writer.close()


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


def state(at: Installation) -> dict[str, int]:
    """How many rows each table of the database has."""
    database = apsw.Connection(str(at.data / "corral.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        sql = typed(database)
        names = [row[0] for row in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        counts = {name: sql.execute(f"SELECT count(*) FROM {name}").fetchone() for name in names}  # noqa: S608
    finally:
        database.close()
    return {name: row[0] for name, row in counts.items() if row is not None and name not in _PASSING}
