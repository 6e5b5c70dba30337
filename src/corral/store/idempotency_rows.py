"""Idempotency keys as rows, their answers packed and sealed: an answer may hold a token or a secret."""

from collections.abc import Iterable

from corral.lifecycle.change import Event
from corral.sealing import Sealer
from corral.store.bodies import pack, unpack
from corral.store.idempotency import LARGEST_KEPT, KeptAnswer, Known
from corral.store.rows import Row

FREE = (
    "idempotency.expires_at <= {now} OR (idempotency.status IS NULL AND NOT idempotency.changed"
    " AND idempotency.held_until <= {now} AND idempotency.digest = excluded.digest)"
)
"""When a key that is there may be begun anew: its time is over, or nothing was changed by an attempt that has died."""
BEGUN = (
    "digest = excluded.digest, attempt = excluded.attempt, held_until = excluded.held_until,"
    " expires_at = excluded.expires_at, changed = excluded.changed, status = NULL, media_type = '', answer = NULL"
)
FOUND = "digest attempt held_until status media_type answer"


def attempts_of(events: Iterable[Event]) -> list[str]:
    """The attempts at requests that have caused these events."""
    return sorted({event.actor.attempt for event in events if event.actor is not None} - {""})


def seal_answer(answer: KeptAnswer, attempt: str, sealer: Sealer) -> bytes | None:
    if answer.body is None:
        return None
    packed = pack(answer.body)
    return sealer.seal(packed, _place(attempt)) if len(packed) <= LARGEST_KEPT else None


def known(row: Row, now: int, sealer: Sealer) -> Known:
    """Raises SealError."""
    digest, attempt, held_until, status, media_type, answer = row
    if status is None:
        return Known(digest, held_until > now, None)
    body = None if answer is None else unpack(sealer.open(answer, _place(attempt)))
    return Known(digest, False, KeptAnswer(status, media_type, body))


def _place(attempt: str) -> str:
    return f"idempotency/answer/{attempt}"
