"""The lines of the log are a closed set: each is told in docs/logging.md, is said somewhere, and nothing else is."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from corral.logs import lines
from corral.logs.line import BURST, LINES, Level, Line, line
from corral.logs.lines import FIELDS

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "corral"


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_log_page", ROOT / "tools" / "generate_log_page.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("name", sorted(LINES))
def test_each_line_is_named_and_told(name: str) -> None:
    made = LINES[name]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*", name)
    assert made.meaning.endswith(".")
    assert "\n" not in made.meaning
    assert set(made.fields) <= FIELDS.keys()


def test_a_field_that_has_a_meaning_is_a_field_of_some_line() -> None:
    assert {name for each in LINES.values() for name in each.fields} == FIELDS.keys()


def test_the_page_is_the_vocabulary() -> None:
    page = tool()
    _, found, rest = page.PAGE.read_text().partition(page.BEGIN)
    assert found
    assert rest.strip() == page.table().strip(), "run tools/generate_log_page.py"


def _modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] != "logs":
            yield path.relative_to(SOURCE), path.read_text()


def test_every_line_is_said_somewhere() -> None:
    uses = [text for _, text in _modules() if "from corral.logs import lines" in text]
    said = {found for text in uses for found in re.findall(r"\blines\.(\w+)\(", text)}
    declared = {name for name, value in vars(lines).items() if isinstance(value, Line)}
    assert said == declared - {"library_said"}


def test_nobody_logs_past_the_vocabulary() -> None:
    for path, text in _modules():
        assert not re.search(r"^\s*(from|import) (structlog|logging)\b", text, re.MULTILINE), path


def test_of_what_strangers_cause_only_so_many_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("corral.logs.line.time.monotonic", lambda: now)

    def fields(*, why: str) -> None:
        """It happens often."""
        del why

    often = Line("test.often", Level.WARNING, fields, bounded=True)
    with capture_logs() as said:
        for number in range(BURST + 7):
            often(why=str(number))
        assert [each["why"] for each in said] == [str(number) for number in range(BURST)]
        now += 11
        often(why="later")
        often(why="last")
    assert [each.get("skipped") for each in said[BURST:]] == [7, None]


def test_a_name_is_given_once() -> None:
    with pytest.raises(AssertionError):
        line("corral.started", Level.INFO)(lambda: None)


PROGRAM = """
import asyncio, logging, sys, warnings
from corral.logs import lines
from corral.logs.requests import ANSWERING
from corral.logs.writing import configure_logs

configure_logs(sys.argv[1], "info")
lines.answered(method="PUT", route="/mdm", status=200, milliseconds=1.0)
lines.started(version="1", listening=["127.0.0.1:1"], public_url="https://x")
scope = {"headers": [(b"host", b"x"), (b"x-request-id", b"the-name")]}

async def answer():
    ANSWERING.set(scope)
    pin = "4829" + "15"
    try:
        raise ValueError("no good")
    except ValueError:
        lines.device_failed(path="/mdm")

asyncio.run(answer())
scope["headers"] = [(b"x-request-id", b"not a name")]
del scope["corral.request"]
asyncio.run(answer())
logging.getLogger("somebody.else").info("not heard")
logging.getLogger("somebody.else").warning("%s is odd", "this")
warnings.warn("so is this")
try:
    token = "sec" + "ret"
    {}[1]
except KeyError:
    logging.getLogger("asyncio").exception("never retrieved")
"""


def _written(style: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM, style], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == ""
    return ended.stderr


def test_json_is_one_object_a_line() -> None:
    written = _written("json")
    assert "482915" not in written
    assert "secret" not in written
    said = [json.loads(each) for each in written.splitlines()]
    assert [each["event"] for each in said] == [
        "corral.started",
        "device.failed",
        "device.failed",
        *["library.said"] * 3,
    ]
    started, failed, other, odd, warned, never = said
    assert {name: type(value) for name, value in started.items()} == {
        "event": str,
        "level": str,
        "timestamp": str,
        "version": str,
        "listening": list,
        "public_url": str,
    }
    assert failed["request"] == "the-name"
    assert re.fullmatch(r"[0-9a-f-]{36}", other["request"]), "what is no name is not repeated"
    (why,) = failed["exception"]
    assert (why["exc_type"], why["exc_value"]) == ("ValueError", "no good")
    assert why["frames"][-1]["name"] == "answer"
    assert (odd["library"], odd["message"], odd["level"]) == ("somebody.else", "this is odd", "warning")
    assert "so is this" in warned["message"]
    assert (never["level"], never["exception"][0]["exc_type"]) == ("error", "KeyError")


def test_the_console_shows_the_same_for_people() -> None:
    written = _written("console")
    assert "482915" not in written
    assert "secret" not in written
    for text in ("corral.started", "device.failed", "ValueError: no good", "this is odd"):
        assert text in written
