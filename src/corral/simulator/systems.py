"""Newer systems for simulated devices (Apple: "Available OS Updates Command", "Schedule OS Update Command")."""

from dataclasses import dataclass, replace
from typing import Final

from corral.apple.platform import Platform, is_older
from corral.simulator.facts import Facts


@dataclass(frozen=True, slots=True)
class System:
    version: str
    build: str
    name: str

    @property
    def key(self) -> str:
        """Its ProductKey."""
        return f"{self.name} {self.version}".replace(" ", "_")


_NEWEST: Final = {
    Platform.IOS: System("18.3", "22D63", "iOS"),
    Platform.MACOS: System("15.3", "24D60", "macOS Sequoia"),
    Platform.TVOS: System("18.3", "22K557", "tvOS"),
    Platform.VISIONOS: System("2.3", "22N896", "visionOS"),
    Platform.WATCHOS: System("11.3", "22S555", "watchOS"),
}
_LAST: Final = {"iPhone10,3": System("16.7.11", "20H360", "iOS")}
"""The last system of products that get no newer one."""


def next_system(facts: Facts) -> System | None:
    """What the device could be updated to; None where it has the newest that there is for it."""
    newest = _LAST.get(facts.product_name, _NEWEST[facts.platform])
    return newest if is_older(facts.os_version, newest.version) else None


def updated(facts: Facts, system: System) -> Facts:
    return replace(facts, os_version=system.version, build_version=system.build)
