"""What a person sees of the demo: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from corral.cli.demo.stage import ROLES, View
from corral.simulator.world import Happening, State

STEPS = len(ROLES) + 9
MOST_ROWS = 24
_STATE_STYLES = {
    State.ENROLLED: "green",
    State.UNENROLLED: "red",
    State.LEFT: "yellow",
    State.ERASED: "yellow",
    State.NOT_ENROLLED: "dim",
}
_ENROLLING = frozenset({"identity", "authenticate", "token-update"})


def make_view(*, plain: bool) -> View:
    """The table where standard output is a terminal and nobody asked for lines."""
    return LineView() if plain or not sys.stdout.isatty() else TableView()


class LineView:
    """One line a step, with what was verified and how long it took."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def step(self, title: str) -> None:
        self._began = time.monotonic()

    def verified(self, line: str) -> None:
        print(f"ok {time.monotonic() - self._began:5.1f} s  {line}", flush=True)

    def happened(self, happening: Happening) -> None:
        pass

    def says(self, line: str) -> None:
        print(line, flush=True)


class TableView:
    """The steps so far above, the devices below, each with its state and what it did last."""

    def __init__(self) -> None:
        self._step = ""
        self._done = 0
        self._began = time.monotonic()
        self._states: dict[str, State] = {}
        self._rows: dict[str, tuple[str, str, Text, float]] = {}
        self._counts: Counter[str] = Counter()
        self._live = Live(console=Console(), get_renderable=self._render, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def step(self, title: str) -> None:
        self._step = title
        self._began = time.monotonic()

    def verified(self, line: str) -> None:
        self._done += 1
        self._live.console.print(Text.assemble(("✓ ", "green"), line))
        self._step = ""

    def says(self, line: str) -> None:
        self._live.console.print(Text(line))

    def happened(self, happening: Happening) -> None:
        facts = happening.device
        if happening.what in set(State):
            self._states[facts.udid] = State(happening.what)
        elif happening.what in ("enrolled", "updated"):
            self._states[facts.udid] = State.ENROLLED
        self._counts[happening.what] += 1
        said = happening.what if not happening.detail else f"{happening.what}: {happening.detail}"
        style = "" if happening.ok else "red"
        row = f"{facts.device_name} (#{facts.number})", f"{facts.model_name} {facts.os_version}"
        self._rows[facts.udid] = (*row, Text(said[:70], style), time.monotonic())

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("device", "system", "state", "last"):
            table.add_column(column, no_wrap=True)
        # Who did something lately is shown, in an order that does not jump about.
        lately = sorted(self._rows.items(), key=lambda item: -item[1][3])[:MOST_ROWS]
        for udid, (name, system, said, at) in sorted(lately, key=lambda item: item[1][0]):
            state = self._states.get(udid, State.NOT_ENROLLED)
            fresh = time.monotonic() - at < 1.0
            table.add_row(Text(name, "bold" if fresh else ""), system, Text(state, _STATE_STYLES[state]), said)
        filled = round(30 * min(self._done, STEPS) / STEPS)
        enrolled = sum(1 for state in self._states.values() if state is State.ENROLLED)
        answers = sum(n for what, n in self._counts.items() if what not in _ENROLLING and what not in set(State))
        bar = Text.assemble(
            ("━" * filled, "green"),
            ("━" * (30 - filled), "dim"),
            f"  {min(self._done, STEPS)} of {STEPS} steps   {enrolled} enrolled   {answers} things done",
        )
        waiting = f"… {self._step} ({time.monotonic() - self._began:.0f} s)" if self._step else ""
        return Group(Text(), table, Text(), bar, Text(waiting, "dim"))
