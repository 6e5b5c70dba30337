"""The admission policy and enrollment links: rules about a link itself, and about the device that comes by it."""

import pytest

from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed, fetch_profile
from corral.simulator.world import State
from e2e.factory import ruled, told
from e2e.installation import Installation


async def test_no_profile_is_given_out_for_a_link_that_the_policy_declines(corral: Installation) -> None:
    link, before = await corral.link(serial_number="C0LINK"), await corral.cursor()
    declined = {
        "when": {"kind": ["link"], "serial_number": ["C0LINK"]},
        "then": {"do": "decline", "message": "Not it."},
    }
    async with ruled(corral, declined):
        answer = await corral.transport.request("GET", f"{link}/profile", trust=corral.trust)
        assert (answer.status, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert b"Not it." in answer.body
        await fetch_profile(corral.device().voice, await corral.link(), corral.trust)
    (refused,) = await told(corral, before, "enrollment.refused")
    assert (refused["kind"], refused["rule"]) == ("link", "r1")


async def test_a_device_that_the_policy_declines_gets_in_by_no_link(corral: Installation) -> None:
    """Whoever holds a link says nothing of his device; it says so itself, at its Authenticate."""
    television, phone, link = corral.device(Model.APPLE_TV), corral.device(), await corral.link(uses=2)
    before = await corral.cursor()
    async with ruled(corral, {"when": {"platform": ["tvOS"]}, "then": {"do": "decline"}}):
        with pytest.raises(InstallationFailed):
            await television.enroll(link)
        await phone.enroll(link)
    assert (television.state, phone.state) == (State.NOT_ENROLLED, State.ENROLLED)
    (refused,) = await told(corral, before, "connection.refused")
    assert refused["why"] == "the policy declines it (rule r1)"
    await television.enroll(link)
    assert television.state is State.ENROLLED, "the attempt used the link up for nobody"


async def test_a_link_for_a_blocked_device_gives_no_profile(corral: Installation) -> None:
    device = await corral.enrolled()
    link = await corral.link(device_id=device.facts.udid)
    await corral.post(f"/devices/{device.facts.udid}/block")
    answer = await corral.transport.request("GET", f"{link}/profile", trust=corral.trust)
    assert answer.status == 403
    assert b"may not be managed here" in answer.body
