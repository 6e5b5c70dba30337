"""Events as they leave a whole service: by webhook, as a stream, and for those who wait."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, until
from receiver import receiver

corral = pytest.fixture(params=DATABASES)(over_each)


@asynccontextmanager
async def stream(
    at: Installation, last: int | None = None, **query: str
) -> AsyncGenerator[AsyncIterator[dict[str, str]]]:
    """The fields of each server-sent event, comments as `:`."""
    headers = {"last-event-id": str(last)} if last is not None else {}
    async with at.api.stream("GET", "/events/stream", params=query, headers=headers, timeout=20) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")

        async def events() -> AsyncIterator[dict[str, str]]:
            fields: dict[str, str] = {}
            async for line in response.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    yield fields
                    fields = {}

        yield events()


async def types(events: AsyncIterator[dict[str, str]], count: int) -> list[tuple[str, Any]]:
    """The types and notes of so many events."""
    found = list[tuple[str, Any]]()
    async with asyncio.timeout(10):
        async for each in events:
            if "data" in each:
                event = json.loads(each["data"])
                assert each["event"] == event["type"]
                assert each["id"] == str(event["sequence"])
                found.append((event["type"], event["data"].get("note")))
            if len(found) == count:
                return found
    raise AssertionError(f"the stream ended after {found}")


async def test_a_stream_tells_what_happens_and_goes_on_where_it_was_cut_off(corral: Installation) -> None:
    async with stream(corral, types="link.*") as events:
        assert (await anext(events))["retry"] == "2000"
        await corral.post("/links", note="one")
        await corral.post("/tokens", name="not wanted", role="viewer")
        await corral.post("/links", note="two")
        assert await types(events, 2) == [("link.created", "one"), ("link.created", "two")]
    before = await corral.cursor()
    await corral.post("/links", note="three")
    async with stream(corral, before, types="link.*") as events:
        assert await types(events, 1) == [("link.created", "three")]
    refused = await corral.api.get("/events/stream", headers={"last-event-id": "yesterday"})
    assert refused.status_code == 422


async def test_events_of_one_device_are_asked_for_by_any_of_its_names(corral: Installation) -> None:
    device, other = await corral.enrolled(), await corral.enrolled()
    found = await corral.get("/events", device=device.facts.serial_number, limit=1000)
    assert {each["device_id"] for each in found["events"]} == {device.facts.udid}
    assert "connection.connected" in [each["type"] for each in found["events"]]
    found = await corral.get("/events", device=other.facts.udid, types="connection.c*", limit=1000)
    assert [each["type"] for each in found["events"]] == ["connection.connected"]


async def test_who_waits_hears_of_it_at_once(corral: Installation) -> None:
    after = await corral.cursor()
    began = time.monotonic()
    waiting = asyncio.create_task(corral.get("/events", after=after, wait=20, types="link.*"))
    await asyncio.sleep(0.3)
    await corral.post("/links", note="at last")
    page = await waiting
    assert [each["data"]["note"] for each in page["events"]] == ["at last"]
    assert time.monotonic() - began < 5
    assert (await corral.get("/events", after=page["next"], wait=1))["events"] == []
    assert len((await corral.get("/events", last=3))["events"]) <= 3


async def test_a_webhook_hears_of_it_at_once_and_a_stop_ends_streams(start: Start, tmp_path: Path) -> None:
    async with receiver(tmp_path) as hook:
        at = await start(hook.settings)
        await at.post("/webhooks", url=hook.url)
        device = await at.enrolled()
        await until(lambda: len(hook.first) >= 5)
        told = await at.get("/events", device=device.facts.udid, limit=1000)
        await until(lambda: {each["sequence"] for each in told["events"]} <= {e["sequence"] for e in hook.events})
        by_number = {each["sequence"]: each for each in hook.events}
        assert [by_number[each["sequence"]] for each in told["events"]] == told["events"], "the same, word for word"
        assert len(hook.ids) == len(set(hook.ids))
        hook.check_order()
        async with stream(at) as events:
            await anext(events)
            waiting = asyncio.create_task(at.get("/events", last=0, wait=50))
            await asyncio.sleep(0.2)
            began = time.monotonic()
            await at.service.stop()
            assert time.monotonic() - began < 10, "nobody holds the stop up"
            assert [each async for each in events if "data" in each] == []
        page = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(page[0], dict | httpx.HTTPError)


async def test_a_stream_misses_nothing_while_its_service_is_killed_and_comes_back(start: Start) -> None:
    at = await start()
    seen = list[tuple[int, Any]]()

    async def listen(last: int) -> None:
        async with stream(at, last, types="link.created") as events:
            async for each in events:
                if "data" in each:
                    seen.append((int(each["id"]), json.loads(each["data"])["data"]["note"]))

    listening = asyncio.create_task(listen(await at.cursor()))
    for number in range(5):
        await at.post("/links", note=str(number))
    await until(lambda: len(seen) >= 2)
    await at.service.kill()
    assert isinstance((await asyncio.gather(listening, return_exceptions=True))[0], httpx.HTTPError | None)
    await at.service.start()
    await at.post("/links", note="while nobody listened")
    listening = asyncio.create_task(listen(seen[-1][0]))
    await at.post("/links", note="last")
    await until(lambda: seen[-1][1] == "last")
    listening.cancel()
    assert [note for _, note in seen] == ["0", "1", "2", "3", "4", "while nobody listened", "last"]
