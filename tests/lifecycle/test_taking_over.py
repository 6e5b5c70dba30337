"""Whoever claims to be a connected device by his word alone waits; whoever shows more does not."""

from dataclasses import replace
from typing import Any

import pytest

from corral.apple.report import Status
from corral.lifecycle.change import ACCEPTED, Change, Decision, Work
from corral.lifecycle.decide import decide
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import OnTakeover, Policy
from corral.lifecycle.state import EndReason, Grant, Link, Phase, Snapshot
from corral.lifecycle.taking_over import is_held, let_in, let_in_by_itself, turn_away
from corral.pki.attestation import HardwareProperties
from lifecycle import arrange as a

ATTEMPT = a.life("life", Phase.AUTHENTICATING)
OLDER = a.life("older")
POLICY = Policy()


def claim(older: Any = OLDER, policy: Policy = POLICY, **fields: Any) -> Decision:
    """The first TokenUpdate of an attempt, while the device is connected."""
    plain: dict[str, Any] = {"grant": a.grant(), "link": a.link(), "channel": None}
    snapshot = a.seen(ATTEMPT, lives=(ATTEMPT, older), **plain | fields)
    return decide(snapshot, a.token_update(), a.identity(), policy, a.moment())


def held(**fields: Any) -> Snapshot:
    plain: dict[str, Any] = {"lives": (ATTEMPT, OLDER), "channel": a.channel(), "certificate": None, "grant": None}
    return a.seen(ATTEMPT, **plain | fields)


def test_by_a_link_for_anybody_a_newcomer_is_held_and_the_former_is_woken() -> None:
    decision = claim()
    assert decision.answer == ACCEPTED, "it is enrolled, and nobody is told that it is not"
    change = decision.change
    life = a.row(change)
    assert (life.phase, life.open, life.connected_at) == (Phase.AUTHENTICATING, False, None)
    assert [row.id for row in change.connections] == ["life"], "the former goes on"
    assert (change.grant, change.link_used) == (None, None)
    assert change.channels[0].token is not None
    assert change.work == (Work(kind="push", key="older", due_at=a.NOW),)
    assert a.event(change, "connection.takeover-held").data["would_replace"] == "older"


def test_who_is_held_gets_no_command_and_what_he_says_later_is_kept() -> None:
    waiting = held(certificate=a.certificate(), grant=a.grant(), link=a.link())
    report = decide(waiting, a.reported(Status.IDLE), a.identity(), POLICY, a.moment())
    assert (report.answer, report.change.is_empty) == (ACCEPTED, True)
    again = decide(waiting, a.token_update(token=b"another"), a.identity(), POLICY, a.moment())
    assert again.change.channels[0].token == b"another"
    assert a.row(again.change).phase is Phase.AUTHENTICATING


def test_an_attempt_that_another_had_replaced_is_held_in_its_place() -> None:
    superseded = a.life("life", Phase.ENDED, end_reason=EndReason.SUPERSEDED, connected_at=None)
    other = a.life("other", Phase.AUTHENTICATING)
    snapshot = a.seen(superseded, lives=(other, superseded, OLDER), grant=a.grant(), link=a.link(), channel=None)
    change = decide(snapshot, a.token_update(), a.identity(), POLICY, a.moment()).change
    rows = {row.id: row for row in change.connections}
    assert rows.pop("other").end_reason is EndReason.SUPERSEDED
    ((fresh, held_life),) = rows.items()
    assert held_life.phase is Phase.AUTHENTICATING
    assert change.channels[0].connection_id == fresh not in ("life", "older")


@pytest.mark.parametrize(
    "fields",
    [
        {"grant": a.grant(device_id=a.UDID)},
        {"grant": a.grant(serial_number="SERIAL")},
        {"certificate": a.certificate(attested=HardwareProperties(udid=a.UDID))},
        {"older": a.life("older", erasing_at=a.NOW - 1)},
        {"older": a.life("older", Phase.ENDING)},
        {"policy": Policy(on_takeover=OnTakeover.ACCEPT)},
    ],
    ids=["bound to the UDID", "bound to the serial number", "attested", "was erased", "was to end", "by policy"],
)
def test_with_more_than_his_word_he_takes_the_place_at_once(fields: dict[str, Any]) -> None:
    change = claim(**fields).change
    assert a.row(change).phase is Phase.CONNECTED
    assert a.row(change, "older").phase is Phase.ENDED


STRICT = Policy(on_takeover=OnTakeover.ATTESTED)


@pytest.mark.parametrize("grant", [a.grant(), a.grant(device_id=a.UDID), a.grant(serial_number="SERIAL")])
def test_under_the_strictest_policy_a_link_for_the_device_is_no_proof(grant: Grant) -> None:
    change = claim(policy=STRICT, grant=grant).change
    assert a.row(change).phase is Phase.AUTHENTICATING
    assert [row.id for row in change.connections] == ["life"]


@pytest.mark.parametrize(
    "fields",
    [
        {"certificate": a.certificate(attested=HardwareProperties(udid=a.UDID))},
        {"older": a.life("older", erasing_at=a.NOW - 1)},
    ],
    ids=["attested", "was erased"],
)
def test_under_the_strictest_policy_the_device_itself_takes_the_place_at_once(fields: dict[str, Any]) -> None:
    change = claim(policy=STRICT, grant=a.grant(device_id=a.UDID), **fields).change
    assert a.row(change).phase is Phase.CONNECTED


