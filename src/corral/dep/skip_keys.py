"""The panes of Setup Assistant that a profile may skip; a device ignores what it lacks. Source: Apple, "SkipKeys"."""

import difflib
from typing import Final

_NAMES = (
    "Accessibility ActionButton AdditionalPrivacySettings AgeAssurance AgeBasedSafetySettings Android "
    "Appearance AppleID AppStore Avatar Biometric CameraButton CloudStorage DeviceProtection "
    "DeviceToDeviceMigration Diagnostics Display DisplayTone EnableLockdownMode ExpressLanguage FileVault "
    "HomeButtonSensitivity iCloudDiagnostics iCloudStorage iMessageAndFaceTime Intelligence Keyboard "
    "LanguageAndLocale Location LockdownMode MessagingActivationUsingPhoneNumber Multitasking OnBoarding "
    "OSShowcase Passcode Payment PreferredLanguage Privacy Region Registration Restore RestoreCompleted "
    "Safety SafetyAndHandling ScreenSaver ScreenTime SIMSetup Siri SoftwareUpdate SpokenLanguage "
    "TapToSetup TermsOfAddress Tips TOS TVHomeScreenSync TVProviderSignIn TVRoom UnlockWithWatch "
    "UpdateCompleted Wallpaper WatchMigration WebContentFiltering Welcome Zoom"
)
SKIP_KEYS: Final = frozenset(_NAMES.split())


def nearest(key: str) -> str:
    """The known key that a wrong one was probably meant to be, or an empty string."""
    by_lower = {each.lower(): each for each in SKIP_KEYS}
    found = difflib.get_close_matches(key.lower(), sorted(by_lower), 1)
    return by_lower[found[0]] if found else ""
