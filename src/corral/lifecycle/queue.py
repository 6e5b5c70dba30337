"""Which command is next: the rule that every back-end's statement is held against."""

from collections.abc import Iterable

from corral.lifecycle.state import Consequence, Delivery, DeliveryState, Instant


def next_delivery(
    deliveries: Iterable[Delivery],
    now: Instant,
    *,
    after_idle: bool,
    only: frozenset[Consequence] | None = None,
) -> Delivery | None:
    """The delivery to send now: open, within its time, by priority, then in the order of queueing.

    One that was answered NotNow is offered again only in answer to Idle, since repeating it on the same
    connection loops for ever (Apple: "Handling NotNow status responses").
    """
    eligible = (
        each
        for each in deliveries
        if each.state is DeliveryState.OPEN
        and each.not_before <= now < each.expires_at
        and (after_idle or each.deferred_at is None)
        and (only is None or each.consequence in only)
    )
    return min(eligible, key=lambda each: (-each.priority, each.sequence), default=None)
