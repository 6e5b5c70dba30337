"""`corral filevault`: the recovery keys of Macs."""

from pathlib import Path
from typing import Annotated

import typer

from corral.cli.files import write_new
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="FileVault recovery keys of Macs.", no_args_is_help=True)


@app.command("profile")
@over_api
def make_profile(
    session: Session,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write (.mobileconfig).")],
    enable: Annotated[bool, typer.Option("--enable", help="Turn FileVault on too, at a user's next login.")] = False,
) -> None:
    """Write the profile by which Macs give their key.

    It says for whom the recovery key is to be enclosed. Send it with InstallProfile; SecurityInfo brings the key then.
    """
    profile = session.api.download("GET", "/filevault/profile", enable="true" if enable else None)
    write_new(out, profile, private=False)
    session.show({"file": str(out)}, lambda found: print(f"The profile is in {found['file']}."))


@app.command("rotate")
@over_api
def rotate_key(
    session: Session,
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id (UDID), serial number, or connection id.")],
) -> None:
    """Have a Mac make a new recovery key.

    It gives it into keeping with its answer; the present one must be in keeping.
    """
    from corral.cli.reach.api import segment

    data = session.api.post(f"/devices/{segment(device)}/filevault/rotate")
    session.show(data, lambda found: print(f"RotateFileVaultKey is queued as command {found['command_uuid']}."))
