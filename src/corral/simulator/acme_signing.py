"""The device's side of a signed ACME request (RFC 8555 6.2), written out rather than taken from the library that the
service reads with.
"""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def jwk_of(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The public key as RFC 7518 6.2 has it."""
    size, point = _size(key), key.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": f"P-{key.curve.key_size}",
        "x": b64(point.x.to_bytes(size)),
        "y": b64(point.y.to_bytes(size)),
    }


def sign_request(
    key: ec.EllipticCurvePrivateKey, url: str, nonce: str, payload: object = None, *, kid: str | None = None
) -> bytes:
    """A request to `url`, by an account or else with the key itself. Without a payload it is a POST-as-GET."""
    algorithm, digest = ("ES256", hashes.SHA256()) if _size(key) == 32 else ("ES384", hashes.SHA384())
    who: dict[str, object] = {"jwk": jwk_of(key)} if kid is None else {"kid": kid}
    protected = b64(_json({"alg": algorithm, "nonce": nonce, "url": url, **who}))
    content = "" if payload is None else b64(_json(payload))
    r, s = decode_dss_signature(key.sign(f"{protected}.{content}".encode(), ec.ECDSA(digest)))
    signature = r.to_bytes(_size(key)) + s.to_bytes(_size(key))
    return _json({"protected": protected, "payload": content, "signature": b64(signature)})


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _size(key: ec.EllipticCurvePrivateKey) -> int:
    return key.curve.key_size // 8


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
