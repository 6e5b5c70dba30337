"""Who sends an ACME request: an account, by the signature of its key (RFC 8555 6.2, 7.3)."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from corral.lifecycle.acme_order import AcmeAccount
from corral.lifecycle.state import HOUR, SECOND
from corral.pki.acme.account_key import AccountKey, stored_key
from corral.pki.acme.problem import Kind, Problem
from corral.pki.acme.request import SignedRequest, read_request
from corral.service.acme.nonces import Nonces
from corral.service.clock import Clock, fresh_id
from corral.store.acme import AcmeStore

KEPT_FOR = HOUR
"""How long an account without an order is kept; one with orders for as long as those."""
NEW_AT_MOST, WINDOW = 1000, 10 * SECOND
"""Accounts that one process makes within the window: anybody may ask for one, and each is a row."""

_T = TypeVar("_T")


class _NewAccount(msgspec.Struct, rename="camel"):
    only_return_existing: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    account: AcmeAccount
    payload: bytes = field(repr=False)
    """Empty for POST-as-GET."""

    def read(self, kind: type[_T]) -> _T:
        """The payload as JSON of this shape; raises Problem."""
        return _decode(self.payload, kind)


class Callers:
    """`base` is the public URL of the ACME resources: what is signed must name it, whatever stands in front."""

    def __init__(self, base: str, store: AcmeStore, nonces: Nonces, clock: Clock) -> None:
        self._accounts = f"{base}/account/"
        self._base = base
        self._store = store
        self._nonces = nonces
        self._clock = clock
        self._window = 0
        self._made = 0

    async def identify(self, body: bytes, path: str) -> Caller:
        """The account that signed this request to `path`, which is below the base. Raises Problem."""
        request = read_request(body, self._base + path)
        if request.kid is None:
            raise Problem(Kind.MALFORMED, "The header must have kid, the URL of the account.")
        account = None
        if request.kid.startswith(self._accounts):
            account = await self._store.account(request.kid.removeprefix(self._accounts))
        if account is None or account.expires_at <= self._clock():
            raise Problem(Kind.ACCOUNT_DOES_NOT_EXIST, "There is no such account; make a new one.")
        await self._believe(request, stored_key(account.key))
        return Caller(account, request.payload)

    async def register(self, body: bytes, path: str) -> tuple[AcmeAccount, bool]:
        """The account of the key in this request, and whether it is a new one. Raises Problem."""
        request = read_request(body, self._base + path)
        key = request.key
        if key is None:
            raise Problem(Kind.MALFORMED, "The header must have jwk, the key of the account.")
        await self._believe(request, key)
        asked = _decode(request.payload, _NewAccount)
        now = self._clock()
        found = await self._store.find_account(key.thumbprint)
        if asked.only_return_existing and (found is None or found.expires_at <= now):
            raise Problem(Kind.ACCOUNT_DOES_NOT_EXIST, "There is no account for this key.")
        if found is None:
            self._count(now)
        account = AcmeAccount(
            id=fresh_id(), key=key.text, thumbprint=key.thumbprint, created_at=now, expires_at=now + KEPT_FOR
        )
        kept = await self._store.add_account(account)
        return kept, kept.id == account.id

    async def _believe(self, request: SignedRequest, key: AccountKey) -> None:
        """The signature before the nonce: only who holds a key has one written down."""
        request.check(key)
        await self._nonces.spend(request.nonce)

    def _count(self, now: int) -> None:
        if now // WINDOW != self._window:
            self._window, self._made = now // WINDOW, 0
        if self._made >= NEW_AT_MOST:
            raise Problem(Kind.RATE_LIMITED, "Too many new accounts at once; try again in a few seconds.")
        self._made += 1


def _decode(payload: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Problem(Kind.MALFORMED, "The payload is not the JSON that this address takes.") from None
