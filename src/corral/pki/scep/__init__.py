"""Simple Certificate Enrolment Protocol (RFC 8894): how a device gets its identity certificate."""

from corral.pki.scep.client import (
    Issued,
    Pending,
    Refused,
    build_csr,
    build_request,
    build_signer,
    message_parameter,
    read_ca_certificates,
    read_reply,
    transaction_id,
)
from corral.pki.scep.messages import MAX_MESSAGE, FailInfo, MessageType, ScepError
from corral.pki.scep.server import (
    CAPABILITIES,
    Refusal,
    Request,
    addressed,
    read_message_parameter,
    read_request,
    reply_issued,
    reply_refused,
)

__all__ = [
    "CAPABILITIES",
    "MAX_MESSAGE",
    "FailInfo",
    "Issued",
    "MessageType",
    "Pending",
    "Refusal",
    "Refused",
    "Request",
    "ScepError",
    "addressed",
    "build_csr",
    "build_request",
    "build_signer",
    "message_parameter",
    "read_ca_certificates",
    "read_message_parameter",
    "read_reply",
    "read_request",
    "reply_issued",
    "reply_refused",
    "transaction_id",
]
