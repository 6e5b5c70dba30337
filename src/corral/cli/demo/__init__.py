"""`corral demo`: a whole fleet, live, against a real service over real TLS, with every step verified."""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from corral.cli.failure import Failure


def add(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    devices: Annotated[int, typer.Option("--devices", min=12, max=5000, help="How many devices there are.")] = 16,
    leave: Annotated[bool, typer.Option("--exit", help="Check each step, print a line for it, and exit.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the installation in this new folder.  [default: a fresh one]")
    ] = None,
) -> None:
    """Show a fleet of simulated devices enroll, obey, change, renew and leave.

    Starts the service (TLS, its own authority, SQLite) and a stand-in for Apple's push service, plays every step and
    verifies it from both ends. Exits with 1 as soon as a step does not happen as it should.
    """
    from corral.cli.demo.stage import Stage
    from corral.cli.demo.view import make_view
    from corral.simulator.scenarios import ScenarioFailed

    async def play(folder: Path) -> None:
        view = make_view(plain=leave)
        async with Stage(folder, devices, view) as stage:
            with view:
                await stage.play()
                if not leave:
                    await stage.stay()

    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="corral-demo-")), "data")
        if folder.exists():
            raise Failure(f"{folder} is there already; the demo wants a new folder.")
        try:
            asyncio.run(play(folder))
        except ScenarioFailed as failure:
            raise Failure(f"FAILED {failure}") from None
