"""`/account/...`: people are sent to the identity provider, and come back. No cookies: web views lose them."""

import json
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.http.device.admission import document_response, profile_response
from corral.http.device.pages import HEADERS, page, unavailable
from corral.lifecycle.admission import Refusal
from corral.logs import lines
from corral.service.accounts.enrolling import AccountEnrolling
from corral.service.accounts.person import SignInRefused
from corral.service.accounts.provider import NotBelieved, ProviderError
from corral.service.accounts.sessions import Sessions, Tokens
from corral.service.accounts.sign_in import ForCode, ForToken, Purpose
from corral.service.accounts.signing_in import REDIRECT_URL, InSetup, SigningIn, ToDevice
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable

SIGN_IN_PATH = "/account/sign-in"
AUTHORIZE_PATH = "/account/authorize"
TOKEN_PATH = "/account/token"  # noqa: S105 - a path
CALLBACK_PATH = "/account/callback"
SSO_PATH = "/account/sso"

CLIENT_ID = "corral"
SCOPE = "mdm"

_MOST = 512
_MOST_STATE = 2048
_MOST_FORM = 16 * 1024


class SignInPages:
    def __init__(self, signing_in: SigningIn, sessions: Sessions, enrolling: AccountEnrolling) -> None:
        self._signing_in = signing_in
        self._sessions = sessions
        self._enrolling = enrolling

    async def sign_in(self, request: Request) -> Response:
        """Where `apple-as-web` begins."""
        return await self.begin(ForToken(request.query_params.get("user-identifier", "")[:_MOST]))

    async def authorize(self, request: Request) -> Response:
        """Where `apple-oauth2` begins (RFC 6749 4.1.1). What is wrong is told here: nobody is sent to a URL that is
        not the one of every device."""
        asked = request.query_params
        wrong = next(
            (
                name
                for name, fits in (
                    ("response_type", asked.get("response_type") == "code"),
                    ("client_id", asked.get("client_id") == CLIENT_ID),
                    ("redirect_uri", asked.get("redirect_uri") == REDIRECT_URL),
                    ("state", 0 < len(asked.get("state", "")) <= _MOST_STATE),
                )
                if not fits
            ),
            None,
        )
        if wrong is not None:
            reason = f"The device asks for a sign-in that does not exist here: {wrong} is wrong."
            return page(400, "closed.html", title="This does not work", reason=reason)
        return await self.begin(ForCode(asked.get("login_hint", "")[:_MOST], REDIRECT_URL, asked["state"]))

    async def begin(self, purpose: Purpose) -> Response:
        try:
            url = await self._signing_in.begin(purpose)
        except SignInRefused as error:
            return _refused(str(error))
        except ProviderError as error:
            return _not_reached(error)
        return RedirectResponse(url, 302, headers=HEADERS)

    async def callback(self, request: Request) -> Response:
        """Where the provider sends people back to."""
        asked = request.query_params
        state, code = asked.get("state", ""), asked.get("code", "")
        if asked.get("error") or not code:
            return _refused("The identity provider did not sign you in. Begin again on the device.")
        try:
            outcome = await self._signing_in.finish(state, code[:_MOST_STATE])
            match outcome:
                case ToDevice(location):
                    return Response(status_code=308, headers={**HEADERS, "location": location})
                case InSetup(person, setup):
                    answer = await self._enrolling.setup_profile(person, setup.applicant)
                    return refused_page(request, answer) if isinstance(answer, Refusal) else profile_response(answer)
        except SignInRefused as error:
            return _refused(str(error))
        except NotBelieved as error:
            return _not_believed(error)
        except ProviderError as error:
            return _not_reached(error)
        except RequestRefused as error:
            return page(503, "closed.html", {"retry-after": "300"}, title="Not ready yet", reason=str(error))
        except (OverCapacity, StoreUnavailable):
            return unavailable()

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token (RFC 6749 4.1.3, 6); the client is public and proves nothing."""
        try:
            body = await read_body(request.scope, request.receive, _MOST_FORM)
            form = {name: values[0] for name, values in parse_qs(body.decode("ascii"), max_num_fields=32).items()}
        except (BodyTooLarge, ClientGone, ValueError):
            return _error("invalid_request")
        if form.get("client_id") != CLIENT_ID:
            return _error("invalid_client")
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    tokens = await self._sessions.redeem(form.get("code", ""), form.get("redirect_uri", ""))
                case "refresh_token":
                    tokens = await self._sessions.refresh(form.get("refresh_token", ""))
                case _:
                    return _error("unsupported_grant_type")
        except StoreUnavailable:
            return _error("temporarily_unavailable", 503)
        return _error("invalid_grant") if tokens is None else _tokens(tokens)


def refused_page(request: Request, refusal: Refusal) -> Response:
    """To a web view: the document for its device, else the sentence for the person before it."""
    if refusal.document is not None:
        return document_response(request, refusal.document)
    return page(403, "closed.html", title="This device is not enrolled", reason=refusal.message)


def _tokens(tokens: Tokens) -> Response:
    answer = {
        "token_type": "Bearer",
        "access_token": tokens.access,
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh,
        "scope": SCOPE,
    }
    return _json(answer, 200)


def _error(code: str, status: int = 400) -> Response:
    return _json({"error": code}, status)


def _json(answer: Mapping[str, object], status: int) -> Response:
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    return Response(json.dumps(answer).encode(), status, headers, "application/json")


def _refused(why: str) -> Response:
    lines.sign_in_refused(why=why)
    return page(403, "closed.html", title="This device is not enrolled", reason=why)


def _not_believed(error: NotBelieved) -> Response:
    """The person cannot help it, but may try again; the operator is told what does not hold."""
    lines.sign_in_not_believed(why=str(error))
    reason = (
        "What came back of your sign-in does not hold. Begin again on the device, and tell the people who manage it"
    )
    return page(403, "closed.html", title="This device is not enrolled", reason=f"{reason} if it happens again.")


def _not_reached(error: ProviderError) -> Response:
    """The operator is told what is wrong, the person that it is nothing of theirs."""
    lines.provider_failed(why=str(error))
    reason = "Signing in with the identity provider does not work just now. Ask the people who manage this device."
    return page(503, "closed.html", {"retry-after": "60"}, title="One moment", reason=reason)
