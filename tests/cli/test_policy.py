"""`corral policy`: rules out of a file, shown, tried out, and refused where they are wrong."""

import json
from pathlib import Path

import pytest

from cli.conftest import Cli, Running
from corral.apple.machine_info import MachineInfo, write_machine_info
from corral.service.enrollment.trying import Way

RULES = """
[[rules]]
name = "iPads update first"
when = { family = ["iPad"], os_below = "18.2", assigned = false }
then = { do = "require-update", minimum = "18.2", message = "Update, please." }

[[rules]]
name = "no televisions"
when = { platform = ["tvOS"], assigned = false }
then = { do = "decline", unrecognized = true }
"""


@pytest.fixture
def rules(cli: Cli, service: Running, home: Path) -> Path:
    path = home / "rules.toml"
    path.write_text(RULES)
    assert cli("policy", "set", path).code == 0
    return path


def machine(home: Path, **facts: object) -> Path:
    path = home / "machine.plist"
    plain = {"product": "iPad13,18", "build_version": "1", "udid": "U", "serial_number": "S", "os_version": "17.5"}
    path.write_bytes(write_machine_info(MachineInfo(**{**plain, **facts})))  # pyright: ignore[reportArgumentType] - facts
    return path


def test_rules_come_from_a_file_and_are_shown(cli: Cli, rules: Path) -> None:
    shown = cli("policy", "show").out
    assert "iPads update first" in shown
    assert "minimum 18.2" in shown
    stored = json.loads(cli("policy", "show", "--json").out)
    again = rules.with_suffix(".json")
    again.write_text(json.dumps(stored))
    assert json.loads(cli("policy", "set", again, "--json").out) == stored


def test_it_is_told_what_would_happen_and_why(cli: Cli, rules: Path, home: Path) -> None:
    path = machine(home, can_request_software_update=True)
    outcome = cli("policy", "test", path, "--way", "automated")
    assert outcome.code == 0
    assert "Refused: it runs 17.5, not 18.2." in outcome.out
    assert "com.apple.softwareupdate.required, asking for the profile" in outcome.out
    assert "Update, please." in outcome.out
    television = machine(home, product="AppleTV14,1", os_version="18.0")
    (tried,) = json.loads(cli("policy", "test", television, "--way", "automated", "--json").out)["ways"]
    assert (tried["rule"], tried["document"]["code"]) == ("no televisions", "com.apple.unrecognized.device")
    assert "Refused: no assignment" in cli("policy", "test", machine(home, os_version="18.2"), "--way", "automated").out


def test_every_way_in_is_named(cli: Cli, rules: Path, home: Path) -> None:
    television = machine(home, product="AppleTV14,1", os_version="18.0")
    shown = cli("policy", "test", television, "--account", "me@example.org").out
    assert "not assigned, and unknown here" in shown
    ways = {line.split()[0]: line for line in shown.splitlines() if line.split()[0] in set(Way)}
    assert set(ways) == set(Way)
    assert all("no televisions" in line for line in ways.values())
    assert "first message" in ways["link"], "whoever holds a link says nothing of his device before"
    assert "com.apple.well-known.failed" in ways["account-user"]
    tried = json.loads(cli("policy", "test", machine(home, os_version="18.2"), "--json").out)
    admitted = {each["way"] for each in tried["ways"] if each["admitted"]}
    assert admitted == {"link", "over-the-air", "return-to-service"}, "nobody is signed in, and it is not assigned"


def test_a_device_that_is_known_is_tried_by_its_name(cli: Cli, rules: Path) -> None:
    assert "Refused: no assignment" in cli("policy", "test", "SERIAL2", "--way", "automated").out
    assert "Admitted: it is entitled" in cli("policy", "test", "D2", "--way", "account-user", "--account", "me").out
    assert cli("policy", "test", "nobody").code == 3


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("rules = 1", 1, "rules"),
        ("[[rules", 2, "neither TOML nor JSON"),
        ('[[rules]]\nname = "a"\nthen = { do = "admit", who = "all" }', 1, "who"),
        ('[[rules]]\nname = "a"\nthen = { do = "require-update", minimum = "newest" }', 1, "version"),
    ],
)
def test_rules_that_are_wrong_change_nothing(
    cli: Cli, rules: Path, home: Path, text: str, code: int, says: str
) -> None:
    before = cli("policy", "show").out
    path = home / "wrong.toml"
    path.write_text(text)
    outcome = cli("policy", "set", path)
    assert outcome.code == code
    assert says in outcome.error
    assert cli("policy", "show").out == before


def test_a_file_that_is_not_there_is_named(cli: Cli, service: Running, home: Path) -> None:
    assert "Cannot read" in cli("policy", "set", home / "nothing.toml").error
