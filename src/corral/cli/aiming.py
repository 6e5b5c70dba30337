"""Which devices a command of the command line is about: by name, or all connected ones that fit."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Aim:
    """Which devices a command is for: those that are named, or all that a query fits."""

    devices: Devices = None
    everything: Everything = False
    search: Search = None
    platform: OfPlatform = None
    os_below: Below = None
    where: Where = None

    def body(self) -> dict[str, Any]:
        """The part of a request's body that says it; raises UsageFailure for none."""
        given = {"search": self.search, "platform": self.platform, "os_below": self.os_below, "where": self.where}
        query = {name: value for name, value in given.items() if value is not None}
        if self.devices and (self.everything or query):
            raise UsageFailure("Name devices, or give --all, --query, --search, --platform and --os-below; not both.")
        if self.devices:
            return {"devices": self.devices}
        if not self.everything and not query:
            raise UsageFailure("Name a device; --all means all that are connected.")
        return {"query": query}

    def only_one(self, *, dry_run: bool) -> str | None:
        """The one device that is named, which has an address of its own; None for many, or where it is only asked."""
        return self.devices[0] if self.devices is not None and len(self.devices) == 1 and not dry_run else None
