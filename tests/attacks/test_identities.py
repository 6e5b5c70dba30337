"""Who speaks with a certificate that is not his, or that is none (any more)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attacks.forging import (
    DAY,
    claiming,
    copied,
    for_a_server,
    foreign_authority,
    issued,
    made_by_a_device,
    own_authority,
    under,
)
from attacks.scene import CLONE, UNKNOWN, Scene, refused
from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment
from corral.simulator.facts import Model
from corral.simulator.identity import Identity
from corral.simulator.transport import Response
from e2e.authorities import ForeignAuthority
from e2e.authorities import under as enrolled_under
from e2e.conftest import Start
from e2e.installation import HURRIED, Installation, Template
from e2e.messages import authenticate, check_in, enrollment_of, report, update_token

Say = Callable[[Device, Enrollment], Awaitable[Response]]

MESSAGES: dict[str, Say] = {
    "Authenticate": authenticate,
    "TokenUpdate": update_token,
    "CheckOut": lambda device, claimed: check_in(device, "CheckOut", claimed, Topic="com.apple.mgmt.x"),
    "SetBootstrapToken": lambda device, claimed: check_in(device, "SetBootstrapToken", claimed, BootstrapToken=b"mine"),
    "GetBootstrapToken": lambda device, claimed: check_in(device, "GetBootstrapToken", claimed),
    "GetToken": lambda device, claimed: check_in(device, "GetToken", claimed, TokenServiceType="com.apple.maid"),
    "DeclarativeManagement": lambda device, claimed: check_in(
        device, "DeclarativeManagement", claimed, Endpoint="tokens"
    ),
    "ReturnToService": lambda device, claimed: check_in(device, "ReturnToService", claimed),
    "UserAuthenticate": lambda device, claimed: check_in(device, "UserAuthenticate", claimed, UserID="U"),
    "a poll": lambda device, claimed: report(device, "Idle", claimed),
    "a result": lambda device, claimed: report(device, "Acknowledged", claimed, CommandUUID="guessed"),
}


async def said(device: Device, enrollment: Enrollment) -> list[Response]:
    """The answers to one message of each kind that matters."""
    return [
        await report(device, enrollment=enrollment),
        await check_in(device, "GetBootstrapToken", enrollment),
        await update_token(device, enrollment),
        await check_in(device, "CheckOut", enrollment),
        await authenticate(device, enrollment),
    ]


@pytest.mark.parametrize("message", sorted(MESSAGES))
async def test_a_certificate_issued_for_one_device_cannot_speak_for_another(scene: Scene, message: str) -> None:
    thief = await scene.at.enrolled()
    async with scene.unharmed("connection.clone-refused"):
        for _ in range(3):
            refused(await MESSAGES[message](thief, claiming(thief, scene.owner)), 403, CLONE)


async def test_the_secrets_of_a_device_are_not_given_to_another(corral: Installation) -> None:
    scene = await Scene.of(corral, Model.MAC, "15.2", bootstrap_token=True)
    thief = await corral.enrolled(Model.MAC, "15.2")
    kept = (await check_in(scene.owner, "GetBootstrapToken")).body
    assert b"BootstrapToken" in kept
    async with scene.unharmed("connection.clone-refused"):
        refused(await check_in(thief, "GetBootstrapToken", claiming(thief, scene.owner)), 403, CLONE)
        assert b"BootstrapToken" not in (await check_in(thief, "GetBootstrapToken")).body
    assert (await check_in(scene.owner, "GetBootstrapToken")).body == kept


async def test_the_commands_of_a_device_are_not_given_to_another(scene: Scene) -> None:
    thief = await scene.at.enrolled()
    sent = await scene.at.send(scene.owner, "ProfileList")
    async with scene.unharmed("connection.clone-refused"):
        claimed = claiming(thief, scene.owner)
        refused(await report(thief, enrollment=claimed), 403, CLONE)
        refused(await report(thief, "Acknowledged", claimed, CommandUUID=sent), 403, CLONE)
        assert (await report(thief)).body == b"", "nor under his own name"
    assert (await scene.at.outcome(sent))["delivery"]["state"] == "acknowledged"


async def test_a_backup_of_one_device_on_another_is_refused(scene: Scene) -> None:
    """A clone, by Migration Assistant or by a thief: it has the key, but not the name."""
    clone = scene.at.device()
    async with scene.unharmed("connection.clone-refused"):
        for answer in await said(clone, enrollment_of(scene.owner).on(clone.facts.udid)):
            refused(answer, 403, CLONE)


async def test_somebody_elses_authority_of_the_same_name_vouches_for_nobody(scene: Scene, template: Template) -> None:
    key = await scene.owner.world.keys.take()
    life = (await scene.at.life(scene.owner))["id"]
    forged = issued(foreign_authority(await own_authority(template), key), key, life)
    async with scene.unharmed():
        for answer in await said(scene.owner, under(scene.owner, forged)):
            refused(answer, 400, "Not identified: the certificate bears the name of an authority that did not sign it.")


async def test_a_copy_of_a_certificate_with_another_key_is_worth_nothing(scene: Scene) -> None:
    forged = copied(enrollment_of(scene.owner).identity.parsed, await scene.owner.world.keys.take())
    async with scene.unharmed():
        for answer in await said(scene.owner, under(scene.owner, forged)):
            refused(answer, 400, "Not identified: the certificate bears the name of an authority that did not sign it.")


async def test_a_device_cannot_issue_certificates(scene: Scene) -> None:
    thief, key = await scene.at.enrolled(), await scene.owner.world.keys.take()
    forged = made_by_a_device(enrollment_of(thief).identity, key, enrollment_of(scene.owner).identity.parsed.subject)
    async with scene.unharmed():
        for answer in await said(scene.owner, under(scene.owner, forged)):
            refused(answer, 400, "Not identified: no trusted authority issued the certificate.")


async def test_the_certificate_of_the_server_signs_no_message(scene: Scene, template: Template) -> None:
    shown = for_a_server(await own_authority(template), await scene.owner.world.keys.take())
    async with scene.unharmed():
        for answer in await said(scene.owner, under(scene.owner, shown)):
            refused(
                answer,
                400,
                "Not identified: the certificate is not meant for client authentication (extended key usage).",
            )


async def test_the_authoritys_own_certificate_signs_no_message(scene: Scene, template: Template) -> None:
    authority = await own_authority(template)
    shown = Identity(authority.certificate.public_bytes(Encoding.DER), authority.key)
    async with scene.unharmed():
        for answer in await said(scene.owner, under(scene.owner, shown)):
            refused(answer, 400, "Not identified: the certificate is an authority's, not a device's.")


async def test_a_certificate_of_a_connection_that_never_was_speaks_for_nobody(scene: Scene, template: Template) -> None:
    """Truly issued here, for a life that nobody remembers."""
    key = await scene.owner.world.keys.take()
    lost = issued(await own_authority(template), key, "00000000-0000-4000-8000-000000000000")
    async with scene.unharmed("connection.refused"):
        *others, admitted = await said(scene.owner, under(scene.owner, lost))
        for answer in others:
            refused(answer, 400, UNKNOWN)
        refused(admitted, 403, "Not admitted: the certificate was issued for no enrollment that is known here.")


async def test_a_certificate_whose_row_is_lost_is_bound_to_no_other_device(scene: Scene, template: Template) -> None:
    """It names its connection itself; what it is shown under must be that one's device."""
    thief, key = await scene.at.enrolled(), await scene.owner.world.keys.take()
    lost = issued(await own_authority(template), key, (await scene.at.life(scene.owner))["id"])
    async with scene.unharmed():
        for say in (report, update_token):
            refused(await say(thief, enrollment=under(thief, lost)), 400, UNKNOWN)


