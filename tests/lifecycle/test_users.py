"""User channels: row 13."""

from dataclasses import replace
from typing import Any

import pytest

from corral.apple import plist
from corral.apple.checkin import (
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    ReturnToService,
    SetBootstrapToken,
    UserAuthenticate,
)
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Report, Status
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, NextCommand, Work
from corral.lifecycle.decide import decide
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.policy import Policy, UserAuthentication
from corral.lifecycle.serving import MAY_HAVE_TOKEN
from corral.lifecycle.state import Channel, Consequence, Phase
from lifecycle import arrange as a

IDLE = Reported(Report(a.ANN, Status.IDLE), b"idle")
CHANNEL = a.channel(user_id="ANN", kind="user", short_name="ann", long_name="Ann Example")


def say(message: Message, policy: Policy | None = None, **fields: Any) -> Decision:
    life = fields.pop("life", None)
    return decide(a.seen(life, **{"channel": CHANNEL, **fields}), message, a.identity(), policy or Policy(), a.moment())


def status(decision: Decision) -> int:
    assert isinstance(decision.answer, Answer)
    return decision.answer.status


# UserAuthenticate


def test_row_13_nobody_is_authenticated_unless_configured() -> None:
    for response in (None, "Digest username"):
        decision = say(UserAuthenticate(a.ANN, response))
        assert status(decision) == 410
        assert decision.change == Change()


@pytest.mark.parametrize(("response", "key"), [(None, "DigestChallenge"), ("Digest username", "AuthToken")])
def test_row_13_an_empty_challenge_lets_every_user_in(response: str | None, key: str) -> None:
    policy = Policy(user_authentication=UserAuthentication.EMPTY_CHALLENGE)
    decision = say(UserAuthenticate(a.ANN, response), policy)
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 200
    assert plist.parse(decision.answer.body) == {key: ""}
    assert decision.answer.media_type.startswith("application/xml")
    assert status(say(UserAuthenticate(a.ANN, response), replace(policy, manage_users=False))) == 410


# TokenUpdate


def test_row_13_the_first_token_update_makes_the_channel() -> None:
    decision = say(a.token_update(a.ANN), channel=None)
    assert decision.answer == ACCEPTED
    change = decision.change
    assert change.channels == (replace(CHANNEL, token_updated_at=a.NOW),)
    assert change.work == (Work(kind="push", key="life/ANN", due_at=a.NOW),)
    assert a.event(change, "channel.connected").data == {"user_id": "ANN", "user_short_name": "ann"}
    assert (change.device_id, change.expects) == (a.UDID, 7)
    assert not change.connections, "its device is not touched"
    assert change.enqueue == ()


def test_row_13_a_later_token_update_replaces_the_token_and_keeps_the_names() -> None:
    nameless = Speaker(a.UDID, "ANN", Kind.USER)
    change = say(a.token_update(nameless, token=b"new", push_magic="other")).change
    assert change.channels == (replace(CHANNEL, token=b"new", magic="other", token_updated_at=a.NOW),)
    assert change.events == ()


def test_row_13_a_channel_that_was_over_begins_again() -> None:
    change = say(a.token_update(a.ANN), channel=replace(CHANNEL, ended_at=a.NOW, unreachable="gone")).change
    assert change.channels == (replace(CHANNEL, token_updated_at=a.NOW),)
    assert a.kinds(change) == ["channel.connected"]


def test_row_13_a_topic_without_a_certificate_is_not_pushed() -> None:
    change = say(a.token_update(a.ANN, topic="other")).change
    assert change.channels[0].unreachable == "no push certificate for its topic"
    assert change.work == ()


def test_row_13_users_are_not_managed_if_the_operator_says_so() -> None:
    decision = say(a.token_update(a.ANN), Policy(manage_users=False))
    assert status(decision) == 410
    assert decision.change == Change()


@pytest.mark.parametrize("life", [a.life(phase=Phase.ENDED)])
@pytest.mark.parametrize(
    "message", [a.token_update(a.ANN), UserAuthenticate(a.ANN), DeclarativeManagement(a.ANN, "tokens")]
)
def test_row_13_a_user_needs_a_device(life: Any, message: Message) -> None:
    assert status(say(message, life=life)) == 400
    assert status(say(message, bound=None)) == 400


