"""`corral ade rule`: which devices get which profile by themselves."""

from typing import Annotated, Any

import typer

from corral.cli.ade.naming import Server, server_path
from corral.cli.failure import ExitCode, Failure
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Rules: which devices get which profile.", no_args_is_help=True)


@app.command("list")
@over_api
def list_rules(session: Session, server: Server = None) -> None:
    """Rules in their order.

    The first that matches a device counts.
    """
    session.show(session.api.get(f"{server_path(session, server)}/rules"), _write_list)


@app.command("add")
@over_api
def add_rule(
    session: Session,
    field: Annotated[str, typer.Argument(help="serial, model, family, os, asset-tag or description.")],
    pattern: Annotated[str, typer.Argument(help="What it must be, in any case; with * and ?.")],
    profile: Annotated[str, typer.Argument(help="The profile's name.")],
    at: Annotated[int | None, typer.Option("--at", min=1, help="Its place.  [default: the last]")] = None,
    server: Server = None,
) -> None:
    """Add a rule.

    It is applied to all devices at once, but for those that a person has assigned.
    """
    path = f"{server_path(session, server)}/rules"
    rules = _present(session, path)
    rules.insert(len(rules) if at is None else at - 1, {"field": field, "pattern": pattern, "profile": profile})
    session.show(session.api.post(path, {"rules": rules}), _write_changed)


@app.command("remove")
@over_api
def remove_rule(
    session: Session, number: Annotated[int, typer.Argument(min=1, help="Its place.")], server: Server = None
) -> None:
    """Remove a rule.

    Devices keep the profile that they have until another rule is about them.
    """
    path = f"{server_path(session, server)}/rules"
    rules = _present(session, path)
    if number > len(rules):
        raise Failure(f"There is no rule {number}; see `corral ade rule list`.", ExitCode.NOT_FOUND)
    del rules[number - 1]
    session.show(session.api.post(path, {"rules": rules}), _write_changed)


def _present(session: Session, path: str) -> list[dict[str, Any]]:
    rules = session.api.get(path)["rules"]
    return [{name: each[name] for name in ("field", "pattern", "profile")} for each in rules]


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [(each["position"], each["field"], each["pattern"], each["profile"]) for each in data["rules"]]
    print_table(("", "field", "is", "profile"), rows, "No rule: all devices get the default profile, if there is one.")


def _write_changed(data: dict[str, Any]) -> None:
    print(f"{data['reassigned']} devices get another profile by the next sync.")