async def test_an_expired_certificate_gets_no_command_and_no_secret(scene: Scene, template: Template) -> None:
    """Forty days after its end, when its key may have been sold with the device."""
    device = await scene.at.enrolled()
    key, life = await device.world.keys.take(), (await scene.at.life(device))["id"]
    expired = issued(await own_authority(template), key, life, begins=-400 * DAY, ends=-40 * DAY)
    sent = await scene.at.send(device, "ProfileList")
    old = under(device, expired)
    async with scene.unharmed("certificate.rebound", changes={"certificate", "device"}):
        answer = await report(device, enrollment=old)
        assert (answer.status, answer.body) == (200, b""), "nothing but a repair"
        for kind in ("GetBootstrapToken", "ReturnToService"):
            why = "The identity certificate has expired; enroll the device again."
            refused(await check_in(device, kind, old), 400, why)
    assert (await scene.at.outcome(sent))["delivery"]["state"] == "open"


async def test_a_certificate_of_the_future_is_not_good_yet(scene: Scene, template: Template) -> None:
    key, life = await scene.owner.world.keys.take(), (await scene.at.life(scene.owner))["id"]
    early = under(scene.owner, issued(await own_authority(template), key, life, begins=DAY, ends=2 * DAY))
    async with scene.unharmed():
        for answer in await said(scene.owner, early):
            assert answer.status == 400
            assert answer.body.startswith(b"Not identified: the certificate is not valid until ")


async def test_a_revoked_certificate_says_nothing_any_more(scene: Scene) -> None:
    """Its key was copied. The device that was robbed keeps its profile."""
    device = await scene.at.enrolled()
    await scene.at.send(device, "ProfileList")
    await scene.at.post(f"/devices/{device.facts.udid}/revoke-certificate", reason="the key was copied")
    async with scene.unharmed():
        for answer in await said(device, enrollment_of(device)):
            refused(answer, 403, "This certificate was replaced by a newer one of the same enrollment.")


async def test_the_certificate_of_a_retired_authority_is_an_unknown_one(start: Start) -> None:
    at = await start(HURRIED, plain=True)
    left = await at.enrolled()
    (first,) = (await at.get("/authorities"))["authorities"]
    await at.post("/authorities")
    await at.restart(days_ahead=0.1)
    scene = await Scene.of(at)
    assert (await report(left)).status == 200
    await at.post(f"/authorities/{first['id']}/retire", force=True)
    async with scene.unharmed():
        for answer in await said(left, enrollment_of(left)):
            refused(answer, 400, "Not identified: no trusted authority issued the certificate.")


async def test_a_foreign_authority_that_names_a_connection_of_ours_speaks_for_nobody(
    start: Start, tmp_path: Path
) -> None:
    """It is trusted, and lets nobody in: least of all by the name that we give to connections."""
    stranger = ForeignAuthority()
    (tmp_path / "ca.pem").write_bytes(stranger.pem)
    scene = await Scene.of(await start({"CORRAL_AUTHORITIES": f"acme={tmp_path / 'ca.pem'}"}))
    thief, key = scene.at.device(), await scene.owner.world.keys.take()
    life = (await scene.at.life(scene.owner))["id"]
    named = enrollment_of(scene.owner).identity.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    forged = await enrolled_under(thief, scene.at, stranger.issue(key, f"Device {life}", named.value), key)
    claimed = replace(forged, device=forged.device.renamed(scene.owner.facts.udid))
    async with scene.unharmed("connection.refused"):
        for say in (report, update_token):
            refused(await say(thief, enrollment=claimed), 400, UNKNOWN)
        refused(
            await authenticate(thief, claimed),
            403,
            "Not admitted: certificates of another authority are not admitted here.",
        )
