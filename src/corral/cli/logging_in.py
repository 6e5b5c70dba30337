"""`login`, `logout` and `whoami`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corral.cli.failure import Failure, UsageFailure
from corral.cli.reach.access import OverHttp, check_url
from corral.cli.reach.credentials import Login, forget_login, read_login, write_login
from corral.cli.reach.session import Session, over_api
from corral.cli.user import ask_password

if TYPE_CHECKING:
    from corral.cli.reach.api import Api


def add(app: typer.Typer) -> None:
    app.command()(login)
    app.command()(logout)
    app.command()(whoami)


def login(
    url: Annotated[str, typer.Argument(help="The service, https://HOST[:PORT].")],
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File of the token; without it the token is asked for.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Sign in as this user, with a password.")] = None,
    sso: Annotated[bool, typer.Option("--sso", help="Sign in with the organization's identity provider.")] = False,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="PEM file of the service's own authority (`corral authority show`).")
    ] = None,
) -> None:
    """Remember a service and a token for all commands.

    The token, or with --user the password, is asked for or read from standard input. The token is kept in a file that
    only you can read.
    """
    from corral.cli.reach.api import Api

    if sum((token_file is not None, user is not None, sso)) > 1:
        raise UsageFailure("Give one of --token-file, --user and --sso.")
    checked = check_url(url)
    trusted = _read(ca) if ca else ""
    if user is not None or sso:
        with Api(OverHttp(checked, "", trusted)) as api:
            token = _sign_in(api, user)
    else:
        token = (_read(token_file) if token_file else _ask()).strip()
        if not token or not token.isascii() or not token.isprintable():
            raise Failure("This is no token; `corral token create` and `corral init` print one.")
    with Api(OverHttp(checked, token, trusted)) as api:
        caller = api.get("/sessions/current")
    path = write_login(Login(checked, token, trusted))
    print(f"Logged in to {checked} as {caller['name']}. The token is in {path}.")


def logout() -> None:
    """Forget the service and token of `corral login`.

    A session ends with it.
    """
    from corral.cli.reach.api import Api

    found = read_login()
    if found is None:
        raise Failure("There is no login to forget.")
    ended = True
    try:
        with Api(OverHttp(found.url, found.token, found.ca)) as api:
            api.delete("/sessions/current")
    except Failure:
        ended = False
    forget_login()
    print("Logged out." if ended else "Logged out. The token itself stays good: `corral token revoke` ends it.")


@over_api
def whoami(session: Session) -> None:
    """Who the service takes you for, and what you may do."""
    session.show(session.api.get("/sessions/current"), _write_caller)


def _sign_in(api: "Api", user: str | None) -> str:
    if user is not None:
        begun = api.post("/sessions", {"name": user, "password": ask_password("Password")})
        return begun["token"]
    begun = api.post("/sign-ins")
    print(f"Open this in a browser, and sign in:\n\n  {begun['url']}\n", file=sys.stderr)
    code = typer.prompt("The code that is shown there") if sys.stdin.isatty() else sys.stdin.readline().strip()
    return api.post("/sessions", {"sign_in": begun["sign_in"], "code": code})["token"]


def _write_caller(data: dict[str, Any]) -> None:
    print(f"{data['name']} ({data['kind']}{', ' + data['role'] if data['role'] else ''})")
    for permission in data["permissions"]:
        print(f"  {permission}")


def _ask() -> str:
    if sys.stdin.isatty():
        return typer.prompt("Token", hide_input=True)
    return sys.stdin.readline()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Failure(f"Cannot read {path}: {why}.") from None
