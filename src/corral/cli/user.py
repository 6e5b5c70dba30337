"""`corral user`: people who administer."""

import sys
from typing import Annotated, Any

import typer

from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Users: people who administer.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="USER", help="Name or id of the user.")]
Role = Annotated[str, typer.Option("--role", help="viewer, operator, administrator, enrollment-only, or one of yours.")]


@app.command("add")
@over_api
def add_user(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="USER", help="Name to sign in with, an e-mail address for example.")],
    role: Role,
    without_password: Annotated[
        bool, typer.Option("--without-password", help="Set one later, by `corral user password`.")
    ] = False,
) -> None:
    """Add somebody who administers.

    The password is asked for, or read from standard input.
    """
    body: dict[str, Any] = {"name": name, "role": role}
    if not without_password:
        body["password"] = ask_password("Password of the new user", twice=True)
    data = session.api.post("/users", body)
    session.show(data, lambda found: print(f"User {found['name']} is {found['role']} now."))


@app.command("list")
@over_api
def list_users(session: Session) -> None:
    """All users."""
    session.show(session.api.get("/users"), _write_list)


@app.command("password")
@over_api
def set_password(session: Session, name: Name) -> None:
    """Set a new password, and sign the user out everywhere.

    It is asked for, or read from standard input.
    """
    session.api.post(f"/users/{_segment(name)}/password", {"password": ask_password("New password", twice=True)})
    session.show({"user": name, "password_set": True}, lambda found: print(f"{found['user']} has a new password."))


@app.command("role")
@over_api
def set_role(
    session: Session, name: Name, role: Annotated[str, typer.Argument(metavar="ROLE", help="The new role.")]
) -> None:
    """Give a user another role, from the next request on."""
    data = session.api.post(f"/users/{_segment(name)}/role", {"role": role})
    session.show(data, lambda found: print(f"User {found['name']} is {found['role']} now."))


@app.command("disable")
@over_api
def disable_user(session: Session, name: Name) -> None:
    """Let a user in no more, and sign them out everywhere."""
    data = session.api.post(f"/users/{_segment(name)}/disable")
    session.show(data, lambda found: print(f"User {found['name']} is disabled."))


@app.command("enable")
@over_api
def enable_user(session: Session, name: Name) -> None:
    """Let a disabled user in again."""
    data = session.api.post(f"/users/{_segment(name)}/enable")
    session.show(data, lambda found: print(f"User {found['name']} may sign in again."))


def ask_password(question: str, *, twice: bool = False) -> str:
    if sys.stdin.isatty():
        return typer.prompt(question, hide_input=True, confirmation_prompt=twice)
    return sys.stdin.readline().rstrip("\r\n")


def _segment(name: str) -> str:
    from corral.cli.reach.api import segment

    return segment(name)


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (
            each["name"],
            each["role"],
            "disabled" if each["disabled_at"] else "",
            " ".join(filter(None, ("password" * each["has_password"], "provider" * each["provider"]))),
            when(each["created_at"]),
            each["created_by"],
        )
        for each in data["users"]
    ]
    print_table(("user", "role", "", "signs in by", "since", "added by"), rows, "No user; `corral user add` adds one.")
