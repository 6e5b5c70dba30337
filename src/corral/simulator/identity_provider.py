"""A small OpenID Connect provider, as strict as the specification where a relying party could go wrong: exact redirect
URIs, codes that are good once, PKCE, client authentication. People sign in with a form.
"""

import base64
import hashlib
import html
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from corral.simulator.ade.listening import Listener, Request, Response
from corral.simulator.push_certificates import StandInApple

CODE_TIME = 60


@dataclass(frozen=True, slots=True)
class Someone:
    """A person of the organization; `claims` are what the provider says beside `sub`."""

    password: str = field(repr=False)
    claims: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Code:
    name: str
    nonce: str
    challenge: str
    redirect_uri: str
    until: float


class IdentityProvider:
    """Runs in the caller's event loop. `forge` may replace the ID token that is given out for some claims."""

    def __init__(
        self,
        apple: StandInApple,
        *,
        client_id: str = "corral",
        client_secret: str | None = "the client's secret",  # noqa: S107 - of nothing but this stand-in
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.people: dict[str, Someone] = {}
        self.redirect_uris: set[str] = set()
        self.client_id = client_id
        self.client_secret = client_secret
        self.forge: Callable[[dict[str, Any]], str] | None = None
        self.key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})
        self.refusals: list[str] = []
        self.issuer = ""
        self._apple = apple
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, str] = {}
        self._listener = Listener(self._answer)

    async def start(self) -> str:
        """Listen; returns the issuer."""
        pair = self._apple.server_certificate(datetime.fromtimestamp(self._clock(), UTC))
        self.issuer = f"https://127.0.0.1:{await self._listener.start(*pair)}"
        return self.issuer

    async def stop(self) -> None:
        await self._listener.stop()

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, dict(claims), self.key)

    async def _answer(self, request: Request) -> Response:
        target = urlsplit(request.target)
        query = dict(parse_qsl(target.query))
        match request.method, target.path:
            case "GET", "/.well-known/openid-configuration":
                return _json(self._description())
            case "GET", "/jwks":
                return _json(KeySet([self.key]).as_dict(private=False))
            case "GET", "/authorize":
                return self._form(query)
            case "POST", "/authorize":
                return self._signed_in({name: values[0] for name, values in parse_qs(request.body.decode()).items()})
            case "POST", "/token":
                return self._token(request)
            case "GET", "/userinfo":
                name = self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
                return _json({"sub": name, **self.people[name].claims}) if name else Response(401)
            case _:
                return Response(404)

    def _description(self) -> dict[str, object]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic" if self.client_secret else "none"],
        }

    def _form(self, asked: Mapping[str, str]) -> Response:
        wrong = self._wrong(asked)
        if wrong:
            return self._refuse(f"{wrong} is wrong")
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        hint = html.escape(asked.get("login_hint", ""))
        page = (
            f'<!doctype html><title>Sign in</title><form method="post" action="/authorize">{hidden}'
            f'<input name="login" value="{hint}"><input type="password" name="password"><button>Sign in</button></form>'
        )
        return Response(200, page.encode(), {"content-type": "text/html; charset=utf-8"})

    def _wrong(self, asked: Mapping[str, str]) -> str:
        """The first parameter that does not fit (OpenID Connect Core 3.1.2.1; RFC 7636 4.3)."""
        fits = {
            "client_id": asked.get("client_id") == self.client_id,
            "redirect_uri": asked.get("redirect_uri") in self.redirect_uris,
            "response_type": asked.get("response_type") == "code",
            "scope": "openid" in asked.get("scope", "").split(),
            "state": bool(asked.get("state")),
            "nonce": bool(asked.get("nonce")),
            "code_challenge": len(asked.get("code_challenge", "")) == 43,
            "code_challenge_method": asked.get("code_challenge_method") == "S256",
        }
        return next((name for name, good in fits.items() if not good), "")

    def _signed_in(self, form: Mapping[str, str]) -> Response:
        wrong = self._wrong(form)
        name = form.get("login", "")
        person = self.people.get(name)
        if wrong or person is None or not secrets.compare_digest(person.password, form.get("password", "")):
            return self._refuse(f"{wrong} is wrong" if wrong else "this is not the password")
        code = secrets.token_urlsafe(16)
        self._codes[code] = _Code(
            name, form["nonce"], form["code_challenge"], form["redirect_uri"], self._clock() + CODE_TIME
        )
        query = urlencode({"code": code, "state": form["state"], "iss": self.issuer})
        return Response(303, headers={"location": f"{form['redirect_uri']}?{query}"})

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if not self._is_client(request, form):
            return self._refuse("the client is another", 401, "invalid_client")
        code = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if code is None or self._clock() > code.until or form.get("grant_type") != "authorization_code":
            return self._refuse("the code is not good", 400, "invalid_grant")
        if challenge != code.challenge or form.get("redirect_uri") != code.redirect_uri:
            return self._refuse("the code is for another client", 400, "invalid_grant")
        now, token = int(self._clock()), secrets.token_urlsafe(16)
        self._tokens[token] = code.name
        claims = {
            "iss": self.issuer,
            "sub": code.name,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": code.nonce,
        }
        id_token = self.forge(claims) if self.forge is not None else self.sign(claims)
        return _json({"access_token": token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token})

    def _is_client(self, request: Request, form: Mapping[str, str]) -> bool:
        if self.client_secret is None:
            return form.get("client_id") == self.client_id and "client_secret" not in form
        try:
            pair = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        except ValueError:
            return False
        name, _, secret = pair.partition(":")
        return (unquote(name), unquote(secret)) == (self.client_id, self.client_secret)

    def _refuse(self, why: str, status: int = 400, code: str = "invalid_request") -> Response:
        self.refusals.append(why)
        return _json({"error": code, "error_description": why}, status)


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(status, json.dumps(body).encode(), {"content-type": "application/json"})
