"""`corral simulate` before it simulates: files for a stand-in, and wrong usage."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cli.conftest import Cli
from corral.cli.api_operator import ApiOperator
from corral.cli.simulating import Plan, _play  # pyright: ignore[reportPrivateUsage]
from corral.simulator.attesting import AttestationServer
from corral.simulator.device import Device
from corral.simulator.fleet import Tally


def test_push_files_are_made_once(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "push"
    assert cli("simulate", "--push-files", str(folder)).code == 0
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(made) == ["apns.pem", "apple.pem", "push.key", "push.pem"]
    assert (folder / "push.key").stat().st_mode & 0o077 == 0
    certificate = x509.load_pem_x509_certificate(made["push.pem"])
    key = load_pem_private_key(made["push.key"], None)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(made["apns.pem"]))
    assert cli("simulate", "--push-files", str(folder)).code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


def test_scenarios_are_listed_without_a_source(cli: Cli) -> None:
    outcome = cli("simulate", "--scenario", "list")
    assert outcome.code == 0
    assert "restore-same-device" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Name an enrollment link or a profile"),
        (("nothing-here",), "nothing-here is neither a URL nor a file."),
        (("https://mdm.example.org", "--scenario", "dance"), "There is no scenario dance"),
    ],
)
def test_wrong_usage_is_told_in_one_line(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    outcome = cli("simulate", *arguments)
    assert outcome.code == 2
    assert told in outcome.error


def test_acme_files_are_made_once(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "acme"
    assert cli("simulate", "--acme-files", str(folder)).code == 0
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(made) == ["attestation.pem", "attester.pem"]
    assert (folder / "attester.pem").stat().st_mode & 0o077 == 0
    again = AttestationServer.from_pem(made["attester.pem"])
    again.between.verify_directly_issued_by(x509.load_pem_x509_certificate(made["attestation.pem"]))
    assert again.key.public_key() == again.between.public_key()
    assert cli("simulate", "--acme-files", str(folder)).code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


@pytest.mark.parametrize("asks", [True, False])
async def test_poll_goes_round_for_so_long_whether_or_not_the_service_is_asked_too(asks: bool) -> None:
    class Fleet:
        async def poll(self, devices: list[Device], *, seconds: float | None) -> Tally:
            return Tally("polled", done=len(devices), seconds=seconds or 0.0)

    plan = cast(Plan, SimpleNamespace(seconds=60.0, seed=0, devices=0))
    operator = cast(ApiOperator, object()) if asks else None
    tally = await _play("poll", plan, cast(Any, Fleet()), [], cast(Any, None), operator)
    assert (tally.what, tally.seconds) == ("polled", 60.0)
