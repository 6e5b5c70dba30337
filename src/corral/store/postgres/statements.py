"""Statements made of column lists, over arrays: one statement for any number of rows, prepared once.

Every name in them comes from this package; what comes from a request is bound as a value, always.
"""

# ruff: noqa: S608 - see above: no value gets into the text of a statement

from collections.abc import Iterable
from typing import Any

from corral.store.rows import Row

_BIGINT = (
    "version created_at blocked_at connected_at reauthenticated_at awaiting_since erasing_at ended_at recheck_at"
    " renewal_asked_at renewal_authenticated_at end_asked_at end_deadline token_updated_at issued_at not_after"
    " heard_at uses used expires_at revoked_at keys_issued spent_at priority not_before queued_at received_at at"
    " due_at push_at last_seen hour count expects imported_at now since token_expires_at cursor_at fetched_at synced_at"
    " tried_at failures seen_at deleted_at assigned_at attempts defined_at position warned_days"
    " sequence disabled_at passed succeeded_at failing_since paused_until put_at dead_at place"
    " inventory_id asked_at"
)
_BYTEA = (
    "fingerprint digest token_digest request_digest profile_digest token magic der body value certificate_pem key_pem"
    " nonce thumbprint sealed_identifier secrets link"
)
_BOOLEAN = "user_enrollment open unreadable put terms_open by_person"

_TYPES = {
    **dict.fromkeys(_BIGINT.split(), "bigint"),
    **dict.fromkeys(_BYTEA.split(), "bytea"),
    **dict.fromkeys(_BOOLEAN.split(), "boolean"),
}
"""Of columns, wherever they stand; all others are text."""


def arrays(columns: str, alias: str = "a", *, numbered: bool = False, first: int = 1) -> str:
    """The parameters $1 (or `first`), $2, ... , an array a column, as rows: with `numbered`, and `n` from 1."""
    names = columns.split()
    places = ", ".join(f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(names, first))
    if numbered:
        return f"unnest({places}) WITH ORDINALITY AS {alias} ({', '.join(names)}, n)"
    return f"unnest({places}) AS {alias} ({', '.join(names)})"


def looked_up(table: str, columns: str, where: str, alias: str, lock: str = "") -> str:
    """`LATERAL (...) AS alias`: rows of one table by a key from what stands before it in the statement.

    OFFSET 0 keeps it apart from the rest. As a plain join it could be planned the other way round, by reading the
    whole table where that was small when the statement was prepared.
    """
    return f"LATERAL (SELECT {', '.join(columns.split())} FROM {table} WHERE {where} OFFSET 0 {lock}) AS {alias}"


def same(key: str, value: str) -> str:
    """That a key of the table that is written is this value: a join that can only be planned one way, by the index."""
    return f"{key} = ANY (ARRAY[{value}])"


def listed(columns: str, alias: str) -> str:
    """`a.x, a.y` for "x y"."""
    return ", ".join(f"{alias}.{name}" for name in columns.split())


def select(rest: str, **lists: str) -> str:
    """`SELECT a.x, a.y, b.z` and the rest, for `a="x y", b="z"`."""
    return f"SELECT {', '.join(listed(columns, alias) for alias, columns in lists.items())} {rest}"


def insert(table: str, columns: str, then: str = "") -> str:
    """Insert a row for each place of the arrays, in their order."""
    names = ", ".join(columns.split())
    return f"INSERT INTO {table} ({names}) SELECT {listed(columns, 'a')} FROM {arrays(columns)} {then}"


def upsert(table: str, columns: str, key: str, then: str = "", **instead: str) -> str:
    """Insert, or replace every column of the row with this key; `instead` says otherwise for single columns."""
    return insert(table, columns, f"ON CONFLICT ({key}) DO UPDATE SET {replaced(columns, key, **instead)} {then}")


def replaced(columns: str, key: str, **instead: str) -> str:
    """What ON CONFLICT sets: every column but the key to what would have been inserted, or as `instead` says."""
    return ", ".join(f"{name} = {instead.get(name, f'excluded.{name}')}" for name in columns.split() if name != key)


def transposed(rows: Iterable[Row]) -> list[list[Any]]:
    """Rows (at least one) as the arrays of a statement."""
    return [list(column) for column in zip(*rows, strict=True)]


def spoken_by(connection_id: str, channel_id: str) -> str:
    """Whether a channel's key is one of this connection: the connection's own, or one of `<connection>/<user>`."""
    return (
        f"{channel_id} >= {connection_id} AND {channel_id} < {connection_id} || '0'"
        f" AND ({channel_id} = {connection_id} OR {channel_id} > {connection_id} || '/')"
    )
