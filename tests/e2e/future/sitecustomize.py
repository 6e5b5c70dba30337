"""Lets a service live in the future, look more often for what is due, be less patient with who sends slowly, and fail
or die where a test wants it to: Python runs this at its start if the folder is on its path.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from importlib import import_module

from corral.http import protocol
from corral.service import clock
from corral.worker import worker

_present = clock.system_clock
_ahead = int(os.environ.get("E2E_AHEAD", "0"))


def _future() -> int:
    return _present() + _ahead


clock.system_clock = _future
worker.SWEEP_EVERY = float(os.environ.get("E2E_ROUNDS", worker.SWEEP_EVERY))
protocol.PATIENCE = float(os.environ.get("E2E_PATIENCE", protocol.PATIENCE))


async def _fail(*values: object, **named: object) -> None:
    held = values, named  # what a traceback could show
    raise RuntimeError(f"fails by order of a test, with {len(held)} values in its hands")


def _dying(method: Callable[..., Awaitable[object]], *, before: bool) -> Callable[..., Awaitable[object]]:
    async def die(*values: object, **named: object) -> None:
        if not before:
            await method(*values, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return die


def _turn(places: str, into: Callable[[Callable[..., Awaitable[object]]], Callable[..., Awaitable[object]]]) -> None:
    """`places`: methods, each as MODULE.CLASS.METHOD, with commas between them."""
    for place in filter(None, places.split(",")):
        module, name, method = place.rsplit(".", 2)
        owner = getattr(import_module(module), name)
        setattr(owner, method, into(getattr(owner, method)))


_turn(os.environ.get("E2E_FAILS", ""), lambda _: _fail)
_turn(os.environ.get("E2E_DIES_BEFORE", ""), lambda method: _dying(method, before=True))
_turn(os.environ.get("E2E_DIES_AFTER", ""), lambda method: _dying(method, before=False))
