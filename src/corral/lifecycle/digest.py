"""The digest by which a network user of a Mac proves a password (Apple: Support macOS user-channel enrollments).

Two steps: a challenge, `Digest nonce="...",realm="..."`, and the response to it as RFC 2617 has it, with MD5, from what
an operator keeps for each user: HA1 = MD5(user:realm:password), never the password. Nothing is remembered between the
steps: a nonce has a MAC over its time, the device and the user, so it is good for a while and for nobody else.

Which method a Mac puts into the second hash is not documented; the three that could be meant are taken.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from corral.lifecycle.state import MINUTE, Instant

NONCE_VALID = 10 * MINUTE
MAX_RESPONSE = 2048
METHODS = ("PUT", "POST", "GET")

_PART = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_LINE = re.compile(r"([^:\s][^:]*):([^:]+):([0-9a-fA-F]{32})")


class UserFileError(ValueError):
    """The file of users cannot be read; one line says where."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """`users`: HA1 in lower-case hex by short name; `key`: 32 secret bytes."""

    realm: str
    users: Mapping[str, str] = field(repr=False)
    key: bytes = field(repr=False)

    def challenge(self, device_id: str, user_id: str, now: Instant) -> str:
        return f'Digest nonce="{self._nonce(now, device_id, user_id)}",realm="{self.realm}"'

    def auth_token(self, response: str, device_id: str, user_id: str, short_name: str | None, now: Instant) -> str:
        """What a user is told who has proven the password; empty for everybody else.

        `short_name` is what the device says of the user, if it does: nobody logs in with the password of another.
        """
        said = _read(response)
        username = said.get("username", "")
        if short_name and short_name != username:
            return ""
        nonce = said.get("nonce", "")
        ha1 = self.users.get(username)
        if ha1 is None or said.get("realm") != self.realm or not self._is_good(nonce, device_id, user_id, now):
            return ""
        given = said.get("response", "").lower().encode()
        middle = nonce
        if "qop" in said:
            middle = ":".join((nonce, said.get("nc", ""), said.get("cnonce", ""), said["qop"]))
        for method in METHODS:
            ha2 = _md5(f"{method}:{said.get('uri', '')}")
            if hmac.compare_digest(_md5(f"{ha1}:{middle}:{ha2}").encode(), given):
                return self._token(device_id, user_id, nonce)
        return ""

    def gave(self, token: str, device_id: str, user_id: str) -> bool:
        """Whether this is a token that was given to this user of this device, whenever that was: it holds until the
        next login (Apple: "Enabling network and mobile user logins")."""
        nonce, _, _ = token.rpartition(".")
        return hmac.compare_digest(self._token(device_id, user_id, nonce).encode(), token.encode())

    def _token(self, device_id: str, user_id: str, nonce: str) -> str:
        mac = self._mac(f"token\0{device_id}\0{user_id}\0{nonce}")
        return f"{nonce}.{mac}"

    def _nonce(self, now: Instant, device_id: str, user_id: str) -> str:
        mac = self._mac(f"nonce\0{now}\0{device_id}\0{user_id}")
        return f"{now:x}-{mac}"

    def _is_good(self, nonce: str, device_id: str, user_id: str, now: Instant) -> bool:
        made, _, _ = nonce.partition("-")
        try:
            at = int(made, 16) if len(made) <= 16 else 0
        except ValueError:
            return False
        expected = self._nonce(at, device_id, user_id)
        return 0 <= now - at < NONCE_VALID and hmac.compare_digest(expected.encode(), nonce.encode())

    def _mac(self, text: str) -> str:
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:32]


def read_users(text: str, key: bytes) -> Verifier:
    """Of a file as htdigest writes it, `user:realm:HA1` a line, all of one realm; raises UserFileError."""
    realms: set[str] = set()
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or '"' in line:
            raise UserFileError(f"line {number} is not user:realm:HA1, as htdigest writes it")
        users[match[1]] = match[3].lower()
        realms.add(match[2])
    if len(realms) != 1:
        raise UserFileError("there are no users in it" if not realms else "its users must all be of one realm")
    return Verifier(realms.pop(), users, key)


def _read(response: str) -> dict[str, str]:
    scheme, _, rest = response[:MAX_RESPONSE].partition(" ")
    if scheme.lower() != "digest" or len(response) > MAX_RESPONSE:
        return {}
    return {match[1].lower(): match[2] if match[2] is not None else match[3] for match in _PART.finditer(rest)}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
