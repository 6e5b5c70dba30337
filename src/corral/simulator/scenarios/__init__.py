"""What can happen between devices and a service, each played through and verified from both ends.

A scenario is given enrolled devices (but `enroll`), says in one line what it has seen, or raises ScenarioFailed.
"""

from collections.abc import Mapping
from typing import Final

from corral.simulator.scenarios import connected, ended, people, restored
from corral.simulator.scenarios.playing import Play, Scenario, ScenarioFailed, run

__all__ = ["SCENARIOS", "Play", "Scenario", "ScenarioFailed", "run"]

SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (*connected.SCENARIOS, *restored.SCENARIOS, *people.SCENARIOS, *ended.SCENARIOS)
}
