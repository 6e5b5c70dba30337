"""`corral device`: what is managed, and what people decide about it."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli import device_escrow, device_verbs, many_devices
from corral.cli.aiming import Aim
from corral.cli.asking import confirm
from corral.cli.failure import Failure, UsageFailure
from corral.cli.many_devices import Number, WouldIt
from corral.cli.moments import moment, span
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Devices and their connections.", no_args_is_help=True)
app.add_typer(device_escrow.app, name="escrow")
device_verbs.add(app)

Name = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id (UDID), serial number, or connection id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
@over_api
def list_devices(
    session: Session,
    search: Annotated[str | None, typer.Option("--search", help="Start of an id, serial number or name.")] = None,
    contains: Annotated[str | None, typer.Option("--contains", help="Text in these, or in the model.")] = None,
    phase: Annotated[str | None, typer.Option("--phase", help="authenticating, connected, ending or ended.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="iOS, macOS, tvOS, visionOS or watchOS.")] = None,
    os_version: Annotated[str | None, typer.Option("--os", metavar="VERSION", help="17 is 17.5 too.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Product name (iPhone16,1) or model number.")] = None,
    silent: Annotated[str | None, typer.Option("--not-seen-for", metavar="SPAN", help="Such as 30d.")] = None,
    lively: Annotated[str | None, typer.Option("--seen-within", metavar="SPAN", help="Such as 1h.")] = None,
    way: Annotated[str | None, typer.Option("--way", help="How it came: link, automated, account-user, ...")] = None,
    supervised: Annotated[
        bool | None, typer.Option("--supervised/--unsupervised", help="As it has said itself.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 100,
    after: Annotated[str | None, typer.Option("--after", help="Only those behind this id.")] = None,
) -> None:
    """Devices, by id."""
    page = session.api.pages(
        "/devices",
        "devices",
        limit,
        "after",
        after=after,
        search=search,
        contains=contains,
        phase=phase,
        platform=platform,
        os_version=os_version,
        model=model,
        not_seen_for=span("--not-seen-for", silent),
        seen_within=span("--seen-within", lively),
        way=way,
        supervised=None if supervised is None else str(supervised).lower(),
    )
    session.show(page, _write_list)


@app.command("show")
@over_api
def show_device(session: Session, device: Name) -> None:
    """All that is known of a device.

    Its lives, channels and certificates, and why its next command waits.
    """
    from corral.cli.pages.devices import write_device

    path = f"/devices/{_segment(device)}"
    data = session.api.get(path)
    session.show(data, lambda found: write_device(found, _inventory(session, path)))


def _inventory(session: Session, path: str) -> dict[str, Any] | None:
    """For people only, and for those who may see it."""
    try:
        return session.api.get(f"{path}/inventory")
    except Failure:
        return None


@app.command("timeline")
@over_api
def show_timeline(
    session: Session,
    device: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="So many lines.")] = 50,
    before: Annotated[
        str | None, typer.Option("--before", metavar="TIME", help="Only what is older, or the end of the page before.")
    ] = None,
) -> None:
    """What happened with a device, newest first.

    Events, pushes, deliveries, results, and contacts by the hour.
    """
    from corral.cli.pages.devices import write_timeline

    given = before
    if before is not None and not re.match(r"\d+\.\d\.", before):
        given = moment("--before", before, "before", "before_in").get("before")
        if given is None:
            raise UsageFailure("--before takes a time, such as 2026-12-31T12:00.")
    session.show(session.api.get(f"/devices/{_segment(device)}/timeline", limit=limit, before=given), write_timeline)


@app.command("renew")
@over_api
def renew_device(
    session: Session,
    aim: Aim,
    dry_run: WouldIt = False,
) -> None:
    """Renew the identity certificate of devices.

    Each gets its profile again, makes a new key and comes back with it; queue and secrets stay.
    """
    aimed = aim.body()
    if (device := aim.only_one(dry_run=dry_run)) is not None:
        data = session.api.post(f"/devices/{_segment(device)}/renew")
        session.show(data, lambda found: print(f"The renewal is queued as command {found['command_uuid']}."))
        return
    many_devices.decide(session, "renew", aimed, dry_run=dry_run)


@app.command("takeover")
@over_api
def decide_takeover(
    session: Session,
    device: Name,
    accept: Annotated[
        bool, typer.Option("--accept/--refuse", help="It is the device, which was erased; or somebody else.")
    ],
) -> None:
    """Say whether a newcomer is this device.

    It came by a link for anybody, claims to be this device, and is held while the device is connected.
    """
    data = session.api.post(f"/devices/{_segment(device)}/takeover", {"accept": accept})
    said = "The newcomer has taken its place." if accept else "The newcomer is told to leave when it calls."
    session.show(data, lambda found: print(f"{found['device']['id']}: {said}"))


@app.command("return-to-service")
@over_api
def return_to_service(
    session: Session,
    device: Name,
    wifi_profile: Annotated[
        Path | None,
        typer.Option("--wifi-profile", metavar="FILE", help="Profile of the network by which it comes back."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Erase it, and have it come back by itself.

    It enrolls again as a new connection, without anybody at the device. One without Ethernet or a mobile network needs
    a Wi-Fi profile. Clear an Activation Lock first: it would stop the device.
    """
    from base64 import b64encode

    from corral.cli.files import read_bytes

    body = {} if wifi_profile is None else {"wifi_profile": b64encode(read_bytes(wifi_profile)).decode()}
    confirm(f"Erase {device}, with all that is on it?", yes)
    data = session.api.post(f"/devices/{_segment(device)}/return-to-service", body)
    session.show(data, lambda found: print(f"EraseDevice is queued as command {found['command_uuid']}."))


