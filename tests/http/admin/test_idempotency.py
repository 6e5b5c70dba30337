"""The header Idempotency-Key: what was done is not done again, and answered as it was."""

import asyncio
from typing import Any

import httpx
import pytest

from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.state import DAY
from corral.store.errors import StoreUnavailable
from inprocess import Installation

LINK = {"note": "once"}


async def post(installation: Installation, key: str, path: str = "/links", body: Any = LINK) -> httpx.Response:
    return await installation.api.post(path, json=body, headers={"idempotency-key": key})


async def links(installation: Installation) -> int:
    return len((await installation.get("/links"))["links"])


async def test_the_same_again_is_answered_alike_and_not_done(installation: Installation) -> None:
    first = await post(installation, '"8e03978e"')
    again = await post(installation, "8e03978e")
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, first.content)
    assert "url" in first.json(), "a secret that is told once is told again to who asked for it"
    assert first.headers["content-type"] == again.headers["content-type"]
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert await links(installation) == 1
    assert (await post(installation, "other")).json() != first.json()
    assert await links(installation) == 2


async def test_a_command_is_queued_once(installation: Installation) -> None:
    device = await installation.device()
    body = {"devices": [device], "request_type": "SecurityInfo"}
    answers = [await post(installation, "k", "/commands", body) for _ in range(3)]
    assert len({each.json()["command_uuid"] for each in answers}) == 1
    assert len((await installation.get("/commands"))["commands"]) == 1


async def test_what_has_no_body_is_answered_alike_too(installation: Installation) -> None:
    link = (await installation.post("/links", {}))["link"]["id"]
    headers = {"idempotency-key": "gone"}
    for _ in range(2):
        assert (await installation.api.delete(f"/links/{link}", headers=headers)).status_code == 204
    assert (await installation.api.delete(f"/links/{link}")).status_code == 404


async def test_a_key_is_of_one_request(installation: Installation) -> None:
    await post(installation, "k")
    for path, body in (("/links", {"note": "else"}), ("/roles", LINK)):
        refused = await post(installation, "k", path, body)
        assert refused.status_code == 422
        assert "another request" in refused.json()["detail"]
        assert refused.json()["type"].endswith("#problem-key-reused")
    assert await links(installation) == 1


async def test_a_key_is_of_one_caller(installation: Installation) -> None:
    """Who knows the key of somebody else gets nothing by it, and is not in the way."""
    first = (await post(installation, "k")).json()
    headers = {"authorization": f"Bearer {installation.token}", "idempotency-key": "k"}
    other = await installation.remote.post("/links", json=LINK, headers=headers)
    assert other.status_code == 201
    assert other.json() != first
    assert "idempotent-replayed" not in other.headers


async def test_whoever_may_no_more_gets_no_kept_answer(installation: Installation) -> None:
    role = {"name": "desk", "permissions": ["links:write"]}
    await installation.post("/roles", role)
    token = (await installation.post("/tokens", {"name": "t", "role": "desk"}))["token"]
    headers = {"authorization": f"Bearer {token}", "idempotency-key": "k"}
    assert (await installation.remote.post("/links", json=LINK, headers=headers)).status_code == 201
    assert (await installation.api.put("/roles/desk", json={"permissions": []})).is_success
    assert (await installation.remote.post("/links", json=LINK, headers=headers)).status_code == 403


async def test_a_request_that_failed_can_be_made_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await post(installation, "k", body={"uses": -1})).status_code == 422
    monkeypatch.setattr(installation.corral.store.grants, "add_link", _unavailable)
    assert (await post(installation, "k")).status_code == 503
    monkeypatch.undo()
    assert (await post(installation, "k")).status_code == 201


async def _unavailable(*_: object) -> None:
    raise StoreUnavailable("The database cannot answer.")


async def test_while_the_first_goes_on_a_second_is_told_so(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    add_link = installation.corral.store.grants.add_link

    async def slowly(*values: Any) -> None:
        begun.set()
        await go_on.wait()
        await add_link(*values)

    monkeypatch.setattr(installation.corral.store.grants, "add_link", slowly)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(post(installation, "k"))
        await begun.wait()
        second = await post(installation, "k")
        go_on.set()
    assert (second.status_code, (await first).status_code) == (409, 201)
    assert "still under way" in second.json()["detail"]
    assert second.json()["type"].endswith("#problem-under-way")
    assert (await post(installation, "k")).json() == (await first).json()


async def test_an_answer_that_could_not_be_kept_is_given_and_nothing_is_done_twice(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the process dies between the commit and the answer."""
    monkeypatch.setattr(installation.corral.store.idempotency, "finish", _unavailable)
    assert (await post(installation, "k")).status_code == 201
    monkeypatch.undo()
    installation.now += 60_000
    again = await post(installation, "k")
    assert again.status_code == 409
    assert "has been carried out" in again.json()["detail"]
    assert again.json()["type"].endswith("#problem-answer-lost")
    assert await links(installation) == 1


async def test_a_key_is_kept_for_a_day(installation: Installation) -> None:
    await post(installation, "k")
    installation.now += DAY
    await post(installation, "k", body={"note": "of the next day"})
    assert await links(installation) == 2
    assert await installation.corral.store.idempotency.forget_expired(installation.now + DAY, 10) == 1


@pytest.mark.parametrize("key", ["", '"', '""', '"a', "a b", "x" * 256, "\xe9", "a, b"])
async def test_what_is_no_key_is_refused(installation: Installation, key: str) -> None:
    headers = httpx.Headers({"idempotency-key": key}, encoding="latin-1")
    response = await installation.api.post("/links", json=LINK, headers=headers)
    assert response.status_code == 422
    assert await links(installation) == 0


async def test_where_nobody_has_said_who_asks_there_are_no_keys(installation: Installation) -> None:
    for endpoint in (each for each in ENDPOINTS if each.is_open and each.method != "GET"):
        response = await post(installation, "k", endpoint.path, {} if "body" in endpoint.hints else None)
        assert response.status_code == 422
        assert "takes no Idempotency-Key" in response.json()["detail"]
    assert (await installation.api.get("/links", headers={"idempotency-key": "k"})).status_code == 200


async def test_the_description_tells_of_it(installation: Installation) -> None:
    paths = (await installation.get("/openapi.json"))["paths"]
    for endpoint in ENDPOINTS:
        parameters = paths[endpoint.path][endpoint.method.lower()].get("parameters", [])
        assert ("Idempotency-Key" in {each["name"] for each in parameters}) == endpoint.takes_key
