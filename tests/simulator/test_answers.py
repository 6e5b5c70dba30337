"""What a device does with commands, as strictly as one of Apple's: profiles, PINs, Lost Mode, managed apps."""

import pytest

import samples
from corral.simulator.facts import Model
from corral.simulator.world import State

from .conftest import Stage
from .test_device import wake


@pytest.mark.parametrize(
    "bad",
    [
        b"no profile",
        samples.profile(SSID_STR=5),
        samples.profile(PayloadType="com.apple.dock"),
        samples.profile(PayloadCertificateUUID="nowhere"),
        samples.profile("com.example.mdm"),
    ],
    ids=["bytes", "type", "platform", "reference", "enrollment"],
)
async def test_a_profile_that_no_device_would_install_is_refused_whole(stage: Stage, bad: bytes) -> None:
    device = await stage.enrolled(Model.IPHONE)
    stage.service.queue("InstallProfile", Payload=bad)
    stage.service.queue("ProfileList", ManagedOnly=True)
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Error", "Acknowledged"]
    assert stage.service.heard[-1].keys["ProfileList"] == []
    assert device.state is State.ENROLLED


@pytest.mark.parametrize("request_type", ["DeviceLock", "EraseDevice"])
@pytest.mark.parametrize("pin", ["12345", "1234567", "12345a", "١٢٣٤٥٦"])
async def test_a_mac_takes_a_pin_of_six_digits_only(stage: Stage, request_type: str, pin: str) -> None:
    device = await stage.enrolled(Model.MAC)
    stage.service.queue(request_type, PIN=pin)
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "CommandFormatError"]
    assert (device.contents.locks.is_locked, device.state) == (False, State.ENROLLED)


async def test_a_mac_is_locked_by_its_pin(stage: Stage) -> None:
    device = await stage.enrolled(Model.MAC)
    stage.service.queue("DeviceLock", PIN="123456")
    await wake(stage, device)
    assert (device.contents.locks.is_locked, device.contents.locks.pin) == (True, "123456")


async def test_a_passcode_is_cleared_by_the_devices_own_token_only(stage: Stage) -> None:
    device = await stage.enrolled(Model.IPHONE)
    assert device.enrollment is not None
    token = device.enrollment.device.unlock_token
    assert token is not None
    stage.service.queue("ClearPasscode", UnlockToken=b"another")
    stage.service.queue("ClearPasscode", UnlockToken=token)
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Error", "Acknowledged"]
    assert device.contents.locks.has_passcode is False


async def test_only_a_lost_device_is_found(stage: Stage) -> None:
    device = await stage.enrolled(Model.IPHONE, supervised=True)
    for command, keys in (
        ("DeviceLocation", {}),
        ("EnableLostMode", {"Footnote": "nothing else"}),
        ("EnableLostMode", {"Message": "Call us"}),
        ("PlayLostModeSound", {}),
        ("DeviceLocation", {}),
        ("DisableLostMode", {}),
        ("DisableLostMode", {}),
    ):
        stage.service.queue(command, **keys)
    await wake(stage, device)
    bad, good = "Error", "Acknowledged"
    assert stage.service.kinds() == ["Idle", bad, bad, good, good, good, good, bad]
    assert (device.contents.locks.message, device.contents.locks.sounds) == (None, 1)


async def test_apps_are_installed_by_one_source_and_listed_until_they_are_removed(stage: Stage) -> None:
    device = await stage.enrolled(Model.MAC)
    manifest = {
        "items": [
            {
                "assets": [{"kind": "software-package", "url": "https://files.example.org/a.pkg"}],
                "metadata": {
                    "kind": "software",
                    "bundle-identifier": "org.example.app",
                    "bundle-version": "1",
                    "title": "Example",
                },
            }
        ]
    }
    stage.service.queue("InstallEnterpriseApplication", Manifest={"items": []})
    stage.service.queue("InstallEnterpriseApplication", Manifest=manifest, ManifestURL="https://example.org/a")
    stage.service.queue("InstallEnterpriseApplication", Manifest=manifest, ManagementFlags=1)
    stage.service.queue("ManagedApplicationList")
    stage.service.queue("RemoveApplication", Identifier="org.example.app")
    stage.service.queue("RemoveApplication", Identifier="org.example.app")
    await wake(stage, device)
    bad, good = "Error", "Acknowledged"
    assert stage.service.kinds() == ["Idle", bad, bad, good, good, good, bad]
    assert stage.service.heard[1].keys["RejectionReason"] == "NotAnApp"
    listed = stage.service.heard[4].keys["ManagedApplicationList"]
    assert isinstance(listed, dict)
    (app,) = listed.values()
    assert isinstance(app, dict)
    assert (app["Status"], app["ManagementFlags"]) == ("Managed", 1)
