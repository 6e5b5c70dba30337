"""`corral init` and `corral serve`: an installation is made once, whole or not at all, and for its owner alone."""

import json
import re
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.conftest import Cli, corral, free_port, wait_for

URL = "https://mdm.example.org"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_an_installation_for_its_owner_alone(cli: Cli, home: Path) -> None:
    outcome = cli("init", "--data", home / "d", "--public-url", URL)
    assert outcome.code == 0
    assert mode(home / "d") == 0o700
    for each in (home / "d").iterdir():
        assert mode(each) & 0o077 == 0, each
    assert tomllib.loads((home / "d" / "corral.toml").read_text()) == {"public_url": URL}


def test_init_shows_the_token_once_and_what_to_do_next(cli: Cli, home: Path) -> None:
    outcome = cli("init", "--data", home / "d", "--public-url", URL)
    (token,) = re.findall(r"corral_[\w-]{40,}", outcome.out)
    for each in (home / "d").iterdir():
        assert token.encode() not in each.read_bytes(), "only its hash is kept"
    for command in ("corral serve", "corral doctor", "corral push-cert request"):
        assert command in outcome.out


def test_init_writes_down_what_it_was_given(cli: Cli, home: Path) -> None:
    (home / "c.pem").touch()
    outcome = cli(
        *("init", "--data", "d", "--public-url", URL, "--organization", 'Ada "A" & Söhne', "--listen", "0.0.0.0:443"),
        *("--listen", "[::]:443", "--tls", "files", "--tls-certificate", "c.pem", "--tls-key", "k.pem"),
        *(
            "--proxy",
            "10.0.0.7",
            "--identity",
            "header",
            "--set",
            "ending-deadline=14d",
            "--set",
            "authorities=a=x.pem",
        ),
    )
    assert outcome.code == 0, outcome
    assert tomllib.loads((home / "d" / "corral.toml").read_text()) == {
        "public_url": URL,
        "organization": 'Ada "A" & Söhne',
        "listen": ["0.0.0.0:443", "[::]:443"],
        "tls": "files",
        "tls_certificate": str(home / "c.pem"),
        "tls_key": str(home / "k.pem"),
        "proxy": ["10.0.0.7"],
        "identity": "header",
        "ending_deadline": "14d",
        "authorities": {"a": str(home / "x.pem")},
    }


def test_init_speaks_json(cli: Cli, home: Path) -> None:
    made = json.loads(cli("init", "--data", home / "d", "--public-url", URL, "--json").out)
    assert made["token"].startswith("corral_")
    assert made["public_url"] == URL


@pytest.mark.parametrize("trace", ["corral.db", "sealing.key", "corral.toml"])
def test_init_refuses_to_overwrite(trace: str, cli: Cli, home: Path) -> None:
    (home / "d").mkdir()
    (home / "d" / trace).write_text("")
    outcome = cli("init", "--data", home / "d", "--public-url", URL)
    assert outcome.code == 1
    assert trace in outcome.error
    assert [each.name for each in (home / "d").iterdir()] == [trace]


def test_init_twice_leaves_the_first_untouched(cli: Cli, home: Path) -> None:
    cli("init", "--data", home / "d", "--public-url", URL)
    before = {each.name: each.read_bytes() for each in (home / "d").iterdir()}
    assert cli("init", "--data", home / "d", "--public-url", URL).code == 1
    assert {each.name: each.read_bytes() for each in (home / "d").iterdir()} == before


def test_init_that_fails_leaves_nothing_behind(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_SEALING_KEY", "bm90IDMyIGJ5dGVz")
    outcome = cli("init", "--data", home / "d", "--public-url", URL)
    assert outcome.code == 1
    assert "CORRAL_SEALING_KEY" in outcome.error
    assert "bm90IDMyIGJ5dGVz" not in outcome.err
    assert not (home / "d").exists()
    (home / "e").mkdir()
    assert cli("init", "--data", home / "e", "--public-url", URL).code == 1
    assert list((home / "e").iterdir()) == []


def test_init_where_a_file_is_in_the_way(cli: Cli, home: Path) -> None:
    (home / "d").write_text("")
    outcome = cli("init", "--data", home / "d", "--public-url", URL)
    assert outcome.code != 0
    assert str(home / "d") in outcome.error


def test_serve_without_an_installation_says_so(cli: Cli, home: Path) -> None:
    outcome = cli("serve", "--data", home)
    assert outcome.code == 1
    assert "corral init" in outcome.error


@pytest.fixture
def made(cli: Cli, home: Path) -> Path:
    assert cli("init", "--data", home / "d", "--public-url", URL).code == 0
    return home / "d"


def test_serve_with_another_key_refuses_to_start(made: Path) -> None:
    (made / "sealing.key").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    ended = corral("serve", "--data", str(made), "--listen", f"127.0.0.1:{free_port()}")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "key" in ended.stderr


FAULTS: list[tuple[list[str], str]] = [
    (["--listen", "192.0.2.1:1"], "192.0.2.1:1"),
    (["--tls", "files", "--tls-certificate", "/nothing.pem", "--tls-key", "/nothing.key"], "Cannot serve"),
    (["--set", "authorities=a=/nothing.pem"], "/nothing.pem"),
    (["--set", "apns_ca=/nothing.pem"], "/nothing.pem"),
    (["--set", "sealing_key_file=/nothing.key"], "/nothing.key"),
]


@pytest.mark.parametrize(("flags", "named"), FAULTS, ids=lambda value: str(value)[:50])
def test_serve_that_cannot_start_tells_why_in_one_line(flags: list[str], named: str, made: Path) -> None:
    ended = corral("serve", "--data", str(made), *flags)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert named in ended.stderr


def test_serve_stops_gracefully_and_takes_its_socket_away(made: Path) -> None:
    command = [sys.executable, "-m", "corral", "serve", "--data", str(made), "--listen", f"127.0.0.1:{free_port()}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        wait_for(made / "admin.sock", process)
        assert mode(made / "admin.sock") == 0o600
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"Traceback" not in told
    assert not (made / "admin.sock").exists()


def test_a_second_service_over_the_same_data_is_refused(made: Path) -> None:
    command = [sys.executable, "-m", "corral", "serve", "--data", str(made), "--listen", f"127.0.0.1:{free_port()}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_for(made / "admin.sock", process)
        second = corral("serve", "--data", str(made), "--listen", f"127.0.0.1:{free_port()}")
        process.terminate()
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1, second.stderr
