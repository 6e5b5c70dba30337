"""Lets a service live in the future, look more often for what is due, be less patient with who sends slowly, and fail
where a test wants it to: Python runs this at its start if the folder is on its path.
"""

import os
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


for _place in filter(None, os.environ.get("E2E_FAILS", "").split(",")):
    _module, _class, _method = _place.rsplit(".", 2)
    setattr(getattr(import_module(_module), _class), _method, _fail)
