"""Account-driven enrollment, where an identity provider is set up."""

from starlette.routing import BaseRoute

from corral.http.device.accounts import routes
from corral.http.device.accounts.challenge import Challenge
from corral.http.device.accounts.gate import Gate
from corral.service.accounts.accounts import AccountSetup, make_accounts
from corral.service.accounts.gate import AccountGate
from corral.service.accounts.person import AccountRules
from corral.service.accounts.sessions import Sessions
from corral.service.enrollment.applicants import Applicants
from corral.settings import Settings
from corral.wiring.ground import Ground
from corral.wiring.outside import identity_client, outgoing_of


def account_routes(ground: Ground, sessions: Sessions, applicants: Applicants) -> list[BaseRoute]:
    """None without an identity provider."""
    settings = ground.settings
    client = identity_client(settings, f"{settings.public_url}/account/callback")
    if client is None:
        return []
    rules = AccountRules(
        claim=settings.account_claim,
        domains=tuple(each.lower() for each in settings.account_domains),
        groups_claim=settings.account_groups_claim,
        groups=settings.account_groups,
        as_devices=settings.account_enrollment == "device",
        device_for=settings.account_device_for,
    )
    outgoing = outgoing_of(settings, settings.oidc_ca)
    setup = AccountSetup(client=client, rules=rules, secret=ground.secret)
    accounts = make_accounts(
        setup, sessions, ground.store.accounts, ground.store.events, ground.admitting, outgoing, ground.clock
    )
    sso = settings.account_sso.read_bytes() if settings.account_sso is not None else None
    return routes.account_routes(accounts, ground.admitting, applicants, _challenge(settings), settings.public_url, sso)


def account_gate(ground: Ground, sessions: Sessions) -> Gate | None:
    """Before the routes of devices whose people have to sign in again from time to time."""
    settings, store = ground.settings, ground.store
    if settings.oidc_issuer is None or not settings.account_reauthentication:
        return None
    return Gate(AccountGate(sessions, store.grants, store.devices), _challenge(settings))


def _challenge(settings: Settings) -> Challenge:
    return routes.make_challenge(settings.account_method, settings.public_url, sso=settings.account_sso is not None)
