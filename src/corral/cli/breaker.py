"""`corral breaker`: the guard against mass unenrollment."""

from typing import Any

import typer

from corral.cli.reach.session import Session, over_api

app = typer.Typer(
    help="The guard against mass unenrollment.",
    no_args_is_help=True,
)


@app.command("show")
@over_api
def show_breaker(session: Session) -> None:
    """Whether it is open."""
    session.show(session.api.get("/breaker"), _write)


@app.command("close")
@over_api
def close_breaker(session: Session) -> None:
    """Close it.

    Devices that are to leave are told so again, counted from now.
    """
    session.show(session.api.post("/breaker/close"), _write)


def _write(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say, when

    if data["open"]:
        say(
            f"The breaker is OPEN since {when(data['opened_at'])}: more devices were about to be told to leave than",
            "`breaker_limit` allows. Nothing is told to leave now. Look why (`corral device list --phase ending`,",
            "`corral events tail`), then `corral breaker close`.",
        )
    else:
        say("The breaker is closed.")
