"""The parts of a SCEP message that server and client share (RFC 8894 3)."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

from corral.pki import ber

MAX_MESSAGE: Final = 64 * 1024

_ARC = "2.16.840.1.113733.1.9."
MESSAGE_TYPE: Final = _ARC + "2"
PKI_STATUS: Final = _ARC + "3"
FAIL_INFO: Final = _ARC + "4"
SENDER_NONCE: Final = _ARC + "5"
RECIPIENT_NONCE: Final = _ARC + "6"
TRANSACTION_ID: Final = _ARC + "7"

CERT_REP: Final = "3"


class ScepError(ValueError):
    """This is no SCEP message, or one that cannot even be answered with a refusal."""


class MessageType(StrEnum):
    """The two requests that a certificate is issued for. There are more in the protocol, and they are
    refused: a type that nobody thought of once let anybody in elsewhere (CVE-2026-30836).
    """

    PKCS_REQ = "19"
    RENEWAL_REQ = "17"


class Status(StrEnum):
    SUCCESS = "0"
    FAILURE = "2"
    PENDING = "3"


class FailInfo(IntEnum):
    """Why a request is refused, as the client is told (RFC 8894 3.2.1.4)."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4


def read_text(attributes: Mapping[bytes, bytes], name: str) -> str | None:
    """The text of a signed attribute, None when it is missing; raises `ScepError`."""
    value = attributes.get(ber.oid(name)[2:])
    if value is None:
        return None
    try:
        reader = ber.Reader(value, 1024)
        return reader.text(reader.root())
    except ber.BerError as error:
        raise ScepError(f"attribute {name}: {error}") from None


def read_nonce(attributes: Mapping[bytes, bytes], name: str) -> bytes | None:
    """The nonce in a signed attribute, None when it is missing; raises `ScepError`."""
    value = attributes.get(ber.oid(name)[2:])
    if value is None:
        return None
    try:
        reader = ber.Reader(value, 1024)
        return reader.string(reader.root())
    except ber.BerError as error:
        raise ScepError(f"attribute {name}: {error}") from None
