"""Signing in, being somebody, and signing out."""

import html
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, File, Query, View
from corral.http.admin.resources.users import Password
from corral.http.admin.times import shown
from corral.lifecycle.operating import OperationRefused
from corral.service.access.permission import Permission
from corral.service.access.single_sign_on import SingleSignOn
from corral.service.errors import RequestRefused, SignInFailed
from corral.store.access import Credential

_Text = Annotated[str, Meta(max_length=8192)]


class NewSession(Body):
    """Either `name` and `password`; or `sign_in` of `POST /sign-ins`, and the `code` that the browser showed then."""

    name: Annotated[str, Meta(max_length=200)] | None = None
    password: Password | None = None
    sign_in: _Text | None = None
    code: _Text | None = None


class SessionView(View):
    id: str
    user: str
    created_at: datetime | None
    expires_at: datetime | None


class BegunSession(View):
    """`token` is shown here and never again: send it as `Authorization: Bearer TOKEN`."""

    session: SessionView
    token: str


class UserSessionList(View):
    sessions: tuple[SessionView, ...]


class CallerView(View):
    """Who the service takes you for. `kind`: `local`, `token` or `user`."""

    kind: str
    name: str
    role: str | None
    permissions: tuple[Permission, ...]


class OwnPassword(Body):
    old: Password
    new: Password


class BegunSignIn(View):
    """Open `url` in a browser and sign in; then begin a session with `sign_in` and the code that is shown there."""

    url: str
    sign_in: str


class SignInReturn(Query):
    """As the identity provider sends the browser back (RFC 6749 4.1.2)."""

    state: _Text = ""
    code: _Text = ""
    error: _Text = ""
    error_description: _Text = ""
    error_uri: _Text = ""
    iss: _Text = ""
    session_state: _Text = ""
    scope: _Text = ""


async def begin_session(call: Call, body: NewSession) -> BegunSession:
    match body:
        case NewSession(name=str(name), password=str(password), sign_in=None, code=None):
            session, token = await call.services.access.sessions.begin(name, password, call.source)
        case NewSession(name=None, password=None, sign_in=str(secret), code=str(code)):
            session, token = await _single_sign_on(call).finish(secret, code.strip(), call.source)
        case _:
            raise RequestRefused("Sign in with name and password, or with sign_in and code.")
    return BegunSession(session=_view(session), token=token)


async def list_user_sessions(call: Call) -> UserSessionList:
    return UserSessionList(sessions=tuple(map(_view, await call.services.access.sessions.list())))


async def end_session(call: Call, session: str) -> None:
    await call.services.access.sessions.end(session, call.caller)


async def who_am_i(call: Call) -> CallerView:
    caller = call.caller
    return CallerView(
        kind=caller.kind,
        name=caller.name,
        role=caller.role or None,
        permissions=tuple(sorted(caller.permissions)),
    )


async def end_own_session(call: Call) -> None:
    await call.services.access.sessions.end_own(call.caller)


async def change_own_password(call: Call, body: OwnPassword) -> None:
    await call.services.access.sessions.change_password(body.old, body.new, call.caller, call.source)


async def begin_sign_in(call: Call) -> BegunSignIn:
    url, secret = await _single_sign_on(call).begin()
    return BegunSignIn(url=url, sign_in=secret)


async def come_back_from_sign_in(call: Call, query: SignInReturn) -> Annotated[File, "text/html"]:
    """A page for the person: the code is shown in this browser and nowhere else."""
    if query.error or not query.code:
        raise SignInFailed(f"The identity provider did not sign you in: {query.error or 'it sent no code'}.")
    code = await _single_sign_on(call).come_back(query.state, query.code, call.source)
    return File(_PAGE.format(code=html.escape(code)).encode(), _PAGE_HEADERS)


def _single_sign_on(call: Call) -> SingleSignOn:
    found = call.services.access.single_sign_on
    if found is None:
        raise OperationRefused("Nobody signs in with an identity provider here: set oidc_issuer and admin_groups.")
    return found


def _view(session: Credential) -> SessionView:
    return SessionView(
        id=session.id, user=session.name, created_at=shown(session.created_at), expires_at=shown(session.expires_at)
    )


_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Signed in</title>
<body style="font-family:sans-serif;max-width:40em;margin:4em auto">
<h1>Signed in</h1><p>Give this code to the command line that asked for it. If you did not start
<code>corral login --sso</code> yourself, close this page and give the code to nobody.</p>
<p><code style="word-break:break-all;user-select:all">{code}</code></p></body></html>"""
