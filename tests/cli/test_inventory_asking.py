"""Devices are asked for their inventory on the command line."""

import json
from pathlib import Path

from cli.conftest import Cli, Running


def test_devices_are_asked(cli: Cli, service: Running) -> None:
    outcome = cli("inventory", "refresh", "D3", "--report", "SecurityInfo", "--report", "Restrictions")
    assert outcome.code == 0
    assert "does not take Restrictions" in outcome.out
    assert "1 device asked." in outcome.out
    found = json.loads(cli("inventory", "refresh", "D3", "nobody", "--report", "SecurityInfo", "--json").out)
    assert [each["waiting"] for each in found["devices"]] == [["SecurityInfo"], []]
    assert cli("inventory", "refresh", "nobody").code == 1
    assert cli("inventory", "refresh").code == 2
    assert cli("inventory", "refresh", "D3", "--report", "EraseDevice").code == 1


def test_the_schedule_is_shown_and_set(cli: Cli, service: Running, home: Path) -> None:
    usual = cli("inventory", "schedule", "show")
    assert "DeviceInformation SecurityInfo" in usual.out
    kept = home / "usual.json"
    kept.write_text(cli("inventory", "schedule", "show", "--json").out)
    rules = home / "rules.toml"
    rules.write_text('[[rules]]\nreports = ["SecurityInfo"]\nevery = "6h"\nplatform = ["macOS"]\n')
    assert "6h" in cli("inventory", "schedule", "set", rules).out
    rules.write_text('[[rules]]\nreports = ["SecurityInfo"]\nevery = "6 moons"\n')
    assert "duration" in cli("inventory", "schedule", "set", rules).error
    rules.write_text("{")
    assert "neither TOML nor JSON" in cli("inventory", "schedule", "set", rules).error
    assert cli("inventory", "schedule", "set", kept).code == 0
    assert cli("inventory", "schedule", "show").out == usual.out
