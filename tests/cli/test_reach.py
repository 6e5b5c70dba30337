"""Which service a command talks to, and what it says when it cannot."""

import json
import os
import stat
from pathlib import Path

import pytest

from cli.conftest import Cli, Running, free_port


def authority(cli: Cli, running: Running, folder: Path) -> Path:
    path = folder / "ca.pem"
    assert cli("authority", "show", "--data", running.data, "--out", path).code == 0
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_a_service_it_says_how_to_name_one(cli: Cli) -> None:
    outcome = cli("status")
    assert outcome.code == 4
    assert "corral login" in outcome.error


def test_a_folder_without_an_installation_is_told(cli: Cli, home: Path) -> None:
    outcome = cli("status", "--data", home / "nothing")
    assert outcome.code == 4
    assert "corral init" in outcome.error


def test_a_service_that_does_not_run_is_told(cli: Cli, home: Path) -> None:
    (home / "data").mkdir()
    outcome = cli("status", "--data", home / "data")
    assert outcome.code == 4
    assert "corral serve" in outcome.error


def test_the_local_socket_needs_no_token(cli: Cli, running: Running) -> None:
    assert cli("status", "--data", running.data).code == 0


def test_a_folder_named_data_is_found(cli: Cli, running: Running, home: Path) -> None:
    (home / "data").symlink_to(running.data)
    assert cli("status").code == 0


def test_a_url_needs_a_token_and_the_authority(cli: Cli, running: Running, home: Path) -> None:
    ca, token = authority(cli, running, home), write(home / "token", running.token + "\n")
    outcome = cli("status", "--url", running.url)
    assert outcome.code == 4
    assert "No token" in outcome.error
    outcome = cli("status", "--url", running.url, "--token-file", token)
    assert outcome.code == 4
    assert "--ca" in outcome.error
    assert cli("status", "--url", running.url, "--token-file", token, "--ca", ca).code == 0
    outcome = cli("status", "--url", running.url, "--token-file", write(home / "wrong", "corral_x"), "--ca", ca)
    assert outcome.code == 4
    assert "token" in outcome.error


def test_the_environment_names_url_and_token(
    cli: Cli, running: Running, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(cli, running, home)
    monkeypatch.setenv("CORRAL_URL", running.url)
    monkeypatch.setenv("CORRAL_TOKEN", running.token)
    assert cli("status", "--ca", ca).code == 0


def test_flags_win_over_the_environment(cli: Cli, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_URL", f"https://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CORRAL_TOKEN", "corral_x")
    assert cli("status", "--data", running.data).code == 0


def test_an_unreachable_url_is_told(cli: Cli, home: Path) -> None:
    token = write(home / "token", "corral_x")
    outcome = cli("status", "--url", f"https://127.0.0.1:{free_port()}", "--token-file", token)
    assert outcome.code == 4
    assert "Cannot reach" in outcome.error


def test_a_login_is_kept_for_its_owner_alone_and_used(cli: Cli, running: Running, home: Path) -> None:
    ca, token = authority(cli, running, home), write(home / "token", running.token)
    outcome = cli("login", running.url, "--token-file", token, "--ca", ca)
    assert outcome.code == 0
    assert running.token not in outcome.out
    kept = home / "config" / "corral" / "credentials.toml"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert cli("status").code == 0
    assert cli("status", "--url", running.url).code == 0, "the login of that URL has its token"
    assert cli("logout").code == 0
    assert not kept.exists()
    assert cli("status").code == 4
    assert cli("logout").code == 1


def test_a_login_that_does_not_work_is_not_kept(cli: Cli, running: Running, home: Path) -> None:
    ca = authority(cli, running, home)
    outcome = cli("login", running.url, "--token-file", write(home / "token", "corral_wrong"), "--ca", ca)
    assert outcome.code == 4
    assert outcome.error
    assert not (home / "config" / "corral" / "credentials.toml").exists()


def test_the_token_is_read_from_standard_input(
    cli: Cli, running: Running, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(cli, running, home)
    reader, writer = os.pipe()
    os.write(writer, f"{running.token}\n".encode())
    os.close(writer)
    with os.fdopen(reader) as given:
        monkeypatch.setattr("sys.stdin", given)
        assert cli("login", running.url, "--ca", ca).code == 0


def test_a_broken_login_file_is_told(cli: Cli, home: Path) -> None:
    kept = home / "config" / "corral" / "credentials.toml"
    kept.parent.mkdir(parents=True)
    kept.write_text("url = ")
    outcome = cli("status")
    assert outcome.code == 1
    assert "corral login" in outcome.error


def test_files_that_are_not_there_are_told(cli: Cli, running: Running, home: Path) -> None:
    outcome = cli("status", "--url", running.url, "--token-file", home / "nothing")
    assert outcome.code == 1
    assert "nothing" in outcome.error
    broken = write(home / "broken.pem", "no certificate")
    token = write(home / "token", running.token)
    outcome = cli("status", "--url", running.url, "--token-file", token, "--ca", broken)
    assert outcome.code == 1
    assert "--ca" in outcome.error


def test_a_web_server_that_is_no_corral_is_told(cli: Cli, home: Path) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        outcome = cli("status", "--url", url, "--token-file", write(home / "token", "corral_x"))
        server.shutdown()
    assert outcome.code == 1
    assert "right URL" in outcome.error


def test_json_and_sentences_tell_the_same(cli: Cli, service: Running) -> None:
    told = json.loads(cli("status", "--json").out)
    shown = cli("status").out
    assert told["version"] in shown
    for topic in told["topics"]:
        assert topic in shown
