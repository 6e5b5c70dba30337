"""Who may enroll: the rules of the operator, over what a device tells of itself and what is known of it.

Rules are tried in their order, and the first whose conditions hold and whose outcome fits the device decides; where
none does, who is entitled is admitted and nobody else. A rule that would ask for what a device cannot do, or has done
already (an update to a version that it runs), does not fit: so no device is sent round in a circle.
"""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from corral.apple.enrollment_error import (
    EnrollmentError,
    PairingTokenMissing,
    PlatformSSORequired,
    SoftwareUpdateRequired,
    WellKnownFailed,
)
from corral.apple.platform import Platform
from corral.lifecycle.applicant import Applicant, Known, Standing
from corral.lifecycle.conditions import Conditions, holds, is_early, precedes, release_of, without_what_is_early
from corral.lifecycle.state import EnrollmentKind, IdentityKind
from corral.lifecycle.unenroll import unrecognized_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    identity: IdentityKind | None = None
    """None: what the installation has as its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireUpdate:
    """Setup Assistant updates the device to `minimum` and asks again. It must be a version that Apple offers for this
    device, else nobody gets on. Devices that cannot update there go on to the next rule."""

    minimum: str
    build: str | None = None
    beta_description: str | None = None
    beta_token: str | None = field(default=None, repr=False)
    message: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a minimum that is no version."""
        release_of(self.minimum)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirePlatformSSO:
    profile_url: str
    auth_url: str
    manifest_url: str
    pinning_certificates: tuple[bytes, ...] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirePairing:
    """A watch is to bring a token of the service that manages its phone."""

    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """`unrecognized`: with the document that tells a device that it is none of ours, where its system knows it."""

    unrecognized: bool = False
    message: str | None = None


Outcome: TypeAlias = Admit | RequireUpdate | RequirePlatformSSO | RequirePairing | Decline


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str
    when: Conditions = field(default_factory=Conditions)
    then: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPolicy:
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to enroll, or to sign in for it; `rule` is empty where none decided."""

    rule: str
    identity: IdentityKind | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """`why` is for the operator, `message` for the person before the device. Without `document` it is a plain 403."""

    rule: str
    why: str
    message: str
    document: EnrollmentError | None = None


Judgement: TypeAlias = Permit | Refusal

_ASK = "Ask the people who look after devices in your organization."
_NOT_ASSIGNED = f"This device is not assigned to this organization. {_ASK}"
_NO_ACCOUNT = f"You are not signed in with an account of this organization. {_ASK}"
_BLOCKED = f"This device may not be managed here. {_ASK}"
_DECLINED = f"This device may not be enrolled. {_ASK}"
_UPDATABLE = (Platform.IOS, Platform.MACOS, Platform.VISIONOS)
_BY_ACCOUNT = (EnrollmentKind.ACCOUNT_USER, EnrollmentKind.ACCOUNT_DEVICE)


def decide_admission(applicant: Applicant, policy: AdmissionPolicy, known: Known, security_token: str) -> Judgement:
    """Whether the applicant may enroll, and what is told to him if not.

    `security_token` is a fresh UUID, used where a watch has to bring a pairing token. That a link is good for one more
    device is not looked at here.
    """
    if known.standing is Standing.BLOCKED:
        return _refuse("", "the device is blocked", _BLOCKED, applicant)
    for rule in policy.rules:
        if is_early(rule.when, applicant) and holds(without_what_is_early(rule.when, applicant), applicant, known):
            # Who signs in decides, or what is attested. Whom a rule may admit then no later rule sends away now; one
            # that may refuse does so when its time comes.
            if isinstance(rule.then, Admit):
                return _entitle("", rule.when, rule.then.identity, applicant, known)
        elif holds(rule.when, applicant, known):
            judgement = _apply(rule, applicant, known, security_token)
            if judgement is not None:
                return judgement
    lacking = _lacking(applicant, known)
    if lacking is not None:
        return _refuse("", *lacking, applicant)
    return Permit("", None)


def _apply(rule: Rule, applicant: Applicant, known: Known, security_token: str) -> Judgement | None:
    """What a rule comes to whose conditions hold; None if its outcome does not fit this device."""
    match rule.then:
        case Admit(identity=identity):
            return _entitle(rule.name, rule.when, identity, applicant, known)
        case RequireUpdate() as update if _must_update(update, applicant):
            message = update.message or f"This device needs version {update.minimum} or later to be enrolled."
            document = SoftwareUpdateRequired(
                description=f"rule {rule.name}",
                message=message,
                os_version=update.minimum,
                build_version=update.build,
                beta_description=update.beta_description,
                beta_token=update.beta_token,
            )
            return Refusal(rule.name, f"it runs {applicant.os_version}, not {update.minimum}", message, document)
        case RequirePlatformSSO() as sso if applicant.can_request_platform_sso and not applicant.discovery:
            message = sso.message or "Sign in to your organization to go on."
            required = PlatformSSORequired(
                description=f"rule {rule.name}",
                message=message,
                profile_url=sso.profile_url,
                auth_url=sso.auth_url,
                manifest_url=sso.manifest_url,
                pinning_certificates=sso.pinning_certificates,
            )
            return Refusal(rule.name, "it is to sign in by Platform SSO first", message, required)
        case RequirePairing(message=said) if applicant.family == "Watch" and not applicant.has_pairing_token:
            message = said or "This watch has to be paired with a managed iPhone."
            missing = PairingTokenMissing(
                description=f"rule {rule.name}", message=message, security_token=security_token.lower()
            )
            return Refusal(rule.name, "the watch brings no pairing token", message, missing)
        case Decline(unrecognized=unrecognized, message=said):
            why = "the policy declines it"
            return _refuse(rule.name, why, said or _DECLINED, applicant, unrecognized=unrecognized)
        case _:
            return None


def _entitle(
    rule: str, when: Conditions, identity: IdentityKind | None, applicant: Applicant, known: Known
) -> Judgement:
    # Who leaves assignment out of a rule's conditions has decided that it does not matter.
    lacking = _lacking(applicant, known if when.assigned is True else replace(known, assigned=True))
    return Permit(rule, identity) if lacking is None else _refuse(rule, *lacking, applicant)


def _lacking(applicant: Applicant, known: Known) -> tuple[str, str] | None:
    """Why who asks is not entitled, whatever the rules say: for the operator, and for the person."""
    if applicant.kind is EnrollmentKind.AUTOMATED:
        if applicant.serial_number is None or applicant.udid is None:
            return "it does not tell its serial number and UDID", _NOT_ASSIGNED
        if not known.assigned:
            return "no assignment is known for its serial number", _NOT_ASSIGNED
        if known.must_sign_in and not applicant.account and not applicant.signing_in:
            return "nobody has signed in, as its profile demands", _NO_ACCOUNT
    if applicant.kind in _BY_ACCOUNT and not applicant.account and not applicant.discovery:
        return "nobody is signed in", _NO_ACCOUNT
    return None


def _refuse(rule: str, why: str, message: str, applicant: Applicant, *, unrecognized: bool = False) -> Refusal:
    if applicant.discovery:
        return Refusal(rule, why, message, WellKnownFailed(description=why, message=message))
    document = unrecognized_document(applicant.platform, applicant.os_version, why, message) if unrecognized else None
    return Refusal(rule, why, message, document)


def _must_update(update: RequireUpdate, applicant: Applicant) -> bool:
    able = applicant.can_request_software_update and applicant.platform in _UPDATABLE and not applicant.discovery
    return able and applicant.os_version is not None and precedes(applicant.os_version, update.minimum)
