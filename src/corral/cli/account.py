"""`corral account`: who signed in to enroll a device."""

from typing import Annotated, Any

import typer

from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Sign-ins of people who enroll with an account.", no_args_is_help=True)


@app.command("sessions")
@over_api
def list_sessions(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the newest first.")] = 100,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ID", help="Those before this one: the next page.")
    ] = None,
) -> None:
    """Sign-ins, newest first."""
    session.show(session.api.get("/account-sessions", limit=limit, before=before), _write_list)


@app.command("end")
@over_api
def end_session(
    session: Session, sign_in: Annotated[str, typer.Argument(metavar="ID", help="Id of the sign-in.")]
) -> None:
    """End a sign-in and its tokens; devices stay enrolled."""
    from corral.cli.reach.api import segment

    session.api.delete(f"/account-sessions/{segment(sign_in)}")
    session.show({"id": sign_in, "ended": True}, lambda data: print(f"Sign-in {data['id']} is ended."))


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, say, when

    rows = [
        (
            each["id"],
            each["account"],
            "valid" if each["valid"] else "ended" if each["revoked_at"] else "expired",
            when(each["created_at"]),
            when(each["expires_at"]),
        )
        for each in data["sessions"]
    ]
    print_table(("id", "account", "state", "signed in", "until"), rows, "Nobody has signed in yet.")
    if data["next"]:
        say(f"More with --before {data['next']}")
