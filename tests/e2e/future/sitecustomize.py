"""Lets a service live in the future: Python runs this at its start if the folder is on its path."""

import os

from corral.service import clock

_present = clock.system_clock
_ahead = int(os.environ["E2E_AHEAD"])


def _future() -> int:
    return _present() + _ahead


clock.system_clock = _future
