"""Which command is next."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.lifecycle.queue import next_delivery
from corral.lifecycle.state import Consequence, Delivery, DeliveryState
from lifecycle import arrange as a


def plain(sequence: int = 1, **fields: Any) -> Delivery:
    return a.delivery(Consequence.PLAIN, sequence=sequence, command_uuid=f"command {sequence}", **fields)


def test_nothing_is_next_in_an_empty_queue() -> None:
    assert next_delivery([], a.NOW, after_idle=True) is None


def test_by_priority_and_then_in_the_order_of_queueing() -> None:
    queue = [plain(3), plain(2), plain(4, priority=1), plain(5, priority=1), plain(1, priority=-1)]
    assert next_delivery(queue, a.NOW, after_idle=True) == queue[2]
    assert next_delivery(queue[:2], a.NOW, after_idle=True) == queue[1]


@pytest.mark.parametrize("state", list(DeliveryState))
def test_only_what_is_open(state: DeliveryState) -> None:
    found = next_delivery([plain(state=state)], a.NOW, after_idle=True)
    assert (found is not None) == (state is DeliveryState.OPEN)


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"not_before": a.NOW}, True),
        ({"not_before": a.NOW + 1}, False),
        ({"expires_at": a.NOW}, False),
        ({"expires_at": a.NOW + 1}, True),
    ],
)
def test_only_within_its_time(fields: dict[str, Any], due: bool) -> None:
    assert (next_delivery([plain(**fields)], a.NOW, after_idle=True) is not None) == due


def test_what_was_answered_not_now_is_offered_again_only_after_idle() -> None:
    queue = [plain(1, deferred_at=a.NOW - 1, priority=9), plain(2)]
    assert next_delivery(queue, a.NOW, after_idle=False) == queue[1]
    assert next_delivery(queue, a.NOW, after_idle=True) == queue[0]
    assert next_delivery(queue[:1], a.NOW, after_idle=False) is None


def test_an_expired_identity_gets_only_what_is_allowed() -> None:
    queue = [plain(1), a.delivery(Consequence.RENEWAL, sequence=2)]
    only = frozenset({Consequence.RENEWAL})
    assert next_delivery(queue, a.NOW, after_idle=True, only=only) == queue[1]
    assert next_delivery(queue[:1], a.NOW, after_idle=True, only=only) is None


DELIVERIES = st.builds(
    plain,
    st.integers(1, 50),
    priority=st.integers(-2, 2),
    deferred_at=st.sampled_from([None, a.NOW]),
    not_before=st.sampled_from([0, a.NOW + 1]),
    state=st.sampled_from([DeliveryState.OPEN, DeliveryState.ERROR]),
)


@given(st.lists(DELIVERIES, max_size=12, unique_by=lambda d: d.sequence), st.booleans())
def test_nothing_that_may_go_out_comes_before_it(queue: list[Delivery], after_idle: bool) -> None:
    found = next_delivery(queue, a.NOW, after_idle=after_idle)
    allowed = [
        d
        for d in queue
        if d.state is DeliveryState.OPEN and d.not_before <= a.NOW and (after_idle or d.deferred_at is None)
    ]
    assert (found is None) == (not allowed)
    if found is not None:
        assert found in allowed
        assert all((-found.priority, found.sequence) <= (-d.priority, d.sequence) for d in allowed)
