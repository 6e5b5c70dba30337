"""All that signing in with accounts needs, as one value."""

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from corral.outgoing import Outgoing
from corral.service.accounts.enrolling import AccountEnrolling
from corral.service.accounts.person import AccountRules
from corral.service.accounts.provider import Client, Provider
from corral.service.accounts.sessions import Sessions
from corral.service.accounts.signing_in import SigningIn
from corral.service.clock import Clock
from corral.service.enrollment.admitting import Admitting
from corral.store.accounts import AccountStore
from corral.store.events import EventStore


@dataclass(frozen=True, slots=True)
class Accounts:
    """`sessions` are there without an identity provider too, so that those of an earlier one can be ended."""

    sessions: Sessions
    signing_in: SigningIn
    enrolling: AccountEnrolling


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSetup:
    """What an operator says of it; `secret` is one of this installation."""

    client: Client
    rules: AccountRules
    secret: bytes = field(repr=False)


def make_accounts(
    setup: AccountSetup,
    sessions: Sessions,
    store: AccountStore,
    events: EventStore,
    admitting: Admitting,
    outgoing: Outgoing,
    clock: Clock,
) -> Accounts:
    # A key of its own for each use of the secret.
    key = hmac.new(setup.secret, b"corral: signing in with accounts", hashlib.sha256).digest()
    provider = Provider(setup.client, outgoing, clock)
    source = f"account:{urlsplit(setup.client.issuer).hostname}"
    return Accounts(
        sessions,
        SigningIn(key, provider, setup.rules, sessions, store, events, clock),
        AccountEnrolling(sessions, setup.rules, admitting, source),
    )
