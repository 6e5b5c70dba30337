"""Rows to what people and workers are shown: queues, results, push targets, and what belongs to the installation."""

from dataclasses import replace

from corral.lifecycle.change import Event
from corral.sealing import Sealer
from corral.store import rows
from corral.store.bodies import open_result
from corral.store.queue import CommandRecord, StoredResult
from corral.store.rows import Row
from corral.store.vault import StoredPushCertificate
from corral.store.work import ExpiringIdentity, PushTarget

PUSH_CERTIFICATE = "topic certificate_pem key_pem apple_account not_after imported_at stopped"

_DELIVERY_COLUMNS = len(rows.DELIVERY.split())


def command_record(row: Row) -> CommandRecord:
    """Of a delivery's columns, `delivered_at attempts finished_at`, `device_id id` of its connection, `created_at
    created_by` of its command, and `status unreadable` of its result."""
    delivered_at, attempts, finished_at, device_id, connection_id, created_at, created_by, status, unreadable = row[
        _DELIVERY_COLUMNS:
    ]
    return CommandRecord(
        delivery=rows.delivery(row[:_DELIVERY_COLUMNS]),
        device_id=device_id,
        connection_id=connection_id,
        created_at=created_at,
        created_by=created_by,
        delivered_at=delivered_at,
        attempts=attempts,
        finished_at=finished_at,
        result_status=status,
        result_unreadable=bool(unreadable),
    )


def stored_result(row: Row, sealer: Sealer) -> StoredResult:
    """Raises SealError."""
    channel_id, command_uuid, status, body, received_at, unreadable = row
    return StoredResult(
        channel_id=channel_id,
        command_uuid=command_uuid,
        status=status,
        body=open_result(body, command_uuid, sealer),
        received_at=received_at,
        unreadable=bool(unreadable),
    )


def told(event: Event, row: Row) -> Event:
    """The event of one delivery (sequence, command, request type, channel, connection, device): which one it was."""
    _, uuid, request_type, channel, connection_id, device_id = row
    data = {**event.data, "command": uuid, "request_type": request_type, "channel": channel}
    return replace(event, device_id=device_id, connection_id=connection_id, data=data)


def push_target(row: Row, sealer: Sealer) -> PushTarget:
    channel_id, connection_id, device_id, topic, token, magic, token_updated_at = row
    return PushTarget(
        channel_id=channel_id,
        connection_id=connection_id,
        device_id=device_id,
        topic=topic,
        token=rows.open_token(token, channel_id, sealer),
        magic=rows.open_magic(magic, channel_id, sealer),
        token_updated_at=token_updated_at,
    )


def expiring_identity(row: Row) -> ExpiringIdentity:
    connection_id, device_id, issued_at, not_after = row
    return ExpiringIdentity(connection_id=connection_id, device_id=device_id, issued_at=issued_at, not_after=not_after)


def push_certificate(row: Row, sealer: Sealer) -> StoredPushCertificate:
    topic, certificate_pem, key_pem, apple_account, not_after, imported_at, stopped = row
    return StoredPushCertificate(
        topic=topic,
        certificate_pem=certificate_pem,
        key_pem=sealer.open(key_pem, _key_place(topic)),
        apple_account=apple_account,
        not_after=not_after,
        imported_at=imported_at,
        stopped=stopped,
    )


def push_certificate_row(value: StoredPushCertificate, sealer: Sealer) -> Row:
    return (
        value.topic,
        value.certificate_pem,
        sealer.seal(value.key_pem, _key_place(value.topic)),
        value.apple_account,
        value.not_after,
        value.imported_at,
        value.stopped,
    )


def secret_place(name: str) -> str:
    return f"secret/value/{name}"


def _key_place(topic: str) -> str:
    return f"push_certificate/key_pem/{topic}"
