"""The table of docs/security.md and the tests of this folder are the same."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "security.md"
_FILE = re.compile(r"^`tests/attacks/(test_\w+\.py)`$")
_ROW = re.compile(r"^\| (?P<attack>[^|]+) \| (?P<answer>[^|]+) \| (?P<tests>`test_\w+`(?:, `test_\w+`)*) \|$")


def told() -> dict[str, list[str]]:
    """The tests that the document names, by file."""
    found: dict[str, list[str]] = {}
    tests: list[str] = []
    for line in DOCUMENT.read_text().splitlines():
        if file := _FILE.match(line):
            tests = found.setdefault(file[1], [])
        elif row := _ROW.match(line):
            tests += re.findall(r"`(\w+)`", row["tests"])
    return found


def made(path: Path) -> list[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text())
    return [each.name for each in tree.body if isinstance(each, functions) and each.name.startswith("test_")]


def test_every_attack_stands_in_the_table_and_every_row_is_tested() -> None:
    files = {path.name: path for path in HERE.glob("test_*.py") if path != Path(__file__)}
    named = told()
    assert sorted(named) == sorted(files)
    for name, path in files.items():
        assert sorted(named[name]) == sorted(made(path)), name
