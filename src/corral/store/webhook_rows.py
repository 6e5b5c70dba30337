"""Webhooks and their letters as rows. The signing secrets are sealed, each webhook's for itself."""

import base64

import msgspec

from corral.sealing import Sealer
from corral.store.rows import Row
from corral.store.webhooks import Health, Letter, Progress, SigningSecret, Webhook

WEBHOOK = (
    "id url note format types secrets created_at created_by disabled_at disabled_why passed succeeded_at failing_since"
    " paused_until problem"
)
CONFIGURED = "url note types secrets disabled_at disabled_why"
LETTER = "sequence device_id connection_id put_at attempts tried_at due_at dead_at problem"

_LETTER = LETTER.split()


class _Secret(msgspec.Struct):
    key: str
    until: int | None


def webhook(row: Row, sealer: Sealer) -> Webhook:
    """Raises SealError."""
    id_, url, note, format_, types, secrets, created_at, created_by, disabled_at, disabled_why, passed, *health = row
    succeeded_at, failing_since, paused_until, problem = health
    opened = msgspec.json.decode(sealer.open(secrets, _place(id_)), type=tuple[_Secret, ...])
    return Webhook(
        id=id_,
        url=url,
        note=note,
        format=format_,
        types=msgspec.json.decode(types, type=tuple[str, ...]),
        secrets=tuple(SigningSecret(key=base64.b64decode(each.key), until=each.until) for each in opened),
        created_at=created_at,
        created_by=created_by,
        disabled_at=disabled_at,
        disabled_why=disabled_why,
        passed=passed,
        health=Health(
            succeeded_at=succeeded_at, failing_since=failing_since, paused_until=paused_until, problem=problem
        ),
    )


def webhook_row(value: Webhook, sealer: Sealer) -> Row:
    url, note, types, secrets, disabled_at, disabled_why = configured_row(value, sealer)
    return (
        value.id,
        url,
        note,
        value.format,
        types,
        secrets,
        value.created_at,
        value.created_by,
        disabled_at,
        disabled_why,
        value.passed,
        *health_row(value.health),
    )


def configured_row(value: Webhook, sealer: Sealer) -> Row:
    secrets = [_Secret(base64.b64encode(each.key).decode(), each.until) for each in value.secrets]
    return (
        value.url,
        value.note,
        msgspec.json.encode(value.types).decode(),
        sealer.seal(msgspec.json.encode(secrets), _place(value.id)),
        value.disabled_at,
        value.disabled_why,
    )


def health_row(value: Health) -> Row:
    return value.succeeded_at, value.failing_since, value.paused_until, value.problem


def letter(row: Row) -> Letter:
    return Letter(**dict(zip(_LETTER, row, strict=True)))


def letter_row(value: Letter) -> Row:
    return tuple(getattr(value, name) for name in _LETTER)


def progress_row(value: Progress) -> Row:
    """passed, health, disabled_at, disabled_why."""
    return value.passed, *health_row(value.health), value.disabled_at, value.disabled_why


def _place(webhook_id: str) -> str:
    return f"webhook/secrets/{webhook_id}"
