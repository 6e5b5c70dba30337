"""Managed Device Attestation: what Apple's servers vouch for of a device and of a key in its Secure Enclave.

A device shows an attestation as a WebAuthn attestation object of format `apple` (draft-acme-device-attest-01), or as an
array of certificates (Apple: DeviceInformation, DevicePropertiesAttestation). Its leaf certifies the device's key and
says the rest in extensions (Apple: "Managed Device Attestation" in Platform Deployment).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NoReturn, cast

import cbor2
from cryptography import x509

from corral.pki import ber
from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import MAX_CERTIFICATE, load_certificate, read_parts
from corral.pki.trust import Trust, Untrusted

MAX_OBJECT: Final = 64 * 1024
MOST_CERTIFICATES: Final = 8
_DEEPEST: Final = 8
_LONGEST_TEXT: Final = 256
_AUTHORITY: Final = "attestation"

# Tags that the CBOR reader would make objects of: dates, numbers of any size, patterns. None belongs here.
_TAGS: Final = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_APPLE = "1.2.840.113635.100.8."
_ZERO_OR_ONE = {b"0": 0, b"1": 1, b"\0": 0, b"\1": 1}


class AttestationError(ValueError):
    """An attestation that is not to be believed; the one line says why."""


class SecureBoot(StrEnum):
    FULL = "full"
    REDUCED = "reduced"
    PERMISSIVE = "permissive"


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareProperties:
    """What Apple says of the device; None where it does not say, since it could not find out or must not tell.

    Serial number and UDID are left out for user enrollments; the UDID of a Mac is its provisioning UDID.
    """

    serial_number: str | None = None
    udid: str | None = None
    update_device_id: str | None = None
    """What gdmf.apple.com lists system updates by."""
    os_version: str | None = None
    sep_os_version: str | None = None
    llb_version: str | None = None
    sip_enabled: bool | None = None
    secure_boot: SecureBoot | None = None
    third_party_kernel_extensions: bool | None = None


@dataclass(frozen=True, slots=True)
class Attestation:
    """`public_key` is the SubjectPublicKeyInfo of the key that was attested, `freshness` the digest of the nonce."""

    properties: HardwareProperties
    freshness: bytes | None = field(repr=False)
    public_key: bytes = field(repr=False)


def read_attestation_object(data: bytes) -> tuple[bytes, ...]:
    """The certificates (DER) of an attestation object, leaf first; none where the device attests nothing.

    Raises AttestationError.
    """
    if len(data) > MAX_OBJECT:
        raise AttestationError(f"attestation of more than {MAX_OBJECT} bytes")
    try:
        whole: object = cbor2.loads(
            data,
            tag_hook=_refuse_tag,
            semantic_decoders=dict.fromkeys(_TAGS, _refuse_tag),
            max_depth=_DEEPEST,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError, OverflowError, MemoryError, RecursionError, TypeError):
        raise AttestationError("the attestation is no CBOR that can be read") from None
    match whole:
        case {"fmt": "none"}:
            return ()
        case {"fmt": "apple", "attStmt": dict()}:
            return _chain(cast(dict[str, dict[object, object]], whole)["attStmt"])
        case {"fmt": "apple"}:
            raise AttestationError("the attestation has no attStmt, or one that is no map")
        case {"fmt": str(other)}:
            raise AttestationError(f"attestation of format {other[:32]!a} where apple is expected")
        case _:
            raise AttestationError("the attestation has no fmt and attStmt")


def _refuse_tag(decoder: Any, *_: Any) -> NoReturn:
    del decoder
    raise ValueError("a tag")


def _chain(statement: dict[object, object]) -> tuple[bytes, ...]:
    found = statement.get("x5c", [])
    if not isinstance(found, list):
        raise AttestationError("x5c is no array")
    certificates = cast(list[object], found)
    if len(certificates) > MOST_CERTIFICATES:
        raise AttestationError(f"x5c of more than {MOST_CERTIFICATES} certificates")
    if not all(isinstance(each, bytes) and 0 < len(each) <= MAX_CERTIFICATE for each in certificates):
        raise AttestationError("x5c holds something other than certificates")
    return cast(tuple[bytes, ...], tuple(certificates))


def attestation_trust(roots: Sequence[x509.Certificate]) -> Trust:
    """The authorities that may attest: Apple's enterprise attestation root, or that of a stand-in."""
    return Trust([], {_AUTHORITY: roots})


