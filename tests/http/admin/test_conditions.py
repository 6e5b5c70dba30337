"""Entity tags: who has a thing already is told so, and nobody edits what they have not seen."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.state import DAY
from inprocess import Installation

STALE = {"if-match": '"000000000000000000000000"'}


async def tag(installation: Installation, path: str) -> str:
    response = await installation.api.get(path)
    assert response.status_code == 200, response.text
    return response.headers["etag"]


async def ask(installation: Installation, method: str, path: str, match: str, body: Any = None) -> httpx.Response:
    return await installation.api.request(method, path, json=body, headers={"if-match": match})


@pytest.mark.parametrize("path", ["/status", "/devices", "/devices/D1", "/commands", "/policy", "/roles", "/events"])
async def test_what_one_has_already_is_not_sent_again(installation: Installation, path: str) -> None:
    await installation.device()
    known = await tag(installation, path)
    for asked in (known, f'"other", {known}', f"W/{known}", "*"):
        response = await installation.api.get(path, headers={"if-none-match": asked})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", known)
        assert response.headers["x-request-id"]
    await installation.device()
    await installation.post("/commands", {"devices": ["D1"], "request_type": "SecurityInfo"})
    await installation.post("/roles", {"name": "desk", "permissions": []})
    await installation.api.put("/policy", json=POLICY)
    response = await installation.api.get(path, headers={"if-none-match": known})
    assert response.status_code == 200
    assert response.headers["etag"] != known


POLICY = {"rules": [{"name": "nobody", "then": {"do": "decline"}}]}


async def test_who_edits_what_was_edited_since_is_told_so_and_changes_nothing(installation: Installation) -> None:
    seen = await tag(installation, "/policy")
    put = await ask(installation, "PUT", "/policy", seen, POLICY)
    assert put.status_code == 200, put.text
    assert put.headers["etag"] == await tag(installation, "/policy") != seen
    late = await ask(installation, "PUT", "/policy", seen, {"rules": []})
    assert late.status_code == 412
    assert "look at it again" in late.json()["detail"]
    assert (await installation.get("/policy"))["rules"]
    assert (await ask(installation, "PUT", "/policy", put.headers["etag"], {"rules": []})).status_code == 200
    assert (await ask(installation, "PUT", "/policy", "*", POLICY)).status_code == 200


EDITS: Mapping[str, Any] = {
    "put_policy": POLICY,
    "put_schedule": {"rules": []},
    "change_webhook": {"note": "changed", "enabled": False},
    "rotate_webhook": {},
    "remove_webhook": None,
    "change_role": {"permissions": ["links:read"]},
    "remove_role": None,
    "set_user_password": {"password": "correct horse battery"},
    "set_user_role": {"role": "operator"},
    "disable_user": None,
    "enable_user": None,
    "set_ade_rules": {"rules": []},
    "set_ade_default": {"profile": ""},
    "remove_ade_server": None,
}
"""In an order in which each can be done."""

ELSEWHERE = {
    "remove_stored_profile": "tests/http/admin/test_profiles.py",
    "put_profile_version": "tests/http/admin/test_profiles.py",
    "redefine_ade_profile": "tests/http/admin/test_ade.py",
    "forget_app": "an app is added and forgotten, and never edited",
    "import_ade_token": "needs Apple's portal; goes the same way as set_ade_default",
    "remove_ade_profile": "needs Apple's service; goes the same way as set_ade_rules",
}


def test_everything_that_edits_is_here() -> None:
    assert {each.serve.__name__ for each in ENDPOINTS if each.edits} == EDITS.keys() | ELSEWHERE.keys()


async def test_everything_that_is_edited_is_edited_only_as_it_was_seen(installation: Installation) -> None:
    names = await arrange(installation)
    by_name = {each.serve.__name__: each for each in ENDPOINTS}
    for name, body in EDITS.items():
        endpoint = by_name[name]
        path, looked_at = endpoint.path.format(**names), endpoint.edits.format(**names)
        events = await installation.corral.store.events.last()
        stale = await installation.api.request(endpoint.method, path, json=body, headers=STALE)
        assert stale.status_code == 412, (name, stale.text)
        assert await installation.corral.store.events.last() == events, name
        answer = await ask(installation, endpoint.method, path, await tag(installation, looked_at), body)
        assert answer.is_success, (name, answer.text)
        assert await installation.corral.store.events.last() > events, name


@contextmanager
def meanwhile(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> Generator[list[int]]:
    """Somebody else makes this request once the editions were read; how it was answered."""
    read, done = installation.corral.store.editions.read, list[int]()

    async def read_first() -> Mapping[str, int]:
        found = await read()
        if not done:
            done.append((await installation.api.request(method, path, json=body)).status_code)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(installation.corral.store.editions, "read", read_first)
        yield done


async def test_an_edit_between_looking_and_committing_is_seen(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag still fits when it is looked at; the commit itself finds out."""
    names = await arrange(installation)
    by_name = {each.serve.__name__: each for each in ENDPOINTS}
    between: Mapping[str, tuple[str, str, Any]] = {
        "put_policy": ("PUT", "/policy", {"rules": []}),
        "change_webhook": ("PATCH", "/webhooks/{webhook}", {"note": "between"}),
        "change_role": ("PUT", "/roles/{role}", {"permissions": ["events:read"]}),
        "set_user_role": ("POST", "/users/{user}/role", {"role": "operator"}),
        "disable_user": ("POST", "/users/{user}/role", {"role": "administrator"}),
        "remove_ade_server": ("POST", "/ade/servers/{server}/rules", {"rules": []}),
    }
    for name, (method, other, body) in between.items():
        endpoint = by_name[name]
        path, looked_at = endpoint.path.format(**names), endpoint.edits.format(**names)
        seen = await tag(installation, looked_at)
        with meanwhile(installation, monkeypatch, method, other.format(**names), body) as done:
            answer = await ask(installation, endpoint.method, path, seen, EDITS[name])
        assert done == [200]
        if name == "remove_ade_server":
            assert answer.status_code == 204, "what was edited beside it is nothing to it"
        elif name == "put_policy":
            assert answer.status_code == 200, "what was put meanwhile is what was there"
        else:
            assert answer.status_code == 412, (name, answer.text)
            assert await tag(installation, looked_at) != seen


