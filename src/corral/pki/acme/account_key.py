"""The key of an ACME account: a public JSON Web Key (RFC 7517, RFC 7518), kept in the one form of RFC 7638."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from corral.pki.acme import encoding
from corral.pki.acme.problem import Kind, Problem

Key: TypeAlias = ECKey | RSAKey

_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384"}
_BITS: Final = (2048, 4096)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """`text` is the key as RFC 7638 has it digested, `algorithm` the only one that it may sign by."""

    text: str
    algorithm: str

    @property
    def thumbprint(self) -> bytes:
        """SHA-256 (RFC 7638)."""
        return hashlib.sha256(self.text.encode()).digest()

    def loaded(self) -> Key:
        return _load(msgspec.json.decode(self.text, type=dict[str, str]))


def read_key(jwk: Mapping[str, object]) -> AccountKey:
    """The account key in a JWS header; raises Problem for one that no account may have."""
    kind = jwk.get("kty")
    names = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise Problem(Kind.BAD_PUBLIC_KEY, "The account key must be of kind EC or RSA.")
    if "d" in jwk:
        raise Problem(Kind.BAD_PUBLIC_KEY, "The account key was sent with its private part; make another.")
    members: dict[str, str] = {}
    for name in names:
        value = jwk.get(name)
        if not isinstance(value, str) or len(value) > 1024:
            raise Problem(Kind.BAD_PUBLIC_KEY, f"The account key has no {name}, or one that is no text.")
        members[name] = value
    algorithm = _algorithm(members)
    _load(members)
    return AccountKey(msgspec.json.encode(members).decode(), algorithm)


def stored_key(text: str) -> AccountKey:
    """A key that `read_key` has let in before, from its text."""
    members = msgspec.json.decode(text, type=dict[str, str])
    return AccountKey(text, _algorithm(members))


def _algorithm(members: Mapping[str, str]) -> str:
    """Before the key is loaded: one of absurd size would make that costly."""
    if members["kty"] == "EC":
        algorithm = _CURVES.get(members["crv"])
        if algorithm is None:
            raise Problem(Kind.BAD_PUBLIC_KEY, "The account key's curve must be P-256 or P-384.")
        return algorithm
    if not _BITS[0] <= _number(members["n"]).bit_length() <= _BITS[1] or _number(members["e"]) >> 32:
        raise Problem(Kind.BAD_PUBLIC_KEY, "An account key that is RSA must have 2048 to 4096 bits.")
    return "RS256"


def _number(text: str) -> int:
    try:
        return int.from_bytes(encoding.decode(text))
    except ValueError:
        raise Problem(Kind.BAD_PUBLIC_KEY, "The account key cannot be read.") from None


def _load(members: dict[str, str]) -> Key:
    try:
        for name in {"x", "y"} & members.keys():
            encoding.decode(members[name])
        key: Key = ECKey.import_key({**members}) if members["kty"] == "EC" else RSAKey.import_key({**members})
        _ = key.public_key
    except (JoseError, ValueError, TypeError, KeyError):
        raise Problem(Kind.BAD_PUBLIC_KEY, "The account key cannot be read.") from None
    return key
