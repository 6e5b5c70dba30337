"""ACME accounts and orders as rows. The ClientIdentifier is sealed."""

import msgspec

from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder, AttestedKey, OrderStatus
from corral.sealing import Sealer
from corral.store.rows import Row

ACCOUNT = "id key thumbprint created_at expires_at"
ORDER = (
    "id version account_id sealed_identifier challenge_token status created_at expires_at attested refusal"
    " request_digest fingerprint"
)


def account(row: Row) -> AcmeAccount:
    id_, key, thumbprint, created_at, expires_at = row
    return AcmeAccount(id=id_, key=key, thumbprint=thumbprint, created_at=created_at, expires_at=expires_at)


def account_row(value: AcmeAccount) -> Row:
    return value.id, value.key, value.thumbprint, value.created_at, value.expires_at


def order(row: Row, sealer: Sealer) -> AcmeOrder:
    """Raises SealError."""
    id_, version, account_id, identifier, token, status, created_at, expires_at, attested, *rest = row
    refusal, request_digest, fingerprint = rest
    return AcmeOrder(
        id=id_,
        version=version,
        account_id=account_id,
        identifier=sealer.open(identifier, _place(id_)).decode(),
        token=token,
        status=OrderStatus(status),
        created_at=created_at,
        expires_at=expires_at,
        attested=read_attested(attested),
        refusal=refusal,
        request_digest=request_digest,
        fingerprint=fingerprint,
    )


def order_row(value: AcmeOrder, sealer: Sealer) -> Row:
    return (
        value.id,
        value.version + 1,
        value.account_id,
        sealer.seal(value.identifier.encode(), _place(value.id)),
        value.token,
        value.status.value,
        value.created_at,
        value.expires_at,
        write_attested(value.attested),
        value.refusal,
        value.request_digest,
        value.fingerprint,
    )


def read_attested(text: str | None) -> AttestedKey | None:
    return None if text is None else msgspec.json.decode(text, type=AttestedKey)


def write_attested(value: AttestedKey | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _place(order_id: str) -> str:
    return f"acme_order/identifier/{order_id}"
