"""What an ACME server says instead of doing what it was asked for (RFC 8555 6.7, RFC 7807)."""

from enum import StrEnum
from typing import Final

CONTENT_TYPE: Final = "application/problem+json"
_NAMESPACE: Final = "urn:ietf:params:acme:error:"


class Kind(StrEnum):
    ACCOUNT_DOES_NOT_EXIST = "accountDoesNotExist"
    BAD_ATTESTATION = "badAttestationStatement"
    """Of draft-acme-device-attest."""
    BAD_CSR = "badCSR"
    BAD_NONCE = "badNonce"
    BAD_PUBLIC_KEY = "badPublicKey"
    BAD_SIGNATURE_ALGORITHM = "badSignatureAlgorithm"
    MALFORMED = "malformed"
    ORDER_NOT_READY = "orderNotReady"
    RATE_LIMITED = "rateLimited"
    REJECTED_IDENTIFIER = "rejectedIdentifier"
    SERVER_INTERNAL = "serverInternal"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_IDENTIFIER = "unsupportedIdentifier"


_STATUS: Final = {
    Kind.UNAUTHORIZED: 403,
    Kind.ORDER_NOT_READY: 403,
    Kind.REJECTED_IDENTIFIER: 403,
    Kind.RATE_LIMITED: 429,
    Kind.SERVER_INTERNAL: 503,
}


class Problem(Exception):
    """`detail` is one line for whoever reads the client's log; it never holds a secret.

    `status` is the HTTP status; None means the customary one of its kind.
    """

    def __init__(self, kind: Kind, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.status = status or _STATUS.get(kind, 400)

    def document(self) -> dict[str, object]:
        """The problem document, before it is JSON."""
        return {"type": f"{_NAMESPACE}{self.kind.value}", "detail": self.detail, "status": self.status}
