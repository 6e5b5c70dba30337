"""Which settings go together, and which need each other."""

from ipaddress import ip_address

from corral.lifecycle.policy import Admission, UserAuthentication
from corral.settings.declaration import Declared


def check_together(given: Declared) -> None:
    """Raises ValueError, which says what does not fit and what is needed."""
    if given.tls == "files" and (given.tls_certificate is None or given.tls_key is None):
        raise ValueError("tls = files needs tls_certificate and tls_key")
    if given.tls != "files" and (given.tls_certificate is not None or given.tls_key is not None):
        raise ValueError(f"tls_certificate and tls_key need tls = files, not {given.tls}")
    if given.tls == "off" and not given.proxy and not all(map(_is_loopback, given.listen)):
        raise ValueError("tls = off needs a proxy, named in `proxy`, or addresses in `listen` that are local")
    if given.proxy_address_header and not given.proxy:
        raise ValueError("proxy_address_header needs the address of the proxy in `proxy`")
    if given.identity == "header" and not given.proxy:
        raise ValueError("identity = header needs the address of the proxy in `proxy`")
    if given.identity == "tls" and given.tls == "off":
        raise ValueError("identity = tls needs TLS: set tls to own or files")
    if (given.user_authentication is UserAuthentication.DIGEST) != (given.user_file is not None):
        raise ValueError("user_authentication = digest needs user_file, and the other way round")
    if given.workers > 1 and given.database == "sqlite":
        raise ValueError("workers above 1 need PostgreSQL: set database to its URL")
    if given.pooler != "none" and given.database == "sqlite":
        raise ValueError("pooler is for PostgreSQL: set database to its URL")
    if given.oidc_issuer is not None and not (given.oidc_client_id and (given.account_domains or given.admin_groups)):
        raise ValueError(
            "oidc_issuer needs oidc_client_id, and account_domains (whose accounts may enroll) or admin_groups"
        )
    if given.admin_groups and given.oidc_issuer is None:
        raise ValueError("admin_groups needs an identity provider: set oidc_issuer")
    if given.admission is Admission.TRUSTED_IDENTITY and not given.authorities:
        raise ValueError("admission = trusted-identity needs at least one authority in `authorities`")


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