def check_attestation(chain: Sequence[bytes], trust: Trust, now: datetime) -> Attestation:
    """What the leaf of a chain (DER, leaf first) says, if an authority of `trust` vouches for it now.

    Whose key it is and whether it is fresh is the caller's to compare. Raises AttestationError.
    """
    if not chain:
        raise AttestationError("the device attested nothing")
    if len(chain) > MOST_CERTIFICATES:
        raise AttestationError(f"attestation of more than {MOST_CERTIFICATES} certificates")
    leaf = chain[0]
    verdict = trust.judge(leaf, chain[1:], now)
    if isinstance(verdict, Untrusted):
        raise AttestationError(f"attestation: {verdict.reason}")
    if verdict.expired:
        raise AttestationError("attestation: a certificate of its chain has expired")
    try:
        certificate, key = load_certificate(leaf), read_parts(leaf).key
    except CmsError as error:
        raise AttestationError(f"attestation: {error}") from None
    said = {
        extension.oid.dotted_string.removeprefix(_APPLE): extension.value.value
        for extension in certificate.extensions
        if isinstance(extension.value, x509.UnrecognizedExtension) and extension.oid.dotted_string.startswith(_APPLE)
    }
    return Attestation(_properties(said), _freshness(said.get("11.1", b"")), key)


def _properties(said: dict[str, bytes]) -> HardwareProperties:
    sip_disabled, kernel_extensions = _number(said.get("13.1", b"")), _number(said.get("13.3", b""))
    return HardwareProperties(
        serial_number=_text(said.get("9.1", b"")),
        udid=_text(said.get("9.2", b"")),
        update_device_id=_text(said.get("9.4", b"")),
        os_version=_text(said.get("10.1", b"")),
        sep_os_version=_text(said.get("10.2", b"")),
        llb_version=_text(said.get("10.3", b"")),
        sip_enabled=None if sip_disabled is None else sip_disabled == 0,
        secure_boot=_secure_boot(_text(said.get("13.2", b""))),
        third_party_kernel_extensions=None if kernel_extensions is None else kernel_extensions != 0,
    )


def _freshness(value: bytes) -> bytes | None:
    """32 bytes, as they are or in an OCTET STRING."""
    if len(value) == 34 and value[:2] == b"\x04\x20":
        return value[2:]
    return value if len(value) == 32 else None


def _text(value: bytes) -> str | None:
    """A text, as it is or in one of ASN.1's strings; None for a blank one, or one that is no text."""
    with_tag = _unwrapped(value, ber.OCTET_STRING, 0x0C, 0x13, 0x16)
    try:
        text = (value if with_tag is None else with_tag).decode().strip(" \0")
    except UnicodeDecodeError:
        return None
    return text if text and text.isprintable() and len(text) <= _LONGEST_TEXT else None


def _number(value: bytes) -> int | None:
    """A small number: a digit, a byte, or an INTEGER. Any other number but 0 is told as 1."""
    if value in _ZERO_OR_ONE:
        return _ZERO_OR_ONE[value]
    integer = _unwrapped(value, ber.INTEGER)
    if integer is None:
        return None
    return 1 if any(integer) else 0


def _secure_boot(text: str | None) -> SecureBoot | None:
    word = (text or "").lower().removesuffix(" security")
    return SecureBoot(word) if word in frozenset(SecureBoot) else None


def _unwrapped(value: bytes, *tags: int) -> bytes | None:
    """The content of a DER element of one of these tags that is all of `value`; None if it is no such element."""
    if len(value) > 2 and value[0] in tags and value[1] < 0x80 and value[1] == len(value) - 2:
        return value[2:]
    return None
