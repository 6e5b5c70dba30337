"""Several processes that serve the same addresses, and one that only looks after them."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

RESTART_AFTER = 1.0
"""Seconds before a process that ended by itself is started again."""
START = 15.0
"""Seconds in which one of the first processes that fails has failed at its start."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def supervise(count: int, serve: Callable[[int], None]) -> None:
    """Run `serve(number)` in `count` processes until SIGTERM or SIGINT; SIGHUP is handed on.

    A process that ends by itself is replaced. One of the first that fails at its start ends them all, with its exit
    code: what is wrong then is wrong for every one. A replacement that fails is tried again, since the others may only
    be waiting for their database. When this process is killed, the others stop by themselves.
    """
    running: dict[int, int] = {}
    stopping = False

    def hand_on(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        del frame
        stopping = stopping or number != signal.SIGHUP
        _tell(running, signal.SIGHUP if number == signal.SIGHUP else signal.SIGTERM)

    for number in _SIGNALS:
        signal.signal(number, hand_on)
    lifeline = os.pipe()
    began = time.monotonic()
    for number in range(count):
        with _held():
            running[_start(number, serve, lifeline)] = number
    first = set(running)
    failed = 0
    while running:
        pid, status = os.wait()
        number = running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        if not stopping and code > 0 and pid in first and time.monotonic() - began < START:
            failed, stopping = code, True
            _tell(running, signal.SIGTERM)
        if not stopping:
            time.sleep(RESTART_AFTER)
        with _held():
            if not stopping:
                running[_start(number, serve, lifeline)] = number
    if failed:
        sys.exit(failed)


def _tell(running: dict[int, int], number: int) -> None:
    for pid in running:
        os.kill(pid, number)


def _start(number: int, serve: Callable[[int], None], lifeline: tuple[int, int]) -> int:
    """The new process's id; in the new process itself it does not return."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # There is nothing to read again before it serves.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    code = 1
    try:
        _stop_with_the_parent(lifeline)
        serve(number)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except Exception as error:
        print(f"Cannot serve: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def _held() -> Generator[None]:
    """Signals wait meanwhile: a child must not take one for its parent, nor a parent miss a child that is new."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _stop_with_the_parent(lifeline: tuple[int, int]) -> None:
    """The writing end is open in the parent alone, and nothing is ever written: reading ends when the parent does."""
    reading, writing = lifeline
    os.close(writing)

    def watch() -> None:
        os.read(reading, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
