"""Where a service spends its time: py-spy beside it, for as long as a row lasts."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

RATE = 200
"""Samples a second."""


@contextlib.asynccontextmanager
async def profiled(pid: int, into: Path | None) -> AsyncGenerator[None]:
    """Record the stacks of a process until the end of the block; None records nothing and costs nothing."""
    if into is None:
        yield
        return
    spy = Path(sys.executable).with_name("py-spy")
    arguments = (
        "record",
        "--pid",
        str(pid),
        "--rate",
        str(RATE),
        "--format",
        "raw",
        "--threads",
        "--output",
        str(into),
    )
    process = await asyncio.create_subprocess_exec(
        str(spy), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()
