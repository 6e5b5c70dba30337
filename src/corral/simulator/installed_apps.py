"""The apps on a simulated device that nobody has put there by management: the same few for the same seed, and what has
become of them since."""

from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple


class App(NamedTuple):
    identifier: str
    name: str
    version: str
    size: int  # bytes


_APPS: Final = (
    ("com.acme.timesheet", "Timesheet"), ("com.acme.floorplan", "Floor Plan"), ("com.example.notes", "Field Notes"),
    ("com.example.scanner", "Scanner"), ("org.example.maps", "Trail Maps"), ("com.example.mail", "Courier"),
    ("com.example.draw", "Sketch Pad"), ("com.example.chat", "Hallway"), ("org.example.reader", "Reader"),
    ("com.example.cards", "Flash Cards"), ("com.example.tuner", "Tuner"), ("com.acme.inventory", "Inventory"),
)  # fmt: skip


@dataclass(slots=True)
class InstalledApps:
    """Of a fleet's devices only what has changed is kept; the rest is made again for each question."""

    seed: int
    changed: dict[str, App | None] = field(default_factory=dict[str, App | None])

    def all(self) -> tuple[App, ...]:
        """By identifier."""
        found = {app.identifier: app for app in self._first()}
        for identifier, app in self.changed.items():
            if app is None:
                found.pop(identifier, None)
            else:
                found[identifier] = app
        return tuple(found[identifier] for identifier in sorted(found))

    def put(self, app: App) -> None:
        """Install it, or another version in its place."""
        self.changed[app.identifier] = app

    def remove(self, identifier: str) -> None:
        self.changed[identifier] = None

    def update(self, dice: Random) -> App | None:
        """One of them gets its next version; None where there is none."""
        apps = self.all()
        if not apps:
            return None
        chosen = dice.choice(apps)
        major, _, minor = chosen.version.partition(".")
        newer = chosen._replace(version=f"{major}.{int(minor or 0) + 1}")
        self.put(newer)
        return newer

    def _first(self) -> list[App]:
        random = Random(self.seed)  # noqa: S311 - an inventory, not a secret
        chosen = random.sample(_APPS, random.randint(4, len(_APPS)))
        return [
            App(identifier, name, f"{random.randint(1, 9)}.{random.randint(0, 20)}", random.randint(5, 900) * 1_000_000)
            for identifier, name in chosen
        ]
