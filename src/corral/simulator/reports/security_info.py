"""Apple: "Security Info Command"."""

from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply
from corral.simulator.filevault import escrowed_key, is_encrypted
from corral.simulator.reports.answering import tell


def security_info(asked: Asked) -> Reply:
    return tell(asked, SecurityInfo=_of_mac(asked) if asked.facts.is_mac else _of_mobile(asked))


def _of_mobile(asked: Asked) -> dict[str, PlistValue]:
    has_passcode = asked.contents.locks.has_passcode
    wanted = any(asked.contents.payloads("com.apple.mobiledevice.passwordpolicy"))
    return {
        "HardwareEncryptionCaps": 3,
        "PasscodePresent": has_passcode,
        "PasscodeCompliant": has_passcode or not wanted,
        "PasscodeCompliantWithProfiles": has_passcode or not wanted,
        "PasscodeLockGracePeriod": 0,
        "PasscodeLockGracePeriodEnforced": 0,
        "AutoLockTime": 120,
        "ManagementStatus": {"IsUserEnrollment": asked.enrollment.profile.enrollment_mode == "BYOD"},
    }


def _of_mac(asked: Asked) -> dict[str, PlistValue]:
    encrypted = is_encrypted(asked.contents)
    token = "allowed" if asked.behaviour.bootstrap_token else "disallowed"
    told: dict[str, PlistValue] = {
        "FDE_Enabled": encrypted,
        "FDE_HasPersonalRecoveryKey": encrypted,
        "FDE_HasInstitutionalRecoveryKey": False,
        "SystemIntegrityProtectionEnabled": True,
        "FirewallSettings": {
            "FirewallEnabled": True,
            "BlockAllIncoming": False,
            "StealthMode": False,
            "Applications": [],
            "LoggingEnabled": False,
        },
        "FirmwarePasswordStatus": {"PasswordExists": False, "ChangePending": False, "AllowOroms": False},
        "ManagementStatus": {
            "EnrolledViaDEP": asked.behaviour.awaiting_configuration,
            "UserApprovedEnrollment": True,
            "IsUserEnrollment": asked.enrollment.profile.enrollment_mode == "BYOD",
            "IsActivationLockManageable": False,
        },
        "SecureBoot": {"SecureBootLevel": "full", "ExternalBootLevel": "disallowed"},
        "RemoteDesktopEnabled": False,
        "AuthenticatedRootVolumeEnabled": True,
        "BootstrapTokenAllowedForAuthentication": token,
        "BootstrapTokenRequiredForSoftwareUpdate": True,
        "BootstrapTokenRequiredForKernelExtensionApproval": True,
        "IsRecoveryLockEnabled": False,
    }
    key = escrowed_key(asked.contents)
    if key is not None:
        told |= {"FDE_PersonalRecoveryKeyCMS": key, "FDE_PersonalRecoveryKeyDeviceKey": asked.facts.serial_number}
    return told
