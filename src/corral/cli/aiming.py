"""Which devices a command of the command line is about: by name, or all connected ones that fit."""

from typing import Annotated, Any

import typer

from corral.cli.failure import UsageFailure

_PANEL = "Instead of names"

Devices = Annotated[
    list[str] | None, typer.Argument(metavar="[DEVICE]...", help="Ids, serial numbers or connection ids.")
]
Everything = Annotated[bool, typer.Option("--all", help="All connected devices that fit.", rich_help_panel=_PANEL)]
Search = Annotated[
    str | None, typer.Option("--search", help="Start of an id, serial number or name.", rich_help_panel=_PANEL)
]
OfPlatform = Annotated[
    str | None,
    typer.Option("--platform", help="iOS, macOS, tvOS, visionOS or watchOS.", rich_help_panel=_PANEL),
]
Below = Annotated[
    str | None, typer.Option("--os-below", metavar="VERSION", help="Systems before it.", rich_help_panel=_PANEL)
]
Where = Annotated[
    str | None,
    typer.Option("--query", metavar="QUESTION", help="As `corral inventory query` takes it.", rich_help_panel=_PANEL),
]
User = Annotated[str, typer.Option("--user", help="Id of the user whose channel is meant.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell which of them would take it.")]


def aimed(
    devices: list[str] | None,
    everything: bool,
    search: str | None,
    platform: str | None,
    os_below: str | None,
    where: str | None,
) -> dict[str, Any]:
    """The part of a request's body that says which devices; raises UsageFailure for none."""
    given = {"search": search, "platform": platform, "os_below": os_below, "where": where}
    query = {name: value for name, value in given.items() if value is not None}
    if devices and (everything or query):
        raise UsageFailure("Name devices, or give --all, --query, --search, --platform and --os-below; not both.")
    if devices:
        return {"devices": devices}
    if not everything and not query:
        raise UsageFailure("Name a device; --all means all that are connected.")
    return {"query": query}
