"""The demo's part about a key in the Secure Enclave: a phone that gets its certificate by ACME."""

from corral.cli.api_operator import ApiOperator
from corral.simulator.device import Device
from corral.simulator.fetching import InstallationFailed
from corral.simulator.scenarios import Play, ScenarioFailed


async def enroll_attested(operator: ApiOperator, device: Device) -> str:
    """By a link that wants it so; what (a stand-in for) Apple vouched for is kept with the certificate."""
    link = await operator.call("POST", "/links", {"identity": "acme"})
    try:
        await device.enroll(str(link["url"]))
    except InstallationFailed as failure:
        raise ScenarioFailed(f"a phone could not enroll by ACME: {failure}") from None
    await Play(operator).reach(device, "connected")
    await device.settle()
    (certificate,) = (await operator.call("GET", f"/devices/{device.facts.udid}"))["certificates"]
    attested = certificate["attested"]
    if attested is None or attested["serial_number"] != device.facts.serial_number:
        raise ScenarioFailed("the service does not know what was attested of the phone")
    return f"a certificate for a key that never leaves the phone; it is attested to be {attested['serial_number']}"
