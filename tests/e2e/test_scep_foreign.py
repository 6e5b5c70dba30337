"""Certificates for a client that nobody here wrote: `scepclient` of Debian's package scep, over TLS."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment, new_device_channel
from corral.simulator.fetching import open_profile
from corral.simulator.identity import Identity
from corral.simulator.installing import read_profile
from e2e.installation import Installation
from e2e.messages import authenticate, report, update_token

CLIENT = shutil.which("scepclient")
pytestmark = pytest.mark.skipif(CLIENT is None, reason="scepclient is missing: apt-get install scep")


async def unsigned_profile(at: Installation, **link: object) -> bytes:
    made = await at.post("/links", **link)
    answer = await at.api.post(f"/links/{made['link']['id']}/profile", json={"signed": False})
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    return answer.content


def challenge_of(profile: bytes) -> str:
    wanted = read_profile(open_profile(profile), None).scep
    assert wanted is not None
    assert wanted.challenge
    return wanted.challenge


async def run(at: Installation, folder: Path, challenge: str) -> subprocess.CompletedProcess[str]:
    """One certificate in `folder`; the second time a renewal of the first."""
    assert CLIENT is not None
    root = folder / "root.pem"
    root.write_bytes(x509.load_der_x509_certificate(at.trust.roots[0]).public_bytes(Encoding.PEM))
    files = ("-private-key", str(folder / "client.key"), "-certificate", str(folder / "client.pem"))
    return await asyncio.to_thread(
        subprocess.run,
        [
            CLIENT,
            "-server-url",
            f"{at.url}/scep",
            "-challenge",
            challenge,
            "-cn",
            "whatever it likes",
            *files,
            "-debug",
        ],
        cwd=folder,
        env={"SSL_CERT_FILE": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def identity_in(folder: Path) -> Identity:
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((folder / "client.pem").read_bytes())
    assert certificate.public_key() == key.public_key()
    return Identity(certificate.public_bytes(Encoding.DER), key)


def enrollment(at: Installation, device: Device, profile: bytes, identity: Identity) -> Enrollment:
    content = read_profile(open_profile(profile), None)
    channel = new_device_channel(device.facts, device.behaviour, rights=content.access_rights)
    return Enrollment(profile=content, signer=None, identity=identity, trust=at.trust, device=channel)


async def test_its_certificate_connects_a_device_and_is_renewed(corral: Installation, tmp_path: Path) -> None:
    profile, device = await unsigned_profile(corral), corral.device()
    done = await run(corral, tmp_path, challenge_of(profile))
    assert done.returncode == 0, done.stdout + done.stderr
    first = identity_in(tmp_path)
    authority = x509.load_der_x509_certificate(corral.trust.roots[0])
    first.parsed.verify_directly_issued_by(authority)
    assert "whatever" not in first.parsed.subject.rfc4514_string(), "the subject comes from the grant"

    used = enrollment(corral, device, profile, first)
    assert (await authenticate(device, used)).status == 200
    assert (await update_token(device, used)).status == 200
    life = await corral.life(device)
    assert life["id"] in first.parsed.subject.rfc4514_string()

    again = await run(corral, tmp_path, "no challenge is needed to renew")
    assert again.returncode == 0, again.stdout + again.stderr
    second = identity_in(tmp_path)
    assert second.certificate != first.certificate
    second.parsed.verify_directly_issued_by(authority)
    renewed = replace(used, identity=second)
    assert (await report(device, enrollment=used)).status == 200
    assert (await update_token(device, renewed)).status == 200
    assert await corral.life(device) == life
    shown = (await corral.get(f"/devices/{device.facts.udid}"))["certificates"]
    assert {(each["purpose"], each["status"]) for each in shown} == {("enroll", "retired"), ("renew", "bound")}
    third = await run(corral, tmp_path, "")
    assert third.returncode == 0, "and renews what was renewed"


async def test_a_guessed_or_spent_challenge_gets_nothing(corral: Installation, tmp_path: Path) -> None:
    guessed, spent = tmp_path / "guessed", tmp_path / "spent"
    guessed.mkdir()
    spent.mkdir()
    profile, device = await unsigned_profile(corral), corral.device()
    await device.enroll(profile)
    for folder, challenge in ((guessed, "e.0000000000000000.0.AAAAAAAAAAAAAAAAAAAAAA"), (spent, challenge_of(profile))):
        done = await run(corral, folder, challenge)
        assert done.returncode != 0
        assert "badRequest" in done.stdout + done.stderr
        assert not (folder / "client.pem").exists()


async def test_a_device_that_has_left_renews_nothing(corral: Installation, tmp_path: Path) -> None:
    profile, device = await unsigned_profile(corral), corral.device()
    assert (await run(corral, tmp_path, challenge_of(profile))).returncode == 0
    used = enrollment(corral, device, profile, identity_in(tmp_path))
    await authenticate(device, used)
    await update_token(device, used)
    device.adopt(used)
    await device.leave()
    assert (await corral.life(device))["phase"] == "ended"
    done = await run(corral, tmp_path, "")
    assert done.returncode != 0
    assert identity_in(tmp_path).certificate == used.identity.certificate