async def arrange(installation: Installation) -> Mapping[str, str]:
    webhook = await installation.post("/webhooks", {"url": "https://hooks.example.org/x", "types": ["connection.*"]})
    await installation.post("/users", {"name": "ann", "role": "viewer"})
    await installation.post("/roles", {"name": "desk", "permissions": []})
    await installation.post("/ade/servers", {"name": "main"})
    return {"webhook": webhook["webhook"]["id"], "user": "ann", "role": "desk", "server": "main"}


async def test_what_changes_by_itself_is_no_edit(installation: Installation) -> None:
    """That a webhook was called meanwhile is no reason to refuse its new note; whoever polls it sees it though."""
    names = await arrange(installation)
    path = f"/webhooks/{names['webhook']}"
    seen = await tag(installation, path)
    assert (await installation.api.post(f"{path}/replay", json={"after": 0})).is_success
    assert await tag(installation, path) != seen
    assert (await installation.api.get(path, headers={"if-none-match": seen})).status_code == 200
    assert (await ask(installation, "PATCH", path, seen, {"note": "x"})).status_code == 200


async def test_a_webhook_is_changed_and_enabled_in_one_commit(installation: Installation) -> None:
    names = await arrange(installation)
    path = f"/webhooks/{names['webhook']}"
    for enabled in (False, True):
        body = {"note": f"enabled {enabled}", "enabled": enabled}
        answer = await ask(installation, "PATCH", path, await tag(installation, path), body)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["note"], answer.json()["disabled_at"] is None) == (f"enabled {enabled}", enabled)


async def test_where_nothing_is_edited_conditions_are_refused(installation: Installation) -> None:
    for method, path, headers in (
        ("POST", "/links", STALE),
        ("GET", "/links", STALE),
        ("POST", "/links", {"if-none-match": "*"}),
        ("PUT", "/policy", {"if-none-match": "*"}),
        ("PUT", "/policy", {"if-match": "unquoted"}),
        ("GET", "/policy", {"if-none-match": '"a'}),
    ):
        response = await installation.api.request(method, path, headers=headers)
        assert response.status_code == 422, (method, path, headers)
    assert (await installation.get("/links"))["links"] == []


async def test_with_a_key_a_condition_counts_once(installation: Installation) -> None:
    seen = await tag(installation, "/policy")
    headers = {"if-match": seen, "idempotency-key": "k"}
    first, again = [await installation.api.put("/policy", json=POLICY, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code, first.content) == (200, 200, again.content)


async def test_tags_outlive_time_where_nothing_happens(installation: Installation) -> None:
    await installation.device()
    before = {path: await tag(installation, path) for path in ("/devices", "/devices/D1", "/policy", "/commands")}
    installation.now += DAY
    assert before == {path: await tag(installation, path) for path in before}