def test_what_another_device_attests_is_no_proof() -> None:
    attested = a.certificate(attested=HardwareProperties(udid="another", serial_number="C02"))
    assert a.row(claim(certificate=attested).change).phase is Phase.AUTHENTICATING


def test_a_link_for_ones_own_serial_number_is_no_proof_of_being_another_device() -> None:
    assert a.row(claim(grant=a.grant(serial_number="C02")).change).phase is Phase.AUTHENTICATING


@pytest.mark.parametrize("grant", [a.grant(), a.grant(serial_number="FAKE")], ids=["for anybody", "for his own"])
def test_a_newcomer_changes_nothing_of_what_is_known_of_a_connected_device(grant: Grant) -> None:
    device = a.device(serial_number="REAL")
    snapshot = a.seen(OLDER, device=device, lives=(OLDER,), certificate=a.certificate(device_id=None), bound=None)
    message = replace(a.authenticate(), serial_number="FAKE", os_version="9.0", device_name="mine", model_name="Mac")
    decision = decide(replace(snapshot, grant=grant, link=a.link()), message, a.identity(), POLICY, a.moment())
    assert (decision.answer, decision.change.device) == (ACCEPTED, device)


def test_a_newcomer_with_more_than_his_word_describes_the_device_but_for_its_serial_number() -> None:
    device = a.device(serial_number="REAL")
    snapshot = a.seen(OLDER, device=device, lives=(OLDER,), certificate=a.certificate(device_id=None), bound=None)
    message = replace(a.authenticate(), serial_number="FAKE", os_version="26.0")
    bound = replace(snapshot, grant=a.grant(device_id=a.UDID), link=a.link())
    change = decide(bound, message, a.identity(), POLICY, a.moment()).change
    assert change.device is not None
    assert (change.device.serial_number, change.device.os_version) == ("REAL", "26.0")


def test_who_is_let_in_takes_the_place_and_uses_up_the_link() -> None:
    change = let_in(held(), a.grant(), a.link(), "ann", a.moment())
    assert a.row(change).phase is Phase.CONNECTED
    assert (a.row(change, "older").phase, a.row(change, "older").end_reason) == (Phase.ENDED, EndReason.SUPERSEDED)
    assert (change.grant, change.link_used) == (a.grant(spent_at=a.NOW), "link")
    assert change.silence == ("older",)
    assert Work(kind="push", key="life", due_at=a.NOW) in change.work
    assert a.event(change, "connection.takeover-accepted").data == {"by": "ann"}
    assert (change.device_id, change.expects) == (a.UDID, 7)


@pytest.mark.parametrize(
    ("grant", "link", "why"),
    [
        (a.grant(), a.link(revoked_at=a.NOW - 1), "This enrollment link was withdrawn"),
        (a.grant(), a.link(uses=1, used=1), "This enrollment link has been used"),
        (a.grant(), a.link(expires_at=a.NOW - 1), "This enrollment link has expired"),
        (a.grant(expires_at=a.NOW - 1), a.link(), "this enrollment has expired"),
        (a.grant(revoked_at=a.NOW - 1), a.link(), "this enrollment was withdrawn"),
        (a.grant(spent_at=a.NOW - 1), a.link(), "this enrollment has already been used"),
    ],
)
def test_nobody_comes_in_by_himself_by_what_is_over_by_then(grant: Grant, link: Link, why: str) -> None:
    with pytest.raises(OperationRefused, match=why):
        let_in_by_itself(held(), grant, link, "Apple", a.moment())
    assert a.row(let_in(held(), grant, link, "ann", a.moment())).phase is Phase.CONNECTED, "a person may say so"


def test_who_is_let_in_by_himself_takes_the_place_like_any_other() -> None:
    by_itself = let_in_by_itself(held(), a.grant(), a.link(), "Apple", a.moment())
    assert by_itself == let_in(held(), a.grant(), a.link(), "Apple", a.moment())


def test_who_is_turned_away_is_told_to_leave_and_the_former_goes_on() -> None:
    change = turn_away(held(), "ann", a.moment())
    (over,) = change.connections
    assert (over.id, over.phase, over.end_reason) == ("life", Phase.ENDED, EndReason.REFUSED)
    assert over.ended_by_decision
    assert a.kinds(change) == ["connection.takeover-refused", "connection.ended"]
    gone = a.seen(over, lives=(OLDER, over))
    answer = decide(gone, a.reported(Status.IDLE), a.identity(), POLICY, a.moment())
    assert answer.change.unenrolling == "life"


@pytest.mark.parametrize(
    "snapshot",
    [Snapshot(), held(channel=None), held(channel=a.channel(token=None)), a.seen(OLDER)],
    ids=["nobody", "no channel", "no token yet", "connected"],
)
def test_only_who_is_held_can_be_decided_about(snapshot: Snapshot) -> None:
    assert not is_held(snapshot)

    def change(act: Any) -> Change:
        return act()

    for act in (
        lambda: let_in(snapshot, None, None, "ann", a.moment()),
        lambda: turn_away(snapshot, "ann", a.moment()),
    ):
        with pytest.raises(OperationRefused):
            change(act)
