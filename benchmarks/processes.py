"""Processes beside this one: started, watched through /proc, and ended by their own id."""

import contextlib
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import psutil

SPAWN: Final = multiprocessing.get_context("spawn")

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far: `cpu` seconds (user and system), bytes of resident `memory`, bytes `written`, and
    `waited`, the seconds in which a thread of it could have run and had no processor."""

    cpu: float
    memory: int
    written: int
    waited: float = 0.0


def usage(pid: int) -> Usage:
    """Source: proc(5), `stat`, `statm` and `io`; `schedstat` of each thread (Linux, sched-stats.rst), in
    nanoseconds. The clock behind `cpu` ticks every 10 ms."""
    process = Path("/proc", str(pid))
    fields = process.joinpath("stat").read_text().rpartition(")")[2].split()
    resident = int(process.joinpath("statm").read_text().split()[1]) * _PAGE
    written = 0
    with contextlib.suppress(PermissionError):
        lines = process.joinpath("io").read_text().splitlines()
        written = next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
    waited = 0
    for thread in process.joinpath("task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended, or this kernel does not tell
            waited += int(thread.joinpath("schedstat").read_text().split()[1])
    return Usage((int(fields[11]) + int(fields[12])) / _TICK, resident, written, waited / 1e9)


def usage_of_all(pid: int) -> Usage:
    """Of a process and all that descend from it. What they share of the memory counts for each."""
    family = [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
    parts = [usage(each) for each in family]
    return Usage(
        sum(part.cpu for part in parts),
        sum(part.memory for part in parts),
        sum(part.written for part in parts),
        sum(part.waited for part in parts),
    )


@contextlib.contextmanager
def child(target: Callable[..., None], *args: Any) -> Generator[BaseProcess]:
    """A process that runs `target`, until the end of the `with` block."""
    process = SPAWN.Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def wait_for_port(port: int) -> None:
    """Until somebody listens there; raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"Nobody listens on port {port} after {_PATIENCE:.0f} s.")
