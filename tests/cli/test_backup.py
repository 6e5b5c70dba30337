"""`corral backup` and `corral restore` as people use them, and everything that can be wrong with it."""

import asyncio
import json
import shutil
import stat
from pathlib import Path

import pytest

from cli.conftest import Cli, corral
from corral.app import build
from corral.settings import read_settings

PASSPHRASE = "several random words"


@pytest.fixture(scope="module")
def initialized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `corral init` makes, whose keys take long."""
    folder = tmp_path_factory.mktemp("initialized") / "data"
    assert corral("init", "--data", str(folder), "--public-url", "https://mdm.example.org").returncode == 0
    return folder


@pytest.fixture
def made(initialized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation, and the passphrase in the environment."""
    shutil.copytree(initialized, tmp_path / "data")
    monkeypatch.setenv("CORRAL_BACKUP_PASSPHRASE", PASSPHRASE)
    return tmp_path / "data"


@pytest.fixture
def saved(cli: Cli, made: Path, tmp_path: Path) -> Path:
    assert cli("backup", "--data", made, "--out", tmp_path / "saved").code == 0
    return tmp_path / "saved"


def test_what_was_saved_is_restored(cli: Cli, made: Path, saved: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    looked = json.loads(cli("backup", "verify", saved, "--json").out)
    assert looked["public_url"] == "https://mdm.example.org"
    assert looked["rows"]["secret"] == 4, "the authority and its key, and the keys of challenges and of escrow"
    place = tmp_path / "restored"
    outcome = cli("restore", saved, "--data", place, "--sealing-key-file", made / "sealing.key")
    assert outcome.code == 0, outcome
    assert f"corral serve --data {place}" in outcome.out
    assert sorted(each.name for each in place.iterdir()) == ["corral.db", "corral.toml", "sealing.key"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in (place, *place.iterdir())} == {0o700, 0o600}
    assert (place / "corral.toml").read_text() == (made / "corral.toml").read_text()
    again = cli("backup", "--data", place, "--out", tmp_path / "again", "--json")
    assert json.loads(again.out)["rows"] == looked["rows"]


def test_the_key_may_wait_in_the_new_folder(cli: Cli, made: Path, saved: Path, tmp_path: Path) -> None:
    place = tmp_path / "restored"
    place.mkdir()
    shutil.copy(made / "sealing.key", place / "sealing.key")
    assert cli("restore", saved, "--data", place, "--sealing-key-file", place / "sealing.key").code == 0


def test_the_key_may_come_from_the_environment(
    cli: Cli, made: Path, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_SEALING_KEY", (made / "sealing.key").read_text().strip())
    place = tmp_path / "restored"
    assert cli("restore", saved, "--data", place).code == 0
    assert not (place / "sealing.key").exists()


def test_settings_travel_and_what_they_name_is_told(cli: Cli, made: Path, tmp_path: Path) -> None:
    with (made / "corral.toml").open("a") as file:
        file.write('# kept\nbreaker_limit = 7\ntls = "files"\ntls_certificate = "server.pem"\ntls_key = "server.key"\n')
        file.write('sealing_key_file = "keys/sealing.key"\n\n[authorities]\nstep = "step.pem"\n')
    (made / "keys").mkdir()
    (made / "sealing.key").rename(made / "keys" / "sealing.key")
    assert cli("backup", "--data", made, "--out", tmp_path / "saved").code == 0
    place = tmp_path / "restored"
    outcome = cli("restore", tmp_path / "saved", "--data", place, "--sealing-key-file", made / "keys" / "sealing.key")
    text = (place / "corral.toml").read_text()
    assert "# kept\nbreaker_limit = 7\n" in text
    assert "sealing_key_file" not in text
    for name in ("server.pem", "server.key", "step.pem"):
        assert f"{place / name} is named in corral.toml" in outcome.out


def test_a_restore_that_fails_leaves_nothing(cli: Cli, made: Path, saved: Path, tmp_path: Path) -> None:
    key, place = made / "sealing.key", tmp_path / "restored"
    other = tmp_path / "other.key"
    other.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    cut = tmp_path / "cut"
    cut.write_bytes(saved.read_bytes()[:-100])
    for archive, given, why in (
        (saved, other, "another sealing key"),
        (cut, key, "cut off"),
        (key, key, "not a backup"),
        (tmp_path / "nothing", key, "No such file"),
    ):
        outcome = cli("restore", archive, "--data", place, "--sealing-key-file", given)
        assert outcome.code == 1
        assert why in outcome.error
        assert not place.exists()
    outcome = cli(
        "restore", saved, "--data", place, "--sealing-key-file", key, "--database", "postgresql://127.0.0.1:1/x"
    )
    assert outcome.code == 1
    assert "cannot be reached" in outcome.error
    assert not place.exists()


def test_nothing_is_overwritten(cli: Cli, made: Path, saved: Path) -> None:
    before = saved.read_bytes()
    assert "exists already" in cli("backup", "--data", made, "--out", saved).error
    assert saved.read_bytes() == before
    outcome = cli("restore", saved, "--data", made, "--sealing-key-file", made / "sealing.key")
    assert "is not empty" in outcome.error
    assert cli("backup", "--data", made, "--out", saved.with_name("another")).code == 0, "it is as it was"


def test_another_passphrase(cli: Cli, saved: Path, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("another passphrase\n")
    assert "another passphrase, or it was changed" in cli("backup", "verify", saved, "--passphrase-file", file).error
    file.write_text(PASSPHRASE + "\nand notes\n")
    assert cli("backup", "verify", saved, "--passphrase-file", file).code == 0


def test_wrong_usage(cli: Cli, made: Path, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--out FILE" in cli("backup", "--data", made).error
    assert "no installation" in cli("backup", "--data", tmp_path / "nothing", "--out", tmp_path / "x").error
    assert "Give the sealing key" in cli("restore", saved, "--data", tmp_path / "y").error
    database = cli("restore", saved, "--data", tmp_path / "y", "--database", "mysql://me:secret@x")
    assert database.code == 2
    assert "secret" not in database.error
    monkeypatch.setenv("CORRAL_BACKUP_PASSPHRASE", "short")
    assert "shorter than 12" in cli("backup", "--data", made, "--out", tmp_path / "x").error
    monkeypatch.delenv("CORRAL_BACKUP_PASSPHRASE")
    assert "Give the passphrase" in cli("backup", "--data", made, "--out", tmp_path / "x").error
    assert not (tmp_path / "x").exists()


async def test_a_backup_has_the_authorities_of_a_roll_over(cli: Cli, made: Path, tmp_path: Path) -> None:
    async with build(read_settings({"data": made})) as before:
        await before.services.rotating.rotate(0, "a test")
        rolled = before.authorities.roster
    assert await asyncio.to_thread(cli, "backup", "--data", made, "--out", tmp_path / "saved") is not None
    place = tmp_path / "restored"
    restored = await asyncio.to_thread(
        cli, "restore", tmp_path / "saved", "--data", place, "--sealing-key-file", made / "sealing.key"
    )
    assert restored.code == 0, restored
    async with build(read_settings({"data": place})) as after:
        assert after.authorities.roster == rolled
        assert len(rolled.trusted) == 2
        assert [each.authority.key_pem() for each in after.authorities.roster.held] == [
            each.authority.key_pem() for each in rolled.held
        ]
