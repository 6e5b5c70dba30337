"""`login` and `logout`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from corral.cli.failure import Failure
from corral.cli.reach.access import OverHttp, check_url
from corral.cli.reach.credentials import Login, forget_login, write_login


def add(app: typer.Typer) -> None:
    app.command()(login)
    app.command()(logout)


def login(
    url: Annotated[str, typer.Argument(help="The service, https://HOST[:PORT].")],
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File of the token; without it the token is asked for.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="PEM file of the service's own authority (`corral authority show`).")
    ] = None,
) -> None:
    """Remember a service and a token for all commands.

    The token is asked for, or read from standard input, and kept in a file that only you can read.
    """
    from corral.cli.reach.api import Api

    checked = check_url(url)
    token = (_read(token_file) if token_file else _ask()).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise Failure("This is no token; `corral token create` and `corral init` print one.")
    trusted = _read(ca) if ca else ""
    with Api(OverHttp(checked, token, trusted)) as api:
        status = api.get("/status")
    path = write_login(Login(checked, token, trusted))
    print(f"Logged in to {checked} (Corral {status['version']}). The token is in {path}.")


def logout() -> None:
    """Forget the service and token of `corral login`."""
    if not forget_login():
        raise Failure("There is no login to forget.")
    print("Logged out. The token itself stays good: `corral token revoke` ends it.")


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
