"""The readers of `pki.acme` and `pki.attestation`: what a device sends for a certificate whose key is attested."""

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from corral.pki import attestation
from corral.pki.acme import encoding
from corral.pki.acme.account_key import AccountKey, read_key
from corral.pki.acme.csr import read_csr
from corral.pki.acme.problem import Problem
from corral.pki.acme.request import SignedRequest, read_request
from corral.pki.attestation import AttestationError
from corral.simulator import attesting
from fuzz.reader import Reader, of_json, of_text, reader

_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_URL = "https://h/acme/new-order"


class _World:
    """Keys and certificates, made once a process."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.apple = attesting.attestation_server(_NOW)
        self.trust = attestation.attestation_trust([self.apple.root])
        said = {
            attesting.SERIAL_NUMBER: b"C02",
            attesting.FRESHNESS: attesting.freshness(b"t"),
            attesting.SIP_STATUS: b"\x02\x01\x00",
            attesting.SECURE_BOOT: b"\x0c\x0dFull Security",
        }
        self.chain = self.apple.attest(self.key.public_key(), said, _NOW)
        self.csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .sign(self.key, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )


@cache
def _world() -> _World:
    return _World()


def _request(data: bytes) -> None:
    """A request as a whole, and any header and any payload in one that is signed soundly."""
    for body in (data, _signed(data, b"{}"), _signed(_header(), data)):
        with suppress(Problem):
            request = read_request(body, _URL)
            if request.key is not None:
                request.check(request.key)


def _key(data: bytes) -> None:
    def read(found: object) -> None:
        if isinstance(found, dict):
            key: AccountKey = read_key(found)  # pyright: ignore[reportUnknownArgumentType] - of JSON
            key.loaded()
            assert key.thumbprint

    of_json(read)(data)


def _chain(data: bytes) -> None:
    """Chains of which each certificate may be broken, and every extension of a leaf that is sound."""
    world = _world()
    with suppress(AttestationError):
        attestation.check_attestation((data, *world.chain), world.trust, _NOW)
    with suppress(AttestationError):
        attestation.check_attestation((world.chain[0], data), world.trust, _NOW)
    if len(data) < 1024:  # for six of them a certificate has room
        said = {f"1.2.840.113635.100.8.{end}": data for end in ("9.1", "10.1", "11.1", "13.1", "13.2", "13.3")}
        attestation.check_attestation(world.apple.attest(world.key.public_key(), said, _NOW), world.trust, _NOW)


def _object(data: bytes) -> None:
    chain = attestation.read_attestation_object(data)
    attestation.check_attestation(chain, _world().trust, _NOW)


def _header() -> bytes:
    return json.dumps({"alg": "ES256", "nonce": "bg", "url": _URL, "jwk": json.loads(_jwks()[0])}).encode()


def _signed(header: bytes, payload: bytes) -> bytes:
    protected, content = _b64(header), _b64(payload)
    r, s = decode_dss_signature(_world().key.sign(f"{protected}.{content}".encode(), ec.ECDSA(hashes.SHA256())))
    signature = _b64(r.to_bytes(32) + s.to_bytes(32))
    return json.dumps({"protected": protected, "payload": content, "signature": signature}).encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def _requests() -> Sequence[bytes]:
    return [_signed(_header(), b"{}"), _header()]


@cache
def _jwks() -> Sequence[bytes]:
    point = _world().key.public_key().public_numbers()
    curve = {"kty": "EC", "crv": "P-256", "x": _b64(point.x.to_bytes(32)), "y": _b64(point.y.to_bytes(32))}
    modulus = {"kty": "RSA", "n": _b64(b"\xc1" * 256), "e": "AQAB"}
    return [json.dumps(curve).encode(), json.dumps(modulus).encode()]


def _csrs() -> Sequence[bytes]:
    return [_world().csr]


def _objects() -> Sequence[bytes]:
    return [attesting.attestation_object(_world().chain), attesting.attestation_object(())]


def _leaves() -> Sequence[bytes]:
    return [*_world().chain, b"\x02\x01\x00", b"\x0c\x0dFull Security"]


def _texts() -> Sequence[bytes]:
    return [b"AQAB", b"", b"-_"]


READERS: tuple[Reader, ...] = (
    reader(read_request, samples=_requests, call=_request, also=(SignedRequest.check,)),
    reader(read_key, Problem, samples=_jwks, call=_key, also=(AccountKey.loaded,)),
    reader(read_csr, Problem, samples=_csrs),
    reader(encoding.decode, ValueError, samples=_texts, call=of_text(encoding.decode)),
    reader(attestation.read_attestation_object, AttestationError, samples=_objects, call=_object),
    reader(attestation.check_attestation, samples=_leaves, call=_chain),
)
