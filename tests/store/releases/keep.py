"""Keeps an installation of the release at hand for the tests of all later ones: `0.1.0/sqlite.sql` and its like.

Run once, at a release, from the root of its source: `PYTHONPATH=src:tests python tests/store/releases/keep.py`. What it
has written once is never made again by a later program: that is its point.
"""

import asyncio
import re
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import corral
from contract.test_transfer import fill
from corral.backup import Header, write_archive
from corral.sealing import Sealer
from corral.store.postgres import open_postgres
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.transfer import reading_sqlite
from postgres_server import Server

RELEASES = Path(__file__).parent
SEALER = Sealer([b"the sealing key of kept releases"])
PASSPHRASE = b"the passphrase of kept releases"
CHEAP = 1
"""log2 of scrypt's N."""

_OF_THE_SESSION = re.compile(r"^(?:SET |--|\\|SELECT pg_catalog\.set_config\().*\n|^\n", re.MULTILINE)


async def keep(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "corral.db"
        async with open_sqlite(path, SEALER, create=True) as store:
            await fill(store)
        (folder / "sqlite.sql").write_text(_dump_sqlite(path), encoding="utf-8")
        with (folder / "backup").open("xb") as file:
            async with reading_sqlite(path) as source:
                header = Header(
                    version=corral.__version__,
                    created_at=0,
                    public_url="https://mdm.example.org",
                    settings="",
                    facts=source.facts,
                )
                await write_archive(file, header, source, PASSPHRASE, CHEAP)
    server = Server(durable=False)
    try:
        server.start()
        async with open_postgres(server.url, SEALER, create=True) as store:
            await fill(store)
        (folder / "postgres.sql").write_text(_dump_postgres(server), encoding="utf-8")
    finally:
        server.remove()


def _dump_sqlite(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        numbers = [
            f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*numbers, *connection.iterdump(), ""])
    finally:
        connection.close()


def _dump_postgres(server: Server) -> str:
    """Without what a server of another version might not know."""
    command = [server.program("pg_dump"), "--inserts", "--no-owner", "--no-privileges", server.url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "SET search_path = '';\n" + _OF_THE_SESSION.sub("", dumped)


if __name__ == "__main__":
    place = RELEASES / corral.__version__
    place.mkdir()
    asyncio.run(keep(place))
