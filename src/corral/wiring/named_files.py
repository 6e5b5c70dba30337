"""What the settings name by a path, read once at the start; what cannot be read is told in one line."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509

from corral.lifecycle.digest import UserFileError, Verifier, read_users
from corral.pki.apple_roots import ENTERPRISE_ATTESTATION
from corral.pki.attestation import attestation_trust
from corral.pki.device_roots import APPLE_DEVICE_AUTHORITY
from corral.pki.identity import Trust
from corral.sealing import Sealer, read_keys
from corral.service.connections.returning import check_profile
from corral.service.errors import RequestRefused
from corral.settings import Settings
from corral.store.errors import StoreRefused


def sealer(settings: Settings) -> Sealer:
    """With the keys of the environment, else of the key file, which lies outside the database."""
    if settings.sealing_key is not None:
        return Sealer(read_keys(settings.sealing_key.get_secret_value(), "CORRAL_SEALING_KEY"))
    path = settings.sealing_key_file
    try:
        return Sealer(read_keys(path.read_text(), str(path)))
    except OSError as error:
        raise StoreRefused(f"Cannot read the sealing key {path}: {error.strerror}.") from None


def attesters(settings: Settings) -> Trust:
    """Who may vouch for devices: Apple, or those of the operator's file."""
    path = settings.attestation_roots
    try:
        pem = ENTERPRISE_ATTESTATION if path is None else path.read_bytes()
        return attestation_trust(x509.load_pem_x509_certificates(pem))
    except (OSError, ValueError) as error:
        raise StoreRefused(f"Cannot read the certificates of attestation_roots, {path}: {error}.") from None


def verifier(settings: Settings, secret: bytes) -> Verifier | None:
    """Of the network users who may sign in to a Mac, if there is a file of them."""
    if settings.user_file is None:
        return None
    try:
        return read_users(settings.user_file.read_text(), hashlib.sha256(b"user digests" + secret).digest())
    except (OSError, UnicodeDecodeError, UserFileError) as error:
        raise StoreRefused(f"Cannot read the users of {settings.user_file}: {error}.") from None


def wifi_profile(settings: Settings) -> bytes | None:
    """The network that devices get which return to service, if there is one for all."""
    path = settings.return_to_service_wifi
    if path is None:
        return None
    try:
        profile = path.read_bytes()
        check_profile(profile)
    except OSError as error:
        raise StoreRefused(f"Cannot read the Wi-Fi profile {path}: {error.strerror}.") from None
    except RequestRefused as error:
        raise StoreRefused(f"return_to_service_wifi, {path}: {error}") from None
    return profile


def device_roots(settings: Settings) -> list[x509.Certificate]:
    """Who signs for devices that ask to be enrolled: Apple, or those of the operator's file."""
    pem = APPLE_DEVICE_AUTHORITY if settings.device_roots is None else settings.device_roots.read_bytes()
    return x509.load_pem_x509_certificates(pem)


def foreign_authorities(files: Mapping[str, Path]) -> dict[str, list[x509.Certificate]]:
    """By the name that the operator gave each."""
    return {name: x509.load_pem_x509_certificates(path.read_bytes()) for name, path in files.items()}
