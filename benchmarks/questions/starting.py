"""How long from the start of the service until it is ready?"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.questions.ground import Ground, table

MOST_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Starting:
    """Seconds of each start of a process, until its `/readyz` answered 200."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def lines(self) -> Sequence[str]:
        best, worst = min(self.seconds), max(self.seconds)
        row = (f"{len(self.seconds)} starts", f"{self.median:.2f}", f"{best:.2f}, {worst:.2f}", f"{MOST_SECONDS}")
        return ["## From the start until ready", "", *table(("", "median s", "best, worst s", "aim s"), [row])]

    def shortcomings(self) -> Sequence[str]:
        if self.median <= MOST_SECONDS:
            return ()
        return (f"the service was ready after {self.median:.2f} s, most {MOST_SECONDS} s",)

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Starting:
    place = ground.place("starting")
    seconds: list[float] = []
    for _ in range(ground.sizes.starts):
        start = time.perf_counter()
        async with ground.site(place):
            seconds.append(time.perf_counter() - start)
    return Starting(seconds)
