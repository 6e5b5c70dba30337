"""Challenges of SCEP, and ClientIdentifiers of ACME: secrets that stand for a grant.

`k.<link>.<nonce>.<profile>.<mac>` is made for each download of an enrollment profile by a link: it needs no row until
somebody uses it, so that looking at a link costs the database nothing. `<profile>` names what was kept of the profile
that it stands in (`e.<link>.<nonce>.<mac>`, or `u` where it was not signed, in those that an earlier version gave out).
`g.<grant>..<mac>` names a grant that is stored (`r` in renewals that were asked for by an earlier version). The MAC
(HMAC-SHA-256, 128 bits) is over what is before it.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EnrollChallenge:
    """`kept` names what its renewal must repeat of the profile that it stands in; empty in those of an earlier version,
    where `signed` is all that is known of it."""

    link_id: str
    grant_id: str
    kept: str = ""
    signed: bool = True


@dataclass(frozen=True, slots=True)
class GrantChallenge:
    """For a grant that is stored: of an admission, or to renew."""

    grant_id: str


Challenge: TypeAlias = EnrollChallenge | GrantChallenge


class Challenges:
    """Makes and reads challenges with a key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def for_link(self, link_id: str, kept: str) -> str:
        """A new challenge under this link, which names the grant that it will make."""
        return self._authenticated(f"k.{link_id}.{secrets.token_hex(12)}.{kept}")

    def for_grant(self, grant_id: str) -> str:
        return self._authenticated(f"g.{grant_id}.")

    def read(self, challenge: str) -> Challenge | None:
        """What it stands for, or None if it was not made here."""
        body, _, mac = challenge.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            return None
        match body.split("."):
            case ["k", link_id, grant_id, kept]:
                return EnrollChallenge(link_id, grant_id, kept)
            case ["e" | "u" as kind, link_id, grant_id]:
                return EnrollChallenge(link_id, grant_id, signed=kind == "e")
            case ["g" | "r", grant_id, ""]:
                return GrantChallenge(grant_id)
            case _:
                return None

    def _authenticated(self, body: str) -> str:
        return f"{body}.{self._mac(body)}"

    def _mac(self, body: str) -> str:
        digest = hmac.new(self._key, body.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
