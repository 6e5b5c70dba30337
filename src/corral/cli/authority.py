"""`corral authority`: the certificate authority that devices trust, and its roll-over to another."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.files import write_new
from corral.cli.reach.session import Session, over_api

app = typer.Typer(
    help="The certificate authority that devices trust.",
    no_args_is_help=True,
)


@app.command()
@over_api
def show(
    session: Session,
    out: Annotated[Path | None, typer.Option("--out", help="Write the certificate (PEM) to this file.")] = None,
) -> None:
    """The certificate of the authority that issues.

    `corral login --ca` and browsers need it to trust a service that uses it for TLS. During a roll-over the file has
    the certificates of the older ones too.
    """
    found = session.api.get("/authority")
    if out is not None:
        write_new(out, found["certificate"].encode(), private=False)
    session.show(found, lambda data: _write_authority(data, out))


@app.command("list")
@over_api
def list_authorities(session: Session) -> None:
    """All authorities, and how many devices depend on each."""
    session.show(session.api.get("/authorities"), _write_list)


@app.command()
@over_api
def rotate(
    session: Session,
    over: Annotated[
        int, typer.Option("--over", min=0, max=3650, help="Renew the devices over to it within so many days.")
    ] = 30,
) -> None:
    """Make a new authority, which issues from now on.

    The present one is believed until it is retired.
    """
    session.show(session.api.post("/authorities", {"over_days": over}), _write_rotated)


@app.command()
@over_api
def retire(
    session: Session,
    authority: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    force: Annotated[
        bool, typer.Option("--force", help="Even while devices depend on it: they have to enroll again.")
    ] = False,
) -> None:
    """Believe an older authority no longer."""
    from corral.cli.reach.api import segment

    session.show(session.api.post(f"/authorities/{segment(authority)}/retire", {"force": force}), _write_retired)


def _write_authority(data: dict[str, Any], out: Path | None) -> None:
    from corral.cli.pages.writing import print_facts, when

    facts = [
        ("subject", data["subject"]),
        ("until", when(data["not_after"])),
        ("SHA-256", data["fingerprint"]),
        ("written to", str(out) if out else None),
    ]
    print_facts(facts)
    if out is None:
        print(data["certificate"].strip())


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (
            each["id"],
            each["subject"],
            each["state"],
            when(each["not_after"]),
            each["identities"],
            when(each["moved_by"]) if each["moved_by"] else "",
        )
        for each in data["authorities"]
    ]
    print_table(("authority", "name", "state", "until", "devices", "others moved by"), rows, "There is none.")


def _write_rotated(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say, when

    say(
        f"{data['subject']} ({data['id']}) is believed from now on, and issues in a few seconds.",
        f"Connected devices are renewed over to it until {when(data['moved_by'])}: see `corral authority list`, and",
        "`corral authority retire` for the older one once no device is left there.",
        "Make a backup now: one from before does not have the new key.",
    )


def _write_retired(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say

    say(
        f"{data['subject']} ({data['id']}) is believed no longer: its certificates are refused from now on.",
        f"Its key stays, sealed, for the enrollment profiles that it has signed ({data['profiles']:,} devices).",
    )
