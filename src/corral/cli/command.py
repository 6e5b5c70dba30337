"""`corral command`: what devices are told to do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.aiming import Aim, DryRun, User
from corral.cli.asking import confirm
from corral.cli.failure import ExitCode, Failure, UsageFailure
from corral.cli.files import read_bytes
from corral.cli.many_devices import Number
from corral.cli.moments import moment
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Commands, their queue and their results.", no_args_is_help=True)

Uuid = Annotated[str, typer.Argument(metavar="UUID", help="CommandUUID.")]
OfDevice = Annotated[str | None, typer.Option("--device", help="Only this device.")]


@app.command("send")
@over_api
def send_command(
    session: Session,
    aim: Aim,
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
    user: User = "",
    priority: Annotated[int, typer.Option("--priority", min=-999, max=999, help="Higher goes first.")] = 0,
    not_before: Annotated[
        str | None, typer.Option("--not-before", metavar="SPAN|TIME", help="Not earlier than: a span or a time.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="SPAN|TIME", help="Not later than: a span or a time.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Send it even if Apple's schema speaks against it.")] = False,
    dry_run: DryRun = False,
    number: Number = None,
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
    body: dict[str, Any] = aim.body()
    body |= {"user": user, "priority": priority, "force": force, "dry_run": dry_run}
    if number is not None:
        body["confirm"] = number
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
    if any(each["verdict"] not in ("queued", "forced", "eligible") for each in sent["devices"]):
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


@app.command("reveal")
@over_api
def reveal_command(
    session: Session,
    command: Uuid,
    device: Annotated[str, typer.Option("--device", help="The device that it went to.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later.")],
    user: User = "",
) -> None:
    """What was sent to a device and answered, with its secrets.

    PINs, passwords, recovery keys, bypass codes: an event tells who has looked, and why.
    """
    from corral.cli.pages.commands import write_revealed
    from corral.cli.reach.api import segment

    body = {"device": device, "user": user, "reason": reason}
    session.show(session.api.post(f"/commands/{segment(command)}/reveal", body), write_revealed)


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
    session: Session,
    search: Annotated[str | None, typer.Argument(help="Part of a RequestType, or of one of its keys.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="Only those that it has.")] = None,
    device: Annotated[str | None, typer.Option("--for", metavar="DEVICE", help="Only those that it takes.")] = None,
    user: User = "",
) -> None:
    """The commands that Apple's schema has."""
    from corral.cli.pages.request_types import write_types

    found = session.api.get(
        "/request-types", search=search, platform=platform, device=device, user=user if device else None
    )
    if not found["request_types"]:
        raise Failure("Apple's schema has no such command.", ExitCode.NOT_FOUND)
    session.show(found, write_types)


@app.command("explain")
@over_api
def explain_type(
    session: Session,
    request_type: Annotated[str, typer.Argument(metavar="TYPE", help="RequestType.")],
    device: Annotated[
        str | None, typer.Option("--for", metavar="DEVICE", help="And whether this device would take it.")
    ] = None,
    user: User = "",
) -> None:
    """The keys of a command, and where it works."""
    from corral.cli.pages.request_types import write_type
    from corral.cli.reach.api import segment

    path = f"/request-types/{segment(request_type)}"
    session.show(session.api.get(path, device=device, user=user if device else None), write_type)


def _write_cancelled(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import count

    print(
        f"{count(data['cancelled'], 'delivery', 'deliveries')} cancelled." if data["cancelled"] else "Nothing was open."
    )
