"""A key in the Secure Enclave, attested by (a stand-in for) Apple, certified by ACME, and renewed: whole processes.

Apple: "Managed Device Attestation", "ACMECertificate" payload; RFC 8555; draft-acme-device-attest-01.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from corral.apple.installed_profile import ScepIdentity, read_enrollment_profile
from corral.cli.simulating import Plan, make_acme_files
from corral.cli.simulating import run as simulate
from corral.simulator import attesting
from corral.simulator.acme_signing import sign_request
from corral.simulator.attesting import AttestationServer, attestation_server
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed, fetch_profile, open_profile
from corral.simulator.obtaining import obtain_identity
from e2e.acme_by_hand import AcmeByHand, csr, problem
from e2e.conftest import Start
from e2e.installation import Installation, Template, installation, until

DAY = timedelta(days=1)
BY_ACME = {"CORRAL_IDENTITY_ENROLLMENT": "acme", "CORRAL_ATTESTATION": "required"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    async with installation(template, tmp_path_factory.mktemp("acme"), BY_ACME) as made:
        yield made


def key_of(device: Device) -> ec.EllipticCurvePublicKey:
    assert device.enrollment is not None
    key = device.enrollment.identity.parsed.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


@pytest.mark.parametrize(("model", "system"), [(Model.IPHONE, "18.2"), (Model.MAC, "15.2")], ids=["iPhone", "Mac"])
async def test_a_device_enrolls_with_an_attested_key_obeys_and_renews(
    strict: Installation, model: Model, system: str
) -> None:
    device = await strict.enrolled(model, system)
    first = key_of(device)
    assert first.curve.name == "secp384r1"
    shown = await strict.get(f"/devices/{device.facts.udid}")
    attested = shown["certificates"][0]["attested"]
    assert attested["serial_number"] == device.facts.serial_number
    assert attested["os_version"] == device.facts.os_version
    assert (attested["udid"] == device.facts.udid) is (model is not Model.MAC), "a Mac's is its provisioning UDID"
    assert attested["secure_boot"] == ("full" if model is Model.MAC else None)

    uuid = await strict.send(device, "DeviceInformation", Queries=["SerialNumber"])
    await device.poll()
    assert (await strict.outcome(uuid))["delivery"]["state"] == "acknowledged"

    await strict.post(f"/devices/{device.facts.udid}/renew")
    await device.poll()
    await device.settle()
    assert key_of(device) != first, "a new key"
    lives = await strict.lives(device)
    assert [each["phase"] for each in lives] == ["connected"], "the same life"
    states = [each["status"] for each in (await strict.get(f"/devices/{device.facts.udid}"))["certificates"]]
    assert sorted(states) == ["bound", "retired"]


async def test_a_device_that_cannot_attest_is_let_in_where_attestation_is_off(start: Start) -> None:
    corral = await start({**BY_ACME, "CORRAL_ATTESTATION": "off"})
    device = await corral.enrolled(Model.MAC, "13.7.1")
    assert (await corral.life(device))["phase"] == "connected"
    assert (await corral.get(f"/devices/{device.facts.udid}"))["certificates"][0]["attested"] is None


async def test_a_device_with_an_attestation_of_a_foreign_root_does_not_enroll(strict: Installation) -> None:
    device = strict.device()
    device.world = replace(device.world, attester=attestation_server(datetime.now(UTC)))
    with pytest.raises(InstallationFailed, match=r"no trusted authority|did not sign"):
        await device.enroll(await strict.link())
    refused = [each for each in await strict.events(0) if each["type"] == "certificate.refused"]
    assert refused, "the operator is told"


async def test_the_unused_profile_of_a_link_is_of_no_use_at_scep(strict: Installation) -> None:
    """Whoever has the profile takes the secret out of it, and shows it as a challenge: no key is attested so."""
    thief = strict.device()
    raw = await fetch_profile(thief.voice, await strict.link(), strict.trust)
    acme = read_enrollment_profile(open_profile(raw).content).acme
    assert acme is not None
    for authority in ("corral", ""):
        wanted = ScepIdentity(f"{strict.url}/scep", authority, (("CN", "x"),), acme.client_identifier, 2048)
        with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
            await obtain_identity(thief.voice, wanted, strict.trust, await strict.world.keys.take())
    refused = [each for each in await strict.events(0) if each["type"] == "certificate.refused"]
    assert "this enrollment is for a certificate by ACME" in {each["data"]["why"] for each in refused}


async def test_a_link_may_have_a_way_of_its_own(corral: Installation) -> None:
    device = corral.device()
    await device.enroll(await corral.link(identity="acme"))
    assert key_of(device).curve.name == "secp384r1"
    plain = await corral.enrolled()
    assert plain.enrollment is not None
    assert isinstance(plain.enrollment.identity.parsed.public_key(), rsa.RSAPublicKey)


async def test_what_was_attested_survives_a_restart(start: Start) -> None:
    corral = await start(BY_ACME)
    device = await corral.enrolled()
    await corral.restart()
    shown = await corral.get(f"/devices/{device.facts.udid}")
    assert shown["certificates"][0]["attested"]["serial_number"] == device.facts.serial_number
    await until(lambda: device.poll(), 5)
    assert (await corral.life(device))["phase"] == "connected"


@pytest.fixture
def attacker(strict: Installation) -> AcmeByHand:
    return AcmeByHand(strict, strict.device())


async def test_a_replayed_request_is_refused(attacker: AcmeByHand) -> None:
    await attacker.begin()
    url = f"{attacker.corral.url}/acme/new-order"
    body = sign_request(attacker.account_key, url, await attacker.nonce(), {"identifiers": []}, kid=attacker.kid)
    assert problem(await attacker.send(url, body)) == "malformed"
    answer = await attacker.send(url, body)
    assert (answer.status, problem(answer)) == (400, "badNonce")


async def test_a_request_for_another_address_is_refused(attacker: AcmeByHand) -> None:
    order = await attacker.begin()
    elsewhere = order["finalize"].replace("/finalize/", "/certificate/")
    body = sign_request(attacker.account_key, elsewhere, await attacker.nonce(), None, kid=attacker.kid)
    assert problem(await attacker.send(order["finalize"], body)) == "unauthorized"


async def test_the_attestation_for_another_challenge_is_refused(attacker: AcmeByHand) -> None:
    order = await attacker.begin()
    other = await attacker.challenge(await attacker.order())
    challenge = await attacker.prove(order, ec.generate_private_key(ec.SECP384R1()), other["token"])
    assert challenge["status"] == "invalid"
    assert challenge["error"]["type"].endswith(":badAttestationStatement")


async def test_a_key_that_was_not_attested_is_refused(attacker: AcmeByHand) -> None:
    order = await attacker.begin()
    assert (await attacker.prove(order, ec.generate_private_key(ec.SECP384R1())))["status"] == "valid"
    stolen = ec.generate_private_key(ec.SECP384R1())
    assert problem(await attacker.post(order["finalize"], {"csr": csr(stolen)})) == "badCSR"


async def test_an_order_of_another_account_cannot_be_seen_or_finalized(attacker: AcmeByHand) -> None:
    order = await attacker.begin()
    thief = AcmeByHand(attacker.corral, attacker.device)
    await thief.register()
    for url in (*order["authorizations"], order["finalize"], order["finalize"].replace("finalize", "certificate")):
        answer = await thief.post(url, {"csr": ""})
        assert answer.status == 404


async def test_the_certificate_of_another_device_does_not_connect_this_one(strict: Installation) -> None:
    """A true attestation, but of another device than the one that checks in with the certificate."""
    device, honest = strict.device(), strict.template.attester
    device.world = replace(device.world, attester=OfAnother(honest.root, honest.between, honest.key))
    with pytest.raises(InstallationFailed, match="403"):
        await device.enroll(await strict.link())


class OfAnother(AttestationServer):
    """Vouches for the key as for that of another device."""

    def attest(
        self, key: ec.EllipticCurvePublicKey, said: Mapping[str, bytes], now: datetime, *, valid: timedelta = DAY
    ) -> tuple[bytes, ...]:
        return super().attest(key, {**said, attesting.SERIAL_NUMBER: b"C0FFEE1234"}, now, valid=valid)


async def test_a_simulated_fleet_attests_under_an_authority_of_its_own(start: Start, tmp_path: Path) -> None:
    """`corral simulate --acme-files`, whose root the service is told to believe."""
    make_acme_files(tmp_path / "acme")
    corral = await start({**BY_ACME, "CORRAL_ATTESTATION_ROOTS": str(tmp_path / "acme" / "attestation.pem")})
    (tmp_path / "ca.pem").write_text((await corral.get("/authority"))["certificate"])
    plan = Plan(
        source=await corral.link(uses=None),
        devices=3,
        scenarios=("poll",),
        seconds=0,
        concurrency=3,
        keys=1,
        seed=1,
        proxy_form=None,
        proxy_header="",
        ca=tmp_path / "ca.pem",
        push=None,
        push_files=None,
        acme_files=tmp_path / "acme",
        access=None,
    )
    assert [(tally.done, tally.failed) for tally in await simulate(plan)] == [(3, 0), (3, 0)]
    assert (await corral.get("/status"))["connections"]["connected"] == 3
