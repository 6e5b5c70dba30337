"""What `corral simulate` plays, played with devices that hear pushes against a service as by default."""

import pytest

from corral.cli.api_operator import ApiOperator
from corral.simulator.facts import Model
from corral.simulator.scenarios import SCENARIOS, Play, run
from e2e.conftest import DATABASES, over_each
from e2e.installation import Installation

corral = pytest.fixture(params=DATABASES)(over_each)

BEGUN_WITHOUT = frozenset({"enroll"})
"""What begins with a device that is not enrolled."""


SYSTEMS = {"return-to-service": "18.2"}
"""Of scenarios that older devices, which are among the simulated ones, cannot play."""


def _with_page(name: str) -> str:
    page = SCENARIOS[name].page
    return f"{page}: {name}" if page else name


@pytest.mark.parametrize("name", sorted(SCENARIOS), ids=_with_page)
async def test_plays(corral: Installation, name: str) -> None:
    scenario = SCENARIOS[name]
    model = scenario.model or Model.IPHONE
    device = corral.device(model, SYSTEMS.get(name), quiet=False, supervised=True)
    if name not in BEGUN_WITHOUT:
        await device.enroll(await corral.link())
        await device.settle()
    others = [corral.device(model, None, quiet=False) for _ in range(scenario.others)]
    told = await run(scenario, Play(ApiOperator(corral.api), patience=30), device, *others)
    assert device.facts.device_name in told
    await device.settle()
    assert device.complaints == []
