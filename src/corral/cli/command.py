"""`corral command`: what devices are told to do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.asking import confirm
from corral.cli.failure import ExitCode, Failure, UsageFailure
from corral.cli.files import read_bytes
from corral.cli.moments import moment
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Commands, their queue and their results.", no_args_is_help=True)

Uuid = Annotated[str, typer.Argument(metavar="UUID", help="CommandUUID.")]
OfDevice = Annotated[str | None, typer.Option("--device", help="Only this device.")]


@app.command("send")
@over_api
def send_command(
    session: Session,
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE", help="Ids, serial numbers or connection ids.")],
    request_type: Annotated[str | None, typer.Option("--type", help="RequestType, such as DeviceInformation.")] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A key of the command: text, JSON, or @FILE for data; may be repeated."
        ),
    ] = None,
    plist: Annotated[
        Path | None, typer.Option("--plist", help="Instead: a whole command as a property list, sent byte for byte.")
    ] = None,
    user: Annotated[str, typer.Option("--user", help="Id of the user whose channel is meant.")] = "",
    priority: Annotated[int, typer.Option("--priority", min=-999, max=999, help="Higher goes first.")] = 0,
    not_before: Annotated[
        str | None, typer.Option("--not-before", metavar="SPAN|TIME", help="Not earlier than: a span or a time.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="SPAN|TIME", help="Not later than: a span or a time.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Send it even if Apple's schema speaks against it.")] = False,
    wait: Annotated[
        str | None,
        typer.Option("--wait", metavar="SPAN", help="Wait so long (30s, 2m) for the answers, and show them."),
    ] = None,
) -> None:
    """Queue a command for devices.

    `corral command explain TYPE` tells the keys that a type has.
    """
    if (request_type is None) == (plist is None):
        raise UsageFailure("Give --type with its keys, or --plist FILE.")
    if plist is not None and keys:
        raise UsageFailure("--set goes with --type; a command of --plist is sent as it is.")
    body: dict[str, Any] = {"devices": devices, "user": user, "priority": priority, "force": force}
    body |= moment("--not-before", not_before, "not_before", "not_before_in")
    body |= moment("--expires", expires, "expires_at", "expires_in")
    if plist is not None:
        from base64 import b64encode

        body["plist"] = b64encode(read_bytes(plist, 16 * 1024 * 1024)).decode()
    elif request_type is not None:
        from corral.cli.command_keys import read_keys

        body["request_type"] = request_type
        body["keys"] = read_keys(session.api, request_type, keys or [])
    sent = session.api.post("/commands", body)
    if wait is not None and sent["queued"]:
        from corral.cli.pages.commands import write_sent_with_answers
        from corral.cli.waiting import wait_for_answers

        sent["answers"] = wait_for_answers(session.api, sent, wait)
        session.show(sent, write_sent_with_answers)
    else:
        from corral.cli.pages.commands import write_sent

        session.show(sent, write_sent)
    if sent["queued"] < len(sent["devices"]):
        raise typer.Exit(ExitCode.FAILED)


@app.command("list")
@over_api
def list_commands(
    session: Session,
    device: OfDevice = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            help="open, acknowledged, error, format-error, cancelled, expired, superseded or dropped.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 50,
    before: Annotated[str | None, typer.Option("--before", help="Only those older than this number.")] = None,
) -> None:
    """Commands and what became of them, newest first."""
    from corral.cli.pages.commands import write_list

    page = session.api.pages("/commands", "commands", limit, "before", before=before, device=device, state=state)
    session.show(page, write_list)


@app.command("show")
@over_api
def show_command(
    session: Session,
    command: Uuid,
    device: OfDevice = None,
    raw: Annotated[bool, typer.Option("--raw", help="The device's answer as it came, with --device.")] = False,
) -> None:
    """A command with the answers of its devices."""
    from corral.cli.pages.commands import write_detail
    from corral.cli.reach.api import segment

    path = f"/commands/{segment(command)}"
    if raw:
        import sys

        if device is None:
            raise UsageFailure("--raw is the answer of one device: name it with --device.")
        sys.stdout.buffer.write(session.api.download("GET", f"{path}/result", device=device))
        return
    session.show(session.api.get(path, device=device), write_detail)


@app.command("cancel")
@over_api
def cancel_command(session: Session, command: Uuid, device: OfDevice = None) -> None:
    """Take a command out of the queues.

    What a device has already got, it may still carry out.
    """
    from corral.cli.reach.api import segment

    data = session.api.delete(f"/commands/{segment(command)}", device=device)
    session.show(data, _write_cancelled)


@app.command("clear")
@over_api
def clear_commands(
    session: Session,
    device: Annotated[str, typer.Argument(help="Its id, serial number or connection id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Cancel all open commands of a device."""
    from corral.cli.reach.api import segment

    confirm(f"Cancel all open commands of {device}?", yes)
    session.show(session.api.delete(f"/devices/{segment(device)}/commands"), _write_cancelled)


@app.command("types")
@over_api
def list_types(
    session: Session, search: Annotated[str | None, typer.Argument(help="Part of a RequestType.")] = None
) -> None:
    """The commands that Apple's schema has."""
    from corral.cli.pages.commands import write_types

    found = session.api.get("/request-types")["request_types"]
    wanted = (search or "").lower()
    listed = [each for each in found if wanted in each["request_type"].lower()]
    if not listed:
        raise Failure(f"Apple's schema has no command with {search!r} in its name.", ExitCode.NOT_FOUND)
    session.show({"request_types": listed}, write_types)


@app.command("explain")
@over_api
def explain_type(
    session: Session, request_type: Annotated[str, typer.Argument(metavar="TYPE", help="RequestType.")]
) -> None:
    """The keys of a command, and where it works."""
    from corral.cli.pages.commands import write_type
    from corral.cli.reach.api import segment

    session.show(session.api.get(f"/request-types/{segment(request_type)}"), write_type)


def _write_cancelled(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import count

    print(
        f"{count(data['cancelled'], 'delivery', 'deliveries')} cancelled." if data["cancelled"] else "Nothing was open."
    )
