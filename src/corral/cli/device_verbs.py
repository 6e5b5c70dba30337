"""`corral device lock`, `erase`, `restart` ...: the commands that people send daily, each with what it needs."""

import secrets
from typing import Annotated, Any

import typer

from corral.cli.aiming import Aim
from corral.cli.asking import confirm
from corral.cli.failure import ExitCode, Failure, UsageFailure
from corral.cli.many_devices import WouldIt, decide
from corral.cli.reach.session import Session, over_api

PIN_LENGTH = 6

Name = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id (UDID), serial number, or connection id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Even if Apple's schema speaks against it.")]
Message = Annotated[str | None, typer.Option("--message", help="What it shows.")]
Phone = Annotated[str | None, typer.Option("--phone", help="A number to call, which it shows.")]
Pin = Annotated[str | None, typer.Option("--pin", help="Of a Mac: six digits. One is made if there is none.")]


def add(app: typer.Typer) -> None:
    """The verbs, beside what else there is of devices."""
    for name, command in (
        ("lock", lock_device),
        ("erase", erase_device),
        ("restart", restart_device),
        ("shutdown", shut_device_down),
        ("clear-passcode", clear_passcode),
        ("lost", enable_lost_mode),
        ("found", disable_lost_mode),
        ("wake", wake_device),
    ):
        app.command(name)(command)


@over_api
def lock_device(
    session: Session,
    device: Name,
    message: Message = None,
    phone: Phone = None,
    pin: Pin = None,
    force: Force = False,
) -> None:
    """Lock its screen.

    A Mac restarts and asks for a PIN of six digits, which is shown once.
    """
    keys = {"Message": message, "PhoneNumber": phone, "PIN": _pin(session, device, pin)}
    _send(session, device, "DeviceLock", keys, force)


@over_api
def erase_device(
    session: Session,
    device: Name,
    pin: Pin = None,
    keep_data_plan: Annotated[
        bool, typer.Option("--keep-data-plan", help="An iPhone or iPad keeps its cellular plan.")
    ] = False,
    no_proximity_setup: Annotated[
        bool, typer.Option("--no-proximity-setup", help="It is not set up by another device near it.")
    ] = False,
    obliteration: Annotated[
        str | None,
        typer.Option("--obliteration", help="Of a Mac: Default, DoNotObliterate, ObliterateWithWarning or Always."),
    ] = None,
    force: Force = False,
    yes: Yes = False,
) -> None:
    """Erase everything on it.

    A Mac without a security chip asks for the PIN of six digits, which is shown once.
    """
    confirm(f"Erase everything on {device}?", yes)
    keys: dict[str, Any] = {"PIN": _pin(session, device, pin), "ObliterationBehavior": obliteration}
    keys |= {"PreserveDataPlan": keep_data_plan or None, "DisallowProximitySetup": no_proximity_setup or None}
    _send(session, device, "EraseDevice", keys, force)


@over_api
def restart_device(
    session: Session,
    device: Name,
    notify: Annotated[bool, typer.Option("--notify", help="A Mac asks its user first.")] = False,
    force: Force = False,
) -> None:
    """Restart it."""
    _send(session, device, "RestartDevice", {"NotifyUser": notify or None}, force)


@over_api
def shut_device_down(session: Session, device: Name, force: Force = False, yes: Yes = False) -> None:
    """Shut it down."""
    confirm(f"Shut {device} down? Somebody must be there to start it.", yes)
    _send(session, device, "ShutDownDevice", {}, force)


@over_api
def clear_passcode(
    session: Session,
    device: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later.")],
    force: Force = False,
    yes: Yes = False,
) -> None:
    """Take its passcode away.

    This takes the unlock token out of escrow, which is written down with the reason.
    """
    from corral.cli.reach.api import segment

    confirm(f"Take the passcode of {device} away?", yes)
    path = f"/devices/{segment(device)}/escrow"
    held = session.api.get(path)["secrets"]
    newest = next((each for each in held if each["kind"] == "unlock-token"), None)
    if newest is None or newest["withdrawn"]:
        raise Failure(f"{device} has given no unlock token, so nobody but its user can open it.", ExitCode.NOT_FOUND)
    token = session.api.post(f"{path}/show", {"number": newest["number"], "reason": reason})["value"]
    _send(session, device, "ClearPasscode", {"UnlockToken": {"$data": token}}, force)


@over_api
def enable_lost_mode(
    session: Session,
    device: Name,
    message: Message = None,
    phone: Phone = None,
    footnote: Annotated[str | None, typer.Option("--footnote", help="What it shows below.")] = None,
    force: Force = False,
) -> None:
    """Mark it as lost.

    It is locked, shows the message, and can be asked where it is (DeviceLocation).
    """
    if message is None and phone is None:
        raise UsageFailure("Give --message or --phone: it is what whoever finds it will see.")
    keys = {"Message": message, "PhoneNumber": phone, "Footnote": footnote}
    _send(session, device, "EnableLostMode", keys, force)


@over_api
def disable_lost_mode(session: Session, device: Name, force: Force = False) -> None:
    """It is lost no more."""
    _send(session, device, "DisableLostMode", {}, force)


@over_api
def wake_device(
    session: Session,
    aim: Aim,
    dry_run: WouldIt = False,
) -> None:
    """Push to devices, so that they ask for their commands."""
    from corral.cli.pages.writing import count
    from corral.cli.reach.api import segment

    aimed = aim.body()
    if (device := aim.only_one(dry_run=dry_run)) is not None:
        data = session.api.post(f"/devices/{segment(device)}/wake")
        session.show(data, lambda found: print(f"{count(found['pushes'], 'push', 'pushes')} on the way."))
        return
    decide(session, "wake", aimed, dry_run=dry_run)


def _pin(session: Session, device: str, given: str | None) -> str | None:
    """Macs have use for a PIN, and for no other than one of six digits."""
    from corral.cli.reach.api import segment

    if given is not None and (len(given) != PIN_LENGTH or not (given.isascii() and given.isdigit())):
        raise UsageFailure(f"A PIN has {PIN_LENGTH} digits.")
    platform = session.api.get(f"/devices/{segment(device)}")["device"]["platform"]
    if platform == "macOS":
        return given or f"{secrets.randbelow(10**PIN_LENGTH):0{PIN_LENGTH}}"
    if given is not None:
        raise UsageFailure("Only a Mac takes a PIN; all others are opened by their passcode.")
    return None


def _send(session: Session, device: str, request_type: str, keys: dict[str, Any], force: bool) -> None:
    from corral.cli.pages.commands import write_sent

    given = {name: value for name, value in keys.items() if value is not None}
    sent = session.api.post(
        "/commands", {"devices": [device], "request_type": request_type, "keys": given, "force": force}
    )
    if sent["queued"] and "PIN" in given:
        sent["pin"] = given["PIN"]

    def write(data: dict[str, Any]) -> None:
        write_sent(data)
        if "pin" in data:
            print(f"PIN: {data['pin']}  (shown this once; `corral command reveal` has it, for a reason)")

    session.show(sent, write)
    if not sent["queued"]:
        raise typer.Exit(ExitCode.FAILED)
