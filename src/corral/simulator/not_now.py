"""Which commands a busy device does at once all the same (Apple: "Handling NotNow status responses")."""

from typing import Final

from corral.apple.platform import Platform

_MOBILE: Final = frozenset(
    {
        "CertificateList",
        "ClearPasscode",
        "DeviceInformation",
        "DeviceLock",
        "EraseDevice",
        "InstalledApplicationList",
        "ProfileList",
        "ProvisioningProfileList",
        "Restrictions",
    }
)
_MAC: Final = frozenset(
    {
        "ActivationLockBypassCode",
        "ClearActivationLockBypassCode",
        "DeleteUser",
        "DeviceLock",
        "EraseDevice",
        "RestartDevice",
        "ShutDownDevice",
        "UnlockUserAccount",
        "UserList",
    }
)


def can_wait(request_type: str, platform: Platform) -> bool:
    """Whether NotNow is an answer to this command on this platform."""
    return request_type not in (_MAC if platform is Platform.MACOS else _MOBILE)
