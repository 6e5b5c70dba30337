"""What happens to devices from outside: new push tokens, restored backups, migrations, days of use.

Source: Apple, "Managing connections" (restoring a device); Migration Assistant as others have observed it.
"""

from dataclasses import replace
from random import Random

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from corral.apple.plist import parse_dict
from corral.pki import scep
from corral.simulator.contents import read_return
from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment
from corral.simulator.identity import Identity
from corral.simulator.installed_apps import App
from corral.simulator.installing import say, token_update, update_token
from corral.simulator.speaking import Accepted, Verdict, judge


class NothingToRestore(Exception):
    """The device has no enrollment, and no backup holds one."""


async def change_push_token(device: Device) -> Verdict:
    """The system gives out a new push token for the device channel, and the device tells the service."""
    return await _tell(device, _enrollment(device), magic=False, unlock_token=False)


async def restore_to_itself(device: Device, *, new_magic: bool) -> Verdict:
    """A backup of this very device is restored: its management comes back with the same identity, even one that
    ended after the backup was made, and it sends TokenUpdate without Authenticate."""
    backup = device.enrollment or device.former
    if backup is None:
        raise NothingToRestore(f"{device.facts.udid} has no enrollment that a backup could hold")
    if device.enrollment is None:
        device.adopt(backup)
    device.note("restored")
    return await _tell(device, backup, magic=new_magic, unlock_token=True)


async def restore_backup(device: Device, backup: Enrollment) -> Verdict:
    """An older backup of this very device is restored, whatever it is by now: the identity of then comes back."""
    device.adopt(backup)
    device.note("restored")
    return await _tell(device, backup, magic=True, unlock_token=True)


def restore_to(device: Device, other: Device) -> None:
    """A backup is restored to another device: its contents come along, its management does not. Nothing is sent."""
    other.contents.device_name = device.contents.device_name
    other.contents.settings = dict(device.contents.settings)
    other.note("restored from another device")


async def erase_itself(device: Device) -> bool:
    """A device that is handed on erases itself, and asks the service before how to come back (Apple: "Return To
    Service", check-in); whether the service lets it."""
    enrollment = _enrollment(device)
    message = enrollment.device.message(MessageType="ReturnToService")
    response = await device.voice.check_in(enrollment, message)
    verdict = judge(response, device.facts)
    device.obey(enrollment.device, verdict)
    back = None
    if isinstance(verdict, Accepted):
        back = read_return(parse_dict(response.body).get("ReturnToService"))
    device.erase(back, "erased by itself")
    return back is not None


async def migrate_to(device: Device, other: Device, *, with_identity: bool = True) -> Verdict:
    """Migration Assistant copies a Mac to another, its identity too: the clone tells its push token under its own
    UDID, once. The verdict is that over the clone.

    Without the identity, whose key may not leave the first Mac, the clone has the management of another and nothing to
    prove it with.
    """
    clone = _enrollment(device).on(other.facts.udid)
    if not with_identity:
        clone = replace(clone, identity=_makeshift(await other.world.keys.take(), other))
    other.contents.device_name = device.contents.device_name
    clone.device.take_over(clone.device.with_new_token(magic=False, unlock_token=False))
    other.adopt(clone)
    other.note("migrated")
    verdict = await say(other.voice, clone, token_update(clone, clone.device, other.facts))
    other.obey(clone.device, verdict)
    return verdict


async def _tell(device: Device, enrollment: Enrollment, *, magic: bool, unlock_token: bool) -> Verdict:
    channel = enrollment.device
    if device.world.push is not None:
        device.world.push.unregister(channel.token)
    channel.take_over(channel.with_new_token(magic=magic, unlock_token=unlock_token))
    device.listen(channel, enrollment.profile.topic)
    verdict = await update_token(device.voice, enrollment, channel)
    device.note("token changed")
    device.obey(channel, verdict)
    return verdict


def _enrollment(device: Device) -> Enrollment:
    if device.enrollment is None:
        raise NothingToRestore(f"{device.facts.udid} is not enrolled")
    return device.enrollment


def _makeshift(key: rsa.RSAPrivateKey, device: Device) -> Identity:
    """A key with a certificate that no authority has signed."""
    certificate = scep.build_signer(key, device.facts.udid, device.voice.now())
    return Identity(certificate.public_bytes(Encoding.DER), key)


def turn_filevault(device: Device, on: bool) -> None:
    """Somebody before a Mac turns its encryption on or off."""
    device.contents.encrypted = on
    device.note("FileVault on" if on else "FileVault off")


def install_app(device: Device, app: App) -> None:
    """Somebody installs an app, or another version of one, from elsewhere than here."""
    device.contents.own_apps.put(app)
    device.note("app installed", True, app.identifier)


def remove_app(device: Device, identifier: str) -> None:
    device.contents.own_apps.remove(identifier)
    device.note("app removed", True, identifier)


def let_days_pass(device: Device, dice: Random, days: float = 1) -> None:
    """What becomes of a device that is used: apps are updated about weekly, its system about every two months."""
    if dice.random() < days / 7:
        device.contents.own_apps.update(dice)
    if dice.random() < days / 60:
        device.update_system()
