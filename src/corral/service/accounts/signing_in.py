"""From a person before a device to a proven account: to the provider and back, by whichever way the device asked."""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

from corral.lifecycle.change import Event
from corral.service.accounts.person import AccountRules, Person, SignInRefused
from corral.service.accounts.provider import NotBelieved, Provider, make_proof
from corral.service.accounts.sessions import Sessions
from corral.service.accounts.sign_in import ForCode, ForSetup, ForToken, Purpose, SignIn, SignIns
from corral.service.clock import Clock
from corral.service.events.remarks import Remarks
from corral.store.accounts import AccountStore, AccountToken, TokenKind
from corral.store.events import EventStore

SCHEME = "apple-remotemanagement-user-login"
RESULT_URL = f"{SCHEME}://authentication-results"
"""Where `apple-as-web` ends; the device waits for nothing else."""
REDIRECT_URL = f"{SCHEME}:/oauth2/redirect"
"""Where `apple-oauth2` ends."""


@dataclass(frozen=True, slots=True)
class ToDevice:
    """A redirect (308) to a URL of Apple's own scheme, which ends the web session."""

    location: str


@dataclass(frozen=True, slots=True)
class InSetup:
    """The web view of Setup Assistant: this person may enroll the device that asked."""

    person: Person
    asked: ForSetup


Outcome: TypeAlias = ToDevice | InSetup


class SigningIn:
    """`key` is a secret of 32 bytes of this installation."""

    def __init__(
        self,
        key: bytes,
        provider: Provider,
        rules: AccountRules,
        sessions: Sessions,
        store: AccountStore,
        events: EventStore,
        clock: Clock,
    ) -> None:
        self._key = key
        self._sign_ins = SignIns(key)
        self._provider = provider
        self._rules = rules
        self._sessions = sessions
        self._store = store
        self._events = events
        self._remarks = Remarks()
        self._clock = clock

    async def begin(self, purpose: Purpose) -> str:
        """The provider's URL for a new sign-in. Raises ProviderError, and SignInRefused."""
        hint = ""
        match purpose:
            case ForToken(user) | ForCode(user):
                if user and not self._rules.allows_domain(user):
                    raise SignInRefused("Accounts of this domain cannot be enrolled here.")
                hint = user
            case ForSetup():
                pass
        sign_in, state = self._sign_ins.begin(purpose, self._clock())
        return await self._provider.sign_in_url(state, make_proof(self._key, sign_in.nonce), hint)

    async def finish(self, state: str, code: str) -> Outcome:
        """What a sign-in comes to when the provider has sent the person back.

        Raises SignInRefused, NotBelieved, ProviderError and StoreUnavailable.
        """
        sign_in = self._sign_ins.read(state, self._clock())
        if sign_in is None:
            raise SignInRefused("This sign-in was not begun here, or took too long. Begin again on the device.")
        if not await self._spend(state, sign_in.expires_at):
            raise SignInRefused("This sign-in is over already. Begin again on the device.")
        person = await self._person(sign_in, code)
        match sign_in.purpose:
            case ForToken():
                token = await self._sessions.begin_with_token(person)
                return ToDevice(f"{RESULT_URL}?{urlencode({'access-token': token})}")
            case ForCode(_, redirect_uri, device_state):
                own_code = await self._sessions.begin_with_code(person, redirect_uri)
                return ToDevice(f"{redirect_uri}?{urlencode({'code': own_code, 'state': device_state})}")
            case ForSetup() as asked:
                return InSetup(person, asked)

    async def _person(self, sign_in: SignIn, code: str) -> Person:
        """Who has signed in, and may enroll what asked for it; else it is told as an event, once in a while."""
        try:
            person = self._rules.person(await self._provider.redeem(code, make_proof(self._key, sign_in.nonce)))
            match sign_in.purpose:
                case ForToken(user) | ForCode(user):
                    _insist(person, user)
                case ForSetup():
                    pass
        except (SignInRefused, NotBelieved) as error:
            now, why = self._clock(), str(error)
            if self._remarks.is_due(why, now):
                await self._events.append((Event(type="account.sign-in-refused", at=now, data={"why": why}),))
                self._remarks.told(why, now)
            raise
        return person

    async def _spend(self, state: str, expires_at: int) -> bool:
        spent = AccountToken(
            digest=hashlib.sha256(state.encode()).digest(), session_id="", kind=TokenKind.STATE, expires_at=expires_at
        )
        return await self._store.add_tokens((spent,))


def _insist(person: Person, asked: str) -> None:
    """The device wants to be enrolled for one account; a sign-in with another must not slip in instead."""
    if asked and asked.lower() != person.account:
        raise SignInRefused(f"You signed in as {person.account}, but the device is being enrolled for another account.")
