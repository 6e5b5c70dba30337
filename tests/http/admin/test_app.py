"""The admin API is closed by default, and says kindly what is wrong with a request."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.http.admin.app import admin_app
from corral.http.admin.endpoint import Endpoint, Stream
from corral.http.admin.problems import TYPES
from corral.http.admin.routes import ENDPOINTS
from corral.http.asgi import Receive, Scope, Send
from corral.store.errors import StoreUnavailable
from inprocess import Installation, local

DOCS = Path(__file__).parents[3] / "docs"


def address(endpoint: Endpoint) -> str:
    return re.sub(r"{\w+}", "anything", endpoint.path)


def method(endpoint: Endpoint) -> str:
    """Of a stream only the head: it would never end."""
    return "HEAD" if endpoint.hints["return"] is Stream else endpoint.method


def assert_problem(response: httpx.Response, status: int, detail: str = "") -> Mapping[str, Any]:
    """RFC 9457, in one line."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert "\n" not in problem["detail"]
    assert detail in problem["detail"]
    return problem


async def test_no_route_answers_without_a_credential(installation: Installation) -> None:
    for endpoint in (each for each in ENDPOINTS if not each.is_open):
        response = await installation.remote.request(endpoint.method, address(endpoint))
        assert_problem(response, 401, "token")
        assert response.headers["www-authenticate"] == "Bearer"


