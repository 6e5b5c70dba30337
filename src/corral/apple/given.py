"""Secrets that a device gives with the result of a command.

Apple: "Security Info Response" (FDE_PersonalRecoveryKeyCMS), "Rotate FileVault Key Response"
(EncryptedNewRecoveryKey), "Activation Lock Bypass Code Response".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from corral.apple.plist import LIMITS, Limits, PlistError, PlistValue, parse_dict

_SECURITY, _RECOVERY_KEY = "SecurityInfo", "FDE_PersonalRecoveryKeyCMS"
_ROTATED, _NEW_RECOVERY_KEY = "RotateResult", "EncryptedNewRecoveryKey"
_BYPASS_CODE = "ActivationLockBypassCode"
_NAMES = tuple(name.encode() for name in (_RECOVERY_KEY, _NEW_RECOVERY_KEY, _BYPASS_CODE))

_LONGEST_CODE = 256


@dataclass(frozen=True, slots=True)
class Given:
    """`recovery_key` is enclosed (CMS) for whom the escrow payload or the command named; `bypass_code` is as a person
    types it in."""

    recovery_key: bytes | None = field(default=None, repr=False)
    bypass_code: str | None = field(default=None, repr=False)


NOTHING = Given()


def may_give(body: bytes) -> bool:
    """Whether it is worth reading this result for secrets: a glance that costs next to nothing."""
    return any(name in body for name in _NAMES)


def read_given(body: bytes, limits: Limits = LIMITS) -> Given:
    """Nothing where the result cannot be read, or what is there is of another type."""
    try:
        keys = parse_dict(body, limits)
    except PlistError:
        return NOTHING
    enclosed = _inner(keys, _SECURITY, _RECOVERY_KEY) or _inner(keys, _ROTATED, _NEW_RECOVERY_KEY)
    code = keys.get(_BYPASS_CODE)
    return Given(
        recovery_key=enclosed if isinstance(enclosed, bytes) and enclosed else None,
        bypass_code=code if isinstance(code, str) and 0 < len(code) <= _LONGEST_CODE and code.isprintable() else None,
    )


def _inner(keys: "Mapping[str, PlistValue]", outer: str, inner: str) -> "PlistValue | None":
    found = keys.get(outer)
    return found.get(inner) if isinstance(found, Mapping) else None
