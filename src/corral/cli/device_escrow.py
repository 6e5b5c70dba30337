"""`corral device escrow`: the secrets that devices have given into keeping."""

import base64
from typing import Annotated, Any

import typer

from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Secrets that a device has given into keeping.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id (UDID), serial number, or connection id.")]


@app.command("list")
@over_api
def list_escrow(session: Session, device: Name) -> None:
    """Every version of every secret, by number."""
    session.show(session.api.get(f"/devices/{_segment(device)}/escrow"), _write_list)


@app.command("show")
@over_api
def show_escrow(
    session: Session,
    device: Name,
    number: Annotated[int, typer.Argument(help="As `corral device escrow list` has it.", min=1)],
    reason: Annotated[str, typer.Option("--reason", help="Why it is needed: kept with the event that tells of it.")],
) -> None:
    """Print one secret.

    Text as it is, everything else in base64. Who asked, and why, is written down first.
    """
    data = session.api.post(f"/devices/{_segment(device)}/escrow/show", {"number": number, "reason": reason})
    session.show(data, lambda found: print(_printable(found["value"])))


def _segment(device: str) -> str:
    from corral.cli.reach.api import segment

    return segment(device)


def _printable(value: str) -> str:
    try:
        text = base64.b64decode(value).decode()
    except UnicodeDecodeError:
        return value
    return text if text.isprintable() else value


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows: list[tuple[object, ...]] = []
    for each in data["secrets"]:
        note = "withdrawn" if each["withdrawn"] else ""
        rows.append((each["number"], each["kind"], when(each["at"]), note, each["connection_id"]))
    print_table(("number", "secret", "since", "", "connection"), rows, "This device has given nothing into keeping.")
