"""A sign-in under way, carried by its own URL: web views of devices lose cookies, so nothing is remembered here.

The signature keeps strangers from making one up; that it ends only once is for the store to tell.
"""

import hashlib
import secrets
from typing import TypeAlias, cast

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from corral.lifecycle.applicant import Applicant
from corral.lifecycle.state import MINUTE, Instant

TIME = 15 * MINUTE
"""How long a person may take for it."""
_MOST = 8 * 1024


class ForToken(msgspec.Struct, frozen=True, tag="web"):
    """Account-driven, `apple-as-web`: it ends with an access token for the device."""

    user: str


class ForCode(msgspec.Struct, frozen=True, tag="code"):
    """Account-driven, `apple-oauth2`: it ends with a code for the device, which brings its own `state`."""

    user: str
    redirect_uri: str
    state: str


class ForSetup(msgspec.Struct, frozen=True, tag="setup"):
    """Automated Device Enrollment: it ends with a profile in the web view, for the device that asked."""

    applicant: Applicant


Purpose: TypeAlias = ForToken | ForCode | ForSetup


class SignIn(msgspec.Struct, frozen=True):
    nonce: str
    expires_at: Instant
    purpose: Purpose


class SignIns:
    """Makes and reads the state of sign-ins with a key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._serializer = URLSafeSerializer(
            key, salt="corral sign-in", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def begin(self, purpose: Purpose, now: Instant) -> tuple[SignIn, str]:
        """A new sign-in, and its state for the URL."""
        sign_in = SignIn(secrets.token_urlsafe(24), now + TIME, purpose)
        return sign_in, str(self._serializer.dumps(msgspec.to_builtins(sign_in)))

    def read(self, state: str, now: Instant) -> SignIn | None:
        """None for what was not made here, and for what is too old."""
        if len(state) > _MOST:
            return None
        try:
            sign_in = msgspec.convert(cast(object, self._serializer.loads(state)), SignIn)
        except (BadData, msgspec.ValidationError, ValueError):
            return None
        return sign_in if now < sign_in.expires_at else None
