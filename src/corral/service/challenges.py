"""SCEP challenges: secrets that stand for a grant and need no row until somebody uses them.

`e.<link>.<nonce>.<mac>` is made for each download of an enrollment profile, so that looking at a link costs the
database nothing; `r.<grant>..<mac>` goes with a renewal. The MAC (HMAC-SHA-256, 128 bits) is over what is before it.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EnrollChallenge:
    link_id: str
    grant_id: str


@dataclass(frozen=True, slots=True)
class RenewChallenge:
    grant_id: str


Challenge: TypeAlias = EnrollChallenge | RenewChallenge


class Challenges:
    """Makes and reads challenges with a key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def for_link(self, link_id: str) -> tuple[str, str]:
        """A new challenge under this link, and the id of the grant that it will make: (challenge, grant id)."""
        grant_id = secrets.token_hex(12)
        return self._signed(f"e.{link_id}.{grant_id}"), grant_id

    def for_renewal(self, grant_id: str) -> str:
        return self._signed(f"r.{grant_id}.")

    def read(self, challenge: str) -> Challenge | None:
        """What it stands for, or None if it was not made here."""
        body, _, mac = challenge.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            return None
        match body.split("."):
            case ["e", link_id, grant_id]:
                return EnrollChallenge(link_id, grant_id)
            case ["r", grant_id, ""]:
                return RenewChallenge(grant_id)
            case _:
                return None

    def _signed(self, body: str) -> str:
        return f"{body}.{self._mac(body)}"

    def _mac(self, body: str) -> str:
        digest = hmac.new(self._key, body.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
