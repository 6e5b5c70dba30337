"""The commands as a whole: help that is quick and complete, errors of one line, exit codes."""

import os
import re
import sys
from collections.abc import Iterator

import pytest
from typer.main import get_command

from cli.conftest import Cli, Running, corral
from corral import __version__
from corral.cli.tree import make_app


def commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command and group, with the words that call it."""
    yield path, command
    inner: dict[str, object] = getattr(command, "commands", {})
    for name, each in inner.items():
        yield from commands(each, (*path, name))


ALL = dict(commands(get_command(make_app())))


def test_help_is_quick() -> None:
    """Under 0.3 s of the processor where nothing else runs; a busy machine is given some more, but not its waiting."""
    fastest = 9.0
    for _ in range(5):
        before = sum(os.times()[2:4])
        assert corral("--help").returncode == 0
        fastest = min(fastest, sum(os.times()[2:4]) - before)
    assert fastest < 0.6


def test_help_imports_no_more_than_it_needs() -> None:
    code = "import sys; from corral.cli.tree import run; run(['--help']); print(*sys.modules)"
    loaded = set(corral_python(code).split())
    assert not loaded & {"httpx", "cryptography", "starlette", "uvicorn", "corral.app", "corral.settings", "lxml"}


def corral_python(code: str) -> str:
    import subprocess

    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], cli: Cli) -> None:
    outcome = cli(*path, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: {' '.join(('corral', *path))}")
    first = outcome.out.split("\n\n")[1].strip()
    assert first, "it says what it does"
    assert first[0].isupper()


@pytest.mark.parametrize("path", [path for path, each in ALL.items() if hasattr(each, "commands")], ids=" ".join)
def test_a_list_of_commands_cuts_no_sentence_off(path: tuple[str, ...], cli: Cli) -> None:
    listing = cli(*path, "--help").out.partition("Commands:")[2]
    ours = [line for line in listing.splitlines() if not re.match(r"\s+(demo|simulate)\b", line)]
    assert not [line for line in ours if line.endswith("...")]


SPEAKS_JSON = {"init", "status", "events", "authority", "doctor"}
NO_RESULT = {("serve",), ("login",), ("logout",), ("demo",), ("simulate",), ("push-cert", "sign")}


@pytest.mark.parametrize(
    "path",
    [path for path, each in ALL.items() if not hasattr(each, "commands") and path not in NO_RESULT],
    ids=" ".join,
)
def test_every_command_with_a_result_speaks_json(path: tuple[str, ...], cli: Cli) -> None:
    assert "--json" in cli(*path, "--help").out


def test_the_version(cli: Cli) -> None:
    assert cli("--version").out == f"corral {__version__}\n"


WRONG: list[tuple[str, ...]] = [
    ("nonsense",),
    ("device", "nonsense"),
    ("device", "show"),
    ("device", "show", "D1", "D2"),
    ("device", "list", "--nonsense"),
    ("device", "list", "--limit", "many"),
    ("enroll", "link", "--uses", "some"),
    ("enroll", "link", "--expires", "soon"),
    ("enroll", "link", "--unsigned"),
    ("device", "end", "D1", "--now", "--deadline", "7d"),
    ("device", "end", "D1"),
    ("command", "send", "D1"),
    ("command", "send", "D1", "--type", "X", "--plist", "x"),
    ("command", "send", "D1", "--plist", "x", "--set", "A=1"),
    ("command", "send", "D1", "--type", "X", "--set", "A"),
    ("command", "send", "D1", "--type", "X", "--set", "A=1", "--set", "A=2"),
    ("command", "show", "U1", "--raw"),
    ("status", "--url", "https://x", "--data", "y"),
    ("status", "--url", "http://mdm.example.org"),
    ("status", "--url", "ftp://mdm.example.org"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_is_2_and_one_line(arguments: tuple[str, ...], cli: Cli, service: Running) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 2, outcome
    assert outcome.error
    assert not outcome.out


@pytest.mark.parametrize(
    "arguments",
    [(), ("--public-url", "http://x"), ("--public-url", "https://x", "--set", "nonsense=1")],
    ids=" ".join,
)
def test_wrong_settings_are_2_and_one_line(arguments: tuple[str, ...], cli: Cli) -> None:
    outcome = cli("init", *arguments)
    assert outcome.code == 2
    assert outcome.error


def test_a_group_alone_shows_its_help(cli: Cli) -> None:
    outcome = cli("device")
    assert outcome.code == 2
    assert outcome.err.startswith("Usage: corral device")


MISSING: list[tuple[str, ...]] = [
    ("device", "show", "nobody"),
    ("device", "timeline", "nobody"),
    ("device", "renew", "nobody"),
    ("device", "end", "nobody", "--yes"),
    ("device", "block", "nobody"),
    ("device", "unblock", "nobody"),
    ("device", "forget", "nobody", "--yes"),
    ("enroll", "revoke", "nothing"),
    ("command", "show", "nothing"),
    ("command", "cancel", "nothing"),
    ("command", "clear", "nobody", "--yes"),
    ("command", "list", "--device", "nobody"),
    ("command", "explain", "Nothing"),
    ("command", "types", "Nothing"),
    ("token", "revoke", "nothing"),
    ("account", "end", "nothing"),
    ("device", "show", "../status"),
    ("device", "show", "a/b?c#d%"),
]


@pytest.mark.parametrize("arguments", MISSING, ids=" ".join)
def test_what_is_not_there_is_3_and_one_line(arguments: tuple[str, ...], cli: Cli, service: Running) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 3, outcome
    assert outcome.error


def test_a_reader_that_has_seen_enough_is_no_error(service: Running) -> None:
    import subprocess

    command = f"{sys.executable} -m corral command types --data {service.data} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().startswith("type")
    assert done.stderr == ""
