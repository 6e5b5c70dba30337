"""`corral token`: who may administer."""

from typing import Annotated, Any

import typer

from corral.cli.failure import UsageFailure
from corral.cli.moments import moment
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Tokens of the admin API.", no_args_is_help=True)


@app.command("create")
@over_api
def create_token(
    session: Session,
    name: Annotated[str, typer.Argument(help="Whose it is; shown beside all that is done with it.")],
    role: Annotated[
        str | None, typer.Option("--role", help="viewer, operator, administrator, enrollment-only, or one of yours.")
    ] = None,
    permissions: Annotated[
        list[str] | None,
        typer.Option("--permission", metavar="NAME", help="Instead: such as devices:read; may be repeated."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="SPAN|TIME", help="A span (90d) or a time.  [default: until revoked]"),
    ] = None,
) -> None:
    """Make a token, which is shown this once.

    It can be given what you may do yourself, and nothing beyond that; `corral role list` has the names.
    """
    if (role is None) == (not permissions):
        raise UsageFailure("Say what the token may do: --role ROLE, or --permission NAME (several times).")
    body: dict[str, Any] = {"name": name} | moment("--expires", expires, "expires_at", "expires_in")
    body |= {"role": role} if role is not None else {"permissions": permissions}
    session.show(session.api.post("/tokens", body), _write_created)


@app.command("list")
@over_api
def list_tokens(session: Session) -> None:
    """All tokens, without themselves."""
    session.show(session.api.get("/tokens"), _write_list)


@app.command("revoke")
@over_api
def revoke_token(
    session: Session, token: Annotated[str, typer.Argument(metavar="ID", help="Id of the token.")]
) -> None:
    """Revoke a token, at once."""
    from corral.cli.reach.api import segment

    session.api.delete(f"/tokens/{segment(token)}")
    session.show({"id": token, "revoked": True}, lambda data: print(f"Token {data['id']} is revoked."))


def _write_created(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say, when

    until = data["credential"]["expires_at"]
    say(f"Token of {data['credential']['name']}, good until {when(until) if until else 'it is revoked'}:")
    say(f"  {data['token']}")


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (
            each["id"],
            each["name"],
            each["role"] or f"{len(each['permissions'])} permissions",
            "valid" if each["valid"] else "revoked" if each["revoked_at"] else "expired",
            when(each["created_at"]),
            when(each["expires_at"]) or "never",
        )
        for each in data["tokens"]
    ]
    print_table(("id", "name", "may", "state", "created", "expires"), rows, "No token; the local socket needs none.")
