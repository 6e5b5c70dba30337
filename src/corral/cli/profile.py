"""`corral profile`: configuration profiles, from a file to devices and off them again."""

import sys
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.aiming import Aim, DryRun, User
from corral.cli.asking import confirm
from corral.cli.failure import ExitCode
from corral.cli.files import read_bytes
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Configuration profiles, kept in versions.", no_args_is_help=True)

LARGEST = 4 * 1024 * 1024

File = Annotated[Path, typer.Argument(metavar="FILE", help="A .mobileconfig, signed or not.")]
Profile = Annotated[str, typer.Argument(metavar="PROFILE", help="Its PayloadIdentifier or id.")]
Version = Annotated[int | None, typer.Option("--version", min=1, help="Not the newest version, but this one.")]
Force = Annotated[bool, typer.Option("--force", help="Even if Apple's schema speaks against it.")]


@app.command("lint")
@over_api
def lint_profile(
    session: Session,
    file: File,
    device: Annotated[str | None, typer.Option("--for", metavar="DEVICE", help="As this device would take it.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="As devices of this system would.")] = None,
    os_version: Annotated[str | None, typer.Option("--os-version", help="Of this version of it.")] = None,
    supervised: Annotated[bool | None, typer.Option("--supervised/--unsupervised", help="As such a one.")] = None,
    user: User = "",
) -> None:
    """What devices would have against a profile.

    Errors keep it from being installed, warnings are passed over. Ends with 1 if there are errors.
    """
    from corral.cli.pages.profiles import write_findings

    facts = {"device": device, "platform": platform, "os_version": os_version, "supervised": supervised}
    body = {"content": _read(file), "user": user} | {key: value for key, value in facts.items() if value is not None}
    found = session.api.post("/profiles/lint", body)
    session.show(found, write_findings)
    if found["errors"]:
        raise typer.Exit(ExitCode.FAILED)


@app.command("add")
@over_api
def add_profile(
    session: Session,
    file: File,
    name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
    note: Annotated[str, typer.Option("--note", help="What is new in this version.")] = "",
    force: Force = False,
) -> None:
    """Keep a profile, or its next version.

    Its PayloadIdentifier says which profile it is; devices are not touched.
    """
    from corral.cli.pages.profiles import write_kept

    body = {"content": _read(file), "name": name, "note": note, "force": force}
    session.show(session.api.post("/profiles", body), write_kept)


@app.command("list")
@over_api
def list_profiles(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 100,
    after: Annotated[str | None, typer.Option("--after", help="Only those behind this identifier.")] = None,
) -> None:
    """Profiles that are kept here."""
    from corral.cli.pages.profiles import write_list

    session.show(session.api.pages("/profiles", "profiles", limit, "after", after=after), write_list)


@app.command("show")
@over_api
def show_profile(
    session: Session,
    profile: Profile,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many devices; 0: all.")] = 100,
    drift: Annotated[bool, typer.Option("--drift", help="Only devices that are not as they should be.")] = False,
    standing: Annotated[
        list[str] | None,
        typer.Option("--standing", help="Only devices of this standing, such as pending; may be repeated."),
    ] = None,
) -> None:
    """A profile with its versions, and the devices that should have it."""
    from corral.cli.pages.profiles import write_profile

    path = f"/profiles/{_segment(profile)}"
    found = session.api.get(path)
    wanted = [*(standing or []), *(["drift"] if drift else [])]
    devices = session.api.pages(f"{path}/devices", "devices", limit, "after", standing=",".join(wanted) or None)
    session.show(found | devices, write_profile)


@app.command("export")
@over_api
def export_profile(
    session: Session,
    profile: Profile,
    out: Annotated[Path | None, typer.Option("--out", help="Into this file.")] = None,
    version: Version = None,
) -> None:
    """The property list of a profile, with all that is secret in it.

    An event tells who has looked.
    """
    content = session.api.download("GET", f"/profiles/{_segment(profile)}/content", version=version)
    if out is None:
        sys.stdout.buffer.write(content)
        return
    from corral.cli.files import write_new

    write_new(out, content)
    session.show({"file": str(out), "size": len(content)}, lambda data: print(f"Written to {data['file']}."))


@app.command("install")
@over_api
def install_profile(
    session: Session,
    profile: Profile,
    aim: Aim,
    version: Version = None,
    user: User = "",
    force: Force = False,
    dry_run: DryRun = False,
) -> None:
    """Install a profile on devices, or another version of it."""
    body: dict[str, Any] = aim.body()
    body |= {"user": user, "force": force, "dry_run": dry_run} | ({"version": version} if version else {})
    _send(session, f"/profiles/{_segment(profile)}/install", body)


@app.command("remove")
@over_api
def remove_profile(
    session: Session,
    profile: Profile,
    aim: Aim,
    user: User = "",
    force: Force = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a profile from devices; it stays here."""
    body: dict[str, Any] = aim.body()
    _send(
        session,
        f"/profiles/{_segment(profile)}/remove",
        body | {"user": user, "force": force, "dry_run": dry_run},
    )


@app.command("forget")
@over_api
def forget_profile(
    session: Session,
    profile: Profile,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even if devices should have it.")] = False,
) -> None:
    """Delete a profile here, with all its versions.

    Devices are not touched.
    """
    confirm(f"Delete all versions of {profile}?", yes)
    session.api.delete(f"/profiles/{_segment(profile)}", force="true" if force else None)
    session.show({"profile": profile, "forgotten": True}, lambda data: print(f"{data['profile']} is forgotten."))


@app.command("device")
@over_api
def show_device(
    session: Session,
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id, serial number or connection id.")],
    user: User = "",
) -> None:
    """The profiles that a device has, beside those that it should have."""
    from corral.cli.pages.profiles import write_device

    session.show(session.api.get(f"/devices/{_segment(device)}/profiles", user=user or None), write_device)


def _send(session: Session, path: str, body: dict[str, Any]) -> None:
    from corral.cli.pages.commands import write_sent

    sent = session.api.post(path, body)
    session.show(sent, write_sent)
    if any(each["verdict"] not in ("queued", "forced", "eligible") for each in sent["devices"]):
        raise typer.Exit(ExitCode.FAILED)


def _read(file: Path) -> str:
    return b64encode(read_bytes(file, LARGEST)).decode()


def _segment(name: str) -> str:
    from corral.cli.reach.api import segment

    return segment(name)
