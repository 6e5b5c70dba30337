"""The 401 that asks a device to sign its person in, and unenrolls nobody (Apple: "Authenticating a user by using
simple authentication", "... by using OAuth 2").

A 401 without this header ends an enrollment, so this is the one place that makes one with it; all others come from
`lifecycle/unenroll.py`.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AsWeb:
    """The device opens `url` in a web session, which ends with an access token."""

    url: str

    def header(self) -> str:
        return f'Bearer method="apple-as-web", url="{self.url}"'


@dataclass(frozen=True, slots=True)
class OAuth2:
    """The device is a public client of these endpoints."""

    authorization_url: str
    token_url: str
    redirect_url: str
    client_id: str
    scope: str

    def header(self) -> str:
        return (
            f'Bearer method="apple-oauth2", authorization-url="{self.authorization_url}",'
            f' token-url="{self.token_url}", redirect-url="{self.redirect_url}", client-id="{self.client_id}",'
            f' scope="{self.scope}"'
        )


Method: TypeAlias = AsWeb | OAuth2

SIGN_IN = 401
"""Never without the headers below."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """`sso_url` is where the Enrollment SSO document is, if there is one."""

    method: Method
    sso_url: str | None = None

    def headers(self) -> dict[str, str]:
        """What goes with SIGN_IN; its body is empty."""
        sso = {"x-apple-mdm-esso": self.sso_url} if self.sso_url is not None else {}
        return {"www-authenticate": self.method.header(), "cache-control": "no-store", **sso}


def bearer(header: str | None) -> str:
    """The token of an Authorization header (RFC 6750 2.1); empty for anything else."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
