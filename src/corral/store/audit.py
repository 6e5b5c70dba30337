"""The audit trail: who did what, on what, from where, and how it ended. Entries are added, and never changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from corral.lifecycle.actor import Actor
from corral.lifecycle.state import Instant


class AuditOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`what` is the type of the event, where the change wrote one; else the operation. Never holds a secret."""

    actor: Actor
    at: Instant
    outcome: AuditOutcome
    what: str
    device_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """An entry as it is kept. `place` is its place in the chain, None until it has one."""

    sequence: int
    entry: AuditEntry
    place: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Newest first. `actor` is an id or a name; `before` the sequence that a page ends above."""

    limit: int
    before: int | None = None
    actor: str | None = None
    what: str | None = None
    operation: str | None = None
    device_id: str | None = None
    outcome: AuditOutcome | None = None
    since: Instant | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class End:
    """A place in the chain and its link."""

    place: int
    link: bytes


BEGINNING = End(0, bytes(32))


@dataclass(frozen=True, slots=True)
class Linked:
    """An entry in the chain: its place, what is hashed of it (the place and the columns, as a JSON array), its link."""

    place: int
    columns: tuple[int | str | None, ...]
    link: bytes

    @property
    def content(self) -> bytes:
        return msgspec.json.encode(self.columns)

    def follows(self, previous: bytes) -> bool:
        """Whether this is the link of this entry behind that one."""
        return link_of(previous, self.content) == self.link


def link_of(previous: bytes, content: bytes) -> bytes:
    return hashlib.sha256(previous + content).digest()


@dataclass(frozen=True, slots=True)
class Ends:
    """`anchor` is the last that retention has deleted, where the chain begins now; `head` the last that was linked.

    Both are sealed: who can write in the database alone cannot move them. None: it cannot be opened. `waiting` counts
    the entries that have no place yet.
    """

    anchor: End | None
    head: End | None
    waiting: int


class AuditStore(Protocol):
    async def note(self, entry: AuditEntry) -> None:
        """One that no event brings: a refusal, a failure, a look at a secret."""
        ...

    async def read(self, query: AuditQuery) -> tuple[Audited, ...]: ...

    async def chain(self, limit: int) -> int:
        """Link up to so many that wait, the oldest first; returns how many. None while another process does it."""
        ...

    async def linked(self, after: int, limit: int) -> tuple[Linked, ...]:
        """Of the chain, from behind this place on."""
        ...

    async def ends(self) -> Ends: ...

    async def forget(self, before: Instant, limit: int) -> int:
        """Delete up to so many from the beginning of the chain on, as far as they are older; the anchor moves."""
        ...
