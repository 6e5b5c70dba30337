"""An OpenID Connect provider, as its relying party (OpenID Connect Core 1.0, Discovery 1.0; RFC 7636 for PKCE)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from corral.lifecycle.state import HOUR, MINUTE, Instant
from corral.outgoing import Outgoing, OutgoingError, Reply
from corral.service.clock import Clock

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures with a key pair only: `none` proves nothing, and with HS256 the provider's public key would sign."""

LEEWAY = 60
"""Seconds that the provider's clock may differ from ours."""
REMEMBERED = HOUR
"""How long the provider's description and keys are used without asking again ..."""
KEYS_AGAIN = MINUTE
"""... and how soon its keys are asked for again for a signature by one that is not among them."""
AT_ONCE = 64
"""Calls in one process: strangers may begin to sign in, and a call to a provider that hangs takes ten seconds."""

_MOST_TOKEN = 64 * 1024
_UNREADABLE = (JoseError, ValueError, TypeError, RecursionError)
"""All that reading a token may raise."""
_Claims = Mapping[str, object]


class ProviderError(Exception):
    """The provider cannot be used, or says what cannot be believed; one line for the operator."""


class NotBelieved(Exception):
    """What comes back of this sign-in does not hold: forged, expired, or about another; one line for the operator."""


