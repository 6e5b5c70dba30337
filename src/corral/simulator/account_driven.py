"""How a device enrolls with an account (Apple: "Onboarding users with account sign-in"): discovery, the challenge, the
sign-in in a web session by one of two methods, and the profile. As strict as Apple's devices are.
"""

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

from corral.apple.installed_profile import ProfileError, read_enrollment_profile
from corral.apple.plist import dump
from corral.apple.profile import CONTENT_TYPE
from corral.simulator.browser import Browser, SignInFailed
from corral.simulator.fetching import InstallationFailed, open_profile
from corral.simulator.speaking import Voice
from corral.simulator.transport import Response, Unreachable
from corral.simulator.trust import Trust

SCHEME: Final = "apple-remotemanagement-user-login"
_RESULTS: Final = f"{SCHEME}://authentication-results"
_MODES: Final = {"mdm-byod": "BYOD", "mdm-adde": "ADDE"}
_PARAMETER: Final = re.compile(r'\s*([a-z0-9-]+)="([^"]*)"\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Server:
    version: str
    base_url: str


@dataclass(frozen=True, slots=True)
class ByWeb:
    url: str


@dataclass(frozen=True, slots=True)
class ByOAuth:
    authorization_url: str
    token_url: str
    redirect_url: str
    client_id: str
    scope: str


Method: TypeAlias = ByWeb | ByOAuth


@dataclass(frozen=True, slots=True)
class Bearer:
    """What the device shows from now on; only of `apple-oauth2` with a token to refresh it by."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    method: Method | None = None


async def discover(voice: Voice, account: str, trust: Trust, origin: str | None = None) -> Server:
    """Ask the account's domain, or `origin` in its place; redirects are followed as they are, without the query.

    Raises InstallationFailed.
    """
    domain = account.rpartition("@")[2]
    query = urlencode({"user-identifier": account, "model-family": voice.facts.model.value})
    url = f"{origin or f'https://{domain}'}/.well-known/com.apple.remotemanagement?{query}"
    response = await _ask(voice, "GET", url, trust)
    if response.status != 200:
        raise InstallationFailed(f"the discovery is answered HTTP {response.status}: {_line(response)}")
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None
    match document:
        case {"Servers": [{"Version": ("mdm-byod" | "mdm-adde") as version, "BaseURL": str(url)}]} if _is_https(url):
            return Server(version, url)
        case _:
            raise InstallationFailed("the discovery does not name exactly one server with Version and BaseURL")


async def enroll_with_account(
    voice: Voice,
    account: str,
    browser: Browser,
    sign: Callable[[bytes], bytes],
    trust: Trust,
    origin: str | None = None,
) -> tuple[bytes, Bearer]:
    """The profile, and the token that it was had by; raises InstallationFailed."""
    server = await discover(voice, account, trust, origin)
    response = await ask_base(voice, server, sign, trust)
    bearer = await sign_in(voice, read_challenge(response), account, browser, trust)
    answer = await ask_base(voice, server, sign, trust, bearer.access)
    if answer.status != 200:
        raise InstallationFailed(f"no profile after the sign-in: HTTP {answer.status}: {_line(answer)}")
    if answer.headers.get("content-type", "").partition(";")[0].strip() != CONTENT_TYPE:
        raise InstallationFailed("what comes after the sign-in is no profile")
    _check_mode(answer.body, server)
    return answer.body, bearer


async def ask_base(
    voice: Voice, server: Server, sign: Callable[[bytes], bytes], trust: Trust, token: str | None = None
) -> Response:
    """POST to the BaseURL: three keys, signed, and neither UDID nor serial number."""
    facts = voice.facts
    body = sign(dump({"LANGUAGE": "en", "PRODUCT": facts.product_name, "VERSION": facts.build_version}))
    bearer = (("Authorization", f"Bearer {token}"),) if token is not None else ()
    headers = (("Content-Type", "application/pkcs7-signature"), ("User-Agent", "DeviceManagementClient/1.0"), *bearer)
    return await _ask(voice, "POST", server.base_url, trust, headers, body)


def read_challenge(response: Response) -> Method:
    """How the person is to sign in; a 401 without all of it ends the enrollment. Raises InstallationFailed."""
    if response.status != 401:
        raise InstallationFailed(f"the service answers HTTP {response.status}, not a challenge: {_line(response)}")
    if response.body:
        raise InstallationFailed("the challenge has a body")
    return parse_challenge(response.headers.get("www-authenticate", ""))


def parse_challenge(header: str) -> Method:
    """Raises InstallationFailed."""
    scheme, _, rest = header.partition(" ")
    found, at = dict[str, str](), 0
    while scheme == "Bearer" and (part := _PARAMETER.match(rest, at)):
        found[part[1]] = part[2]
        at = part.end()
    if at < len(rest) or not found:
        raise InstallationFailed("the 401 has no challenge that a device can read")
    match found:
        case {"method": "apple-as-web", "url": url} if _is_https(url):
            return ByWeb(url)
        case {
            "method": "apple-oauth2",
            "authorization-url": authorization,
            "token-url": token,
            "redirect-url": redirect,
            "client-id": client,
            "scope": scope,
        } if _is_https(authorization) and _is_https(token) and redirect.startswith(f"{SCHEME}:/"):
            return ByOAuth(authorization, token, redirect, client, scope)
        case _:
            raise InstallationFailed("the challenge names no method that a device knows, or not all of it")


async def sign_in(voice: Voice, method: Method, account: str, browser: Browser, trust: Trust) -> Bearer:
    """The person signs in. Raises InstallationFailed."""
    try:
        match method:
            case ByWeb(url):
                mark = "&" if "?" in url else "?"
                back = await browser.visit(f"{url}{mark}{urlencode({'user-identifier': account})}", SCHEME)
                token = parse_qs(urlsplit(back).query).get("access-token", [""])[0]
                if back.partition("?")[0] != _RESULTS or not token:
                    raise InstallationFailed(f"the web session ends with {back.partition('?')[0]}, and with no token")
                return Bearer(token, method=method)
            case ByOAuth():
                return await _by_oauth(voice, method, account, browser, trust)
    except SignInFailed as error:
        raise InstallationFailed(f"the sign-in failed: {error}") from None


async def refresh(voice: Voice, bearer: Bearer, trust: Trust) -> Bearer:
    """New tokens, without anybody noticing. Raises InstallationFailed."""
    if bearer.refresh is None or not isinstance(bearer.method, ByOAuth):
        raise InstallationFailed("there is nothing to refresh the token by")
    form = {"grant_type": "refresh_token", "refresh_token": bearer.refresh, "client_id": bearer.method.client_id}
    return await _tokens(voice, bearer.method, form, trust)


async def _by_oauth(voice: Voice, method: ByOAuth, account: str, browser: Browser, trust: Trust) -> Bearer:
    state = secrets.token_urlsafe(16)
    query = {
        "response_type": "code",
        "client_id": method.client_id,
        "redirect_uri": method.redirect_url,
        "scope": method.scope,
        "state": state,
        "login_hint": account,
    }
    mark = "&" if "?" in method.authorization_url else "?"
    back = await browser.visit(f"{method.authorization_url}{mark}{urlencode(query)}", SCHEME)
    found = parse_qs(urlsplit(back).query)
    if back.partition("?")[0] != method.redirect_url or found.get("state") != [state] or "code" not in found:
        raise InstallationFailed("the web session ends with another redirect, another state, or without a code")
    form = {
        "grant_type": "authorization_code",
        "code": found["code"][0],
        "redirect_uri": method.redirect_url,
        "client_id": method.client_id,
    }
    return await _tokens(voice, method, form, trust)


async def _tokens(voice: Voice, method: ByOAuth, form: dict[str, str], trust: Trust) -> Bearer:
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)
    response = await _ask(voice, "POST", method.token_url, trust, headers, urlencode(form).encode())
    try:
        answer = json.loads(response.body) if response.status == 200 else None
    except (ValueError, RecursionError):
        answer = None
    match answer:
        case {
            "token_type": str(kind),
            "access_token": str(access),
            "expires_in": int(),
            "refresh_token": str(again),
        } if kind.lower() == "bearer":
            return Bearer(access, again, method)
        case _:
            raise InstallationFailed(f"the token URL gives no tokens: HTTP {response.status}: {_line(response)}")


def _check_mode(profile: bytes, server: Server) -> None:
    """A device cancels where the profile is for another kind of enrollment, or names no account."""
    try:
        read = read_enrollment_profile(open_profile(profile).content)
    except ProfileError as error:
        raise InstallationFailed(str(error)) from None
    if read.enrollment_mode != _MODES[server.version]:
        raise InstallationFailed(f"the profile's EnrollmentMode is not {_MODES[server.version]}")


async def _ask(
    voice: Voice,
    method: str,
    url: str,
    trust: Trust,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Response:
    try:
        return await voice.transport.request(method, url, headers=headers, body=body, trust=trust)
    except Unreachable as error:
        raise InstallationFailed(str(error)) from None


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _line(response: Response) -> str:
    return response.body[:200].decode("utf-8", "replace").strip().partition("\n")[0]
