"""Where devices show their certificate in the TLS connection itself: what else is said there says nothing."""

import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from attacks.forging import claiming, copied, foreign_authority, issued, own_authority, under
from attacks.scene import CLONE, Scene, refused
from corral.simulator.identity import Identity, ProxyHeader, Signed, TlsCertificate
from corral.simulator.transport import Response, Unreachable
from e2e.installation import Template, installation
from e2e.messages import authenticate, check_in, enrollment_of, report, update_token


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Scene]:
    async with installation(template, tmp_path_factory.mktemp("tls"), {"CORRAL_IDENTITY": "tls"}) as at:
        yield await Scene.of(at, proof=TlsCertificate())


async def test_a_message_on_a_connection_without_a_certificate_is_nobodys(scene: Scene) -> None:
    """Whatever its headers say: a signature that is true, and what a proxy would say."""
    idle, identity = enrollment_of(scene.owner).device.idle, enrollment_of(scene.owner).identity
    signed = identity.prove(Signed(), idle, datetime.now(UTC), signs_time=True)
    async with scene.unharmed():
        for headers in ((), signed, (("Client-Cert", ProxyHeader().value(identity.parsed)),)):
            answer = await scene.at.transport.request(
                "PUT", f"{scene.at.url}/mdm", headers=headers, body=idle, trust=scene.at.trust
            )
            refused(answer, 400, "Not identified: no client certificate in the TLS connection.")


async def test_a_connection_of_one_device_carries_no_message_of_another(scene: Scene) -> None:
    thief = await scene.at.enrolled(proof=TlsCertificate())
    claimed = claiming(thief, scene.owner)
    signed = enrollment_of(scene.owner).identity.prove(
        Signed(), claimed.device.idle, datetime.now(UTC), signs_time=True
    )
    async with scene.unharmed("connection.clone-refused"):
        for answer in (
            await report(thief, enrollment=claimed),
            await update_token(thief, claimed),
            await check_in(thief, "CheckOut", claimed),
            await authenticate(thief, claimed),
            await _with_headers(scene, enrollment_of(thief).identity, claimed.device.idle, signed),
        ):
            refused(answer, 403, CLONE)


async def _with_headers(
    scene: Scene, identity: Identity, body: bytes, headers: tuple[tuple[str, str], ...]
) -> Response:
    return await scene.at.transport.request(
        "PUT", f"{scene.at.url}/mdm", headers=headers, body=body, trust=scene.at.trust, identity=identity
    )


async def test_a_certificate_that_nobody_here_has_issued_opens_no_connection(scene: Scene, template: Template) -> None:
    key, life = await scene.owner.world.keys.take(), (await scene.at.life(scene.owner))["id"]
    forged = (
        copied(enrollment_of(scene.owner).identity.parsed, key),
        issued(foreign_authority(await own_authority(template), key), key, life),
    )
    async with scene.unharmed():
        for identity in forged:
            with pytest.raises(Unreachable):
                await report(scene.owner, enrollment=under(scene.owner, identity))


async def test_a_certificate_without_its_key_opens_no_connection(scene: Scene) -> None:
    """It goes over the wire of every handshake: seeing it is easy."""
    own, key = enrollment_of(scene.owner), await scene.owner.world.keys.take()
    async with scene.unharmed():
        with pytest.raises((Unreachable, ssl.SSLError, ValueError)):
            await report(scene.owner, enrollment=replace(own, identity=Identity(own.identity.certificate, key)))


async def test_a_connection_that_is_kept_ends_what_was_revoked_at_the_next_message(scene: Scene) -> None:
    """Who is believed is asked of each message, not of the handshake."""
    device = await scene.at.enrolled(proof=TlsCertificate())
    assert (await report(device)).status == 200
    await scene.at.post(f"/devices/{device.facts.udid}/revoke-certificate", reason="the key was copied")
    async with scene.unharmed():
        why = "This certificate was replaced by a newer one of the same enrollment."
        refused(await report(device), 403, why)
