"""`corral enroll`: links that let devices in."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.failure import UsageFailure
from corral.cli.files import write_new
from corral.cli.moments import moment
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Enrollment links: how devices come in.", no_args_is_help=True)


@app.command("link")
@over_api
def create_link(
    session: Session,
    uses: Annotated[str, typer.Option("--uses", help="How many devices: a number, or unlimited.")] = "1",
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="SPAN|TIME", help="A span (7d, 12h) or a time.  [default: the setting link_days]"
        ),
    ] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="Only for the device of this serial number.")] = None,
    udid: Annotated[str | None, typer.Option("--udid", help="Only for the device of this UDID.")] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            "--identity", help="How devices get their certificate: scep or acme.  [default: as the settings say]"
        ),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for; shown in listings.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write a profile for one device to this file.")] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="With --out: leave the signature off, for tools that read plain plists.")
    ] = False,
) -> None:
    """Make an enrollment link.

    Open it on the device; its URL is shown this once.
    """
    if unsigned and out is None:
        raise UsageFailure("--unsigned is about the file of --out; name one.")
    if out is not None and out.exists():
        raise UsageFailure(f"{out} exists already; name another file, or remove it first.")
    if identity not in (None, "scep", "acme"):
        raise UsageFailure(f"--identity takes scep or acme, not {identity!r}.")
    body: dict[str, Any] = {"uses": _uses(uses), "note": note, "serial_number": serial, "device_id": udid}
    body |= {"identity": identity} if identity else {}
    body |= moment("--expires", expires, "expires_at", "expires_in")
    made = session.api.post("/links", body)
    if out is not None:
        profile = session.api.download("POST", f"/links/{made['link']['id']}/profile", {"signed": not unsigned})
        write_new(out, profile)
    session.show(made, lambda data: _write_link(data, out))


@app.command("links")
@over_api
def list_links(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 100,
    before: Annotated[str | None, typer.Option("--before", help="Only those older than this one.")] = None,
) -> None:
    """Enrollment links, newest first."""
    session.show(session.api.pages("/links", "links", limit, "before", before=before), _write_links)


@app.command("revoke")
@over_api
def revoke_link(session: Session, link: Annotated[str, typer.Argument(help="Id of the link.")]) -> None:
    """Withdraw a link; enrolled devices stay."""
    from corral.cli.reach.api import segment

    session.api.delete(f"/links/{segment(link)}")
    session.show({"id": link, "revoked": True}, lambda data: print(f"Link {data['id']} lets nobody in any more."))


def _uses(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise UsageFailure(f"--uses takes a number or unlimited, not {text!r}.")
    return int(text)


def _write_link(data: dict[str, Any], out: Path | None) -> None:
    from corral.cli.pages.writing import count, say, when

    link = data["link"]
    many = "any number of devices" if link["uses"] is None else count(link["uses"], "device")
    bound = (
        f" (only {link['serial_number'] or link['device_id']})" if link["serial_number"] or link["device_id"] else ""
    )
    say(f"Link {link['id']} for {many}{bound}, until {when(link['expires_at'])}. Open it on the device:")
    say(f"  {data['url']}")
    if out is not None:
        say(f"The profile is in {out}. It is good for one device, and as secret as the link.")


def _write_links(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, hint, print_table, when

    rows = [
        (
            each["id"],
            f"{each['used']} of {each['uses'] if each['uses'] is not None else 'any number'}",
            each["closed"] or f"open, ends {ago(each['expires_at'])}",
            each["serial_number"] or each["device_id"],
            when(each["created_at"]),
            each["created_by"],
            each["note"],
        )
        for each in data["links"]
    ]
    columns = ("id", "used", "state", "only for", "created", "by", "note")
    print_table(columns, rows, "No enrollment link yet: make one with `corral enroll link`.")
    if data["next"]:
        hint(f"There are more: add --before {data['next']}, or --limit 0 for all.")