def test_a_user_of_a_shared_ipad_is_released_from_setup_once() -> None:
    speaker = Speaker(a.UDID, "ann", Kind.SHARED_IPAD_USER, "ann")
    update = a.token_update(speaker, awaiting_configuration=True)
    change = say(update, channel=None).change
    (channel,) = change.channels
    assert (channel.kind, channel.awaiting_since) == ("shared_ipad_user", a.NOW)
    (release,) = change.enqueue
    assert (release.channel_id, release.request_type) == ("life/ann", "UserConfigured")
    assert release.consequence is Consequence.USER_CONFIGURED
    assert (release.not_before, release.priority < 0) == (a.NOW + Policy().setup_time, True)
    assert Work(kind="push-later", key="life/ann", due_at=release.not_before) in change.work
    assert "configuration.awaited" in a.kinds(change)
    again = say(update, channel=replace(channel, awaiting_since=a.NOW - 1)).change
    assert again.enqueue == ()
    assert again.channels[0].awaiting_since == a.NOW - 1
    over = say(a.token_update(speaker), channel=channel).change
    assert over.channels[0].awaiting_since is None


# CheckOut


def test_row_13_a_users_check_out_ends_the_channel_and_never_the_device() -> None:
    decision = say(a.check_out(a.ANN))
    assert decision.answer == ACCEPTED
    assert decision.change.channels == (replace(CHANNEL, ended_at=a.NOW),)
    assert decision.change.connections == ()
    assert decision.change.silence == ()
    assert a.kinds(decision.change) == ["channel.ended"]
    assert (decision.change.device_id, decision.change.expects) == (a.UDID, 7)


@pytest.mark.parametrize("channel", [None, replace(CHANNEL, ended_at=a.NOW - 1)])
def test_row_13_a_check_out_of_nobody_is_accepted(channel: Channel | None) -> None:
    decision = say(a.check_out(a.ANN), channel=channel)
    assert decision.answer == ACCEPTED
    assert decision.change == Change()
    assert say(a.check_out(a.ANN), bound=None).answer == ACCEPTED


# Reports


def test_a_users_poll_gets_the_next_command_of_its_own_channel() -> None:
    decision = say(IDLE)
    assert decision.answer == NextCommand("life/ANN", after_idle=True)
    assert decision.change.is_empty


@pytest.mark.parametrize("channel", [None, replace(CHANNEL, ended_at=a.NOW - 1)], ids=["unknown", "over"])
def test_a_channel_that_is_not_there_gets_no_command_and_its_results_are_kept(channel: Channel | None) -> None:
    idle = say(IDLE, channel=channel)
    assert idle.answer == ACCEPTED
    assert idle.change.is_empty
    report = say(a.reported(Status.ACKNOWLEDGED, a.ANN), channel=channel)
    assert report.answer == ACCEPTED
    assert report.change.result is not None
    assert report.change.result.channel_id == "life/ANN"


@pytest.mark.parametrize("channel", [CHANNEL, None])
def test_row_11_a_user_of_a_life_that_is_over_gets_nothing(channel: Channel | None) -> None:
    decision = say(IDLE, life=a.life(phase=Phase.ENDED), channel=channel)
    assert decision.answer == ACCEPTED
    assert a.kinds(decision.change) == ["connection.still-here"]


def test_a_users_report_of_nobody_is_400() -> None:
    assert status(say(IDLE, bound=None)) == 400


# The rest


def test_a_user_is_served_declarations() -> None:
    assert status(say(DeclarativeManagement(a.ANN, "tokens"))) == 200
    assert status(say(DeclarativeManagement(a.ANN, "declaration/asset/x"))) == 404
    assert say(GetToken(a.ANN, "com.apple.maid")) == Decision(MAY_HAVE_TOKEN)


@pytest.mark.parametrize(
    "message",
    [
        GetBootstrapToken(a.ANN),
        SetBootstrapToken(a.ANN, b"token"),
        ReturnToService(a.ANN),
        a.authenticate(a.ANN),
    ],
)
def test_what_only_a_device_says_is_400_on_a_user_channel(message: Message) -> None:
    decision = say(message)
    assert status(decision) == 400
    assert decision.change == Change()
