"""Cryptographic Message Syntax (RFC 5652), as much of it as devices, SCEP and signed profiles use."""

from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import certificates_only, read_certificates_only
from corral.pki.cms.enveloped import Envelope, decrypt, encrypt, is_enclosed_for
from corral.pki.cms.signed import Signature, verify_attached, verify_detached
from corral.pki.cms.signing import sign

__all__ = [
    "CmsError",
    "Envelope",
    "Signature",
    "certificates_only",
    "decrypt",
    "encrypt",
    "is_enclosed_for",
    "read_certificates_only",
    "sign",
    "verify_attached",
    "verify_detached",
]
