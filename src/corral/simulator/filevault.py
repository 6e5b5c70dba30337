"""FileVault of a simulated Mac: a recovery key, enclosed for whom the escrow profile names (Apple:
"FDERecoveryKeyEscrow"), and replaced on command (Apple: "Rotate FileVault Key")."""

from collections.abc import Mapping
from random import Random

from corral.apple.plist import PlistValue
from corral.pki import cms
from corral.simulator.contents import Contents, OtherProfile

_CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CERTIFICATES = ("com.apple.security.pkcs1", "com.apple.security.root")
_WITHOUT = 5
"""One Mac of so many has never been encrypted."""


class WrongKey(ValueError):
    """What was given does not unlock the disk."""


def is_encrypted(contents: Contents) -> bool:
    """Whether FileVault is on: a profile that asks for it or for the key turns it on where nobody has decided."""
    if contents.encrypted is not None:
        return contents.encrypted
    asked = any(contents.payloads("com.apple.security.FDERecoveryKeyEscrow", "com.apple.MCX.FileVault2"))
    return asked or contents.seed % _WITHOUT != 0


def recovery_key(contents: Contents) -> str:
    """Six groups of four, as a person is shown them."""
    random = Random(f"{contents.seed} {contents.setups} {contents.rotations}")  # noqa: S311 - of a simulated disk
    return "-".join("".join(random.choices(_CHARACTERS, k=4)) for _ in range(6))


def escrowed_key(contents: Contents) -> bytes | None:
    """The key as SecurityInfo tells it; None without one, or while no profile says for whom it is to be enclosed."""
    if not is_encrypted(contents):
        return None
    certificate = next(filter(None, map(_recipient, contents.profiles.values())), None)
    return None if certificate is None else cms.encrypt(recovery_key(contents).encode(), certificate)


def check_escrow(profile: OtherProfile) -> None:
    """Raises ValueError for a profile whose escrow payload names a certificate that is not in it."""
    if any(profile.payloads("com.apple.security.FDERecoveryKeyEscrow")) and _recipient(profile) is None:
        raise ValueError("EncryptCertPayloadUUID names no certificate of this profile")


def rotate(contents: Contents, keys: Mapping[str, PlistValue]) -> bytes | None:
    """A new key, for who knows the present one; enclosed for the certificate of the command. Raises WrongKey."""
    unlock, certificate = keys.get("FileVaultUnlock"), keys.get("ReplyEncryptionCertificate")
    if not isinstance(unlock, Mapping) or unlock.get("Password") != recovery_key(contents):
        raise WrongKey("The password does not unlock the disk.")
    contents.rotations += 1
    return cms.encrypt(recovery_key(contents).encode(), certificate) if isinstance(certificate, bytes) else None


def _recipient(profile: OtherProfile) -> bytes | None:
    for escrow in profile.payloads("com.apple.security.FDERecoveryKeyEscrow"):
        for certificate in profile.payloads(*_CERTIFICATES):
            content = certificate.get("PayloadContent")
            if certificate.get("PayloadUUID") == escrow.get("EncryptCertPayloadUUID") and isinstance(content, bytes):
                return content
    return None
