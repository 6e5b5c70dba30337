"""Certificates by ACME for a client that nobody here wrote: Certbot's library, over TLS. Only the attestation is made
here, as no library makes those of Apple's devices."""

import asyncio
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.simulator.acme_signing import b64
from corral.simulator.attesting import attest_device, attestation_object
from corral.simulator.device import Device
from corral.simulator.fetching import open_profile
from corral.simulator.identity import Identity
from corral.simulator.installing import read_profile
from e2e.installation import Installation
from e2e.messages import authenticate, update_token
from e2e.test_scep_foreign import enrollment

PYTHON = Path("/usr/bin/python3")
CLIENT = Path(__file__).parent / "certbot_client.py"


def is_there() -> bool:
    asked = [PYTHON, "-c", "import acme, josepy"]
    return PYTHON.exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not is_there(), reason="Certbot's library is missing: apt-get install python3-acme")


@dataclass
class Told:
    """What came of it: the certificates (PEM), or the client's words for why there are none."""

    certificates: str
    error: str


async def obtain(
    at: Installation, folder: Path, identifier: str, key: ec.EllipticCurvePrivateKey, attested: Device, algorithm: str
) -> Told:
    """The client at work; the key is attested as that of this device."""
    root, key_file = folder / "root.pem", folder / "key.pem"
    root.write_bytes(x509.load_der_x509_certificate(at.trust.roots[0]).public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    arguments = (f"{at.url}/acme/directory", root, identifier, key_file, algorithm)
    process = await asyncio.create_subprocess_exec(
        *map(str, (PYTHON, "-W", "ignore", CLIENT, *arguments)),
        env={"PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    if line:
        nonce = json.loads(line)["token"].encode()
        chain = attest_device(at.template.attester, attested.facts, key.public_key(), nonce, datetime.now(UTC))
        process.stdin.write(f"{b64(attestation_object(chain))}\n".encode())
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in (0, 3), err.decode()
    return Told(out.decode(), err.decode())


async def profile_for(at: Installation, device: Device) -> bytes:
    link = await at.post("/links", identity="acme", serial_number=device.facts.serial_number)
    answer = await at.api.post(f"/links/{link['link']['id']}/profile", json={"signed": False})
    return answer.content


def identifier_of(profile: bytes) -> str:
    wanted = read_profile(open_profile(profile), None).acme
    assert wanted is not None
    return wanted.client_identifier


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_its_certificate_connects_the_device_that_attests(
    corral: Installation, tmp_path: Path, algorithm: str
) -> None:
    device, key = corral.device(), ec.generate_private_key(ec.SECP384R1())
    profile = await profile_for(corral, device)
    told = await obtain(corral, tmp_path, identifier_of(profile), key, device, algorithm)
    assert told.error == ""
    certificate, *others = x509.load_pem_x509_certificates(told.certificates.encode())
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(corral.trust.roots[0]))
    assert "whatever" not in certificate.subject.rfc4514_string(), "the subject comes from the grant"
    assert len(others) <= 1

    used = enrollment(corral, device, profile, Identity(certificate.public_bytes(Encoding.DER), key))
    assert (await authenticate(device, used)).status == 200
    assert (await update_token(device, used)).status == 200
    life = await corral.life(device)
    assert life["phase"] == "connected"
    assert life["id"] in certificate.subject.rfc4514_string()
    shown = (await corral.get(f"/devices/{device.facts.udid}"))["certificates"][0]
    assert shown["attested"]["serial_number"] == device.facts.serial_number


async def test_it_understands_why_it_gets_nothing(corral: Installation, tmp_path: Path) -> None:
    device, another, key = corral.device(), corral.device(), ec.generate_private_key(ec.SECP256R1())
    profile = await profile_for(corral, device)
    guessed = await obtain(corral, tmp_path, "e.0000000000000000.0.AAAAAAAAAAAAAAAAAAAAAA", key, device, "ES256")
    assert "rejectedIdentifier" in guessed.error
    stolen = await obtain(corral, tmp_path, identifier_of(profile), key, another, "ES256")
    assert "badAttestation" in stolen.error or "ValidationError" in stolen.error
    assert guessed.certificates == ""
    assert "BEGIN CERTIFICATE" not in stolen.certificates
