"""Whom a rule of the admission policy is about."""

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from corral.apple.platform import Platform, version
from corral.lifecycle.applicant import Applicant, Known, Standing
from corral.lifecycle.state import EnrollmentKind
from corral.pki.attestation import HardwareProperties, SecureBoot

_SUPPLEMENT = re.compile(r"\(([a-z])\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What Apple says of the device with its certificate (ACME); all that are given must hold. What Apple does not say
    holds for nothing. `present` False is about devices that attested nothing."""

    present: bool = True
    secure_boot: tuple[SecureBoot, ...] = ()
    sip: bool | None = None
    """System Integrity Protection of a Mac."""
    os_below: str | None = None
    os_from: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a bound that is no version, and for properties of what is not there."""
        if not self.present and (self.secure_boot or self.sip is not None or self.os_below or self.os_from):
            raise ValueError("what is not attested has neither a system nor secure boot: leave `present` out")
        for bound in filter(None, (self.os_below, self.os_from)):
            release_of(bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All that are given must hold; of each, one of its values. Texts may have `*` and `?`, and case counts.

    `assigned` None asks for neither; it is True unless a rule says otherwise, so that no rule lets a device in by
    Automated Device Enrollment that the organization does not have assigned without saying so. `attested` is looked at
    when the device has its certificate, at its Authenticate.
    """

    kind: tuple[EnrollmentKind, ...] = ()
    serial_number: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    platform: tuple[Platform, ...] = ()
    os_below: str | None = None
    os_from: str | None = None
    account: tuple[str, ...] = ()
    standing: tuple[Standing, ...] = ()
    assigned: bool | None = True
    attested: Attested | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a bound that is no version."""
        for bound in filter(None, (self.os_below, self.os_from)):
            release_of(bound)


def is_early(when: Conditions, applicant: Applicant) -> bool:
    """Whether these conditions ask for something that nobody can know yet."""
    by_account = applicant.signing_in and bool(when.account)
    return by_account or (when.attested is not None and not applicant.has_certificate)


def without_what_is_early(when: Conditions, applicant: Applicant) -> Conditions:
    return replace(
        when,
        account=() if applicant.signing_in else when.account,
        attested=when.attested if applicant.has_certificate else None,
    )


def holds(when: Conditions, applicant: Applicant, known: Known) -> bool:
    """Whether all of these conditions are true of this applicant."""
    by_assignment = applicant.kind is EnrollmentKind.AUTOMATED
    return (
        (not when.kind or applicant.kind in when.kind)
        and _fits(when.serial_number, applicant.serial_number)
        and _fits(when.product, applicant.product)
        and _fits(when.family, applicant.family)
        and (not when.platform or applicant.platform in when.platform)
        and _is_within(when.os_below, when.os_from, applicant.os_version)
        and _fits(when.account, applicant.account)
        and (not when.standing or known.standing in when.standing)
        and (not by_assignment or when.assigned is None or when.assigned is known.assigned)
        and (when.attested is None or (applicant.has_certificate and _is_attested(when.attested, applicant.attested)))
    )


def _is_attested(wanted: Attested, said: HardwareProperties | None) -> bool:
    if said is None or not wanted.present:
        return said is None and not wanted.present
    return (
        (not wanted.secure_boot or said.secure_boot in wanted.secure_boot)
        and (wanted.sip is None or said.sip_enabled is wanted.sip)
        and _is_within(wanted.os_below, wanted.os_from, said.os_version)
    )


def _fits(patterns: tuple[str, ...], value: str | None) -> bool:
    return not patterns or (value is not None and any(fnmatchcase(value, pattern) for pattern in patterns))


def _is_within(below: str | None, at_least: str | None, os_version: str | None) -> bool:
    if below is None and at_least is None:
        return True
    if os_version is None:
        return False
    try:
        release = release_of(os_version)
    except ValueError:
        return False
    older = below is None or release < release_of(below)
    return older and (at_least is None or release >= release_of(at_least))


def precedes(os_version: str, than: str) -> bool:
    """Whether a version is older, numerically, and then by its supplement: 9.3 < 16.1 < 16.1 (a) < 16.2.

    What the device says and is no version precedes nothing. Raises ValueError for a `than` that is none.
    """
    wanted = release_of(than)
    try:
        return release_of(os_version) < wanted
    except ValueError:
        return False


def release_of(text: str) -> tuple[tuple[int, ...], str]:
    """For comparing: the numbers of a version, and its supplement. Raises ValueError."""
    found = _SUPPLEMENT.search(text)
    return version(text), found[1] if found else ""
