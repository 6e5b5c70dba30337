"""FileVault of a simulated Mac: a recovery key, enclosed for whom the escrow profile names (Apple:
"FDERecoveryKeyEscrow"), and replaced on command (Apple: "Rotate FileVault Key")."""

from collections.abc import Iterator, Mapping
from random import Random

from corral.apple.plist import PlistValue
from corral.pki import cms
from corral.simulator.contents import Contents, OtherProfile

_CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CERTIFICATES = ("com.apple.security.pkcs1", "com.apple.security.root")


class WrongKey(ValueError):
    """What was given does not unlock the disk."""


def recovery_key(contents: Contents) -> str:
    """Six groups of four, as a person is shown them."""
    random = Random(f"{contents.seed} {contents.setups} {contents.rotations}")  # noqa: S311 - of a simulated disk
    return "-".join("".join(random.choices(_CHARACTERS, k=4)) for _ in range(6))


def escrowed_key(contents: Contents) -> bytes | None:
    """The key as SecurityInfo tells it; None while no profile says for whom it is to be enclosed."""
    certificate = next(filter(None, map(_recipient, contents.profiles.values())), None)
    return None if certificate is None else cms.encrypt(recovery_key(contents).encode(), certificate)


def check_escrow(profile: OtherProfile) -> None:
    """Raises ValueError for a profile whose escrow payload names a certificate that is not in it."""
    if any(_of_type(profile, "com.apple.security.FDERecoveryKeyEscrow")) and _recipient(profile) is None:
        raise ValueError("EncryptCertPayloadUUID names no certificate of this profile")


def rotate(contents: Contents, keys: Mapping[str, PlistValue]) -> bytes | None:
    """A new key, for who knows the present one; enclosed for the certificate of the command. Raises WrongKey."""
    unlock, certificate = keys.get("FileVaultUnlock"), keys.get("ReplyEncryptionCertificate")
    if not isinstance(unlock, Mapping) or unlock.get("Password") != recovery_key(contents):
        raise WrongKey("The password does not unlock the disk.")
    contents.rotations += 1
    return cms.encrypt(recovery_key(contents).encode(), certificate) if isinstance(certificate, bytes) else None


def _recipient(profile: OtherProfile) -> bytes | None:
    for escrow in _of_type(profile, "com.apple.security.FDERecoveryKeyEscrow"):
        for certificate in _of_type(profile, *_CERTIFICATES):
            content = certificate.get("PayloadContent")
            if certificate.get("PayloadUUID") == escrow.get("EncryptCertPayloadUUID") and isinstance(content, bytes):
                return content
    return None


def _of_type(profile: OtherProfile, *types: str) -> Iterator[Mapping[str, PlistValue]]:
    content = profile.keys.get("PayloadContent")
    for each in content if isinstance(content, list) else ():
        if isinstance(each, Mapping) and each.get("PayloadType") in types:
            yield each
