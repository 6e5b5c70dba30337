"""The certificate authority is rolled over while devices are connected, over whole processes."""

import asyncio
import ssl

import pytest
from cryptography import x509

from corral.simulator.device import Device, State
from corral.simulator.fetching import fetch_profile
from corral.simulator.identity import TlsCertificate
from corral.simulator.trust import Trust, tls_context
from e2e.conftest import Start
from e2e.installation import HURRIED, Installation, installation, make_template, until
from e2e.messages import authenticate, draft, enrollment_of, report, update_token
from postgres_server import fresh_database

LEAD = 15
"""Seconds in which a new authority issues, and then some."""


async def states(at: Installation) -> dict[str, tuple[str, int]]:
    """Of every authority: its state, and the devices that depend on it."""
    found = (await at.get("/authorities"))["authorities"]
    return {each["id"]: (each["state"], each["identities"]) for each in found}


def issuer(device: Device) -> str:
    """The last word of the name of the authority that the device has its certificate from."""
    return enrollment_of(device).identity.parsed.issuer.rfc4514_string().rpartition(" ")[2]


async def shown_by(at: Installation, trust: Trust) -> str:
    """Who vouches for the service to a client that trusts these."""
    port = int(at.url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls_context(trust, None))
    der = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return x509.load_der_x509_certificate(der).issuer.rfc4514_string()


@pytest.mark.slow
async def test_a_fleet_is_rolled_over_to_a_new_authority(start: Start) -> None:
    at = await start(HURRIED)
    old, asleep, late = await at.enrolled(quiet=False), await at.enrolled(), at.device()
    given_out = await fetch_profile(late.voice, await at.link(), at.trust)
    queued, life = await at.send(asleep, "ProfileList"), await at.life(old)
    (first,) = await states(at)

    new = (await at.post("/authorities", over_days=0))["id"]
    assert await states(at) == {new: ("coming", 0), first: ("issuing", 2)}
    assert (await report(old)).status == 200

    # Without a restart: the device that hears pushes is renewed over, and keeps its life.
    await until(lambda: issuer(old) == "2", LEAD + 20)
    await until(lambda: stand(at, {new: ("issuing", 1), first: ("believed", 1)}))
    assert [each["id"] for each in await at.lives(old)] == [life["id"]]
    assert len(enrollment_of(old).profile.trust_roots) == 2

    # A new device comes to the new one. One whose profile was given out before comes to the authority that it names.
    assert issuer(await at.enrolled()) == "2"
    cached = await draft(late, given_out)
    assert cached.identity.parsed.issuer == enrollment_of(asleep).identity.parsed.issuer
    assert (await authenticate(late, cached)).status == (await update_token(late, cached)).status == 200
    assert (await report(asleep)).body != b""

    with pytest.raises(AssertionError, match=f"409.*certificate of {first}: 2; .*by {first} alone: 2"):
        await at.post(f"/authorities/{first}/retire")
    await asleep.poll()
    assert issuer(asleep) == "2"
    assert (await at.outcome(queued))["delivery"]["state"] == "acknowledged"

    # The one that came late depends on the old authority, and nobody else does any more.
    with pytest.raises(AssertionError, match=f"certificate of {first}: 1; .*by {first} alone: 1. Wait"):
        await at.post(f"/authorities/{first}/retire")
    await at.post(f"/authorities/{first}/retire", force=True)
    roots = enrollment_of(old).profile.trust_roots
    await until(lambda: vouched(at, roots))
    with pytest.raises(ssl.SSLCertVerificationError):
        await shown_by(at, at.trust)
    again = await at.post(f"/devices/{old.facts.udid}/renew")
    await until(lambda: is_done(at, again["command_uuid"]))
    assert old.complaints == asleep.complaints == [], "updates are still signed by whom the devices know"
    assert enrollment_of(old).profile.trust_roots == roots[1:]


@pytest.mark.slow
async def test_a_certificate_of_a_retired_authority_is_refused_as_an_unknown_one(start: Start) -> None:
    at = await start(HURRIED, plain=True)
    left = await at.enrolled()
    (first,) = await states(at)
    new = (await at.post("/authorities"))["id"]
    await until(lambda: stand(at, {new: ("issuing", 0), first: ("believed", 1)}), LEAD)
    assert (await report(left)).status == 200
    await at.post(f"/authorities/{first}/retire", force=True)
    answer = await report(left)
    assert (answer.status, left.state) == (400, State.ENROLLED), "it keeps its profile"
    assert b"no trusted authority" in answer.body
    with pytest.raises(AssertionError, match="409"):
        await at.post(f"/authorities/{first}/retire", force=True)
    await at.restart()
    assert (await report(left)).status == 400
    assert issuer(await at.enrolled()) == "2"


@pytest.mark.slow
async def test_certificates_of_a_new_authority_are_taken_in_the_handshake_without_a_restart(start: Start) -> None:
    at = await start(HURRIED | {"CORRAL_IDENTITY": "tls"})
    device, left = await at.enrolled(proof=TlsCertificate()), await at.enrolled(proof=TlsCertificate())
    (first,) = await states(at)
    new = (await at.post("/authorities", over_days=0))["id"]
    await until(lambda: stand(at, {new: ("issuing", 0), first: ("believed", 2)}), LEAD)
    await until(lambda: asked(at, device))
    await device.poll()
    assert issuer(device) == "2"
    assert (await report(device)).status == 200
    await at.post(f"/authorities/{first}/retire", force=True)
    assert (await report(device)).status == 200
    # Whether its connection lasts or it shows its certificate anew, it is believed no longer.
    assert (await report(left)).status == 400


@pytest.mark.slow
async def test_every_process_of_every_machine_takes_the_new_authority(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with fresh_database() as database:
        template = await asyncio.to_thread(make_template, tmp_path_factory.mktemp("template"), database)
        processes = HURRIED | {"CORRAL_WORKERS": "2", "CORRAL_DATABASE": database}
        async with installation(template, tmp_path_factory.mktemp("own"), processes) as at:
            device = await at.enrolled(quiet=False)
            await at.post("/authorities", over_days=0)
            await until(lambda: issuer(device) == "2", LEAD + 20)
            for _ in range(6):
                fresh = await at.enrolled()
                assert issuer(fresh) == "2"
                assert (await report(fresh)).status == (await report(device)).status == 200


async def stand(at: Installation, wanted: dict[str, tuple[str, int]]) -> bool:
    return await states(at) == wanted


async def asked(at: Installation, device: Device) -> bool:
    return (await at.life(device))["renewing_since"] is not None


async def is_done(at: Installation, command_uuid: str) -> bool:
    return (await at.outcome(command_uuid))["delivery"]["state"] == "acknowledged"


async def vouched(at: Installation, roots: tuple[bytes, ...]) -> bool:
    return (await shown_by(at, Trust(roots, system=False))).endswith(" 2")
