"""Who is called outside, at URLs that the operator gave: the identity provider, and receivers of webhooks."""

from ipaddress import ip_network
from pathlib import Path

from corral.outgoing import Outgoing
from corral.service.accounts.provider import Client
from corral.settings import Settings


def outgoing_of(settings: Settings, trust: Path | None) -> Outgoing:
    """`trust`: a file of authorities that are believed beside the system's."""
    return Outgoing(
        tuple(ip_network(each) for each in settings.outgoing_networks),
        trust_pem=trust.read_bytes() if trust is not None else None,
    )


def identity_client(settings: Settings, callback: str) -> Client | None:
    """This installation as the identity provider knows it; None without one."""
    if settings.oidc_issuer is None:
        return None
    secret = settings.oidc_client_secret
    return Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        secret.get_secret_value() if secret is not None else None,
        settings.oidc_scopes,
        callback,
    )
