"""Why the next command waits: one true sentence for each reason."""

from dataclasses import replace
from typing import Any

import pytest

from corral.http.admin.resources.waiting import why_waiting
from corral.lifecycle.state import (
    HOUR,
    MINUTE,
    Channel,
    Connection,
    Consequence,
    Delivery,
    DeliveryState,
    Device,
    Origin,
    Phase,
    Renewal,
)
from corral.store.directory import DeviceDetail

NOW = 1_790_000_000_000
DEVICE = Device(id="D1", created_at=NOW)
LIFE = Connection(
    id="C1", device_id="D1", phase=Phase.CONNECTED, origin=Origin.ENROLLED, topic="com.apple.mgmt.x", created_at=NOW
)
CHANNEL = Channel(connection_id="C1", token=b"token", magic="magic", token_updated_at=NOW)
DETAIL = DeviceDetail(
    device=DEVICE,
    connections=(LIFE,),
    channels=(CHANNEL,),
    certificates=(),
    last_seen=None,
    open_commands=1,
    last_push=None,
)


def delivery(uuid: str = "U1", **fields: Any) -> Delivery:
    plain: dict[str, Any] = {
        "channel_id": "C1",
        "command_uuid": uuid,
        "request_type": "DeviceInformation",
        "consequence": Consequence.PLAIN,
        "state": DeliveryState.OPEN,
        "sequence": 1,
    }
    return Delivery(**{**plain, **fields})


REASONS: dict[str, tuple[DeviceDetail, Delivery, str]] = {
    "blocked": (replace(DETAIL, device=replace(DEVICE, blocked_at=NOW)), delivery(), "blocked"),
    "not installed": (
        replace(DETAIL, connections=(replace(LIFE, phase=Phase.AUTHENTICATING),)),
        delivery(),
        "not finished",
    ),
    "renewal": (
        replace(
            DETAIL, connections=(replace(LIFE, renewal=Renewal(grant_id="G", asked_at=NOW, authenticated_at=NOW)),)
        ),
        delivery(),
        "renewal is half done",
    ),
    "enrolls anew": (replace(DETAIL, connections=(replace(LIFE, reauthenticated_at=NOW),)), delivery(), "enrolls anew"),
    "not yet": (DETAIL, delivery(not_before=NOW + HOUR), "earlier"),
    "over": (DETAIL, delivery(expires_at=NOW), "time is over"),
    "no token": (replace(DETAIL, channels=(replace(CHANNEL, token_updated_at=None),)), delivery(), "push token"),
    "unreachable": (
        replace(DETAIL, channels=(replace(CHANNEL, unreachable="Apple: unregistered"),)),
        delivery(),
        "Apple: unregistered",
    ),
    "NotNow": (DETAIL, delivery(deferred_at=NOW, not_now_count=3), "NotNow at 2026-09-21 14:13:20 UTC, 3 times"),
    "pushed": (replace(DETAIL, last_push=(NOW, "accepted")), delivery(), "Apple took a push at 2026-09-21 14:13:20"),
    "heard": (replace(DETAIL, last_push=(NOW, "accepted"), last_seen=NOW - MINUTE), delivery(), "last heard at"),
    "refused push": (replace(DETAIL, last_push=(NOW, "BadTopic")), delivery(), "not accepted (BadTopic)"),
    "just queued": (DETAIL, delivery(), "asked to call"),
}


@pytest.mark.parametrize(("detail", "open_delivery", "told"), REASONS.values(), ids=REASONS)
def test_the_reason_is_told(detail: DeviceDetail, open_delivery: Delivery, told: str) -> None:
    (waiting,) = why_waiting(detail, [open_delivery], NOW)
    assert told in waiting.why
    assert waiting.command_uuid == "U1"
    assert (waiting.until is not None) == (open_delivery.not_before > NOW)


def test_the_next_command_is_the_one_that_the_queue_would_send() -> None:
    queue = [
        delivery("later", sequence=1, not_before=NOW + HOUR, priority=9),
        delivery("second", sequence=2),
        delivery("first", sequence=3, priority=5),
        delivery("done", sequence=0, priority=9, state=DeliveryState.ACKNOWLEDGED),
    ]
    assert [each.command_uuid for each in why_waiting(DETAIL, queue, NOW)] == ["first"]


def test_each_channel_has_its_own_reason() -> None:
    user = replace(CHANNEL, user_id="U", unreachable="it said goodbye")
    detail = replace(DETAIL, channels=(CHANNEL, user))
    waiting = why_waiting(detail, [delivery("of the user", channel_id="C1/U"), delivery("of the device")], NOW)
    assert [(each.channel_id, each.command_uuid) for each in waiting] == [
        ("C1", "of the device"),
        ("C1/U", "of the user"),
    ]


def test_nothing_open_means_nothing_waits() -> None:
    assert why_waiting(DETAIL, [], NOW) == ()
    assert why_waiting(DETAIL, [delivery(channel_id="of an older life")], NOW) == ()
