"""Which keys of commands and of their answers hold what nobody should see who was not given leave to.

Apple's schema does not say so. The words are those of its keys; a key that is not known is judged by its name.
"""

import re

_NAMES = frozenset(
    {
        "ActivationLockBypassCode",
        "AppleCareToken",
        "EncryptedNewRecoveryKey",
        "FDE_PersonalRecoveryKeyCMS",
        "MDMProfileData",
        "PIN",
        "PrivateKeyExport",
        "RedemptionCode",
        "UnusedRedemptionCode",
        "WiFiProfileData",
        "passwordHash",
    }
)
_FACTS = frozenset({"PasscodeLockGracePeriod", "PasscodeLockGracePeriodEnforced"})
_WORDS = re.compile(r"password|passcode|passphrase|token|secret|challenge|recoverykey|bypasscode|^pin$", re.IGNORECASE)

_ANSWERS = frozenset({"ActivationLockBypassCode", "RequestUnlockToken", "RotateFileVaultKey", "SecurityInfo"})
"""Commands whose answers are, or have in them, such keys."""


def is_secret(key: str) -> bool:
    """Whether the value of this key is a secret, unless it is a truth (PasscodePresent) or holds keys of its own."""
    return key in _NAMES or (key not in _FACTS and _WORDS.search(key) is not None)


def answers_with_secrets(request_type: str) -> bool:
    return request_type in _ANSWERS
