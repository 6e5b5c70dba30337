"""The demo's part about what devices are and have: nobody asks, and it is known."""

from collections.abc import Sequence
from urllib.parse import quote

from corral.cli.api_operator import ApiOperator
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.filevault import is_encrypted
from corral.simulator.scenarios import Play, ScenarioFailed

_QUESTION = "platform = macOS and not filevault"


async def take_stock(operator: ApiOperator, devices: Sequence[Device]) -> str:
    """All have told by themselves, and a question finds the Macs that it should."""

    async def have_told() -> bool:
        return await _count(operator, "filevault is known or passcode is known") >= len(devices)

    await Play(operator).until("the inventory of all devices", have_told)
    open_macs = [each for each in devices if each.facts.model is Model.MAC and not is_encrypted(each.contents)]
    found = await _count(operator, _QUESTION)
    if found != len(open_macs):
        raise ScenarioFailed(f"{len(open_macs)} Macs are without FileVault, the inventory has {found}")
    return f"{len(devices)} devices told by themselves what they are and have; {_QUESTION!r} are {found}"


async def _count(operator: ApiOperator, question: str) -> int:
    found = await operator.call("GET", f"/inventory/count?query={quote(question)}")
    return int(found["count"])
