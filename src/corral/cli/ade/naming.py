"""Which server a command is about: the one that is named, or the only one that there is."""

from typing import Annotated

import typer

from corral.cli.failure import Failure, UsageFailure
from corral.cli.reach.session import Session

Server = Annotated[str | None, typer.Option("--server", help="Server by its name; not needed while there is only one.")]


def server_path(session: Session, server: str | None) -> str:
    """`/ade/servers/NAME`."""
    from corral.cli.reach.api import segment

    return f"/ade/servers/{segment(server or _only(session))}"


def _only(session: Session) -> str:
    names = [each["name"] for each in session.api.get("/ade/servers")["servers"]]
    match names:
        case []:
            raise Failure("There is no server of automated enrollment yet; begin with `corral ade server add NAME`.")
        case [name]:
            return str(name)
        case _:
            raise UsageFailure(f"There are several servers; name one with --server: {', '.join(names)}.")
