"""docs/cli.md, docs/api.md and docs/events.md name what there is, and nothing else."""

import importlib.util
import re
from pathlib import Path

import pytest

from cli.test_tree import ALL
from corral.cli.failure import ExitCode
from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.vocabulary import VOCABULARY
from lifecycle.vocabulary_used import used

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def test_every_command_is_in_the_table_and_every_one_there_exists() -> None:
    text = (DOCS / "cli.md").read_text()
    told = set(re.findall(r"`corral ([a-z- ]+)`", text.partition("## Commands")[2].partition("## Which")[0]))
    assert told == {" ".join(path) for path, each in ALL.items() if path and not hasattr(each, "commands")}


def test_the_examples_use_options_that_exist() -> None:
    text = (DOCS / "cli.md").read_text()
    for line in re.findall(r"^\$ (corral .+)$", text, re.MULTILINE):
        words = line.partition("#")[0].split()[1:]
        path = tuple(words[:2]) if tuple(words[:2]) in ALL else tuple(words[:1])
        options = {each for param in getattr(ALL[path], "params", ()) for each in getattr(param, "opts", ())}
        assert {each for each in words if each.startswith("--")} <= options, line


def test_the_exit_codes_are_told() -> None:
    codes = re.findall(r"^\| (\d) \|", (DOCS / "cli.md").read_text(), re.MULTILINE)
    assert [int(each) for each in codes] == [int(each) for each in ExitCode]


def test_every_address_of_the_api_is_told_and_every_one_told_exists() -> None:
    table = (DOCS / "api.md").read_text()
    told = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[a-z/{}_-]+)`", table))
    assert told == {(each.method, each.path) for each in ENDPOINTS}


@pytest.mark.parametrize(
    ("page", "name"), [("events.md", "generate_event_page"), ("inventory.md", "generate_inventory_page")]
)
def test_the_tables_are_those_of_the_code(page: str, name: str) -> None:
    """Else: PYTHONPATH=src python tools/<name>.py"""
    found = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    tool = importlib.util.module_from_spec(found)
    found.loader.exec_module(tool)
    assert (DOCS / page).read_text().partition(tool.BEGIN)[2] == f"\n{tool.tables()}"


def test_the_vocabulary_has_every_event_that_is_written_and_no_other() -> None:
    assert used().keys() == VOCABULARY.keys()