WRONG = {
    "empty": [("authorization", "")],
    "no token": [("authorization", "Bearer")],
    "another scheme": [("authorization", "Basic Y29ycmFsOmNvcnJhbA==")],
    "unknown": [("authorization", "Bearer corral_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
    "not of ours": [("authorization", "Bearer x")],
    "long": [("authorization", "Bearer corral_" + "A" * 20_000)],
    "not ASCII": [("authorization", "Bearer corral_\xfe\xff")],
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_a_wrong_credential_is_refused(headers: list[tuple[str, str]], installation: Installation) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    assert_problem(await installation.remote.get("/status", headers=raw), 401)


async def test_two_credentials_are_refused_though_one_is_good(installation: Installation) -> None:
    twice = [("authorization", f"Bearer {installation.token}"), ("authorization", "Bearer corral_other")]
    assert_problem(await installation.remote.get("/status", headers=twice), 401)


@pytest.mark.parametrize("path", ["/", "/nothing", "/openapi.json", "/devices/", "//status", "/status/x"])
async def test_addresses_that_do_not_exist_are_closed_too(path: str, installation: Installation) -> None:
    assert_problem(await installation.remote.get(f"https://mdm.example.org/api/v1{path}"), 401)


async def test_a_token_opens_and_its_scheme_may_be_written_small(installation: Installation) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"authorization": f"{scheme} {installation.token}"}
        assert (await installation.remote.get("/status", headers=headers)).status_code == 200


async def test_expired_and_revoked_tokens_are_refused_at_once(installation: Installation) -> None:
    made = await installation.post("/tokens", {"name": "short", "role": "viewer", "expires_in": 60})
    headers = {"authorization": f"Bearer {made['token']}"}
    assert (await installation.remote.get("/status", headers=headers)).status_code == 200
    installation.now += 60_000
    assert_problem(await installation.remote.get("/status", headers=headers), 401)
    made = await installation.post("/tokens", {"name": "revoked", "role": "viewer"})
    await installation.delete(f"/tokens/{made['credential']['id']}")
    headers = {"authorization": f"Bearer {made['token']}"}
    assert_problem(await installation.remote.get("/status", headers=headers), 401)


@pytest.mark.parametrize("mark", [False, None, 1, "True"])
async def test_only_the_mark_of_the_local_socket_opens(mark: object, installation: Installation) -> None:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {"corral.local": mark}
        await installation.corral.admin_app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(serve), base_url="http://x") as client:
        assert_problem(await client.get("/api/v1/status"), 401)


async def test_who_did_it_is_kept(installation: Installation) -> None:
    made = await installation.post("/tokens", {"name": "Ada", "role": "operator"})
    headers = {"authorization": f"Bearer {made['token']}"}
    created = Installation.read(await installation.remote.post("/links", json={}, headers=headers))
    assert created["link"]["created_by"] == "Ada"
    assert (await installation.post("/links", {}))["link"]["created_by"] == "local administrator"


async def test_an_unknown_address_is_404_and_a_wrong_method_405(installation: Installation) -> None:
    assert_problem(await installation.api.get("/nothing"), 404, "/nothing")
    response = await installation.api.put("/links")
    assert_problem(response, 405, "GET, POST, HEAD, OPTIONS")
    assert response.headers["allow"] == "GET, POST, HEAD, OPTIONS"
    assert_problem(await installation.api.post("/openapi.json"), 405)


async def test_what_an_address_takes_is_told(installation: Installation) -> None:
    for path, allowed in (
        ("/links", "GET, POST, HEAD, OPTIONS"),
        ("/links/x", "GET, DELETE, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ):
        response = await installation.api.options(path)
        assert (response.status_code, response.headers["allow"], response.content) == (204, allowed, b"")
    assert_problem(await installation.api.options("/nothing"), 404)
    assert_problem(await installation.remote.options("/links"), 401)


KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "not-readable": ("POST", "/links", {"content": b"{", "headers": {"content-type": "application/json"}}),
    "not-found": ("GET", "/devices/nobody", {}),
    "no-such-address": ("GET", "/nothing", {}),
    "method-not-allowed": ("PUT", "/links", {}),
    "not-json": ("POST", "/links", {"content": b"{}"}),
    "malformed": ("GET", "/devices?limit=none", {}),
    "refused": ("POST", "/commands", {"json": {"request_type": "ProfileList"}}),
    "edited-since": ("PUT", "/policy", {"json": {}, "headers": {"if-match": '"no-such"'}}),
    "conflict": ("DELETE", "/devices/D1", {}),
    "too-large": (
        "POST",
        "/links",
        {"content": b" " * (1024 * 1024 + 1), "headers": {"content-type": "application/json"}},
    ),
}


@pytest.mark.parametrize("name", sorted(KINDS))
async def test_each_problem_has_a_type_that_the_documents_explain(name: str, installation: Installation) -> None:
    await installation.device()
    method_, path, more = KINDS[name]
    problem = (await installation.api.request(method_, path, **more)).json()
    assert problem["type"] == f"/api/v1/docs#problem-{name}"
    assert (problem["status"], problem["title"]) == (TYPES[name].status, TYPES[name].title)
    page = (await installation.api.get("/docs")).text
    assert f'id="problem-{name}"' in page, "a browser that follows the type gets there"


def test_every_type_of_problem_is_in_the_documents() -> None:
    told = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted((str(each.status), name) for name, each in TYPES.items())


async def test_a_key_that_is_not_known_is_pointed_at(installation: Installation) -> None:
    (error,) = (await installation.api.post("/commands", json={"query": {"serch": "x"}})).json()["errors"]
    assert error == {"detail": "Object contains unknown field `serch`", "pointer": "/query/serch"}


async def test_no_answer_is_stored_by_caches(installation: Installation) -> None:
    for endpoint in ENDPOINTS:
        response = await installation.api.request(method(endpoint), address(endpoint))
        assert response.headers["cache-control"] == "no-store", endpoint


async def test_bodies_are_bounded(installation: Installation) -> None:
    headers = {"content-type": "application/json"}
    response = await installation.api.post("/links", content=b" " * (1024 * 1024 + 1), headers=headers)
    assert_problem(response, 413, "1048576 bytes")


BROKEN = {
    "not JSON": (b"uses=1", 400),
    "cut off": (b'{"uses": 1', 400),
    "not UTF-8": (b'{"note": "\xff"}', 400),
    "not an object": (b"[]", 422),
    "deep": (b"[" * 100_000, 422),
    "deep in a value": (b'{"note": ' + b"[" * 100_000, 422),
    "unknown key": (b'{"usages": 1}', 422),
    "wrong type": (b'{"uses": "1"}', 422),
    "out of range": (b'{"uses": 0}', 422),
    "huge number": (b'{"uses": 1e400}', 422),
    "time without zone": (b'{"expires_at": "2030-01-01T00:00:00"}', 422),
    "time and span": (b'{"expires_at": "2030-01-01T00:00:00Z", "expires_in": 5}', 422),
    "in the past": (b'{"expires_at": "2020-01-01T00:00:00Z"}', 422),
}


@pytest.mark.parametrize(("body", "status"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_body_is_told_in_one_line(body: bytes, status: int, installation: Installation) -> None:
    response = await installation.api.post("/links", content=body, headers={"content-type": "application/json"})
    assert_problem(response, status)
    assert (await installation.get("/links"))["links"] == []


@pytest.mark.parametrize("depth", [61, 500, 100_000])
async def test_keys_of_any_depth_are_refused_in_one_line(depth: int, installation: Installation) -> None:
    body = b'{"devices": ["D1"], "request_type": "X", "keys": {"K": %b}}' % (b"[" * depth + b"]" * depth)
    response = await installation.api.post("/commands", content=body, headers={"content-type": "application/json"})
    assert_problem(response, 400 if depth > 500 else 422, "nested")


async def test_the_place_of_an_error_is_pointed_at(installation: Installation) -> None:
    problem = assert_problem(await installation.api.post("/links", json={"uses": "many"}), 422, "uses")
    assert problem["errors"] == [{"detail": "Expected `int | null`, got `str`", "pointer": "/uses"}]
    problem = assert_problem(await installation.api.post("/commands", json={"devices": ["D1", 2]}), 422)
    assert problem["errors"][0]["pointer"] == "/devices/1"


async def test_another_content_type_is_refused(installation: Installation) -> None:
    response = await installation.api.post("/links", content=b"uses=1")
    assert_problem(response, 415, "application/json")


async def test_what_a_route_does_not_take_is_refused_and_not_ignored(installation: Installation) -> None:
    assert_problem(await installation.api.get("/status?verbose=1"), 422, "verbose")
    assert_problem(await installation.api.get("/devices?pase=connected"), 422, "pase")
    assert_problem(await installation.api.get("/devices?limit=1&limit=2"), 422, "limit")
    assert_problem(await installation.api.get("/devices?phase=happy"), 422, "phase")
    assert_problem(await installation.api.get("/devices?limit=9999"), 422, "limit")
    response = await installation.api.request("DELETE", "/links/x", json={})
    assert_problem(response, 422, "takes no body")


async def test_head_is_get_without_a_body(installation: Installation) -> None:
    assert (await installation.api.head("/status")).status_code == 200


async def test_a_line_break_does_not_lead_out_of_the_api(installation: Installation) -> None:
    assert_problem(await installation.remote.get("/devices/a%0Ab"), 401)
    assert_problem(await installation.api.get("/devices/a%0Ab"), 404)
    headers = {"authorization": f"Bearer {installation.token}"}
    assert_problem(await installation.remote.get("/devices/a%0Ab", headers=headers), 404)


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [(StoreUnavailable("disk full"), 503, "disk full"), (RuntimeError("a secret"), 500, "Corral failed")],
)
async def test_a_failure_inside_is_a_problem_without_secrets(
    error: Exception, status: int, detail: str, installation: Installation
) -> None:
    async def fail() -> Mapping[str, Any]:
        raise error

    app = admin_app(replace(installation.corral.services, status=fail))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(local(app)), base_url="http://x") as client:
        response = await client.get("/status")
    assert_problem(response, status, detail)
    assert "a secret" not in response.text
    assert ("retry-after" in response.headers) == (status == 503)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())
NAMES = ["devices", "request_type", "keys", "plist", "user", "uses", "expires_in", "note", "deadline", "certificate"]
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4).map(lambda value: json.dumps(value).encode())


@given(endpoint=st.sampled_from(ENDPOINTS), name=st.text(min_size=1, max_size=20), body=BODIES | OBJECTS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_no_request_makes_it_fail(endpoint: Endpoint, name: str, body: bytes, installation: Installation) -> None:
    path = re.sub(r"{\w+}", quote(name, safe=""), endpoint.path)
    if endpoint.method == "POST":
        response = await installation.api.post(path, content=body, headers={"content-type": "application/json"})
    else:
        response = await installation.api.request(method(endpoint), path)
    assert response.status_code < 500, response.text
