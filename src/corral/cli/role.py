"""`corral role`: sets of permissions."""

from typing import Annotated, Any

import typer

from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Roles: what users and tokens may do.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="ROLE", help="Name of the role.")]
Permissions = Annotated[
    list[str], typer.Option("--permission", metavar="NAME", help="Such as devices:read; may be repeated.")
]


@app.command("list")
@over_api
def list_roles(session: Session) -> None:
    """All roles, with what they allow."""
    session.show(session.api.get("/roles"), _write_list)


@app.command("create")
@over_api
def create_role(session: Session, name: Name, permissions: Permissions) -> None:
    """Make a role of permissions that you have yourself."""
    data = session.api.post("/roles", {"name": name, "permissions": permissions})
    session.show(data, lambda found: print(f"There is a role {found['name']} now."))


@app.command("change")
@over_api
def change_role(session: Session, name: Name, permissions: Permissions) -> None:
    """Say anew what a role allows.

    It counts from the next request on of everybody who has it.
    """
    data = session.api.put(f"/roles/{_segment(name)}", {"permissions": permissions})
    session.show(data, lambda found: print(f"Role {found['name']} is changed."))


@app.command("remove")
@over_api
def remove_role(session: Session, name: Name) -> None:
    """Remove a role that nobody has."""
    session.api.delete(f"/roles/{_segment(name)}")
    session.show({"role": name, "removed": True}, lambda found: print(f"Role {found['role']} is gone."))


def _segment(name: str) -> str:
    from corral.cli.reach.api import segment

    return segment(name)


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [
        (each["name"], "built in" if each["built_in"] else f"by {each['created_by']}", " ".join(each["permissions"]))
        for each in data["roles"]
    ]
    print_table(("role", "made", "allows"), rows, "No role.")
