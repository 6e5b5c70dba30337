"""What the admission policy would answer to somebody, by every way in and without doing it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from corral.apple.enrollment_error import EnrollmentError
from corral.apple.machine_info import MachineInfo
from corral.lifecycle.admission import Permit, Refusal
from corral.lifecycle.applicant import Applicant, Known
from corral.lifecycle.state import EnrollmentKind, IdentityKind
from corral.pki.attestation import HardwareProperties
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import applicant_of


class Way(StrEnum):
    """Every way in; `automated-web` is Automated Device Enrollment whose person signs in first."""

    LINK = "link"
    OVER_THE_AIR = "over-the-air"
    AUTOMATED = "automated"
    AUTOMATED_WEB = "automated-web"
    ACCOUNT_USER = "account-user"
    ACCOUNT_DEVICE = "account-device"
    RETURN_TO_SERVICE = "return-to-service"


class Step(StrEnum):
    """When a device is judged. It comes as far as the one that refuses it."""

    LOOKUP = "looking up the account"
    SIGN_IN = "before the sign-in"
    PROFILE = "asking for the profile"
    FIRST_MESSAGE = "first message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`step` is the one that refuses, or the last. `rule` is empty where none decided; `identity` None is what the
    installation has as its own."""

    way: Way
    admitted: bool
    step: Step
    rule: str
    why: str
    message: str = ""
    identity: IdentityKind | None = None
    document: EnrollmentError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """Who would come: what his device says, who would be signed in, and what Apple would attest with a certificate by
    ACME."""

    info: MachineInfo
    account: str | None = None
    attested: HardwareProperties | None = None


async def try_ways(admitting: Admitting, somebody: Somebody, ways: Sequence[Way]) -> tuple[Known, tuple[Verdict, ...]]:
    """What is known of the device, and what would be answered to it by each of these ways."""
    known = (await admitting.judge(applicant_of(somebody.info, EnrollmentKind.AUTOMATED))).known
    return known, tuple([await _try(admitting, somebody, way) for way in ways])


async def _try(admitting: Admitting, somebody: Somebody, way: Way) -> Verdict:
    permits: dict[Step, Permit] = {}
    for step, applicant in _steps(somebody, way):
        match (await admitting.judge(applicant)).judgement:
            case Refusal(rule, why, message, document):
                return Verdict(
                    way=way, admitted=False, step=step, rule=rule, why=why, message=message, document=document
                )
            case Permit() as permit:
                permits[step] = permit
    last = permits[Step.FIRST_MESSAGE]
    why = f"rule {last.rule} admits it" if last.rule else "it is entitled, and no rule is against it"
    identity = permits[Step.PROFILE].identity
    return Verdict(way=way, admitted=True, step=Step.FIRST_MESSAGE, rule=last.rule, why=why, identity=identity)


def _steps(somebody: Somebody, way: Way) -> list[tuple[Step, Applicant]]:
    kind = EnrollmentKind.AUTOMATED if way is Way.AUTOMATED_WEB else EnrollmentKind(way.value)
    account = somebody.account if way not in (Way.LINK, Way.OVER_THE_AIR, Way.RETURN_TO_SERVICE) else None
    asking = replace(applicant_of(somebody.info, kind), account=account)
    if way is Way.ACCOUNT_USER:
        asking = replace(asking, udid=None, serial_number=None)
    # What Setup Assistant can do is over by then; a way that gave a profile for it has seen to it.
    last = replace(
        asking,
        can_request_software_update=False,
        can_request_platform_sso=False,
        has_pairing_token=True,
        has_certificate=True,
        attested=somebody.attested,
    )
    match way:
        case Way.LINK:
            profile = Applicant(kind=kind, udid=asking.udid, serial_number=asking.serial_number)
            before: list[tuple[Step, Applicant]] = []
        case Way.AUTOMATED_WEB:
            profile = asking
            before = [(Step.SIGN_IN, replace(asking, account=None, signing_in=True))]
        case Way.ACCOUNT_USER | Way.ACCOUNT_DEVICE:
            profile = replace(asking, can_request_software_update=False, can_request_platform_sso=False)
            looked_up = Applicant(
                kind=kind, discovery=True, account=account, family=asking.family, platform=asking.platform
            )
            before = [(Step.LOOKUP, looked_up)]
        case _:
            profile, before = asking, []
    return [*before, (Step.PROFILE, profile), (Step.FIRST_MESSAGE, last)]
