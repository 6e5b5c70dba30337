"""The certificate request of a finalization (RFC 8555 7.4): only its key is ever taken from it."""

from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from corral.pki.acme.problem import Kind, Problem
from corral.pki.authority import KeyRefused, PublicKey, check_key
from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import UNREADABLE, load_public_key

MAX_CSR: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Csr:
    der: bytes = field(repr=False)
    public_key: PublicKey
    key_info: bytes = field(repr=False)
    """SubjectPublicKeyInfo, to compare with the attested one."""


def read_csr(der: bytes) -> Csr:
    """A request that its own key has signed, for a key that a certificate is issued for; raises Problem."""
    if len(der) > MAX_CSR:
        raise Problem(Kind.BAD_CSR, f"The certificate request has more than {MAX_CSR} bytes.")
    try:
        csr = x509.load_der_x509_csr(der)
        key = csr.public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        load_public_key(info)  # before the signature is checked: a key of absurd size would make that costly
        holds = csr.is_signature_valid and not isinstance(csr.signature_hash_algorithm, hashes.MD5)
    except (CmsError, *UNREADABLE):
        raise Problem(Kind.BAD_CSR, "The certificate request cannot be read.") from None
    if not holds:
        raise Problem(Kind.BAD_CSR, "The certificate request's signature does not fit its key.")
    try:
        return Csr(der, check_key(key), info)
    except KeyRefused as refused:
        raise Problem(Kind.BAD_CSR, f"The certificate request has a {refused}.") from None
