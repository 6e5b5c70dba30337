"""A `corral serve` in a process of its own, for the demo, for tests and for measurements."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import httpx

from corral.cli.api_operator import connect
from corral.cli.reach.access import OverSocket

READY_WITHIN = 30.0
STOP_WITHIN = 30.0


class ServiceFailed(Exception):
    """The service did not start, or stopped by itself; the message ends with its last words."""


class ServiceProcess:
    """One service over one data folder. `start` returns when it is ready; `kill` is SIGKILL, as a crash is.

    `program` is the module that is run: another one than `corral` can change something before it goes on to that.
    """

    def __init__(
        self, data: Path, listen: str, environment: Mapping[str, str] | None = None, *, program: str = "corral"
    ) -> None:
        self._program = program
        self.data = data
        self.listen = listen
        self.environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.data / "serve.log"

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._program,
                "serve",
                "--data",
                str(self.data),
                "--listen",
                self.listen,
                env={**os.environ, "CORRAL_LOG_FORMAT": "json", **self.environment},
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )
        try:
            async with asyncio.timeout(READY_WITHIN), self.admin() as api:
                while not await _is_ready(api):
                    if self._process.returncode is not None:
                        raise ServiceFailed(f"The service stopped while starting: {self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.kill()
            raise ServiceFailed(
                f"The service was not ready within {READY_WITHIN:.0f} s: {self._last_words()}"
            ) from None

    async def stop(self) -> None:
        """SIGTERM, and wait for the graceful end."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def admin(self) -> httpx.AsyncClient:
        """A client of the admin API over the installation's own socket."""
        return connect(OverSocket(self.data / "admin.sock"))

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else "it said nothing"


async def _is_ready(api: httpx.AsyncClient) -> bool:
    try:
        return (await api.get("http://localhost/readyz", timeout=2)).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.asynccontextmanager
async def running(service: ServiceProcess) -> AsyncGenerator[ServiceProcess]:
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
