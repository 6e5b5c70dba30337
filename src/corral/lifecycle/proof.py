"""What a newcomer has to show beside its word, when it says that it is a device which is connected already."""

from corral.lifecycle.evidence import Identity
from corral.lifecycle.policy import OnTakeover, Policy
from corral.lifecycle.state import Certificate, Connection, Device, Grant, Phase, Snapshot
from corral.pki.naming import names_any


def unproven(
    snapshot: Snapshot, life_id: str, device: Device, shown: Certificate | Identity, policy: Policy
) -> Connection | None:
    """The connection whose place the life of this id would take by its word alone; None where there is none, or more
    proof. `device` is what was known of it before."""
    former = snapshot.life(Phase.CONNECTED)
    if policy.on_takeover is OnTakeover.ACCEPT or former is None or former.id == life_id:
        return None
    if former.erasing_at is not None:
        return None
    if policy.on_takeover is not OnTakeover.ATTESTED and snapshot.grant is not None and _is_for(snapshot.grant, device):
        return None
    if isinstance(shown, Certificate) and shown.attested is not None and shown.attested.udid == device.id:
        return None
    if shown.authority and names_any(shown.der, {device.id}):
        return None
    return former


def _is_for(grant: Grant, device: Device) -> bool:
    """A newcomer was admitted because it said that serial number, which only means something if it is this device's."""
    return grant.device_id is not None or (
        grant.serial_number is not None and grant.serial_number == device.serial_number
    )
