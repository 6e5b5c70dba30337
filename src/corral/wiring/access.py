"""Who may administer: with the identity provider, where its groups have roles here."""

import hashlib
import hmac
from dataclasses import replace
from ipaddress import ip_network

from corral.outgoing import Outgoing
from corral.service.access.access import Access, make_access
from corral.service.access.single_sign_on import SignInRules, SingleSignOn
from corral.service.accounts.provider import Client, Provider
from corral.wiring.ground import Ground

CALLBACK_PATH = "/api/v1/sign-ins/callback"


def access_of(ground: Ground) -> Access:
    settings, store, clock = ground.settings, ground.store, ground.clock
    access = make_access(
        store.access, store.audit, clock, session_time=settings.session_time, confirm_above=settings.confirm_above
    )
    if settings.oidc_issuer is None or not settings.admin_groups:
        return access
    secret = settings.oidc_client_secret
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        secret.get_secret_value() if secret is not None else None,
        settings.oidc_scopes,
        f"{(settings.admin_url or settings.public_url).rstrip('/')}{CALLBACK_PATH}",
    )
    outgoing = Outgoing(
        tuple(ip_network(each) for each in settings.outgoing_networks),
        trust_pem=settings.oidc_ca.read_bytes() if settings.oidc_ca is not None else None,
    )
    rules = SignInRules(
        issuer=settings.oidc_issuer,
        groups=settings.admin_groups,
        groups_claim=settings.admin_groups_claim,
        name_claim=settings.admin_name_claim,
    )
    # A key of its own for each use of the secret.
    key = hmac.new(ground.secret, b"corral: administrators sign in", hashlib.sha256).digest()
    single = SingleSignOn(
        key,
        Provider(client, outgoing, clock),
        rules,
        store.access,
        store.accounts,
        access.roles,
        access.sessions,
        clock,
    )
    return replace(access, single_sign_on=single)
