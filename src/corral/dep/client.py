"""Calls Apple's device enrollment service: one HTTP client, and a line for each server token with its session."""

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from corral.dep import records
from corral.dep.failure import (
    CredentialsRefused,
    DepError,
    Throttled,
    Unavailable,
    Unreadable,
    failure_of,
    session_lost,
)
from corral.dep.oauth import authorization
from corral.dep.profile import EnrollmentProfile
from corral.dep.records import Account, DepDevice, DevicePage, Outcomes, RecordError
from corral.dep.token import ServerToken

PROTOCOL_VERSION = "10"
"""X-Server-Protocol-Version: with 9 devices may be THROTTLED, with 10 they come with all their identifiers."""
USER_AGENT = "Corral/1.0"
CONTENT_TYPE = "application/json;charset=UTF8"
SESSION = "x-adm-auth-session"
MAX_ANSWER = 32 * 1024 * 1024
TIMEOUT = 60.0
MOST_DEVICES = 1000
"""In one call."""
LONGEST_WAIT = 3600.0

_T = TypeVar("_T")


class DepClient:
    """Made once a process. `trust_pem`: the authorities to believe instead of the system's, for a stand-in."""

    def __init__(self, url: str, *, trust_pem: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        self._url = url.rstrip("/")
        self._trust_pem = trust_pem
        self._http: httpx.AsyncClient | None = None
        self._clock = clock
        self._lines: dict[tuple[str, str], DepLine] = {}

    def line(self, token: ServerToken) -> "DepLine":
        """The same line for the same token, so that its session is kept."""
        if self._http is None:
            # Not before it is needed: reading all authorities of the system takes a while.
            trust = None if self._trust_pem is None else self._trust_pem.decode("ascii")
            context = ssl.create_default_context(cadata=trust)
            self._http = httpx.AsyncClient(verify=context, timeout=TIMEOUT, trust_env=trust is None)
        key = token.consumer_key, token.access_token
        if key not in self._lines:
            self._lines[key] = DepLine(self._http, self._url, token, self._clock)
        return self._lines[key]

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()


class DepLine:
    """The calls of one device management server. Each of them raises DepError, and nothing else.

    An answer with Retry-After is obeyed by the whole line: until then no call goes out.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, token: ServerToken, clock: Callable[[], float]) -> None:
        self._http = http
        self._url = url
        self._token = token
        self._clock = clock
        self._session = ""
        self._opening = asyncio.Lock()
        self._not_before = 0.0

    async def account(self) -> Account:
        return self._read(await self._call("GET", "/account"), records.account)

    async def fetch(self, cursor: str | None = None, limit: int = MOST_DEVICES) -> DevicePage:
        """All devices, page after page, from the first (no cursor) on."""
        body = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        return self._read(await self._call("POST", "/server/devices", body), records.device_page)

    async def sync(self, cursor: str, limit: int = MOST_DEVICES) -> DevicePage:
        """What changed since the cursor was given out, which is at most seven days ago."""
        body = {"limit": limit, "cursor": cursor}
        return self._read(await self._call("POST", "/devices/sync", body), records.device_page)

    async def details(self, serials: Sequence[str]) -> tuple[DepDevice, ...]:
        return self._read(await self._call("POST", "/devices", {"devices": list(serials)}), records.detailed)

    async def disown(self, serials: Sequence[str]) -> Outcomes:
        """Give devices up for ever: only Apple, or whoever sold them, can bring them back."""
        return self._read(await self._call("POST", "/devices/disown", {"devices": list(serials)}), records.outcomes)

    async def activation_lock(self, serial: str, escrow_key: str = "", lost_message: str = "") -> str:
        """Lock a device to the organization; returns Apple's word for how it went."""
        body = {"device": serial, "escrow_key": escrow_key, "lost_message": lost_message}
        answer = await self._call("POST", "/device/activationlock", {k: v for k, v in body.items() if v})
        return self._read(answer, lambda document: str(_field(document, "response_status")))

    async def define_profile(self, profile: EnrollmentProfile, serials: Sequence[str] = ()) -> Outcomes:
        """A new profile at Apple, with its UUID; a profile never changes, so a change is a new one."""
        document = profile.document() | ({"devices": list(serials)} if serials else {})
        return self._read(await self._call("POST", "/profile", document), records.outcomes)

    async def profile(self, uuid: str) -> dict[str, object]:
        """A profile as Apple keeps it."""
        return self._read(await self._call("GET", "/profile", query={"profile_uuid": uuid}), _document)

    async def assign(self, uuid: str, serials: Sequence[str]) -> Outcomes:
        """At most MOST_DEVICES of them. Takes effect when a device next asks, which is in Setup Assistant."""
        body = {"profile_uuid": uuid, "devices": list(serials)}
        return self._read(await self._call("PUT", "/profile/devices", body), records.outcomes)

    async def unassign(self, serials: Sequence[str]) -> Outcomes:
        """Only a device that is erased afterwards notices."""
        return self._read(await self._call("DELETE", "/profile/devices", {"devices": list(serials)}), records.outcomes)

    async def register_discovery(self, url: str) -> None:
        """Where devices of Managed Apple Accounts of this organization find its account-driven enrollment."""
        await self._call("POST", "/account-driven-enrollment/profile", {"mdm_service_discovery_url": url})

    async def discovery(self) -> str:
        """The registered URL, or an empty string."""
        answer = await self._call("GET", "/account-driven-enrollment/profile")
        return self._read(answer, lambda document: str(_field(document, "mdm_service_discovery_url")))

    async def forget_discovery(self) -> None:
        await self._call("DELETE", "/account-driven-enrollment/profile")

    async def beta_tokens(self) -> object:
        """The organization's tokens for beta programs, as Apple writes them."""
        return await self._call("GET", "/os-beta-enrollment/tokens")

    # -- the wire

    async def _call(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> object:
        used = self._session or await self._open_session("")
        status, text = await self._send(method, path, used, body, query)
        if session_lost(status, text):
            used = await self._open_session(used)
            status, text = await self._send(method, path, used, body, query)
        if not 200 <= status < 300:
            raise DepError(failure_of(status, text, self._waiting()))
        if not text.strip():
            return {}
        try:
            return records.read_json(text)
        except RecordError:
            raise DepError(Unreadable(f"Apple's answer to {method} {path} is no JSON")) from None

    async def _open_session(self, lost: str) -> str:
        """A new session in place of the lost one, unless another call has opened it meanwhile."""
        async with self._opening:
            if self._session and self._session != lost:
                return self._session
            self._session = ""
            url = f"{self._url}/session"
            signed = authorization(
                "GET",
                url,
                (self._token.consumer_key, self._token.consumer_secret),
                (self._token.access_token, self._token.access_secret),
                timestamp=int(self._clock()),
                nonce=secrets.token_hex(16),
            )
            status, text = await self._exchange("GET", url, {"authorization": signed}, None)
            if status in (400, 401):
                word = failure_of(401, text, None).reason
                raise DepError(CredentialsRefused(f"{word}; see that the clock is right, or import a new token"))
            if status != 200:
                raise DepError(failure_of(status, text, self._waiting()))
            try:
                self._session = str(_field(records.read_json(text), "auth_session_token"))
            except RecordError:
                self._session = ""
            if not self._session:
                raise DepError(Unreadable("Apple's answer to GET /session holds no session"))
            return self._session

    async def _send(
        self, method: str, path: str, session: str, body: object, query: dict[str, str] | None
    ) -> tuple[int, str]:
        url = str(httpx.URL(f"{self._url}{path}", params=query)) if query else f"{self._url}{path}"
        return await self._exchange(method, url, {SESSION: session}, body)

    async def _exchange(self, method: str, url: str, headers: dict[str, str], body: object) -> tuple[int, str]:
        """Status and text of an answer. Keeps a newer session and the time to wait that come with it."""
        if self._waiting():
            raise DepError(Throttled(self._waiting()))
        given = {
            **headers,
            "user-agent": USER_AGENT,
            "x-server-protocol-version": PROTOCOL_VERSION,
            "content-type": CONTENT_TYPE,
            "accept": "application/json",
        }
        content = None if body is None else json.dumps(body).encode()
        received = bytearray()
        try:
            async with self._http.stream(method, url, headers=given, content=content) as answer:
                async for part in answer.aiter_bytes():
                    received += part
                    if len(received) > MAX_ANSWER:
                        raise DepError(Unreadable(f"Apple's answer is longer than {MAX_ANSWER} bytes"))
        except httpx.HTTPError as error:
            why = "it takes too long" if isinstance(error, httpx.TimeoutException) else str(error) or "no connection"
            raise DepError(Unavailable(f"Apple's service cannot be reached: {why}")) from None
        newer = answer.headers.get(SESSION)
        if newer and SESSION in headers and answer.is_success:
            self._session = newer
        self._obey(answer)
        return answer.status_code, received.decode("utf-8", "replace")

    def _obey(self, answer: httpx.Response) -> None:
        asked = answer.headers.get("retry-after")
        if asked is None or answer.status_code not in (429, 503):
            return
        seconds = _seconds(asked, self._clock())
        if seconds is not None:
            self._not_before = self._clock() + min(max(seconds, 0.0), LONGEST_WAIT)

    def _waiting(self) -> float:
        return max(self._not_before - self._clock(), 0.0)

    @staticmethod
    def _read(answer: object, read: Callable[[object], _T]) -> _T:
        try:
            return read(answer)
        except RecordError as error:
            raise DepError(Unreadable(f"Apple's answer is not as documented: {error}")) from None


def _document(answer: object) -> dict[str, object]:
    if not isinstance(answer, dict):
        raise RecordError("an object is expected where something else is")
    return answer  # pyright: ignore[reportUnknownVariableType] - the keys of a JSON object are text


def _field(answer: object, name: str) -> object:
    return _document(answer).get(name) or ""


def _seconds(asked: str, now: float) -> float | None:
    """Of Retry-After: seconds, or a date (RFC 9110 10.2.3)."""
    if asked.strip().isdecimal():
        return float(asked)
    try:
        return (parsedate_to_datetime(asked) - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