@dataclass(frozen=True, slots=True)
class Client:
    """How the provider knows us. Without `secret` we are a public client."""

    issuer: str
    client_id: str
    secret: str | None = field(repr=False)
    scopes: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What ties a code to the sign-in that asked for it: both are secrets until the code comes back."""

    verifier: str = field(repr=False)
    nonce: str = field(repr=False)

    @property
    def challenge(self) -> str:
        return _base64url(hashlib.sha256(self.verifier.encode()).digest())


@dataclass(frozen=True, slots=True)
class _Description:
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    basic: bool


class Provider:
    def __init__(self, client: Client, outgoing: Outgoing, clock: Clock) -> None:
        self._client = client
        self._outgoing = outgoing
        self._clock = clock
        self._description: tuple[Instant, _Description] | None = None
        self._keys: tuple[Instant, KeySet] | None = None
        self._under_way = 0

    async def sign_in_url(self, state: str, proof: Proof, hint: str) -> str:
        """Where the person signs in. Raises ProviderError."""
        description = await self._describe()
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": self._client.scopes,
            "state": state,
            "nonce": proof.nonce,
            "code_challenge": proof.challenge,
            "code_challenge_method": "S256",
            **({"login_hint": hint} if hint else {}),
        }
        mark = "&" if "?" in description.authorization_endpoint else "?"
        return f"{description.authorization_endpoint}{mark}{urlencode(query)}"

    async def redeem(self, code: str, proof: Proof) -> _Claims:
        """The verified claims of who signed in: of the ID token, and of the userinfo endpoint where there is one.

        Raises NotBelieved, and ProviderError.
        """
        description = await self._describe()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": proof.verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self._client.secret is not None and description.basic:
            pair = f"{quote(self._client.client_id, safe='')}:{quote(self._client.secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self._client.client_id
            if self._client.secret is not None:
                form["client_secret"] = self._client.secret
        reply = await self._call("POST", description.token_endpoint, headers, urlencode(form).encode())
        if reply.status == 400 and _error(reply) == "invalid_grant":
            raise NotBelieved("The identity provider does not know the code of this sign-in.")
        tokens = _object(reply, "its token endpoint")
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise ProviderError("The identity provider gave no ID token.")
        claims = await self._verify(id_token, proof.nonce, description)
        access_token = tokens.get("access_token")
        if description.userinfo_endpoint is None or not isinstance(access_token, str):
            return claims
        bearer = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
        more = _object(await self._call("GET", description.userinfo_endpoint, bearer), "its userinfo endpoint")
        if more.get("sub") != claims["sub"]:
            # OpenID Connect Core 5.3.2: otherwise it may be about somebody else.
            raise NotBelieved("The identity provider's userinfo is about another person than its ID token.")
        return {**more, **claims}

    # -- ID tokens (OpenID Connect Core 3.1.3.7)

    async def _verify(self, id_token: str, nonce: str, description: _Description) -> _Claims:
        if len(id_token) > _MOST_TOKEN:
            raise NotBelieved("The identity provider's ID token is too long.")
        try:
            claims = _decode(id_token, await self._key_set(description))
        except _UNREADABLE:
            # The key may be one that the provider has only had since we asked.
            claims = await self._decode_again(id_token, description)
        self._check(claims, nonce)
        return claims

    async def _decode_again(self, id_token: str, description: _Description) -> dict[str, object]:
        try:
            keys = await self._key_set(description, older_than=KEYS_AGAIN)
            return _decode(id_token, keys)
        except _UNREADABLE as error:
            raise NotBelieved(f"The identity provider's ID token does not hold: {type(error).__name__}.") from None

    def _check(self, claims: _Claims, nonce: str) -> None:
        now = self._clock() / 1000
        audience = claims.get("aud")
        audiences: list[object] = audience if isinstance(audience, list) else [audience]  # pyright: ignore[reportUnknownVariableType] - of JSON
        expires, issued, said = claims.get("exp"), claims.get("iat"), claims.get("nonce")
        if claims.get("iss") != self._client.issuer:
            raise NotBelieved("The ID token is of another issuer.")
        if self._client.client_id not in audiences:
            raise NotBelieved("The ID token is for another client.")
        if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != self._client.client_id:
            raise NotBelieved("The ID token was given to another client.")
        if not _is_number(expires) or expires + LEEWAY <= now:
            raise NotBelieved("The ID token has expired.")
        if not _is_number(issued) or issued - LEEWAY > now:
            raise NotBelieved("The ID token is of the future: compare the clocks.")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
            raise NotBelieved("The ID token is of another sign-in.")
        if not isinstance(claims.get("sub"), str):
            raise NotBelieved("The ID token does not say who signed in.")

    # -- what the provider says of itself

    async def _describe(self) -> _Description:
        if self._description is not None and self._clock() - self._description[0] < REMEMBERED:
            return self._description[1]
        url = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        said = _object(await self._call("GET", url), "its description")
        if said.get("issuer") != self._client.issuer:
            raise ProviderError("The identity provider describes another issuer than `oidc_issuer`.")
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        userinfo = said.get("userinfo_endpoint")
        found = _Description(
            _endpoint(said, "authorization_endpoint"),
            _endpoint(said, "token_endpoint"),
            _endpoint(said, "jwks_uri"),
            _endpoint(said, "userinfo_endpoint") if userinfo is not None else None,
            isinstance(methods, list) and "client_secret_basic" in methods,
        )
        self._description = self._clock(), found
        return found

    async def _key_set(self, description: _Description, older_than: Instant = REMEMBERED) -> KeySet:
        if self._keys is not None and self._clock() - self._keys[0] < older_than:
            return self._keys[1]
        said = _object(await self._call("GET", description.jwks_uri), "its keys")
        try:
            keys = KeySet.import_key_set(cast(Any, said))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise ProviderError("The identity provider's keys cannot be read.") from None
        self._keys = self._clock(), keys
        return keys

    async def _call(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        if self._under_way >= AT_ONCE:
            raise ProviderError("The identity provider is being asked too much at once; try again.")
        self._under_way += 1
        try:
            return await self._outgoing.request(method, url, headers=headers, body=body)
        except OutgoingError as error:
            raise ProviderError(f"The identity provider cannot be asked: {error}") from None
        finally:
            self._under_way -= 1


def make_proof(key: bytes, nonce: str) -> Proof:
    """The proof of a sign-in, from its nonce and a key that nobody else has: nothing need be remembered of it."""

    def derive(purpose: str) -> str:
        return _base64url(hmac.new(key, f"{purpose}:{nonce}".encode(), hashlib.sha256).digest())

    return Proof(derive("verifier"), derive("nonce"))


def _decode(id_token: str, keys: KeySet) -> dict[str, object]:
    """The claims of a token whose signature holds. Raises what is _UNREADABLE, ValueError for claims that strict JSON
    does not have either: NaN, and text that nothing could store."""
    claims: object = jwt.decode(id_token, keys, ALGORITHMS).claims
    found = _read(msgspec.json.encode(claims))
    if found is None:
        raise ValueError("claims that are no object")
    return found


def _read(text: bytes) -> dict[str, object] | None:
    """A JSON object (RFC 8259); None for anything else."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _error(reply: Reply) -> object:
    """The error code of a token endpoint (RFC 6749 5.2)."""
    return (_read(reply.body) or {}).get("error")


def _object(reply: Reply, what: str) -> dict[str, object]:
    found = _read(reply.body) if reply.status == 200 else None
    if found is None:
        raise ProviderError(
            f"The identity provider answers HTTP {reply.status} for {what}, without what was asked for."
        )
    return found


def _endpoint(said: _Claims, name: str) -> str:
    found = said.get(name)
    try:
        fits = isinstance(found, str) and urlsplit(found).scheme == "https" and bool(urlsplit(found).hostname)
    except ValueError:
        fits = False
    if not fits:
        raise ProviderError(f"The identity provider's {name} is no https URL.")
    return cast(str, found)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
