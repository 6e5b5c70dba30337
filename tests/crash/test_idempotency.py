"""A request under an idempotency key is carried out once, at whichever moment of it the service dies."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from corral.service.repeating import HELD
from crash.field import BEHIND_PROXY
from e2e.installation import Installation, installation, make_template, on_future_path

LINK = {"note": "once"}
LATER = HELD + 1000
"""Over PostgreSQL another process might still be at it; by then none can be."""


async def ask(corral: Installation, key: str) -> httpx.Response:
    return await corral.api.post("/links", json=LINK, headers={"idempotency-key": f'"{key}"'})


async def links(corral: Installation) -> list[Any]:
    """Newest first."""
    return [each["id"] for each in (await corral.get("/links"))["links"]]


async def ask_who_dies(corral: Installation, key: str, then: dict[str, str]) -> None:
    """Of a service that dies at this request; `then` is where the next one does."""
    with pytest.raises(httpx.TransportError):
        await ask(corral, key)
    await corral.service.kill()
    corral.service.environment |= {"E2E_DIES_BEFORE": "", "E2E_DIES_AFTER": ""} | then
    await corral.service.start()


@pytest.mark.slow
async def test_it_dies_and_the_same_key_asks_again(tmp_path: Path, database: str) -> None:
    template = await asyncio.to_thread(make_template, tmp_path / "template", database)
    store, kind = ("sqlite", "Sqlite") if database == "sqlite" else ("postgres", "Postgres")
    add_link = f"corral.store.{store}.grants.{kind}Grants.add_link"
    finish = f"corral.store.{store}.idempotency.{kind}Idempotency.finish"
    settings = on_future_path() | BEHIND_PROXY | {"E2E_DIES_BEFORE": add_link}
    async with installation(template, tmp_path / "service", settings, push_certificate=False, plain=True) as corral:
        await ask_who_dies(corral, "before the commit", {"E2E_DIES_BEFORE": finish})
        assert await links(corral) == []
        await ask_who_dies(corral, "before the answer is kept", {"E2E_DIES_AFTER": finish})
        assert len(await links(corral)) == 1
        await ask_who_dies(corral, "before the answer is sent", {"E2E_AHEAD": str(LATER)})
        sent, _ = there = await links(corral)

        for _ in range(2):
            lost = await ask(corral, "before the answer is kept")
            assert (lost.status_code, "has been carried out" in lost.json()["detail"]) == (409, True)
            again = await ask(corral, "before the answer is sent")
            assert (again.status_code, again.json()["link"]["id"]) == (201, sent)
            assert again.headers["idempotent-replayed"] == "true"
        assert await links(corral) == there

        first, again = await ask(corral, "before the commit"), await ask(corral, "before the commit")
        assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
        assert await links(corral) == [first.json()["link"]["id"], *there]
