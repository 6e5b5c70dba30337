"""What the fuzzer calls in `pki.acme` and `pki.attestation`: any bytes, and no exception but those of their own."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from corral.pki import attestation
from corral.pki.acme.csr import read_csr
from corral.pki.acme.problem import Problem
from corral.pki.acme.request import read_request
from corral.pki.attestation import AttestationError
from corral.simulator import attesting

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


def fuzz_acme(data: bytes) -> None:
    """A request as a whole, a header in a sound request, and a certificate request."""
    _request(data)
    _request(_signed(data, b"{}"))
    _request(_signed(_header(), data))
    with suppress(Problem):
        read_csr(data)


def _request(body: bytes) -> None:
    with suppress(Problem):
        request = read_request(body, _URL)
        if request.key is not None:
            request.check(request.key)


def fuzz_attestation(data: bytes) -> None:
    """An attestation object, a chain of which each certificate may be broken, and every extension of a leaf."""
    world = _world()
    with suppress(AttestationError):
        chain = attestation.read_attestation_object(data)
        attestation.check_attestation(chain, world.trust, _NOW)
    with suppress(AttestationError):
        attestation.check_attestation((data, *world.chain), world.trust, _NOW)
    with suppress(AttestationError):
        attestation.check_attestation((world.chain[0], data), world.trust, _NOW)
    if len(data) < 4096:
        said = {f"1.2.840.113635.100.8.{end}": data for end in ("9.1", "10.1", "11.1", "13.1", "13.2", "13.3")}
        attestation.check_attestation(world.apple.attest(world.key.public_key(), said, _NOW), world.trust, _NOW)


def _header() -> bytes:
    point = _world().key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": _b64(point.x.to_bytes(32)), "y": _b64(point.y.to_bytes(32))}
    return json.dumps({"alg": "ES256", "nonce": "bg", "url": _URL, "jwk": jwk}).encode()


def _signed(header: bytes, payload: bytes) -> bytes:
    protected, content = _b64(header), _b64(payload)
    r, s = decode_dss_signature(_world().key.sign(f"{protected}.{content}".encode(), ec.ECDSA(hashes.SHA256())))
    signature = _b64(r.to_bytes(32) + s.to_bytes(32))
    return json.dumps({"protected": protected, "payload": content, "signature": signature}).encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def seeds(target: str) -> list[bytes]:
    """Good inputs for the target of this name."""
    world = _world()
    match target:
        case "fuzz_acme":
            return [_signed(_header(), b"{}"), _header(), world.csr]
        case "fuzz_attestation":
            return [attesting.attestation_object(world.chain), attesting.attestation_object(()), *world.chain]
        case _:
            raise ValueError(f"no target is called {target!r}")