@app.command("revoke-certificate")
@over_api
def revoke_certificate(
    session: Session,
    device: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later.")],
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", help="Only this one (SHA-256, hex)."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Stop believing an identity certificate.

    Whoever has its key gets a plain refusal from now on, the device too: it keeps its profile and stays unheard
    until it enrolls again. To take the profile off, end the connection instead, while it can still be heard.
    """
    confirm(f"Refuse {device} from now on, until it enrolls again?", yes)
    body = {"reason": reason} | ({"fingerprint": fingerprint} if fingerprint else {})
    data = session.api.post(f"/devices/{_segment(device)}/revoke-certificate", body)
    session.show(data, _write_revoked)


@app.command("end")
@over_api
def end_device(
    session: Session,
    aim: Aim,
    deadline: Annotated[
        str | None,
        typer.Option(
            "--deadline",
            metavar="SPAN|TIME",
            help="When it is told to leave on contact, if it has not: a span or a time.",
        ),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="On its very next contact.")] = False,
    dry_run: WouldIt = False,
    number: Number = None,
    yes: Yes = False,
) -> None:
    """End the connection of devices.

    They are asked to remove their profile; past the deadline they are told to when they call. More of them at once
    than the breaker has room for are not told.
    """
    if now and deadline is not None:
        raise UsageFailure("Give --deadline or --now, not both.")
    body = moment("--deadline", "0s" if now else deadline, "deadline", "deadline_in")
    aimed = aim.body()
    if (device := aim.only_one(dry_run=dry_run)) is not None:
        confirm(f"End the connection of {device}, and take all that came with its profile off the device?", yes)
        session.show(session.api.post(f"/devices/{_segment(device)}/end", body), _write_ending)
        return
    confirm("End the connections of all of these, and take what came with their profiles off?", yes or dry_run)
    many_devices.decide(session, "end", aimed | body, dry_run=dry_run, number=number)


@app.command("block")
@over_api
def block_device(
    session: Session,
    aim: Aim,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later.")] = "",
    dry_run: WouldIt = False,
    number: Number = None,
) -> None:
    """Keep devices out.

    They are told to leave when they call, and cannot enroll until they are unblocked.
    """
    aimed = aim.body()
    if (device := aim.only_one(dry_run=dry_run)) is not None:
        data = session.api.post(f"/devices/{_segment(device)}/block", {"reason": reason})
        session.show(data, lambda found: print(f"Device {found['device']['id']} is blocked."))
        return
    many_devices.decide(session, "block", aimed | {"reason": reason}, dry_run=dry_run, number=number)


@app.command("unblock")
@over_api
def unblock_device(session: Session, device: Name) -> None:
    """Let a blocked device enroll again."""
    data = session.api.post(f"/devices/{_segment(device)}/unblock")
    session.show(data, lambda found: print(f"Device {found['device']['id']} may enroll again."))


@app.command("forget")
@over_api
def forget_device(session: Session, device: Name, yes: Yes = False) -> None:
    """Delete what is known of a device.

    Refused while it is connected.
    """
    confirm(f"Delete all that is known of {device}, its history too?", yes)
    session.api.delete(f"/devices/{_segment(device)}")
    session.show({"device": device, "forgotten": True}, lambda found: print(f"Device {found['device']} is forgotten."))


def _segment(device: str) -> str:
    from corral.cli.reach.api import segment

    return segment(device)


def _write_revoked(data: dict[str, Any]) -> None:
    for each in data["revoked"]:
        print(f"Revoked {each}.")
    print(data["what_follows"])


def _write_ending(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import when

    life = data["connections"][0]
    if life["phase"] == "ended":
        print(f"The connection of {data['device']['id']} is over.")
    else:
        print(
            f"{data['device']['id']} is asked to remove its profile; "
            f"from {when(life['ending_deadline'])} on it is told to leave when it calls."
        )


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, hint, print_table

    rows: list[tuple[object, ...]] = []
    for each in data["devices"]:
        device, life = each["device"], each["connection"]
        rows.append(
            (
                device["id"],
                "blocked" if device["blocked_at"] else life["phase"] if life else "",
                device["name"],
                device["serial_number"],
                device["product_name"] or device["model"],
                " ".join(filter(None, (device["platform"], device["os_version"]))),
                ago(each["last_seen"]),
                each["open_commands"] or "",
            )
        )
    columns = ("id", "state", "name", "serial", "model", "system", "last seen", "queued")
    print_table(columns, rows, "No device. `corral enroll link` makes a link to enroll one.")
    if data["next"]:
        hint(f"There are more: add --after {data['next']}, or --limit 0 for all.")
