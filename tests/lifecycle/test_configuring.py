"""A device that waits in Setup Assistant is released, whatever else happens."""

import pytest

from corral.apple import plist
from corral.lifecycle.change import Change, Work
from corral.lifecycle.configuring import LOWEST
from corral.lifecycle.decide import decide
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import HOUR, SECOND, Connection, Consequence, Phase
from lifecycle import arrange as a

POLICY = Policy(setup_time=30 * SECOND)
DUE = a.NOW + 30 * SECOND


def update(life: Connection, *, awaiting: bool) -> Change:
    message = a.token_update(awaiting_configuration=awaiting)
    return decide(a.seen(life, grant=a.grant(), link=a.link()), message, a.identity(), POLICY, a.moment()).change


@pytest.mark.parametrize("phase", [Phase.AUTHENTICATING, Phase.CONNECTED])
def test_the_release_is_queued_in_the_commit_that_tells_of_the_waiting(phase: Phase) -> None:
    change = update(a.life(phase=phase), awaiting=True)
    assert a.row(change).awaiting_since == a.NOW
    assert a.row(change).open
    (release,) = change.enqueue
    assert (release.channel_id, release.request_type) == ("life", "DeviceConfigured")
    assert release.consequence is Consequence.DEVICE_CONFIGURED
    assert (release.priority, release.not_before, release.expires_at) == (LOWEST, DUE, None)
    body = plist.parse_dict(release.body)
    assert body == {"CommandUUID": release.command_uuid, "Command": {"RequestType": "DeviceConfigured"}}
    assert Work(kind="push-later", key="life", due_at=DUE) in change.work
    assert Work(kind="push", key="life", due_at=a.NOW) in change.work
    assert a.event(change, "configuration.awaited").connection_id == "life"


def test_the_release_is_queued_once_a_period() -> None:
    change = update(a.life(awaiting_since=a.NOW - HOUR), awaiting=True)
    assert change.enqueue == ()
    assert a.row(change).awaiting_since == a.NOW - HOUR
    assert a.kinds(change) == []


def test_a_device_that_waits_no_longer_says_so() -> None:
    change = update(a.life(awaiting_since=a.NOW - HOUR), awaiting=False)
    assert a.row(change) == a.life()
    assert change.enqueue == ()


def test_a_device_that_does_not_wait_gets_no_release() -> None:
    change = update(a.life(), awaiting=False)
    assert a.row(change) == a.life()
    assert change.enqueue == ()
    assert [work.kind for work in change.work] == ["push"]
