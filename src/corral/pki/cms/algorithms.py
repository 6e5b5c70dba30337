"""The algorithms of CMS that are read and written here, by name and by object identifier (RFC 3370, 5753,
5754, 8017).
"""

import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from corral.pki import ber


class CmsError(ValueError):
    """This message is not CMS as it is read here, is too large, or its signature or key does not fit."""


def _content(dotted: str) -> bytes:
    return ber.oid(dotted)[2:]


DATA: Final = _content("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = _content("1.2.840.113549.1.7.2")
ENVELOPED_DATA: Final = _content("1.2.840.113549.1.7.3")

CONTENT_TYPE: Final = _content("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = _content("1.2.840.113549.1.9.4")
SIGNING_TIME: Final = _content("1.2.840.113549.1.9.5")

RSA_ENCRYPTION: Final = _content("1.2.840.113549.1.1.1")
RSA_PSS: Final = _content("1.2.840.113549.1.1.10")
RSA_OAEP: Final = _content("1.2.840.113549.1.1.7")
MGF1: Final = _content("1.2.840.113549.1.1.8")
EC_PUBLIC_KEY: Final = _content("1.2.840.10045.2.1")

DIGEST_OIDS: Final = {
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
# MD5 is missing on purpose: its collisions are made in seconds.
DIGESTS: Final = {_content(dotted): name for name, dotted in DIGEST_OIDS.items()}

RSA_SIGNATURES: Final = {
    _content("1.2.840.113549.1.1.5"): "sha1",
    _content("1.3.14.3.2.29"): "sha1",
    _content("1.2.840.113549.1.1.14"): "sha224",
    _content("1.2.840.113549.1.1.11"): "sha256",
    _content("1.2.840.113549.1.1.12"): "sha384",
    _content("1.2.840.113549.1.1.13"): "sha512",
}
EC_SIGNATURE_OIDS: Final = {
    "sha1": "1.2.840.10045.4.1",
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
EC_SIGNATURES: Final = {_content(dotted): name for name, dotted in EC_SIGNATURE_OIDS.items()}

_DIGESTERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha224": lambda data: hashlib.sha224(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha384": lambda data: hashlib.sha384(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303  what older devices still sign with
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
ECDSA: Final = {name: ec.ECDSA(algorithm) for name, algorithm in HASHES.items()}
# Hashing it ourselves first is a tenth faster than to have it done with the check.
PREHASHED: Final = {name: utils.Prehashed(algorithm) for name, algorithm in HASHES.items()}
PREHASHED_ECDSA: Final = {name: ec.ECDSA(algorithm) for name, algorithm in PREHASHED.items()}
PKCS1: Final = padding.PKCS1v15()

# Cipher name: object identifier, key bytes, block bytes. Single DES is only ever read.
CIPHERS: Final = {
    "des-cbc": ("1.3.14.3.2.7", 8, 8),
    "des-ede3-cbc": ("1.2.840.113549.3.7", 24, 8),
    "aes-128-cbc": ("2.16.840.1.101.3.4.1.2", 16, 16),
    "aes-192-cbc": ("2.16.840.1.101.3.4.1.22", 24, 16),
    "aes-256-cbc": ("2.16.840.1.101.3.4.1.42", 32, 16),
}
CIPHER_NAMES: Final = {_content(dotted): name for name, (dotted, _, _) in CIPHERS.items()}


def digest(name: str, data: bytes) -> bytes:
    """The digest of `data`; `name` is a key of `DIGEST_OIDS`."""
    return _DIGESTERS[name](data)
