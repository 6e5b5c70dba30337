"""`corral migrate-database`: an installation moves to PostgreSQL."""

import asyncio
import tomllib
from pathlib import Path

import pytest

from cli.conftest import Cli
from corral.app import build
from corral.cli.databases import set_name
from corral.settings import read_settings
from corral.store.sqlite.database import exclusive
from postgres_server import fresh_database


@pytest.fixture
def made(cli: Cli, tmp_path: Path) -> Path:
    assert cli("init", "--data", tmp_path / "data", "--public-url", "https://mdm.example.org").code == 0
    return tmp_path / "data"


def test_everything_moves_and_is_served_from_there(cli: Cli, made: Path) -> None:
    before = (made / "corral.db").read_bytes()
    with fresh_database() as url:
        outcome = cli("migrate-database", "--data", made, "--to", url)
        assert outcome.code == 0, outcome
        assert "counted there" in outcome.out
        assert (made / "corral.db").read_bytes() == before
        assert tomllib.loads((made / "corral.toml").read_text())["database"] == url
        assert "is on PostgreSQL already" in cli("migrate-database", "--data", made, "--to", url).error

        async def start() -> int:
            async with build(read_settings({"data": made})) as corral:
                return len(await corral.store.access.credentials())

        assert asyncio.run(start()) == 1


def test_a_database_with_anything_in_it_is_refused(cli: Cli, made: Path, tmp_path: Path) -> None:
    with fresh_database() as url:
        assert cli("migrate-database", "--data", made, "--to", url).code == 0
        assert cli("init", "--data", tmp_path / "other", "--public-url", "https://mdm.example.org").code == 0
        outcome = cli("migrate-database", "--data", tmp_path / "other", "--to", url)
    assert outcome.code == 1
    assert "is not empty" in outcome.error
    assert "database" not in tomllib.loads((tmp_path / "other" / "corral.toml").read_text())


def test_a_running_service_is_in_the_way(cli: Cli, made: Path) -> None:
    with exclusive(made / "corral.db"):
        outcome = cli("migrate-database", "--data", made, "--to", "postgresql://127.0.0.1:1/x")
    assert outcome.code == 1
    assert "in use by another Corral" in outcome.error


def test_what_is_wrong_is_one_line_without_the_password(cli: Cli, made: Path) -> None:
    for to, code in (("sqlite", 2), ("mysql://u:secret@h/n", 2), ("postgresql://u:secret@127.0.0.1:1/n", 1)):
        outcome = cli("migrate-database", "--data", made, "--to", to)
        assert outcome.code == code
        assert "secret" not in outcome.error


def test_a_setting_is_changed_and_nothing_else() -> None:
    text = '# why\nlisten = ["a",\n  "b"]\n\n[authorities]\ndatabase = "x.pem"\n'
    with_it = set_name(text, "database", "postgresql://ü")
    assert with_it is not None
    assert tomllib.loads(with_it) == {**tomllib.loads(text), "database": "postgresql://ü"}
    assert with_it.startswith('# why\nlisten = ["a",\n  "b"]\n')
    assert set_name(with_it, "database", None) is not None
    assert tomllib.loads(set_name(with_it, "database", None) or "") == tomllib.loads(text)
    assert set_name("", "database", "x") == 'database = "x"\n'
    assert set_name('a = """\ndatabase = 1\n"""\n', "database", None) is None, "rather not"
