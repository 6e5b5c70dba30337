"""`corral ade`: Automated Device Enrollment, from Apple's portal to the profile of each device."""

import typer

from corral.cli.ade import device, profile, rule, server, syncing

app = typer.Typer(help="Automated Device Enrollment.", no_args_is_help=True)
app.add_typer(server.app, name="server")
app.add_typer(device.app, name="device")
app.add_typer(profile.app, name="profile")
app.add_typer(rule.app, name="rule")
app.command("sync")(syncing.sync)
