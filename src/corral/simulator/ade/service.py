"""The stand-in itself: signatures, sessions, content types, protocol versions, faults, and the calls behind them."""

import asyncio
import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from corral.simulator.ade.listening import Listener, Request, Response
from corral.simulator.ade.portal import PortalServer, Refused, envelope, make_secrets
from corral.simulator.ade.signature import SKEW, BadSignature, check, read_header
from corral.simulator.push_certificates import StandInApple

SESSION_CALLS = 25
"""After so many calls a session gets a successor, which comes in a header of the answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer in place of the next call to a path (any but /session, if empty)."""

    status: int
    word: str = ""
    retry_after: str = ""
    path: str = ""


@dataclass(slots=True)
class _Session:
    server: PortalServer
    calls: int = 0


class AdeService:
    """Runs in the caller's event loop. `apple` signs its TLS certificate; `latency` are seconds before each answer."""

    def __init__(
        self, apple: StandInApple, *, clock: Callable[[], float] = time.time, largest_page: int = 1000
    ) -> None:
        self.latency = 0.0
        self.largest_page = largest_page
        self.tally: Counter[str] = Counter()
        """Calls by method and path; `refused` by word."""
        self.servers: dict[str, PortalServer] = {}
        self._apple = apple
        self._clock = clock
        self._faults: deque[Fault] = deque()
        self._sessions: dict[str, _Session] = {}
        self._nonces: dict[str, float] = {}
        self._listener = Listener(self._answer)
        self.url = ""

    async def start(self) -> str:
        """Listen; returns the URL."""
        # TLS is checked by the machine's clock, in whatever time the service lives.
        certificate, key = self._apple.server_certificate(datetime.now(UTC))
        self.url = f"https://127.0.0.1:{await self._listener.start(certificate, key)}"
        return self.url

    async def stop(self) -> None:
        await self._listener.stop()

    # -- the portal

    def add_server(self, name: str, certificate_pem: bytes, days: int = 365) -> tuple[PortalServer, bytes]:
        """A device management server for whoever holds the certificate's key, and its token as a file."""
        made = PortalServer(name, secrets.token_hex(16).upper(), make_secrets(name), self._now() + timedelta(days=days))
        self.servers[name] = made
        return made, envelope(made, certificate_pem)

    def configuration(self, serial: str) -> dict[str, Any] | None:
        """What a device with this serial number is told in Setup Assistant; None: nobody manages it."""
        for server in self.servers.values():
            found = server.configuration(serial)
            if found is not None:
                return found
        return None

    # -- faults on demand

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        self._faults.extend([fault] * times)

    def expire_sessions(self) -> None:
        self._sessions.clear()

    # -- the calls

    async def _answer(self, request: Request) -> Response:
        path = urlsplit(request.target).path
        self.tally[f"{request.method} {path}"] += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self._fault(path)
        if fault is not None:
            headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
            return self._refusal(fault.status, fault.word, headers)
        try:
            if not request.headers.get("user-agent"):
                raise Refused(400, "USER_AGENT_MISSING")
            if path == "/session":
                return self._open_session(request)
            return self._call(request, path)
        except (Refused, BadSignature) as refusal:
            return self._refusal(refusal.status, refusal.word, {})

    def _fault(self, path: str) -> Fault | None:
        if self._faults and path == (self._faults[0].path or (path if path != "/session" else "")):
            return self._faults.popleft()
        return None

    def _open_session(self, request: Request) -> Response:
        if request.method != "GET":
            raise Refused(405, "METHOD_NOT_ALLOWED")
        given = read_header(request.headers.get("authorization", ""))
        server = next((s for s in self.servers.values() if s.secrets.consumer_key == given["oauth_consumer_key"]), None)
        if server is None or server.secrets.access_token != given["oauth_token"]:
            raise BadSignature(401, "oauth_problem=token_rejected")
        now = self._clock()
        url = f"https://{request.headers.get('host', '')}{request.target}"
        check(given, "GET", url, server.secrets.consumer_secret, server.secrets.access_secret, now)
        self._once(f"{given['oauth_timestamp']}/{given['oauth_nonce']}", now)
        if self._now() >= server.expires_at:
            raise BadSignature(401, "oauth_problem=token_expired")
        self._check_terms(server)
        return _json({"auth_session_token": self._new_session(server)})

    def _once(self, nonce: str, now: float) -> None:
        """A nonce counts once as long as its timestamp would still be believed."""
        self._nonces = {name: at for name, at in self._nonces.items() if now - at < 2 * SKEW}
        if nonce in self._nonces:
            raise BadSignature(401, "oauth_problem=nonce_used")
        self._nonces[nonce] = now

    def _new_session(self, server: PortalServer) -> str:
        token = secrets.token_urlsafe(32)
        self._sessions[token] = _Session(server)
        return token

    def _call(self, request: Request, path: str) -> Response:
        token = request.headers.get("x-adm-auth-session", "")
        session = self._sessions.get(token)
        if session is None:
            raise Refused(401, "UNAUTHORIZED")
        self._check_terms(session.server)
        if request.headers.get("x-server-protocol-version", "1") not in {str(each) for each in range(1, 11)}:
            raise Refused(400, "INVALID_PROTOCOL_VERSION")
        answer = _json(self._route(session.server, request, path))
        session.calls += 1
        if session.calls < SESSION_CALLS:
            return answer
        del self._sessions[token]
        return Response(
            answer.status, answer.body, {**answer.headers, "X-ADM-Auth-Session": self._new_session(session.server)}
        )

    def _route(self, server: PortalServer, request: Request, path: str) -> object:
        now = self._now()
        match request.method, path:
            case "GET", "/account":
                return _account(server)
            case "POST", "/server/devices":
                body = _body(request)
                return server.fetch(_cursor(body), self._limit(body), now)
            case "POST", "/devices/sync":
                body = _body(request)
                return server.sync(_cursor(body), self._limit(body), now)
            case "POST", "/devices":
                return server.details(_serials(request))
            case "POST", "/devices/disown":
                return server.disown(_serials(request))
            case "POST", "/device/activationlock":
                serial = str(_body(request).get("device", ""))
                if serial not in server.devices:
                    return {"serial_number": serial, "response_status": "NOT_ACCESSIBLE"}
                server.locked[serial] = str(_body(request).get("escrow_key", ""))
                return {"serial_number": serial, "response_status": "SUCCESS"}
            case "POST", "/profile":
                return server.define(_checked(_body(request)))
            case "GET", "/profile":
                return server.profile(parse_qs(urlsplit(request.target).query).get("profile_uuid", [""])[0])
            case (("PUT" | "POST"), "/profile/devices"):
                return server.assign(str(_body(request).get("profile_uuid", "")), _serials(request))
            case "DELETE", "/profile/devices":
                return server.unassign(_serials(request))
            case _, "/account-driven-enrollment/profile":
                return _discover(server, request)
            case "GET", "/os-beta-enrollment/tokens":
                return {"beta_enrollment_tokens": []}
            case _:
                raise Refused(404, "NOT_FOUND")

    def _limit(self, body: Mapping[str, Any]) -> int:
        limit = body.get("limit", 100)
        if not isinstance(limit, int) or not 1 <= limit <= 1000:
            raise Refused(400, "INVALID_LIMIT")
        return min(limit, self.largest_page)

    def _check_terms(self, server: PortalServer) -> None:
        if not server.terms_signed:
            raise Refused(403, "T_C_NOT_SIGNED")

    def _refusal(self, status: int, word: str, headers: Mapping[str, str]) -> Response:
        self.tally[f"refused {word or status}"] += 1
        return Response(status, json.dumps(word).encode() if word else b"", headers)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _json(document: object) -> Response:
    return Response(200, json.dumps(document).encode(), {"content-type": "application/json;charset=UTF8"})


