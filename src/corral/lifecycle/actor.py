"""Who does something, from where: what an audit trail keeps of them."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """`kind` and `id` say who for sure, `name` for people; `operation` is the operation of the API that was asked for.

    `address` is the peer as the transport tells it; `agent` and `request` are what whoever asked says of themselves.
    `attempt` is what holds the request's idempotency key: what it changes is changed only while that is so. `seen`: the
    editions (lifecycle/edition.py) on which the request rests, None where it rests on none: nothing that was edited
    since is edited.
    """

    kind: str
    id: str
    name: str
    operation: str
    address: str = ""
    agent: str = ""
    request: str = ""
    attempt: str = ""
    seen: tuple[tuple[str, int], ...] | None = None


_ACTING: ContextVar[Actor | None] = ContextVar("corral.acting", default=None)


def acting() -> Actor | None:
    """Who acts in this task; None where nobody does, but a device or the service itself."""
    return _ACTING.get()


@contextmanager
def act_as(actor: Actor) -> Generator[None]:
    """What happens within, happens because of this actor.

    It is known at the door and needed at the bottom, where events are kept. Everything between would have to hand it
    on, and the one place that did not would be a change that nobody has made.
    """
    token = _ACTING.set(actor)
    try:
        yield
    finally:
        _ACTING.reset(token)
