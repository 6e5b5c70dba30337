"""The command line as people use it, over a service that runs in a process of its own."""

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from corral.cli.tree import run
from corral.lifecycle.state import Phase
from corral.service.clock import system_clock
from corral.settings import read_settings
from inprocess import opened

DEVICES = 16


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of a failure."""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.strip()


Cli = Callable[..., Outcome]


@dataclass(frozen=True)
class Running:
    """A service with devices D1 to D16 (D15 has a user U1, D16 has left), and a push certificate."""

    data: Path
    url: str
    token: str
    process: "subprocess.Popen[bytes]"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of whoever runs the tests is seen or touched."""
    for name in list(os.environ):
        if name.startswith("CORRAL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    def call(*arguments: object, stdin: str | None = None) -> Outcome:
        capsys.readouterr()
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run([str(each) for each in arguments])
        written = capsys.readouterr()
        return Outcome(code, written.out, written.err)

    return call


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    data = tmp_path_factory.mktemp("installation") / "data"
    url = f"https://127.0.0.1:{free_port()}"
    listen = url.removeprefix("https://")
    made = corral("init", "--data", str(data), "--public-url", url, "--listen", listen)
    token = next(line.strip() for line in made.stdout.splitlines() if line.startswith("  corral_"))
    asyncio.run(populate(data))
    with (data / "serve.log").open("wb") as log:
        command = [sys.executable, "-m", "corral", "serve", "--data", str(data)]
        # The queues hold what the tests have put there, and nothing else.
        quiet = {**os.environ, "CORRAL_COLLECT_INVENTORY": "false"}
        process = subprocess.Popen(command, stderr=log, env=quiet)
    try:
        wait_for(data / "admin.sock", process)
        yield Running(data, url, token, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def service(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The service, which commands find by the environment."""
    monkeypatch.setenv("CORRAL_DATA", str(running.data))
    return running


def corral(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own."""
    command = [sys.executable, "-m", "corral", *arguments]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CORRAL_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**plain, **environment})


async def populate(data: Path) -> None:
    async with opened(read_settings({"data": data}), system_clock()) as installation:
        await installation.push_certificate()
        for number in range(1, DEVICES + 1):
            await installation.device(
                Phase.ENDED if number == DEVICES else Phase.CONNECTED,
                user="U1" if number == DEVICES - 1 else "",
                name=f"Mac {number}",
                platform="macOS",
                os_version="26.1",
                product_name="Mac16,1",
            )


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until the service listens."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, "the service did not start"
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                return
            except OSError:
                time.sleep(0.05)
    raise AssertionError("the service did not start in time")
