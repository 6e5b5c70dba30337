"""Who is speaking, as far as it is proven, and at what moment."""

from collections.abc import Callable

from corral.lifecycle.state import Instant
from corral.values import frozen


@frozen(kw_only=True)
class Identity:
    """A certificate whose holder has proven its key, under an authority that is trusted."""

    fingerprint: bytes
    authority: str = ""
    """Empty for our own; else the name of a foreign authority."""
    issuer: str = ""
    """Of our own: the id of the authority, of those that there are, that issued it."""
    connection_id: str | None = None
    """The life that a certificate of our own names in its subject alternative name."""
    not_after: Instant
    der: bytes = b""


@frozen(kw_only=True)
class Moment:
    """The time of a decision, a source of fresh identifiers (UUIDs) for what it creates, and what rules say to it."""

    now: Instant
    fresh_id: Callable[[], str]
    objection: str = ""
    """Why the operator's rules are against the device that begins a life now; empty if they are not."""
