"""What happens to devices from outside, and what a service hears of it."""

import pytest

from corral.apple.checkin import TokenUpdate, read_checkin
from corral.simulator.device import Device
from corral.simulator.enrollment import Enrollment
from corral.simulator.facts import Model
from corral.simulator.life_events import (
    NothingToRestore,
    change_push_token,
    migrate_to,
    restore_to,
    restore_to_itself,
)
from corral.simulator.speaking import Accepted, Failed, Unenrolled
from corral.simulator.world import State

from .conftest import Stage


def enrollment_of(device: Device) -> Enrollment:
    assert device.enrollment is not None
    return device.enrollment


def last_update(stage: Stage) -> TokenUpdate:
    update = read_checkin(stage.service.heard[-1].body)
    assert isinstance(update, TokenUpdate)
    return update


async def test_a_new_push_token_is_told_and_the_old_one_is_dead(stage: Stage) -> None:
    device = await stage.enrolled()
    channel = enrollment_of(device).device
    old, magic = channel.token, channel.magic
    assert await change_push_token(device) == Accepted()
    assert stage.service.kinds() == ["TokenUpdate"]
    assert last_update(stage).token == channel.token != old
    assert channel.magic == magic
    assert not stage.push.push(old, magic)
    assert stage.push.push(channel.token, magic)
    await device.settle()


@pytest.mark.parametrize("new_magic", [True, False])
async def test_a_restore_to_itself_tells_a_new_token_under_the_same_identity(stage: Stage, new_magic: bool) -> None:
    device = await stage.enrolled()
    channel, identity = enrollment_of(device).device, enrollment_of(device).identity
    old, magic, unlock = channel.token, channel.magic, channel.unlock_token
    assert await restore_to_itself(device, new_magic=new_magic) == Accepted()
    assert stage.service.kinds() == ["TokenUpdate"]
    update = last_update(stage)
    assert update.token != old
    assert (update.push_magic == magic) != new_magic
    assert update.unlock_token not in (None, unlock)
    assert stage.service.heard[-1].signer == identity.certificate


async def test_a_backup_brings_back_an_enrollment_that_has_ended(stage: Stage) -> None:
    device = await stage.enrolled()
    identity = enrollment_of(device).identity
    device.wipe()
    assert await restore_to_itself(device, new_magic=True) == Accepted()
    assert device.state is State.ENROLLED
    assert enrollment_of(device).identity is identity


async def test_a_restore_that_is_refused_removes_the_enrollment(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.refuse("TokenUpdate", 401)
    assert await restore_to_itself(device, new_magic=True) == Unenrolled("401")
    assert device.state is State.UNENROLLED
    assert not stage.push.listening


async def test_without_a_backup_there_is_nothing_to_restore(stage: Stage) -> None:
    with pytest.raises(NothingToRestore):
        await restore_to_itself(stage.device(), new_magic=True)


async def test_a_backup_on_another_device_says_nothing(stage: Stage) -> None:
    device, other = await stage.enrolled(), stage.device()
    restore_to(device, other)
    assert not stage.service.heard
    assert other.enrollment is None
    assert other.contents.device_name == device.contents.device_name


async def test_a_migrated_mac_speaks_with_the_identity_of_another(stage: Stage) -> None:
    device = await stage.enrolled(Model.MAC, "15.2")
    other = stage.device(Model.MAC, "15.2")
    stage.service.refuse("TokenUpdate", 403)
    assert isinstance(await migrate_to(device, other), Failed)
    update = last_update(stage)
    assert update.speaker.device_id == other.facts.udid
    assert update.push_magic == enrollment_of(device).device.magic
    assert update.token != enrollment_of(device).device.token
    assert stage.service.heard[-1].signer == enrollment_of(device).identity.certificate
    await other.poll()
    assert stage.service.heard[-1].keys["UDID"] == other.facts.udid
    assert enrollment_of(device).device.names["UDID"] == device.facts.udid
