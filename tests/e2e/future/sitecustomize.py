"""Lets a service live in the future, look more often for what is due, and be less patient with who sends slowly: Python
runs this at its start if the folder is on its path.
"""

import os

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
