"""What operators watch a service by: metrics that are documented, a dashboard and alerts that ask for them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from cli.test_tree import ALL
from inprocess import Installation

DOCS = Path(__file__).parents[3] / "docs"
RULES = DOCS / "prometheus" / "corral.rules.yml"
OF_PROMETHEUS = {"up": {"job", "instance"}}
"""What it knows by itself."""


def documented() -> dict[str, set[str]]:
    """The metrics of docs/metrics.md, each with its labels."""
    table = re.findall(r"^\| (`corral_.+?) \|", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    return {
        name: set(filter(None, labels.split(",")))
        for row in table
        for name, labels in re.findall(r"`(corral_[a-z_]+)(?:{([a-z,]+)})?`", row)
    }


def panels() -> Iterator[tuple[str, str]]:
    """What the dashboard asks for, by panel."""
    for panel in json.loads((DOCS / "grafana" / "corral.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def alerts() -> list[dict[str, Any]]:
    read = cast(dict[str, Any], yaml.safe_load(RULES.read_text()))
    return [rule for group in read["groups"] for rule in group["rules"]]


def asked(expression: str) -> dict[str, set[str]]:
    """The metrics of an expression, each with the labels that are asked of it."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"\b(corral_[a-z_]+|up)\b(?:{([^}]*)})?", expression):
        known = re.sub("_(bucket|count|sum)$", "", name)
        found.setdefault(known, set()).update(re.findall(r"([a-z_]+)\s*[=!]~?", labels))
    return found


EXPRESSIONS = sorted({*panels(), *((each["alert"], each["expr"]) for each in alerts())})


async def test_every_metric_is_documented_and_every_one_documented_is_there(installation: Installation) -> None:
    text = (await installation.api.get("/metrics")).text
    served = set(re.findall(r"^# TYPE (corral_[a-z_]+) ", text, re.MULTILINE))
    of_the_library = {each for each in served if each.endswith("_created")}
    assert served - of_the_library == set(documented())


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_what_is_asked_for_is_there_with_its_labels(where: str, expression: str) -> None:
    known = documented() | OF_PROMETHEUS
    found = asked(expression)
    assert found, where
    for name, labels in found.items():
        assert name in known, f"{where}: {name}"
        assert labels <= known[name], f"{where}: {name}"
    by = {each.strip() for names in re.findall(r"by \(([^)]*)\)", expression) for each in names.split(",")}
    assert by - {"le"} <= {label for name in found for label in known[name]}, where


def test_every_alert_says_what_is_wrong_what_to_do_and_whom_it_wakes() -> None:
    names = [each["alert"] for each in alerts()]
    assert len(set(names)) == len(names)
    for each in alerts():
        assert each["labels"]["severity"] in ("page", "ticket"), each["alert"]
        assert each["annotations"].keys() == {"summary", "action"}, each["alert"]
        for command in re.findall("`corral ([^`]+)`", each["annotations"]["action"]):
            words = command.split()
            path = tuple(words[:2]) if tuple(words[:2]) in ALL else tuple(words[:1])
            assert path in ALL, command
            options = {name for param in getattr(ALL[path], "params", ()) for name in getattr(param, "opts", ())}
            assert {word for word in words if word.startswith("--")} <= options, command


def test_everything_that_has_an_alert_has_a_panel() -> None:
    seen = {name for _, expression in panels() for name in asked(expression)}
    for each in alerts():
        assert asked(each["expr"]).keys() <= seen, each["alert"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True, timeout=30)
