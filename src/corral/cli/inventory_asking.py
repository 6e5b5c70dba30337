"""`corral inventory refresh` and `corral inventory schedule`: when devices are asked for what they are and have."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.aiming import Aim
from corral.cli.documents import read_rules
from corral.cli.failure import ExitCode
from corral.cli.reach.session import Session, over_api

Reports = Annotated[
    list[str] | None,
    typer.Option("--report", metavar="TYPE", help="Only this one, such as SecurityInfo; may be repeated."),
]

_schedule = typer.Typer(help="When devices are asked by themselves.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Beside what else there is of the inventory."""
    app.command("refresh")(refresh_inventory)
    app.add_typer(_schedule, name="schedule")


@over_api
def refresh_inventory(
    session: Session,
    aim: Aim,
    reports: Reports = None,
) -> None:
    """Ask devices now for what they are and have.

    Each is asked for the reports of its schedule, unless some are named, and woken.
    """
    body: dict[str, Any] = aim.body()
    found = session.api.post("/inventory/refresh", body | {"reports": reports or []})
    session.show(found, _write_refreshed)
    if any(each["problem"] for each in found["devices"]):
        raise typer.Exit(ExitCode.FAILED)


@_schedule.command("show")
@over_api
def show_schedule(session: Session) -> None:
    """Show its rules, in their order."""
    session.show(session.api.get("/inventory/schedule"), _write_schedule)


@_schedule.command("set")
@over_api
def set_schedule(
    session: Session, file: Annotated[Path, typer.Argument(help="File of the rules, TOML or JSON.")]
) -> None:
    """Replace the rules by those of a file.

    What is wrong with them is told, and changes nothing. What `corral inventory schedule show --json` prints can be
    changed and set.
    """
    session.show(session.api.put("/inventory/schedule", read_rules(file)), _write_schedule)


def _write_refreshed(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import count, print_table, say

    rows = [
        (
            each["device"],
            len(each["asked"]),
            len(each["waiting"]),
            each["problem"] or ("does not take " + ", ".join(each["not_taken"]) if each["not_taken"] else ""),
        )
        for each in data["devices"]
    ]
    if len(rows) <= 50:
        print_table(("device", "asked", "waiting", ""), rows, "No devices.")
    say(f"{count(data['asked'], 'device')} asked.")


def _write_schedule(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [
        (" ".join(rule["reports"]), rule["every"], " ".join(rule.get("platform", [])), rule.get("query", ""))
        for rule in data["rules"]
    ]
    print_table(("reports", "every", "of", "where"), rows, "No rules: devices are asked for nothing by themselves.")
