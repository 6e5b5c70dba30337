"""`corral ade profile`: what Setup Assistant does on a device, and where the device enrolls."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.ade.naming import Server, server_path
from corral.cli.documents import read_document
from corral.cli.failure import Failure
from corral.cli.files import read_text
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Profiles for Setup Assistant.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="PROFILE", help="Its name.")]


@app.command("define")
@over_api
def define_profile(
    session: Session,
    file: Annotated[Path, typer.Argument(help="JSON with Apple's keys; profile_name is the only one that must be.")],
    any_skip_key: Annotated[
        bool, typer.Option("--any-skip-key", help="Take panes of Setup Assistant that are not known here.")
    ] = False,
    server: Server = None,
) -> None:
    """Define a profile at Apple.

    One of the same name is replaced, for the devices that have it as well. Without a url it leads to this service.
    """
    try:
        document = read_document(read_text(file))
    except ValueError as error:
        raise Failure(f"{file} is not readable JSON: {error}.") from None
    body = {"profile": document, "any_skip_key": any_skip_key}
    session.show(session.api.post(f"{server_path(session, server)}/profiles", body), _write_defined)


@app.command("list")
@over_api
def list_profiles(session: Session, server: Server = None) -> None:
    """Profiles of a server."""
    session.show(session.api.get(f"{server_path(session, server)}/profiles"), _write_list)


@app.command("show")
@over_api
def show_profile(session: Session, name: Name, server: Server = None) -> None:
    """One profile, as Apple keeps it."""
    from corral.cli.reach.api import segment

    found = session.api.get(f"{server_path(session, server)}/profiles/{segment(name)}")
    session.show(found, lambda data: print(json.dumps(data["profile"], indent=2, ensure_ascii=False)))


@app.command("remove")
@over_api
def remove_profile(session: Session, name: Name, server: Server = None) -> None:
    """Forget a profile that no rule gives out."""
    from corral.cli.reach.api import segment

    session.api.delete(f"{server_path(session, server)}/profiles/{segment(name)}")
    session.show({"profile": name, "removed": True}, lambda data: print(f"Profile {data['profile']} is forgotten."))


@app.command("default")
@over_api
def set_default(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="[PROFILE]", help="Its name; without one there is no default.")] = "",
    server: Server = None,
) -> None:
    """Which profile devices get that no rule is about."""
    found = session.api.post(f"{server_path(session, server)}/default", {"profile": name})
    session.show(found, lambda data: print(f"{data['reassigned']} devices get another profile by the next sync."))


def _write_defined(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say

    say(
        f"Apple keeps {data['name']} as {data['uuid']}; it leads to {data['profile'].get('url')}.",
        f"Give it out: corral ade profile default {data['name']}, or by rules, or corral ade device assign.",
    )


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (
            each["name"],
            each["uuid"],
            "supervised" if each["profile"].get("is_supervised") else "",
            len(each["profile"].get("skip_setup_items", ())),
            each["profile"].get("url", ""),
            when(each["defined_at"]),
        )
        for each in data["profiles"]
    ]
    columns = ("profile", "id at Apple", "", "panes skipped", "leads to", "defined")
    print_table(columns, rows, "No profile. `corral ade profile define FILE` makes one.")
