"""A signed request to an ACME server (RFC 8555 6.2): read first, then checked against the key that must have signed it.

The signature is checked by joserfc; what may be in a header is said here.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from corral.pki.acme import encoding
from corral.pki.acme.account_key import AccountKey, read_key
from corral.pki.acme.problem import Kind, Problem

MAX_REQUEST: Final = 128 * 1024
_LONGEST_HEADER: Final = 8192
_ALGORITHMS: Final = ("ES256", "ES384", "RS256")


class _Flattened(msgspec.Struct, forbid_unknown_fields=True):
    """RFC 7515 7.2.2. An unprotected header, or several signatures, make it unknown (RFC 8555 6.2)."""

    protected: str
    payload: str
    signature: str


class _Header(msgspec.Struct):
    alg: str
    nonce: str
    url: str
    jwk: dict[str, Any] | None = None
    kid: str | None = None
    crit: Any = msgspec.UNSET
    b64: Any = msgspec.UNSET


class _Registry(jws.JWSRegistry):
    """The library's bounds are for small headers; ours have been kept to when it is asked."""

    max_header_length = _LONGEST_HEADER * 2
    max_payload_length = MAX_REQUEST


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a request says, not yet to be believed. It names its account (`kid`), or brings a `key`, never both.

    `payload` is empty for POST-as-GET (RFC 8555 6.3).
    """

    url: str
    nonce: str
    algorithm: str
    key: AccountKey | None
    kid: str | None
    payload: bytes = field(repr=False)
    _whole: _Flattened = field(repr=False)

    def check(self, key: AccountKey) -> None:
        """Whether this key signed it; raises Problem."""
        if self.algorithm != key.algorithm:
            raise Problem(Kind.BAD_SIGNATURE_ALGORITHM, f"This key signs by {key.algorithm}, not {self.algorithm}.")
        whole = self._whole
        registry = _Registry(algorithms=[key.algorithm], strict_check_header=False)
        try:
            jws.deserialize_json(
                {"protected": whole.protected, "payload": whole.payload, "signature": whole.signature},
                key.loaded(),
                registry=registry,
            )
        except (JoseError, ValueError, TypeError):
            raise Problem(Kind.MALFORMED, "The request's signature does not hold.") from None


def read_request(body: bytes, url: str) -> SignedRequest:
    """Read the request that came to `url`; raises Problem. Its signature and nonce are still to be checked."""
    if len(body) > MAX_REQUEST:
        raise Problem(Kind.MALFORMED, f"The request has more than {MAX_REQUEST} bytes.", 413)
    try:
        whole = msgspec.json.decode(body, type=_Flattened)
        if len(whole.protected) > _LONGEST_HEADER:
            raise ValueError("header too long")
        header = msgspec.json.decode(encoding.decode(whole.protected), type=_Header)
        payload = encoding.decode(whole.payload)
        encoding.decode(whole.signature)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Problem(
            Kind.MALFORMED, "The request is no flattened JWS with alg, nonce and url in its protected header."
        ) from None
    if header.alg not in _ALGORITHMS:
        raise Problem(Kind.BAD_SIGNATURE_ALGORITHM, f"Sign by one of {', '.join(_ALGORITHMS)}.")
    if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
        raise Problem(Kind.MALFORMED, "The header has crit or b64, which no ACME request needs.")
    if header.url != url:
        raise Problem(Kind.UNAUTHORIZED, "The request was signed for another URL than the one that it came to.")
    if (header.jwk is None) == (header.kid is None):
        raise Problem(Kind.MALFORMED, "The header must have either jwk or kid.")
    key = read_key(header.jwk) if header.jwk is not None else None
    return SignedRequest(url, header.nonce, header.alg, key, header.kid, payload, whole)
