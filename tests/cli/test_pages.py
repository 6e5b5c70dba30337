"""What people read: times, tables and values, safe for a terminal and good for a pipe."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli.command_keys import read_value
from corral.cli.failure import UsageFailure
from corral.cli.moments import moment
from corral.cli.pages.commands import write_detail
from corral.cli.pages.writing import ago, clean, count, print_table, when


@given(st.text())
def test_nothing_that_a_device_sends_can_steer_a_terminal(text: str) -> None:
    assert clean(text).isprintable()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (5, "5 seconds ago"),
        (1, "1 second ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (-90_000 * 3, "in 3 days"),
    ],
)
def test_how_long_ago(seconds: int, told: str) -> None:
    assert ago((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()) == told


@given(st.integers(0, 10**9))
def test_every_span_has_a_number_and_a_noun(seconds: int) -> None:
    told = ago((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat())
    number, noun, _ = told.split(" ")
    assert int(number.replace(",", "")) >= 0
    assert noun.endswith("s") == (number != "1")


def test_no_time_is_nothing() -> None:
    assert (when(None), ago(None)) == ("", "")


def test_counting() -> None:
    assert (count(1, "device"), count(2000, "device"), count(2, "delivery", "deliveries")) == (
        "1 device",
        "2,000 devices",
        "2 deliveries",
    )


def test_a_table_in_a_pipe_is_neither_cut_off_nor_padded(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("one", "two"), [("x" * 150, "short"), ("y", "z" * 50), ("[red]", "\x1b[31m")], "none")
    lines = capsys.readouterr().out.splitlines()
    assert "x" * 150 in lines[2]
    assert all(line == line.rstrip() for line in lines)
    assert "[red]" in lines[4]
    assert "\x1b" not in lines[4]


def test_a_table_without_rows_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("one",), [], "There is none.")
    assert capsys.readouterr().out == "There is none.\n"


def test_a_long_value_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    keys: dict[str, Any] = {"Long": "x" * 500, "Nested": {"Inner": [1, 2]}, "Data": {"$data": "AA=="}}
    write_detail({"command_uuid": "U", "request_type": "T", "keys": keys, "deliveries": [], "next": None})
    told = capsys.readouterr().out
    assert "x" * 101 not in told
    assert "    Inner: [1, 2]" in told
    assert '  Data: {"$data": "AA=="}' in told


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("123456", "string", "123456"),
        ('"quoted"', "string", "quoted"),
        ("true", "string", "true"),
        ("true", "boolean", True),
        ("7", "integer", 7),
        ("a, b", "array", ["a", "b"]),
        ('["a, b"]', "array", ["a, b"]),
        ('{"A": 1}', "dictionary", {"A": 1}),
        ("2030-01-01T00:00:00Z", "date", {"$date": "2030-01-01T00:00:00Z"}),
        ("text", None, "text"),
        ("5", None, 5),
        ("", "string", ""),
    ],
)
def test_values_of_keys(text: str, kind: str | None, value: object) -> None:
    assert read_value(text, kind) == value


@given(st.text().filter(lambda text: not text.startswith("@")), st.sampled_from(["string", "array", "integer", None]))
def test_any_text_is_some_value(text: str, kind: str | None) -> None:
    read_value(text, kind)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("7d", {"expires_in": 604_800}),
        ("90", {"expires_in": 90}),
        ("2030-01-02T03:04:05Z", {"expires_at": "2030-01-02T03:04:05+00:00"}),
        (None, {}),
    ],
)
def test_moments(text: str | None, told: dict[str, object]) -> None:
    found = moment("--expires", text, "expires_at", "expires_in")
    if "expires_at" in told:
        assert datetime.fromisoformat(found["expires_at"]) == datetime.fromisoformat(str(told["expires_at"]))
    else:
        assert found == told


@given(st.text() | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]))
def test_what_is_no_moment_is_wrong_usage(text: str) -> None:
    with suppress(UsageFailure):
        assert len(moment("--expires", text, "expires_at", "expires_in")) == 1
