"""Who may administer: with the identity provider, where its groups have roles here."""

import hashlib
import hmac
from dataclasses import replace

from corral.service.access.access import Access, make_access
from corral.service.access.single_sign_on import SignInRules, SingleSignOn
from corral.service.accounts.provider import Provider
from corral.wiring.ground import Ground
from corral.wiring.outside import identity_client, outgoing_of

CALLBACK_PATH = "/api/v1/sign-ins/callback"


def access_of(ground: Ground) -> Access:
    settings, store, clock = ground.settings, ground.store, ground.clock
    access = make_access(
        store.access, store.audit, clock, session_time=settings.session_time, confirm_above=settings.confirm_above
    )
    client = identity_client(settings, f"{(settings.admin_url or settings.public_url).rstrip('/')}{CALLBACK_PATH}")
    if client is None or not settings.admin_groups:
        return access
    rules = SignInRules(
        issuer=client.issuer,
        groups=settings.admin_groups,
        groups_claim=settings.admin_groups_claim,
        name_claim=settings.admin_name_claim,
    )
    # A key of its own for each use of the secret.
    key = hmac.new(ground.secret, b"corral: administrators sign in", hashlib.sha256).digest()
    single = SingleSignOn(
        key,
        Provider(client, outgoing_of(settings, settings.oidc_ca), clock),
        rules,
        store.access,
        store.accounts,
        access.roles,
        access.sessions,
        access.limits,
        clock,
    )
    return replace(access, single_sign_on=single)
