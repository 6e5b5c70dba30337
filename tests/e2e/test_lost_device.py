"""The chapters of docs/api.md and docs/cli.md about a lost device are executed, line for line as they stand."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from corral.simulator.device import Device
from corral.simulator.world import State
from e2e.installation import Installation, until

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0


def blocks(page: str, chapter: str) -> list[str]:
    """The shell lines of a chapter."""
    text = (ROOT / "docs" / page).read_text().partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no shell lines under {chapter!r}"
    return found


class Shell:
    """A person's shell: what is typed is executed as it is, and the first failure ends it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def type(self, lines: str) -> str:
        """What it writes to these lines."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{lines}\necho '-- done --'\n".encode())
        async with asyncio.timeout(PATIENCE):
            written = await self._process.stdout.readuntil(b"-- done --\n")
        return written.decode().removesuffix("-- done --\n")


@asynccontextmanager
async def shell(variables: dict[str, str]) -> AsyncGenerator[Shell]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CORRAL_")}
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        env=plain | variables,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Shell(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def play(at: Installation, device: Device, lines: list[str], variables: dict[str, str]) -> list[str]:
    """Type the lines; the device enrolls where its link is shown. Returns what each block has written."""
    written: list[str] = []
    async with shell({"SERIAL": device.facts.serial_number, **variables}) as typed:
        for block in lines:
            try:
                written.append(await typed.type(block))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                said = error.partial.decode() if isinstance(error, asyncio.IncompleteReadError) else str(error)
                raise AssertionError(f"{block}\nended with:\n{said}") from None
            link = re.search(rf"{re.escape(at.url)}/enroll/\S+", written[-1])
            if link is not None:
                await device.enroll(link[0])
                await device.settle()
    return written


async def check(at: Installation, device: Device) -> None:
    await until(lambda: device.state is State.ERASED)
    assert device.complaints == []
    shown = await at.get(f"/devices/{device.facts.udid}")
    assert shown["device"]["blocked_reason"] == "lost"
    assert shown["connections"][0]["erasing_since"] is not None


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("jq") is None, reason="needs curl and jq")
async def test_by_the_api(corral: Installation, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text((await corral.get("/authority"))["certificate"])
    device = corral.device(quiet=False, supervised=True)
    variables = {"CORRAL": corral.url, "TOKEN": corral.template.token, "CURL_CA_BUNDLE": str(ca)}
    lines = blocks("api.md", "From a token to an erased device")
    written = await play(corral, device, lines, variables)
    await check(corral, device)
    everything = "\n".join(written)
    for told in ('"first administrator"', '"phase": "connected"', '"queued"', '"Latitude": 48.2082', '"eligible"'):
        assert told in everything, everything
    assert re.search(r"Z command\.queued done$", written[-1], re.MULTILINE), written[-1]
    assert re.search(r"Z device\.blocked$", written[-1], re.MULTILINE), written[-1]


async def test_by_the_command_line(corral: Installation, tmp_path: Path) -> None:
    ca, token = tmp_path / "ca.pem", tmp_path / "token"
    ca.write_text((await corral.get("/authority"))["certificate"])
    token.write_text(corral.template.token)
    device = corral.device(quiet=False, supervised=True)
    variables = {
        "CORRAL": corral.url,
        "TOKEN_FILE": str(token),
        "SSL_CERT_FILE": str(ca),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    written = await play(corral, device, blocks("cli.md", "A lost device, from a token to its end"), variables)
    await check(corral, device)
    everything = "\n".join(written)
    for told in ("first administrator", "connected", "48.2082", "would take it", "EraseDevice", "device.blocked"):
        assert told in everything, everything
