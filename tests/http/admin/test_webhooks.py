"""Webhooks over the API: added, changed, tried, replayed, and shown without their secrets."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from corral.pki.authority import create_authority
from inprocess import START, Installation, fresh, opened
from outgoing.servers import Server, answer, serving


@dataclass
class Stage:
    installation: Installation
    receiver: Server
    url: str

    async def add(self, **more: object) -> Any:
        return await self.installation.post("/webhooks", {"url": self.url, **more})

    async def deliver(self, webhook: str) -> None:
        """What the worker of a process does."""
        services, store = self.installation.corral.services, self.installation.corral.store
        await store.webhooks.lease("test", self.installation.now, self.installation.now + 99_999_999, 9)
        for _ in range(5):
            await services.webhooks.delivering.turn("test", webhook)
        services.webhooks.delivering.forget(webhook)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.delenv("CORRAL_DATA", raising=False)
    authority = create_authority("somebody's", datetime.now(UTC))
    (tmp_path / "hooks.pem").write_bytes(authority.certificate_pem())
    settings, _ = fresh(tmp_path, webhook_ca=tmp_path / "hooks.pem", outgoing_networks=["127.0.0.0/8"])
    async with serving(answer(b""), authority, tmp_path, name="localhost") as receiver, opened(settings, START) as made:
        receiver.most = 1000
        yield Stage(made, receiver, f"https://localhost:{receiver.port}/hook")


def signed(secret: str, asked: bytes) -> bool:
    """Whether one of the signatures of a call is by this secret."""
    head, _, body = asked.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split()


async def test_what_happens_after_a_webhook_was_added_is_told_and_signed(stage: Stage) -> None:
    await stage.installation.post("/links", {"note": "before"})
    made = await stage.add(types=["link.*"], note="for the test")
    await stage.installation.post("/links", {"note": "after"})
    await stage.deliver(made["webhook"]["id"])
    (asked,) = stage.receiver.asked
    assert asked.startswith(b"POST /hook HTTP/1.1\r\n")
    assert b'"note":"after"' in asked
    assert signed(made["secret"], asked)
    shown = await stage.installation.get(f"/webhooks/{made['webhook']['id']}")
    assert (shown["waiting"], shown["dead"], shown["problem"], shown["failing_since"]) == (0, 0, "", None)
    assert (shown["note"], shown["types"], shown["created_by"]) == ("for the test", ["link.*"], "local administrator")


async def test_the_secret_is_shown_once_and_rotates_with_an_overlap(stage: Stage) -> None:
    made = await stage.add(types=["link.*"])
    name = made["webhook"]["id"]
    rotated = await stage.installation.post(f"/webhooks/{name}/rotate", {"overlap": 60})
    assert rotated["secret"] != made["secret"]
    assert rotated["webhook"]["secrets"] == 2
    for path in ("/webhooks", f"/webhooks/{name}", "/events"):
        text = (await stage.installation.api.get(path)).text
        assert made["secret"] not in text
        assert rotated["secret"] not in text
    for _ in range(2):
        await stage.installation.post("/links", {})
        await stage.deliver(name)
        stage.installation.now += 60_000
    first, second = stage.receiver.asked
    assert [signed(made["secret"], each) for each in (first, second)] == [True, False]
    assert [signed(rotated["secret"], each) for each in (first, second)] == [True, True]


async def test_a_test_event_is_answered_at_once(stage: Stage) -> None:
    name = (await stage.add())["webhook"]["id"]
    tested = await stage.installation.post(f"/webhooks/{name}/test")
    assert (tested["taken"], tested["problem"]) == (True, "")
    assert b'"type":"webhook.test"' in stage.receiver.asked[0]
    stage.receiver.answer = answer(b"", "500 Internal Server Error")
    tested = await stage.installation.post(f"/webhooks/{name}/test")
    assert (tested["taken"], tested["problem"]) == (False, "answered 500 Internal Server Error")
    assert (await stage.installation.get(f"/webhooks/{name}"))["failing_since"] is None, "it is no delivery"


async def test_what_was_sent_is_sent_again_from_a_number_or_a_time(stage: Stage) -> None:
    name = (await stage.add(types=["link.*"]))["webhook"]["id"]
    for note in ("one", "two", "three"):
        await stage.installation.post("/links", {"note": note})
        stage.installation.now += 3_600_000
    await stage.deliver(name)
    links = [each for each in (await stage.installation.get("/events"))["events"] if each["type"] == "link.created"]
    assert len(stage.receiver.asked) == 3
    assert await stage.installation.post(f"/webhooks/{name}/replay", {"after": links[0]["sequence"]})
    await stage.deliver(name)
    assert len(stage.receiver.asked) == 5
    await stage.installation.post(f"/webhooks/{name}/replay", {"since": links[2]["at"]})
    await stage.deliver(name)
    assert len(stage.receiver.asked) == 6
    assert b'"note":"three"' in stage.receiver.asked[-1]
    for body in ({}, {"after": 1, "since": links[0]["at"]}, {"since": "2099-01-01T00:00:00Z"}, {"after": 10**6}):
        assert (await stage.installation.api.post(f"/webhooks/{name}/replay", json=body)).status_code == 422


async def test_dead_letters_are_listed_with_their_events_and_sent_again(stage: Stage) -> None:
    name = (await stage.add(types=["link.*"]))["webhook"]["id"]
    stage.receiver.answer = answer(b"", "400 Bad Request")
    await stage.installation.post("/links", {"note": "unwelcome"})
    while not (await stage.installation.get(f"/webhooks/{name}"))["dead"]:
        await stage.deliver(name)
        stage.installation.now += 3 * 3_600_000
    dead = await stage.installation.get(f"/webhooks/{name}/dead")
    (letter,) = dead["letters"]
    assert letter["event"]["data"]["note"] == "unwelcome"
    assert letter["problem"] == "answered 400 Bad Request"
    assert letter["attempts"] > 12
    assert (await stage.installation.api.post(f"/webhooks/{name}/resend", json={"sequences": [1]})).status_code == 404
    stage.receiver.answer = answer(b"")
    resent = await stage.installation.post(f"/webhooks/{name}/resend", {"sequences": [letter["sequence"]]})
    assert resent == {"count": 1}
    await stage.deliver(name)
    shown = await stage.installation.get(f"/webhooks/{name}")
    assert (shown["waiting"], shown["dead"]) == (0, 0)


async def test_a_webhook_is_changed_disabled_enabled_and_removed(stage: Stage) -> None:
    name = (await stage.add(types=["link.*"]))["webhook"]["id"]
    patch = stage.installation.api.patch
    changed = stage.installation.read(await patch(f"/webhooks/{name}", json={"types": ["token.*"], "enabled": False}))
    assert (changed["types"], changed["disabled_why"]) == (["token.*"], "by local administrator")
    await stage.installation.post("/tokens", {"name": "while it is off", "role": "viewer"})
    await stage.deliver(name)
    assert stage.receiver.asked == []
    assert (await stage.installation.api.post(f"/webhooks/{name}/resend", json={})).status_code == 409
    stage.installation.read(await patch(f"/webhooks/{name}", json={"enabled": True}))
    await stage.deliver(name)
    assert len(stage.receiver.asked) == 1, "it goes on where it stood"
    await stage.installation.delete(f"/webhooks/{name}")
    assert (await stage.installation.get("/webhooks")) == {"webhooks": []}
    assert (await stage.installation.api.get(f"/webhooks/{name}")).status_code == 404
    kinds = [each["type"] for each in (await stage.installation.get("/events"))["events"]]
    webhook = [each for each in kinds if each.startswith("webhook.")]
    assert webhook == [f"webhook.{each}" for each in ("added", "changed", "disabled", "enabled", "removed")]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"url": "http://hooks.example.org/"}, "https"),
        ({"url": "https://user:word@hooks.example.org/"}, "https"),
        ({"url": "nonsense"}, "https"),
        ({"url": "https://hooks.example.org/", "types": []}, "without types"),
        ({"url": "https://hooks.example.org/", "types": ["link.creatd"]}, "No event is of a type"),
        ({}, "url"),
    ],
)
async def test_a_webhook_that_could_tell_nothing_is_refused(stage: Stage, body: dict[str, object], told: str) -> None:
    response = await stage.installation.api.post("/webhooks", json=body)
    assert response.status_code == 422
    assert told in response.json()["detail"]
    assert "word" not in response.text


async def test_a_receiver_within_the_network_is_not_called_unless_the_settings_say_so(
    installation: Installation,
) -> None:
    made = await installation.post("/webhooks", {"url": "https://127.0.0.1:1/"})
    tested = await installation.post(f"/webhooks/{made['webhook']['id']}/test")
    assert not tested["taken"]
    assert "not public" in tested["problem"]


async def test_the_metrics_tell_how_far_behind_it_is(stage: Stage) -> None:
    name = (await stage.add(types=["link.*"]))["webhook"]["id"]
    await stage.installation.post("/links", {})
    stage.installation.now += 42_000

    async def lag() -> str:
        lines = (await stage.installation.api.get("/metrics")).text.splitlines()
        return next(line.split()[1] for line in lines if line.startswith("corral_event_lag_seconds "))

    assert float(await lag()) == 42
    await stage.deliver(name)
    assert float(await lag()) == 0


def as_who_may(stage: Stage, token: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(stage.installation.corral.admin_app)
    return httpx.AsyncClient(
        transport=transport, base_url="https://x/api/v1", headers={"authorization": f"Bearer {token}"}
    )


@pytest.mark.parametrize(
    ("beside", "types", "status"),
    [
        ([], ["link.*"], 403),
        (["events:read"], ["link.*"], 201),
        (["events:read"], ["*"], 403),
        (["events:read"], ["user.*"], 403),
        (["events:read", "access:read"], ["*"], 201),
    ],
)
async def test_nobody_has_events_sent_that_they_may_not_see(
    beside: list[str], types: list[str], status: int, stage: Stage
) -> None:
    before = (await stage.add(types=["link.*"]))["webhook"]["id"]
    may = ["webhooks:read", "webhooks:write", *beside]
    token = (await stage.installation.post("/tokens", {"name": "x", "permissions": may}))["token"]
    async with as_who_may(stage, token) as client:
        assert (await client.post("/webhooks", json={"url": stage.url, "types": types})).status_code == status
        changed = await client.patch(f"/webhooks/{before}", json={"types": types})
        assert changed.status_code == (200 if status == 201 else 403)
        moved = await client.patch(f"/webhooks/{before}", json={"url": f"{stage.url}/mine"})
        assert moved.status_code == (200 if beside else 403)
        assert (await client.patch(f"/webhooks/{before}", json={"enabled": False})).status_code == 200, "anybody may"


async def test_a_dead_letter_shows_its_event_to_who_may_see_it(stage: Stage) -> None:
    stage.receiver.answer = answer(b"", "400 Bad Request")
    webhook = (await stage.add(types=["link.*"]))["webhook"]["id"]
    await stage.installation.post("/links", {"note": "whose note"})
    while not (await stage.installation.get(f"/webhooks/{webhook}"))["dead"]:
        await stage.deliver(webhook)
        stage.installation.now += 12 * 3_600_000
    for may, shown in ((["webhooks:read"], False), (["webhooks:read", "events:read"], True)):
        token = (await stage.installation.post("/tokens", {"name": "x", "permissions": may}))["token"]
        async with as_who_may(stage, token) as client:
            letters = (await client.get(f"/webhooks/{webhook}/dead")).json()["letters"]
        assert letters
        assert [each["event"] is not None for each in letters] == [shown] * len(letters)
