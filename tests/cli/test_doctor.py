"""`corral doctor`: each finding is one line, and what is wrong has a remedy."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Cli, Running, free_port
from corral.cli.examining import audit, installation, outside, service
from corral.cli.examining.finding import Finding, Level
from corral.settings import Settings, read_settings
from corral.simulator.attesting import attestation_server

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def status(**changes: Any) -> dict[str, Any]:
    """A healthy service."""
    healthy: dict[str, Any] = {
        "time": NOW.isoformat(),
        "push_certificates": [certificate()],
        "topics": {"com.apple.mgmt.x": 5},
        "authority": {"subject": "CN=A", "not_after": (NOW + timedelta(days=7000)).isoformat()},
        "expiries": [],
        "older_authorities": [],
        "unrenewed": {},
        "breaker_opened_at": None,
    }
    return {**healthy, **changes}


def certificate(days: float = 300, account: str = "a@example.org", stopped: str = "") -> dict[str, Any]:
    until = (NOW + timedelta(days=days)).isoformat()
    return {"topic": "com.apple.mgmt.x", "not_after": until, "apple_account": account, "stopped": stopped}


def older(devices: int, days: int) -> dict[str, Any]:
    return {"id": "a1b2", "devices": devices, "moved_by": (NOW + timedelta(days=days)).isoformat()}


def expiry(days: int, warning: int) -> dict[str, Any]:
    return {
        "kind": "TLS certificate",
        "name": "tls.pem",
        "days_left": days,
        "warning_days": warning,
        "remedy": "Replace the file.",
    }


def worst(findings: list[Finding]) -> Finding:
    order = [Level.OK, Level.WARN, Level.FAIL]
    return max(findings, key=lambda each: order.index(each.level))


SERVICE: dict[str, tuple[dict[str, Any], Level, str]] = {
    "healthy": (status(), Level.OK, ""),
    "no push certificate": (status(push_certificates=[], topics={}), Level.FAIL, "vendor"),
    "expired": (status(push_certificates=[certificate(-1)]), Level.FAIL, "a@example.org"),
    "expires tomorrow": (status(push_certificates=[certificate(1)]), Level.FAIL, "a@example.org"),
    "expires this month": (status(push_certificates=[certificate(29)]), Level.WARN, "a@example.org"),
    "refused by Apple": (status(push_certificates=[certificate(stopped="BadCertificate")]), Level.FAIL, "Renew"),
    "nobody's account": (status(push_certificates=[certificate(account="")]), Level.WARN, "--apple-account"),
    "orphans": (status(topics={"com.apple.mgmt.old": 3}), Level.FAIL, "enroll them again"),
    "authority ends": (status(authority={"subject": "CN=A", "not_after": NOW.isoformat()}), Level.FAIL, "new"),
    "TLS ends": (status(expiries=[expiry(20, 30)]), Level.WARN, "Replace"),
    "TLS ends this week": (status(expiries=[expiry(3, 7)]), Level.FAIL, "Replace"),
    "TLS has ended": (status(expiries=[expiry(-1, 0)]), Level.FAIL, "Replace"),
    "authority moves": (status(older_authorities=[older(3, 5)]), Level.OK, ""),
    "authority is late": (status(older_authorities=[older(3, -1)]), Level.WARN, "enroll them again"),
    "authority is done": (status(older_authorities=[older(0, 5)]), Level.WARN, "corral authority retire a1b2"),
    "devices near their end": (status(unrenewed={"30": 2}), Level.WARN, "wake these"),
    "devices at their end": (status(unrenewed={"30": 2, "7": 1}), Level.FAIL, "wake these"),
    "devices that have ended": (status(unrenewed={"0": 1}), Level.FAIL, "enroll them again"),
    "breaker open": (status(breaker_opened_at=NOW.isoformat()), Level.WARN, "corral breaker show"),
}


@pytest.mark.parametrize(("told", "level", "remedy"), SERVICE.values(), ids=SERVICE)
def test_what_the_service_tells_is_judged(told: dict[str, Any], level: Level, remedy: str) -> None:
    found = worst(service.examine(told))
    assert found.level is level
    assert remedy in found.remedy
    assert bool(found.remedy) == (level is not Level.OK)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir(0o700)
    for name in ("sealing.key", "corral.db"):
        (data / name).touch(0o600)
    return read_settings({"data": data, "public_url": "https://x"})


def test_a_sound_installation_is_ok(settings: Settings) -> None:
    assert {each.level for each in installation.examine(settings, 1)} == {Level.OK}


def test_open_permissions_fail_with_the_command_that_mends_them(settings: Settings) -> None:
    settings.data.chmod(0o755)
    settings.sealing_key_file.chmod(0o640)
    found = [each for each in installation.examine(settings, 1) if each.level is Level.FAIL]
    assert [each.remedy for each in found] == [
        f"Close it: chmod 700 {settings.data}",
        f"Close it: chmod 600 {settings.sealing_key_file}",
    ]


def test_a_missing_key_fails(settings: Settings) -> None:
    settings.sealing_key_file.unlink()
    assert worst(installation.examine(settings, 1)).subject == "sealing key"


def test_a_full_disk_warns(settings: Settings) -> None:
    found = worst(installation.examine(settings, 10_000_000))
    assert (found.level, found.subject) == (Level.WARN, "disk")


def test_a_clock_that_went_back_fails(settings: Settings) -> None:
    ahead = time.time() + 3600
    os.utime(settings.data / "corral.db", (ahead, ahead))
    found = worst(installation.examine(settings, 1))
    assert (found.level, found.subject) == (Level.FAIL, "clock")


def test_a_name_that_nobody_knows_fails() -> None:
    found = worst(outside.examine("https://corral.invalid", ""))
    assert (found.level, found.subject) == (Level.FAIL, "public name")
    assert "DNS" in found.remedy


def test_a_port_where_nobody_listens_fails() -> None:
    found = worst(outside.examine(f"https://127.0.0.1:{free_port()}", ""))
    assert (found.level, found.subject) == (Level.FAIL, "public URL")


def test_a_certificate_of_nobody_known_fails(running: Running) -> None:
    found = worst(outside.examine(running.url, ""))
    assert (found.level, found.subject) == (Level.FAIL, "TLS")
    assert "public authority" in found.remedy


END = {"place": 7, "link": "00" * 32}
TRAILS: list[tuple[dict[str, Any], Level, str]] = [
    ({"anchor": END, "head": END, "waiting": 3}, Level.OK, "up to 7"),
    ({"anchor": END, "head": END, "waiting": 1001}, Level.WARN, "1,001 entries wait"),
    ({"anchor": END, "head": None, "waiting": 0}, Level.FAIL, "do not open"),
    ({"anchor": None, "head": END, "waiting": 0}, Level.FAIL, "do not open"),
]


@pytest.mark.parametrize(("chain", "level", "told"), TRAILS)
def test_the_audit_trail_is_examined(chain: dict[str, Any], level: Level, told: str) -> None:
    (found,) = audit.examine(chain)
    assert found.level is level
    assert told in found.told
    assert bool(found.remedy) == (level is not Level.OK)


def test_on_the_installation_everything_is_examined(cli: Cli, running: Running) -> None:
    outcome = cli("doctor", "--data", running.data)
    assert outcome.code == 0, outcome
    assert "Corral's own authority" in outcome.out
    assert "reaches this service" in outcome.out
    assert "of Apple Account owner@example.org" in outcome.out
    found = json.loads(cli("doctor", "--data", running.data, "--json").out)["findings"]
    assert {each["level"] for each in found} == {"ok"}
    subjects = {each["subject"] for each in found}
    assert {"data folder", "sealing key", "disk", "clock", "service", "TLS", "push certificate"} <= subjects


def test_from_afar_what_can_be_seen_is_examined(cli: Cli, running: Running, home: Path) -> None:
    cli("authority", "show", "--data", running.data, "--out", home / "ca.pem")
    (home / "token").write_text(running.token)
    outcome = cli("doctor", "--url", running.url, "--token-file", home / "token", "--ca", home / "ca.pem")
    assert outcome.code == 0, outcome
    assert "disk" not in outcome.out
    assert "reaches this service" in outcome.out


def test_it_works_while_the_service_is_down(cli: Cli, home: Path) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    assert cli("init", "--data", home / "d", "--public-url", url).code == 0
    outcome = cli("doctor", "--data", home / "d")
    assert outcome.code == 1
    assert "service: The service does not run" in outcome.out
    assert "corral serve" in outcome.out
    assert "sealing key" in outcome.out
    assert not outcome.err


def test_an_installation_over_postgresql_is_one(cli: Cli, home: Path) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    assert cli("init", "--data", home / "d", "--public-url", url).code == 0
    for each in (home / "d").glob("corral.db*"):
        each.unlink()
    with (home / "d" / "corral.toml").open("a") as settings:
        settings.write('database = "postgresql://corral@127.0.0.1:1/corral"\n')
    outcome = cli("doctor", "--data", home / "d")
    assert "service: The service does not run" in outcome.out
    assert "sealing key" in outcome.out
    assert not outcome.err


def test_without_an_installation_it_says_so(cli: Cli, home: Path) -> None:
    outcome = cli("doctor", "--data", home / "nothing")
    assert outcome.code == 1
    assert "corral init" in outcome.error


def test_doctor_says_whose_attestations_are_believed(tmp_path: Path) -> None:
    def told(**settings: Any) -> Finding:
        given = Settings(data=tmp_path, public_url="https://mdm.example.org", **settings)
        return next(each for each in installation.examine(given, 5) if each.subject == "attestation")

    assert "Apple's enterprise attestation root" in told().told
    assert "not asked" in told(attestation="off").told
    roots = tmp_path / "roots.pem"
    missing = told(attestation_roots=roots)
    assert missing.level is Level.FAIL
    roots.write_bytes(attestation_server(datetime.now(UTC), "Lab").root_pem)
    other = told(attestation_roots=roots)
    assert other.level is Level.WARN
    assert "CN=Lab Root CA" in other.told
