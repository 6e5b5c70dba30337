"""Corral in a hurry: its clock, and all that goes by the clock, runs as many times faster as the day is shortened.

`DAY_BEGAN` is when the hurry began (Unix seconds), `DAY_FACTOR` how fast it is. What a real service does every five
minutes this one does every five minutes of its day, and keeps for as long of it; what depends on the network or on the
disk (time-outs, leases) goes by true time.
"""

import os
import time
from types import SimpleNamespace

from corral.cli import main
from corral.service import clock
from corral.service.installation import retaining
from corral.service.push import pushing
from corral.worker import worker


def day_clock(began: float, factor: float) -> int:
    """Unix nanoseconds as everybody in the hurried world takes them to be."""
    return int((began + (time.time() - began) * factor) * 1e9)


def hurry(began: float, factor: float) -> None:
    clock.time = SimpleNamespace(time_ns=lambda: day_clock(began, factor))
    pushing.LEASE = int(pushing.LEASE * factor)
    worker.FORGET_EVERY = worker.FORGET_EVERY / factor
    defaults = retaining.Retaining.__init__.__kwdefaults__
    assert defaults is not None
    defaults["rest"] = retaining.REST / factor


if __name__ == "__main__":
    hurry(float(os.environ["DAY_BEGAN"]), float(os.environ["DAY_FACTOR"]))
    main()
