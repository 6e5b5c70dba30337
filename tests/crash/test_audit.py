"""What people do is audited whatever happens to the service, and what is done to the trail by hand is found."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from corral.app import DATABASE
from corral.store.sqlite.connecting import typed
from crash.field import BEHIND_PROXY
from e2e.installation import Installation, installation, make_template
from postgres_server import execute

KILLS = 2
LINKED_WITHIN = 30.0


@asynccontextmanager
async def service(folder: Path, database: str) -> AsyncGenerator[Installation]:
    template = await asyncio.to_thread(make_template, folder / "template", database)
    async with installation(template, folder / "service", BEHIND_PROXY, plain=True) as corral:
        yield corral


async def make_links(corral: Installation, over: asyncio.Event, made: set[str]) -> None:
    """Until it is over; `made` are those that were answered for."""
    while not over.is_set():
        with contextlib.suppress(httpx.HTTPError):
            answer = await corral.api.post("/links", json={"note": "from a test"})
            if answer.status_code == 201:
                made.add(answer.json()["link"]["id"])


async def told(corral: Installation) -> list[str]:
    """The links whose making is in the trail."""
    found: list[str] = []
    before: int | None = None
    while True:
        query: dict[str, Any] = {"what": "link.created", "limit": 500} | ({"before": before} if before else {})
        page = await corral.get("/audit", **query)
        found += [each["data"]["link"] for each in page["entries"]]
        before = page["next"]
        if before is None:
            return found


async def verdict(corral: Installation) -> Any:
    """Once everything is linked."""
    async with asyncio.timeout(LINKED_WITHIN):
        while True:
            found = await corral.get("/audit/verification")
            if not found["waiting"]:
                return found
            await asyncio.sleep(0.2)


async def by_hand(corral: Installation, database: str, statement: str) -> None:
    if database != "sqlite":
        await asyncio.to_thread(execute, database, statement)
        return
    connection = apsw.Connection(str(corral.data / DATABASE))
    connection.set_busy_timeout(5000)
    typed(connection).execute(statement)
    connection.close()


@pytest.mark.slow
async def test_kills_lose_no_entry_and_break_no_link_and_tampering_is_found(tmp_path: Path, database: str) -> None:
    async with service(tmp_path, database) as corral:
        made = set[str]()
        for _ in range(KILLS):
            over = asyncio.Event()
            busy = [asyncio.create_task(make_links(corral, over, made)) for _ in range(4)]
            await asyncio.sleep(1.5)
            await corral.service.kill()
            over.set()
            await asyncio.gather(*busy)
            await corral.service.start()
        holds = await verdict(corral)
        assert holds["holds"], holds["breaks"]
        found = await told(corral)
        assert made <= set(found), "a link was answered for, and nobody knows who made it"
        assert len(found) == len(set(found))
        assert {each["id"] for each in await all_links(corral)} == set(found), "one without the other"
        assert len(made) > 20 * KILLS, f"only {len(made)} links: that was no load"
        assert holds["entries"] >= len(found)
        await by_hand(corral, database, "UPDATE audit SET actor_name = 'nobody' WHERE place = 7")
        await by_hand(corral, database, "DELETE FROM audit WHERE place = 11")
        broken = await corral.get("/audit/verification")
        assert [each["place"] for each in broken["breaks"]] == [7, 11]
        last = holds["head"]["place"]
        await by_hand(corral, database, f"DELETE FROM audit WHERE place = {last}")  # noqa: S608 - by hand
        broken = await corral.get("/audit/verification")
        assert [each["place"] for each in broken["breaks"]] == [7, 11, last]


async def all_links(corral: Installation) -> list[Any]:
    found: list[Any] = []
    before: str | None = None
    while True:
        page = await corral.get("/links", limit=500, **({"before": before} if before else {}))
        found += page["links"]
        before = page["next"]
        if before is None:
            return found
