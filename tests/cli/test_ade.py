"""`corral ade` over a running service, and what doctor says of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Cli, Running
from corral.cli.examining import automated
from corral.cli.examining.finding import Level

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_server_is_added_listed_shown_and_removed(cli: Cli, service: Running) -> None:
    assert "No server" in cli("ade", "server", "list").out
    assert "begin with `corral ade server add NAME`" in cli("ade", "sync").error
    added = cli("ade", "server", "add", "main")
    assert "main.pem" in added.out
    assert Path("main.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert cli("ade", "server", "add", "main", "--out", "other.pem").code == 1
    assert "no token yet" in cli("ade", "server", "list").out
    assert "no token yet" in cli("ade", "sync").error
    Path("token.p7m").write_text("nothing")
    assert "no token for main" in cli("ade", "server", "import-token", "main", "token.p7m").error
    assert json.loads(cli("ade", "profile", "list", "--json").out) == {"profiles": []}
    assert "No rule" in cli("ade", "rule", "list").out
    assert "no profile lab" in cli("ade", "rule", "add", "serial", "X*", "lab").error
    assert cli("ade", "rule", "remove", "1").code == 3
    assert "No device" in cli("ade", "device", "list").out
    cli("ade", "server", "add", "second")
    assert "name one with --server: main, second" in cli("ade", "rule", "list").error
    for name in ("main", "second"):
        assert cli("ade", "server", "remove", name, "--yes").code == 0
    assert cli("ade", "server", "show", "main").code == 3
    assert cli("ade", "device", "show", "nobody").code == 3


def server(**fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": "main",
        "org_name": "Example",
        "has_token": True,
        "token_expires_at": (NOW + timedelta(days=300)).isoformat(),
        "synced_at": NOW.isoformat(),
        "problem": "",
        "terms_open": False,
    }
    return plain | fields


def days(count: int) -> str:
    return (NOW + timedelta(days=count, hours=1)).isoformat()


@pytest.mark.parametrize(
    ("found", "level", "told"),
    [
        (server(), Level.OK, "synchronized 0.0 hours ago"),
        (server(has_token=False), Level.WARN, "no token yet"),
        (server(token_expires_at=days(50)), Level.WARN, "expires in 50 days"),
        (server(token_expires_at=days(7)), Level.FAIL, "expires in 7 days"),
        (server(token_expires_at=days(-2)), Level.FAIL, "has expired"),
        (server(terms_open=True, problem="x"), Level.FAIL, "terms"),
        (server(problem="Apple denies access"), Level.FAIL, "Apple denies access"),
        (server(synced_at=None), Level.WARN, "never synchronized"),
        (server(synced_at=days(-1)), Level.WARN, "hours ago"),
    ],
    ids=str,
)
def test_doctor_says_what_stands_in_the_way(found: dict[str, Any], level: Level, told: str) -> None:
    findings = automated.examine([found], NOW)
    worst = [each for each in findings if each.level is level and told in each.told]
    assert worst, findings
    assert all(each.remedy for each in findings if each.level is not Level.OK)


def test_doctor_says_nothing_where_there_is_no_server() -> None:
    assert automated.examine([], NOW) == []
