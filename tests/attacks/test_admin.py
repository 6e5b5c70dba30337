"""Administration: from the wrong side, with the wrong token, and by URLs that lead where nobody should get."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from attacks.scene import Scene
from corral.cli.process import free_port
from corral.http.admin.endpoint import MAX_BODY
from corral.lifecycle.vocabulary import OF_RIGHTS
from corral.pki.authority import create_authority
from corral.simulator.identity import Signed
from corral.simulator.transport import Response
from e2e import wire
from e2e.installation import Installation, Template, installation
from e2e.messages import enrollment_of
from outgoing.servers import Server, answer, serving

NONE: Mapping[str, str] = {}
JSON = {"Content-Type": "application/json"}
ALLOWED = "127.0.0.9"
"""An address of this machine that may be called; all others of it may not."""


@dataclass(frozen=True, slots=True)
class Office(Scene):
    """`administration` is an address of its own; `hooks` is called where webhooks may go."""

    administration: str
    token: str
    hooks: Server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Office]:
    address, folder = f"127.0.0.1:{free_port()}", tmp_path_factory.mktemp("hooks")
    key = await template.keys.take()
    authority = create_authority("somebody's", datetime.now(UTC), key=key)
    (folder / "ca.pem").write_bytes(authority.certificate_pem())
    settings = {
        "CORRAL_ADMIN_LISTEN": address,
        "CORRAL_OUTGOING_NETWORKS": f"{ALLOWED}/32",
        "CORRAL_WEBHOOK_CA": str(folder / "ca.pem"),
    }
    async with (
        serving(answer(b""), authority, folder, name=ALLOWED, host=ALLOWED) as hooks,
        installation(template, tmp_path_factory.mktemp("office"), settings) as at,
    ):
        begun = await Scene.of(at)
        yield Office(at, begun.owner, f"https://{address}", template.token, hooks)


async def ask(
    at: Installation, method: str, url: str, token: str = "", body: bytes = b"", headers: Mapping[str, str] = NONE
) -> Response:
    given = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    return await at.transport.request(method, url, headers=tuple(given.items()), body=body, trust=at.trust)


async def call(office: Office, method: str, path: str, token: str, **body: Any) -> Response:
    content = json.dumps(body).encode() if body else b""
    url = f"{office.administration}/api/v1{path}"
    return await ask(office.at, method, url, token, content, JSON if body else NONE)


def problem(answer: Response, status: int) -> Mapping[str, Any]:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.body
    found: Mapping[str, Any] = json.loads(answer.body)
    assert found["status"] == status
    assert "Traceback" not in found["detail"]
    return found


# From the wrong side


async def test_there_is_no_administration_on_the_side_of_the_devices(office: Office) -> None:
    """Where it has an address of its own, not even who has the token finds it on the other."""
    async with office.unharmed():
        for path in (
            "/api/v1/devices",
            "/api/v1/status",
            "/api/v1/metrics",
            "/api/v1/openapi.json",
            "/api/v1/sessions",
        ):
            for way in (path, f"/{path}", f"/mdm/..{path}", path.replace("/v1", "/%76%31"), path.replace("/", "//")):
                request = f"GET {way} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {office.token}\r\n\r\n"
                answer = await wire.raw(office.at, request.encode())
                assert (answer.status, answer.body) == (404, b"There is nothing at this address.\n"), way


async def test_there_are_no_devices_on_the_side_of_the_administration(office: Office) -> None:
    idle = enrollment_of(office.owner).device.idle
    async with office.unharmed():
        for path in ("/mdm", "/checkin", "/scep?operation=GetCACert", "/enroll/automated", "/acme/directory"):
            answer = await ask(office.at, "PUT", f"{office.administration}{path}", body=idle)
            assert (answer.status, answer.body) == (404, b"There is nothing at this address.\n")


async def test_a_header_does_not_make_a_stranger_local(office: Office) -> None:
    """The local socket needs no token; nothing that is said on the network makes it that."""
    claims = {"corral.local": "true", "X-Forwarded-For": "127.0.0.1", "Forwarded": "for=unix:", "Host": "localhost"}
    async with office.unharmed():
        for name, value in claims.items():
            problem(await ask(office.at, "GET", f"{office.administration}/api/v1/devices", headers={name: value}), 401)


# With the wrong token


async def test_who_has_no_token_gets_in_nowhere(office: Office) -> None:
    """Nor does he learn what there is: an address that does not exist is answered the same."""
    true = office.token
    async with office.unharmed(perhaps=["audit.refused"]):
        answers: set[str] = set()
        for token in ("x", true[:-1], true + "x", true.swapcase(), f"{true} {true}", "corral_" + "A" * 43, "A" * 5000):
            for path in ("/devices", "/nowhere", "/tokens", "/events/stream", "/devices/x/escrow/show"):
                answer = await call(office, "GET", path, token)
                assert answer.headers["www-authenticate"] == "Bearer"
                answers.add(problem(answer, 401)["detail"])
        assert answers == {"This token is not known here, has expired or was revoked."}


async def test_a_token_in_another_place_or_twice_is_none(office: Office) -> None:
    true = office.token
    async with office.unharmed():
        for line in (
            f"Authorization: Basic {true}",
            f"Authorization: {true}",
            f"Authorization: Bearer {true}\r\nAuthorization: Bearer {true}",
            f"X-Api-Key: {true}",
            f"Cookie: token={true}",
        ):
            port = office.administration.rpartition(":")[2]
            head = f"GET /api/v1/devices HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n"
            assert (await wire.raw(office.at, head.encode(), port=int(port))).status == 401, line
        for query in ("token", "access_token", "authorization"):
            url = f"{office.administration}/api/v1/devices?{query}={true}"
            problem(await ask(office.at, "GET", url), 401)


@asynccontextmanager
async def limited(office: Office, *permissions: str, **more: Any) -> AsyncGenerator[str]:
    """A token that may do this and no more."""
    granted = {"permissions": permissions} if permissions else {}
    made = await office.at.post("/tokens", name="limited", **granted, **more)
    yield made["token"]
    await office.at.delete(f"/tokens/{made['credential']['id']}")


async def test_a_token_of_a_smaller_scope_does_nothing_beyond_it(office: Office) -> None:
    udid = office.owner.facts.udid
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("POST", f"/devices/{udid}/end", {}),
        ("POST", f"/devices/{udid}/block", {}),
        ("POST", f"/devices/{udid}/escrow/show", {"kind": "unlock-token", "reason": "mine"}),
        ("POST", "/commands", {"devices": [udid], "request_type": "EraseDevice"}),
        ("POST", "/links", {}),
        ("POST", "/tokens", {"name": "more", "role": "administrator"}),
        ("POST", "/webhooks", {"url": "https://elsewhere.example/"}),
        ("PUT", "/policy", {"rules": []}),
        ("POST", "/authorities", {}),
        ("GET", "/audit", {}),
        ("GET", "/events", {}),
    )
    async with limited(office, "devices:read") as token, office.unharmed():
        assert (await call(office, "GET", f"/devices/{udid}", token)).status == 200
        for method, path, body in asked:
            problem(await call(office, method, path, token, **body), 403)


async def test_a_token_cannot_make_another_that_may_more(office: Office) -> None:
    async with limited(office, "access:write", "access:read", "links:read") as token, office.unharmed():
        for path, body in (
            ("/tokens", {"name": "more", "role": "administrator"}),
            ("/tokens", {"name": "more", "permissions": ["devices:erase"]}),
            ("/roles", {"name": "more", "permissions": ["links:write"]}),
            ("/users", {"name": "eve", "role": "administrator", "password": "correct horse battery"}),
        ):
            problem(await call(office, "POST", path, token, **body), 403)


async def test_a_command_is_not_another_one_to_the_device_than_it_was_to_us(office: Office) -> None:
    """Of a key that comes twice one reader takes the first and another the last."""
    udid, erase = office.owner.facts.udid, "<key>RequestType</key><string>EraseDevice</string>"
    harmless = "<key>RequestType</key><string>ProfileList</string>"
    async with limited(office, "commands:send", "devices:read") as token, office.unharmed():
        for keys in (erase + harmless, harmless + erase, harmless.replace("Type", "&#84;ype") + erase):
            for inside in (keys, f"{harmless}</dict><key>Command</key><dict>{erase}"):
                raw = (
                    f"<plist><dict><key>CommandUUID</key><string>C</string><key>Command</key><dict>{inside}</dict>"
                    "</dict></plist>"
                )
                body = {"devices": [udid], "plist": base64.b64encode(raw.encode()).decode(), "force": True}
                problem(await call(office, "POST", "/commands", token, **body), 422)


async def test_what_one_may_not_see_is_not_learnt_by_a_detour(office: Office) -> None:
    ask_all: dict[str, Any] = {"request_type": "ProfileList", "dry_run": True, "query": {}}
    ask_where = {"request_type": "ProfileList", "dry_run": True, "query": {"where": "os_version > 1"}}
    async with limited(office, "commands:send") as token, office.unharmed():
        problem(await call(office, "POST", "/commands", token, **ask_all), 403)
    async with limited(office, "commands:send", "devices:read") as token, office.unharmed():
        problem(await call(office, "POST", "/commands", token, **ask_where), 403)
    async with limited(office, "webhooks:read", "webhooks:write") as token, office.unharmed():
        problem(await call(office, "POST", "/webhooks", token, url=f"https://{ALLOWED}:{office.hooks.port}/"), 403)
    async with limited(office, "events:read") as token, office.unharmed():
        told = json.loads((await call(office, "GET", "/events?limit=1000", token)).body)["events"]
        assert told
        assert not {each["type"] for each in told} & OF_RIGHTS


async def test_a_token_that_was_revoked_is_none(office: Office) -> None:
    async with limited(office, "devices:read") as token:
        assert (await call(office, "GET", "/devices", token)).status == 200
    async with office.unharmed(perhaps=["audit.refused"]):
        problem(await call(office, "GET", "/devices", token), 401)


# Guessing


async def test_a_password_is_guessed_a_few_times_and_not_for_ever(office: Office) -> None:
    """The same answer for a user who is there and for one who is not; then none for a while."""
    await office.at.post("/users", name="ann", role="viewer", password="correct horse battery")
    async with office.unharmed(perhaps=["audit.refused"]):
        answers = [
            await call(office, "POST", "/sessions", "", name=name, password=f"guess {number}")
            for number in range(6)
            for name in ("ann", "nobody")
        ]
        assert {each.status for each in answers} == {401}
        assert len({problem(each, 401)["detail"] for each in answers}) == 1
        more = [
            await call(office, "POST", "/sessions", "", name="ann", password=f"more {number}") for number in range(6)
        ]
        assert more[-1].status == 429
        assert int(more[-1].headers["retry-after"]) > 0
        late = await call(office, "POST", "/sessions", "", name="ann", password="correct horse battery")
        assert late.status == 429, "the right one as well: whoever guesses it learns nothing"


# Where a URL leads


@dataclass
class Trap:
    """What listens where nobody may be led, and counts who comes."""

    port: int = 0
    came: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def trap(host: str = "127.0.0.1") -> AsyncGenerator[Trap]:
    found = Trap()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.came.append(str(writer.get_extra_info("peername")))
        del reader
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


async def called(at: Installation, url: str) -> str:
    """A webhook for it, tried; what came of it."""
    made = (await at.post("/webhooks", url=url, types=["identity.expired"]))["webhook"]["id"]
    try:
        tried = await at.post(f"/webhooks/{made}/test")
        assert tried["taken"] is False
        return str(tried["problem"])
    finally:
        await at.delete(f"/webhooks/{made}")


INWARD = (
    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "10.0.0.1", "192.168.0.1", "172.16.0.1", "[fe80::1]",
    "[fec0::1]", "[fd00::1]", "224.0.0.1", "255.255.255.255",
)  # fmt: skip


@pytest.mark.parametrize("host", INWARD)
async def test_a_webhook_does_not_lead_into_the_network_of_the_service(office: Office, host: str) -> None:
    told = ("webhook.added", "webhook.removed")
    async with trap() as found, office.unharmed(*told, changes=["edition"], perhaps=["audit.refused"]):
        why = await called(office.at, f"https://{host}:{found.port}/latest/meta-data")
        assert "is not public" in why or "cannot be resolved" in why, why
        assert "meta-data" not in why, "a secret may be in it"
        assert found.came == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "file:///etc/passwd",
        "https://user:word@example.com/",
        "gopher://x/",
        "//x",
        "https://",
        "x",
    ],
)
async def test_a_webhook_is_called_by_https_or_not_at_all(office: Office, url: str) -> None:
    async with office.unharmed():
        answer = await call(office, "POST", "/webhooks", office.token, url=url)
        assert "word" not in problem(answer, 422)["detail"]


async def test_a_webhook_is_not_led_on_by_its_receiver(office: Office) -> None:
    """A redirect is an answer, and one that is not what was hoped for."""
    told = ("webhook.added", "webhook.removed")
    async with trap() as found, office.unharmed(*told, changes=["edition"]):
        location = f"Location: https://127.0.0.1:{found.port}/latest/meta-data\r\n".encode()
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            office.hooks.answer = answer(b"", status, location)
            why = await called(office.at, f"https://{ALLOWED}:{office.hooks.port}/hook")
            assert why.startswith(f"answered {status[:3]} "), why
        assert found.came == []
        assert len(office.hooks.asked) == 4


# What is too much


async def test_a_body_that_is_too_large_or_too_deep_is_refused(office: Office) -> None:
    deep = b'{"rules":' + b"[" * 100_000
    wide = b'{"name":"' + b"x" * (MAX_BODY + 1) + b'"}'
    async with office.unharmed():
        for path in ("/tokens", "/webhooks"):
            url = f"{office.administration}/api/v1{path}"
            problem(await ask(office.at, "POST", url, office.token, wide, JSON), 413)
            assert (await ask(office.at, "POST", url, office.token, deep, JSON)).status in (400, 422)


async def test_a_name_in_an_address_is_a_name_and_no_path(office: Office) -> None:
    async with office.unharmed():
        for path in (
            "/devices/..%2f..%2ftokens", "/devices/%2e%2e", "/profiles/..%2f..%2f..%2fetc%2fpasswd/content",
            "/apps/..%2fsealing.key/manifest", "/commands/%00", "/devices/" + "x" * 5000, "/webhooks/%27%20OR%201=1--",
        ):  # fmt: skip
            problem(await call(office, "GET", path, office.token), 404)


async def test_an_address_of_a_package_that_was_guessed_leads_nowhere(office: Office) -> None:
    async with office.unharmed():
        for path in ("x/y", "../../sealing.key/y", "..%2f..%2fsealing.key/y", "%00/%00", "x/" + "A" * 43):
            request = f"GET /apps/{path}/manifest.plist HTTP/1.1\r\nHost: x\r\n\r\n"
            assert (await wire.raw(office.at, request.encode())).status == 404, path


async def test_the_signature_of_a_device_opens_no_address_of_the_administration(office: Office) -> None:
    shown = enrollment_of(office.owner).identity.prove(Signed(), b"", datetime.now(UTC), signs_time=True)
    async with office.unharmed():
        problem(await ask(office.at, "GET", f"{office.administration}/api/v1/devices", headers=dict(shown)), 401)
