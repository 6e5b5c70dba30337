"""What an MDM vendor does on their own machine: sign a customer's request."""

import sys
from pathlib import Path

import typer
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from corral.cli.failure import Failure
from corral.cli.files import read_bytes
from corral.pki.push_certificate import PushCertificateError, sign_request


def sign(csr: Path, vendor_certificate: Path, vendor_key: Path, chain: Path) -> bytes:
    """The file that identity.apple.com/pushcert takes; raises Failure."""
    key = _load_key(read_bytes(vendor_key), str(vendor_key))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Failure(f"{vendor_key} holds no RSA key, which an MDM vendor certificate has.")
    certificates = _load_certificates(chain)
    try:
        return sign_request(read_bytes(csr), _load_certificates(vendor_certificate)[0], key, certificates)
    except PushCertificateError as error:
        raise Failure(f"Cannot sign {csr}: {error}.") from None


def open_key(data: bytes) -> str:
    """A private key as unencrypted PEM, whatever it came as; asks for its password if it has one."""
    key = _load_key(data, "The key file")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load_certificates(path: Path) -> list[x509.Certificate]:
    data = read_bytes(path)
    try:
        if data.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        raise Failure(f"{path} holds no certificate, neither as PEM nor as DER.") from None


def _load_key(data: bytes, origin: str, password: bytes | None = None) -> PrivateKeyTypes:
    load = load_pem_private_key if data.lstrip().startswith(b"-----") else load_der_private_key
    try:
        return load(data, password)
    except TypeError:
        if password is not None or not sys.stdin.isatty():
            raise Failure(f"{origin} is encrypted; open it with `openssl pkey -in FILE -out OPEN` first.") from None
        return _load_key(data, origin, typer.prompt("Password of the key", hide_input=True).encode())
    except (ValueError, UnsupportedAlgorithm):
        wrong = "its password is wrong, or it" if password is not None else "it"
        raise Failure(f"{origin} cannot be read: {wrong} is no private key in PEM or DER.") from None
