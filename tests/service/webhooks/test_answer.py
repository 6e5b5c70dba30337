"""When a receiver wants to be called again."""

import pytest

from corral.lifecycle.state import HOUR, SECOND
from corral.outgoing import Reply
from corral.service.webhooks.answer import Refused, outcome

NOW = 1_780_272_000_000  # 2026-06-01T00:00:00Z


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("120", NOW + 120 * SECOND),
        ("Mon, 01 Jun 2026 00:02:00 GMT", NOW + 120 * SECOND),
        ("Mon, 01 Jun 2026 00:02:00 -0000", NOW + 120 * SECOND),
        ("999999999999", NOW + HOUR),
        ("Tue, 01 Jun 2027 00:00:00 GMT", NOW + HOUR),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_receiver_may_ask_to_be_left_alone_for_a_while(asked: str, until: int) -> None:
    assert outcome(Reply(503, {"retry-after": asked}, b""), NOW) == Refused("answered 503 Service Unavailable", until)
