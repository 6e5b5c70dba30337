"""A device's identity: its key and certificate, and the ways to prove with them who sends a request."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from corral.pki import cms
from corral.pki.cms.signing import PrivateKey

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """`Mdm-Signature`: a detached CMS signature over the body (Apple: MDM payload, SignMessage).

    `signing_time` None means as the platform does: iOS states it, macOS does not. `keep` lets a signature over
    the same body serve again for that long, which no device does, but a test of load may.
    """

    digest: str = "sha256"
    indefinite: bool = False
    attributes: bool = True
    signing_time: bool | None = None
    keep: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """The device behind a proxy that ends its TLS and passes the certificate on: RFC 9440, or URL-escaped PEM."""

    name: str = "Client-Cert"
    form: Literal["rfc9440", "escaped-pem"] = "rfc9440"

    def value(self, certificate: x509.Certificate) -> str:
        if self.form == "escaped-pem":
            return quote(certificate.public_bytes(Encoding.PEM).decode("ascii"), safe="")
        return f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode('ascii')}:"


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """The certificate is the client's in the TLS connection itself."""


Proof: TypeAlias = Signed | ProxyHeader | TlsCertificate

_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


class Identity:
    """An identity certificate (DER) with its private key. Equal only to itself."""

    def __init__(self, certificate: bytes, key: PrivateKey) -> None:
        self.certificate = certificate
        self.key = key
        self._kept: _Kept | None = None

    @cached_property
    def parsed(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.certificate)

    def __repr__(self) -> str:
        return f"Identity({self.parsed.subject.rfc4514_string()!r}, serial {self.parsed.serial_number:x})"

    def prove(self, proof: Proof, body: bytes, now: datetime, *, signs_time: bool) -> Headers:
        """The headers that go with a request of this body; `signs_time` is the platform's custom."""
        match proof:
            case TlsCertificate():
                return ()
            case ProxyHeader():
                kept = self._kept
                if kept is None or kept.proof != proof:
                    kept = self._kept = _Kept(proof, b"", _FOR_EVER, ((proof.name, proof.value(self.parsed)),))
                return kept.headers
            case Signed():
                return self._signature(proof, body, now, signs_time)

    def _signature(self, proof: Signed, body: bytes, now: datetime, signs_time: bool) -> Headers:
        kept = self._kept
        if kept is not None and kept.body == body and kept.proof == proof and now < kept.until:
            return kept.headers
        timed = signs_time if proof.signing_time is None else proof.signing_time
        signature = cms.sign(
            body,
            self.parsed,
            self.key,
            detached=True,
            signing_time=now if timed else None,
            digest=proof.digest,
            with_attributes=proof.attributes or timed,
            indefinite=proof.indefinite,
        )
        headers = (("Mdm-Signature", base64.b64encode(signature).decode("ascii")),)
        self._kept = _Kept(proof, body, now + proof.keep, headers)
        return headers


@dataclass(frozen=True, slots=True)
class _Kept:
    proof: Proof
    body: bytes = field(repr=False)
    until: datetime
    headers: Headers = field(repr=False)
