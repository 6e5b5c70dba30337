"""What a question stands on, and what its finding must be able to say."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from benchmarks.backend import Backend
from benchmarks.fleet import Device, Fleet
from benchmarks.identity import Proof
from benchmarks.load import LoadGenerator
from benchmarks.signing import Workshop
from benchmarks.site import Place, Site, copy_folder, serve
from corral.sealing import Sealer, read_keys

MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked of each question; `seconds` for each of its measurements."""

    seconds: float
    crowd: int
    multitude: int
    history: int
    starts: int
    written_to: int
    pairs: int


WHOLE: Final = Sizes(seconds=2.0, crowd=100_000, multitude=1_000_000, history=1000, starts=5, written_to=2000, pairs=4)
QUICK: Final = Sizes(seconds=0.3, crowd=5_000, multitude=10_000, history=100, starts=2, written_to=100, pairs=1)


@dataclass(frozen=True, slots=True)
class Ground:
    """Devices that may enroll in an installation that does not run (`fleet`), and what measures."""

    fleet: Fleet
    folder: Path
    backend: Backend
    workshop: Workshop
    generator: LoadGenerator
    clients: int
    sizes: Sizes

    def place(self, name: str, *, of: Path | None = None, **environment: str) -> Place:
        """A copy of the fleet's installation, or of another that does not run any more."""
        data = self.folder / name
        database = copy_folder(of or self.fleet.data, data, self.backend)
        return Place(data, Proof.HEADER, {**database, **environment})

    @asynccontextmanager
    async def site(
        self, place: Place, *, devices: Sequence[Device] | None = None, clients: int | None = None
    ) -> AsyncGenerator[Site]:
        those = self.fleet.devices if devices is None else devices
        async with serve(
            place, those, self.backend, self.workshop, self.generator, self.clients if clients is None else clients
        ) as site:
            yield site

    def sealer(self) -> Sealer:
        """Of the fleet's installation and of all its copies."""
        path = self.fleet.data / "sealing.key"
        return Sealer(read_keys(path.read_text(), str(path)))


class Finding(Protocol):
    """What a question has found."""

    def lines(self) -> Sequence[str]:
        """Markdown, with a heading of its own."""
        ...

    def shortcomings(self) -> Sequence[str]:
        """What falls short of what `--check` holds, in words."""
        ...

    def plots(self) -> Mapping[str, str]:
        """SVG by the name of its file, which says what it is about."""
        ...


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown: the first column to the left, the others to the right."""
    return [
        f"| {' | '.join(heads)} |",
        f"|---|{'---:|' * (len(heads) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
