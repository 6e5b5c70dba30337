"""`corral ade device`: devices as Apple lists them, and the profile that each of them gets."""

from typing import Annotated, Any

import typer

from corral.cli.ade.naming import Server, server_path
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Devices that Apple lists.", no_args_is_help=True)

Serials = Annotated[list[str], typer.Argument(metavar="SERIAL...", help="Serial numbers.")]


@app.command("list")
@over_api
def list_devices(
    session: Session,
    server: Annotated[str | None, typer.Option("--server", help="Only those of this server.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 100,
    after: Annotated[str | None, typer.Option("--after", help="Only those behind SERVER/SERIAL.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those too that Apple lists no more.")] = False,
) -> None:
    """Devices, by server and serial number."""
    page = session.api.pages(
        "/ade/devices", "devices", limit, "after", after=after, server=server, deleted=str(deleted).lower()
    )
    session.show(page, _write_list)


@app.command("show")
@over_api
def show_device(session: Session, serial: Annotated[str, typer.Argument(help="Its serial number.")]) -> None:
    """What Apple says of a device, and which profile it shall have."""
    from corral.cli.reach.api import segment

    session.show(session.api.get(f"/ade/devices/{segment(serial)}"), _write_devices)


@app.command("assign")
@over_api
def assign_devices(
    session: Session,
    serials: Serials,
    profile: Annotated[str, typer.Option("--profile", help="The profile's name.")],
    server: Server = None,
) -> None:
    """Give devices a profile.

    Takes effect in Setup Assistant: on a device that is new, or was erased. Rules leave these devices alone from then
    on.
    """
    body = {"devices": serials, "profile": profile}
    session.show(session.api.post(f"{server_path(session, server)}/assign", body), _write_list)


@app.command("unassign")
@over_api
def unassign_devices(session: Session, serials: Serials, server: Server = None) -> None:
    """Take their profile away.

    Only a device that is erased afterwards notices. Rules leave these devices alone from now on.
    """
    body = {"devices": serials}
    session.show(session.api.post(f"{server_path(session, server)}/unassign", body), _write_list)


@app.command("release")
@over_api
def release_devices(session: Session, serials: Serials, server: Server = None) -> None:
    """Leave devices to the rules and the default again."""
    found = session.api.post(f"{server_path(session, server)}/release", {"devices": serials})
    session.show(found, lambda data: print(f"{data['reassigned']} of them get another profile by the next sync."))


@app.command("lock")
@over_api
def lock_device(
    session: Session,
    serial: Annotated[str, typer.Argument(help="Its serial number.")],
    escrow_key: Annotated[str, typer.Option("--escrow-key", help="The key that can lift the lock again.")] = "",
    message: Annotated[str, typer.Option("--message", help="What the device shows.")] = "",
    server: Server = None,
) -> None:
    """Activation Lock for the organization."""
    body = {"device": serial, "escrow_key": escrow_key, "lost_message": message}
    session.show(session.api.post(f"{server_path(session, server)}/lock", body), _write_words)


@app.command("disown")
@over_api
def disown_devices(
    session: Session,
    serials: Serials,
    confirm: Annotated[
        str, typer.Option("--confirm", metavar="ORGANIZATION", help="The organization's name, to say that it is meant.")
    ] = "",
    server: Server = None,
) -> None:
    """Give devices up for ever.

    They leave the organization, and nobody here can bring them back. For those that are sold or scrapped.
    """
    body = {"devices": serials, "confirm": confirm}
    session.show(session.api.post(f"{server_path(session, server)}/disown", body), _write_words)


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import hint, print_table

    rows = [
        (
            each["serial_number"],
            each["description"] or each["model"],
            each["os"],
            each["server"],
            "gone" if each["deleted_at"] else each["profile_status"],
            each["profile"] or each["profile_uuid"],
            _wanted(each),
        )
        for each in data["devices"]
    ]
    columns = ("serial", "model", "system", "server", "status", "profile at Apple", "shall have")
    print_table(columns, rows, "No device. Assign some to the server in Apple's portal, then `corral ade sync`.")
    if data.get("next"):
        hint(f"There are more: add --after {data['next']}, or --limit 0 for all.")


def _wanted(device: dict[str, Any]) -> str:
    assignment = device["assignment"]
    if assignment is None:
        return ""
    what = f"{assignment['profile'] or 'none'} ({assignment['assigned_by']})"
    return f"{what}, {assignment['outcome'] or 'waits'}" if assignment["due_at"] or not _took(assignment) else what


def _took(assignment: dict[str, Any]) -> bool:
    return assignment["outcome"] in ("SUCCESS", "")


def _write_devices(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_facts, when_ago

    for each in data["devices"]:
        assignment: dict[str, Any] = each["assignment"] or {}
        print_facts(
            [
                ("serial", each["serial_number"]),
                ("server", each["server"]),
                ("model", each["model"]),
                ("description", each["description"]),
                ("color", each["color"]),
                ("family", each["device_family"]),
                ("system", each["os"]),
                ("asset tag", each["asset_tag"]),
                ("status at Apple", each["profile_status"]),
                ("profile at Apple", each["profile"] or each["profile_uuid"]),
                ("shall have", _wanted(each)),
                ("Apple's last word", assignment.get("outcome", "")),
                ("told Apple again", when_ago(assignment.get("due_at"))),
                ("listed by Apple", when_ago(each["seen_at"])),
                ("gone", when_ago(each["deleted_at"])),
            ]
        )


def _write_words(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    print_table(("serial", "Apple says"), list(data["devices"].items()), "No device.")
