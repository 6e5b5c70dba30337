"""Several processes that serve the same addresses, and one that only looks after them."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

RESTART_AFTER = 1.0
"""Seconds before a process that ended by itself is started again."""


def supervise(count: int, serve: Callable[[int], None]) -> None:
    """Run `serve(number)` in `count` processes until SIGTERM or SIGINT; SIGHUP is handed on.

    A process that ends by itself is replaced. One that fails at its very start ends them all, with its exit code:
    what is wrong then is wrong for every one.
    """
    running: dict[int, tuple[int, float]] = {}
    stopping = False

    def hand_on(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        del frame
        stopping = stopping or number != signal.SIGHUP
        for pid in running:
            os.kill(pid, signal.SIGTERM if number != signal.SIGHUP else signal.SIGHUP)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hand_on)
    for number in range(count):
        running[_start(number, serve)] = number, time.monotonic()
    failed = 0
    while running:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        number, began = running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        if stopping:
            continue
        if code != 0 and time.monotonic() - began < 2 * RESTART_AFTER:
            failed, stopping = abs(code), True
            for other in running:
                os.kill(other, signal.SIGTERM)
            continue
        time.sleep(RESTART_AFTER)
        running[_start(number, serve)] = number, time.monotonic()
    if failed:
        sys.exit(failed)


def _start(number: int, serve: Callable[[int], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    code = 1
    try:
        serve(number)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except Exception as error:
        print(f"Cannot serve: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)