def _body(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").replace(" ", "").lower()
    if kind not in ("application/json;charset=utf8", "application/json;charset=utf-8"):
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE")
    try:
        document = json.loads(request.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Refused(400, "MALFORMED_REQUEST_BODY")
    return cast(dict[str, Any], document)


def _serials(request: Request) -> list[str]:
    given: object = _body(request).get("devices")
    if not isinstance(given, list) or not given:
        raise Refused(400, "DEVICE_ID_REQUIRED")
    serials = cast(list[object], given)
    if len(serials) > 1000:
        raise Refused(400, "TOO_MANY_DEVICES")
    return [str(each) for each in serials]


def _cursor(body: Mapping[str, Any]) -> str | None:
    cursor: object = body.get("cursor")
    return None if cursor in (None, "") else str(cursor)


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """What Apple looks at in a profile, in its order."""
    if not document.get("profile_name"):
        raise Refused(400, "CONFIG_NAME_REQUIRED")
    if len(str(document["profile_name"])) > 125:
        raise Refused(400, "CONFIG_NAME_INVALID")
    if not document.get("url"):
        raise Refused(400, "CONFIG_URL_REQUIRED")
    if urlsplit(str(document["url"])).scheme != "https":
        raise Refused(400, "CONFIG_URL_INVALID")
    if document.get("is_mdm_removable") is False and not document.get("is_supervised"):
        raise Refused(400, "FLAGS_INVALID")
    for name, most, word in (
        ("department", 125, "DEPARTMENT_INVALID"),
        ("support_phone_number", 50, "SUPPORT_PHONE_INVALID"),
        ("support_email_address", 250, "SUPPORT_EMAIL_INVALID"),
        ("org_magic", 256, "MAGIC_INVALID"),
    ):
        if len(str(document.get(name, ""))) > most:
            raise Refused(400, word)
    return document


def _discover(server: PortalServer, request: Request) -> object:
    match request.method:
        case "GET" if not server.discovery:
            raise Refused(404, "NOT_FOUND")
        case "GET":
            return {"mdm_service_discovery_url": server.discovery}
        case "POST":
            url = str(_body(request).get("mdm_service_discovery_url", ""))
            if not url.startswith("https://"):
                raise Refused(400, "INVALID_URL")
            server.discovery = url
            return {}
        case "DELETE":
            server.discovery = ""
            return {}
        case _:
            raise Refused(405, "METHOD_NOT_ALLOWED")


def _account(server: PortalServer) -> dict[str, Any]:
    return {
        "server_uuid": server.uuid,
        "server_name": server.name,
        "admin_id": "it@example.org",
        "facilitator_id": "it@example.org",
        "org_name": "Example",
        "org_email": "it@example.org",
        "org_phone": "+1 555 0100",
        "org_address": "1 Example Street",
        "org_id": "1000001",
        "org_id_hash": "0" * 64,
        "org_type": "org",
        "org_version": "v2",
        "urls": [{"uri": "/server/devices", "http_method": ["POST"], "limit": {"default": 100, "maximum": 1000}}],
    }
