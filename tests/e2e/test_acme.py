"""A key in the Secure Enclave, attested by (a stand-in for) Apple, certified by ACME, and renewed: whole processes.

Apple: "Managed Device Attestation", "ACMECertificate" payload; RFC 8555; draft-acme-device-attest-01.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from corral.cli.simulating import Plan, make_acme_files
from corral.cli.simulating import run as simulate
from corral.simulator.device import Device
from corral.simulator.facts import Model
from e2e.conftest import DATABASES, Start, each_template
from e2e.installation import Installation, Template, installation, until

BY_ACME = {"CORRAL_IDENTITY_ENROLLMENT": "acme", "CORRAL_ATTESTATION": "required"}


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=DATABASES)
async def strict(
    request: pytest.FixtureRequest, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Installation]:
    folder = tmp_path_factory.mktemp("acme")
    with each_template(request.param, template, folder / "template") as own:
        async with installation(own, folder, BY_ACME) as made:
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


async def test_a_link_may_have_a_way_of_its_own(corral: Installation) -> None:
    device = corral.device()
    await device.enroll(await corral.link(identity="acme"))
    assert key_of(device).curve.name == "secp384r1"
    plain = await corral.enrolled()
    assert plain.enrollment is not None
    assert isinstance(plain.enrollment.identity.parsed.public_key(), rsa.RSAPublicKey)


async def test_what_was_attested_survives_a_restart(strict: Installation) -> None:
    device = await strict.enrolled()
    await strict.restart()
    shown = await strict.get(f"/devices/{device.facts.udid}")
    assert shown["certificates"][0]["attested"]["serial_number"] == device.facts.serial_number
    await until(lambda: device.poll(), 5)
    assert (await strict.life(device))["phase"] == "connected"


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
