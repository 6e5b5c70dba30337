"""Whatever a device says and whoever signs it: nobody comes to a profile by any way who may not enroll."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.apple.checkin import Authenticate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.machine_info import MachineInfo, write_machine_info
from corral.apple.platform import Platform, family_of, platform_of
from corral.lifecycle.admission import (
    AdmissionPolicy,
    Admit,
    Decline,
    Permit,
    Refusal,
    RequirePairing,
    RequireUpdate,
    Rule,
)
from corral.lifecycle.admission import decide_admission as judge
from corral.lifecycle.admitted import Admitted
from corral.lifecycle.applicant import Applicant, Known, Standing
from corral.lifecycle.conditions import Attested, Conditions
from corral.lifecycle.decide import decide
from corral.lifecycle.policy import Admission
from corral.lifecycle.policy import Policy as LifePolicy
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Device,
    EnrollmentKind,
    Grant,
    IdentityKind,
    Link,
    Purpose,
    Snapshot,
)
from corral.pki.attestation import HardwareProperties
from corral.pki.device_signature import DeviceTrust
from corral.service.accounts.enrolling import AccountEnrolling
from corral.service.accounts.person import AccountRules, Person
from corral.service.accounts.sessions import Sessions
from corral.service.ade.assignments import Assignment, Assignments
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import Applicants, AskingError, applicant_of
from corral.service.enrollment.enrolling import Enrolling
from corral.service.enrollment.policies import Policies
from corral.service.enrollment.trying import Somebody, Step, Way, try_ways
from corral.service.mdm.pairing_tokens import PairingTokens
from corral.simulator.factory import Factory
from corral.simulator.push_certificates import StandInApple
from corral.store.accounts import AccountSession
from corral.store.directory import DeviceDetail, Directory
from corral.store.events import EventStore
from lifecycle import arrange
from lifecycle.admission_cases import policies
from service.fakes import NOW, Clock, FakeEvents

AT = datetime.fromtimestamp(NOW / 1000, UTC)
APPLE, ANOTHER = StandInApple.create(AT), StandInApple.create(AT)
MADE = {name: Factory.make(each.devices, "UDID-1", AT) for name, each in (("apple", APPLE), ("other", ANOTHER))}
ANN = "ann@example.org"
RULES = AccountRules(domains=("example.org",), device_for=("iPad",))
LINK = Link(id="l", created_at=NOW, uses=1, expires_at=NOW + DAY)


@dataclass
class Stage:
    """Everything but the deciding is remembered only."""

    rules_of_policy: AdmissionPolicy
    assigned: bool = False
    blocked: bool = False
    session: AccountSession | None = None

    def __post_init__(self) -> None:
        self.admissions: list[tuple[Admitted | Link, int]] = []
        self.events = FakeEvents()
        self.clock = Clock()
        me = cast(Any, self)
        self.admitting = Admitting(
            cast(Enrolling, me),
            cast(Policies, me),
            cast(Assignments, me),
            cast(Directory, me),
            cast(EventStore, self.events),
            self.clock,
            IdentityKind.SCEP,
        )
        self.applicants = Applicants(DeviceTrust([APPLE.devices.certificate]), PairingTokens(b"k" * 32, self.clock))
        self.accounts = AccountEnrolling(cast(Sessions, me), RULES, self.admitting, "account:id.example.org")

    async def admit(self, admitted: Admitted, expires_at: int) -> Grant:
        self.admissions.append((admitted, expires_at))
        return cast(Grant, None)

    async def profile_for(self, grant: Grant) -> bytes:
        return b"profile"

    async def profile(self, link: Link, *, identity: IdentityKind | None) -> bytes:
        self.admissions.append((link, link.expires_at))
        return b"profile"

    async def rules(self) -> AdmissionPolicy:
        return self.rules_of_policy

    async def find(self, serial_number: str) -> Assignment | None:
        return Assignment(serial_number=serial_number, source="assignment:school") if self.assigned else None

    async def device(self, device_id: str) -> DeviceDetail | None:
        device = Device(id=device_id, created_at=NOW, blocked_at=NOW if self.blocked else None)
        return DeviceDetail(
            device=device, connections=(), channels=(), certificates=(), last_seen=None, open_commands=0, last_push=None
        )

    async def resolve(self, name: str) -> str | None:
        return "UDID-1"

    async def verify(self, token: str) -> AccountSession | None:
        return self.session if token else None


ANNS = AccountSession(id="s", account=ANN, subject="ann", created_at=NOW, expires_at=NOW + DAY)
sessions = st.sampled_from(
    [
        None,
        ANNS,
        AccountSession(id="s", account="eve@evil.example", subject="eve", created_at=NOW, expires_at=NOW + DAY),
    ]
)
stages = st.builds(Stage, rules_of_policy=policies, assigned=st.booleans(), blocked=st.booleans(), session=sessions)
infos = st.builds(
    MachineInfo,
    product=st.sampled_from(["iPhone15,2", "iPad13,18", "Mac14,2", "Watch7,1", "strange"]),
    build_version=st.just("22C152"),
    udid=st.sampled_from([None, "UDID-1"]),
    serial_number=st.sampled_from([None, "C01", "C03"]),
    os_version=st.sampled_from([None, "9.0", "17.6.1", "99", "strange"]),
    can_request_software_update=st.booleans(),
    must_update=st.booleans(),
    can_request_platform_sso=st.booleans(),
    pairing_token=st.sampled_from([None, b"made up"]),
)
ACCOUNT_KINDS = (EnrollmentKind.ACCOUNT_USER, EnrollmentKind.ACCOUNT_DEVICE)


async def come(stage: Stage, way: EnrollmentKind, info: MachineInfo, signer: str) -> object:
    """What this device comes to by this way; AskingError where nobody would believe it."""
    message = MADE[signer].sign(write_machine_info(info)) if signer else write_machine_info(info)
    match way:
        case EnrollmentKind.LINK:
            return await stage.admitting.enroll_by_link(replace(LINK, device_id=info.udid))
        case EnrollmentKind.ACCOUNT_USER | EnrollmentKind.ACCOUNT_DEVICE:
            return await stage.accounts.profile(await stage.applicants.claimed(message, way), "token")
        case _:
            return await stage.admitting.enroll(await stage.applicants.proven(message, way))


@settings(max_examples=200, deadline=None)
@given(
    stage=stages,
    way=st.sampled_from(sorted(EnrollmentKind)),
    info=infos,
    signer=st.sampled_from(["", "apple", "other"]),
)
def test_nobody_who_may_not_enroll_comes_to_a_profile(
    stage: Stage, way: EnrollmentKind, info: MachineInfo, signer: str
) -> None:
    try:
        came_to = asyncio.run(come(stage, way, info, signer))
    except AskingError:
        came_to = None
    assert (came_to == b"profile") == (len(stage.admissions) == 1)
    if came_to != b"profile":
        assert not stage.admissions
        if isinstance(came_to, Refusal) and signer:
            assert stage.events.kinds == ["enrollment.refused"]
        return
    ((admitted, expires_at),) = stage.admissions
    if isinstance(admitted, Link):
        assert admitted.device_id is None or not stage.blocked
        return
    assert admitted.kind is way
    proven = signer == "apple" and way is not EnrollmentKind.ACCOUNT_USER
    assert admitted.device_id == (info.udid if proven else None), "a grant is bound to what is proven, and to all of it"
    assert admitted.serial_number == (info.serial_number if proven else None)
    assert expires_at <= NOW + (7 * DAY if admitted.is_bound else DAY)
    if way in ACCOUNT_KINDS:
        assert signer, "not even an account's device goes without any signature"
        assert stage.session is not None
        assert admitted.account == stage.session.account == ANN
        assert RULES.kind(ANN, info.family) is way
    else:
        assert proven
        assert admitted.device_id
        assert admitted.serial_number
        assert not stage.blocked
    applicant = replace(
        applicant_of(info, way),
        udid=admitted.device_id,
        serial_number=admitted.serial_number,
        account=admitted.account,
        has_pairing_token=False,
    )
    standing = Standing.BLOCKED if stage.blocked and admitted.is_bound else Standing.UNKNOWN
    known = Known(assigned=stage.assigned and admitted.serial_number is not None, standing=standing)
    assert isinstance(judge(applicant, stage.rules_of_policy, known, "t"), Permit)


@settings(max_examples=100, deadline=None)
@given(stage=stages, info=infos, person=st.sampled_from([ANN, "me@example.org"]))
def test_who_signs_in_before_a_device_is_no_way_round_the_policy(stage: Stage, info: MachineInfo, person: str) -> None:
    async def sign_in() -> object:
        message = MADE["apple"].sign(write_machine_info(info))
        applicant = await stage.applicants.proven(message, EnrollmentKind.AUTOMATED)
        return await stage.accounts.setup_profile(Person(person, "subject"), applicant)

    try:
        came_to = asyncio.run(sign_in())
    except AskingError:
        assert info.udid is None or info.serial_number is None
        return
    known = Known(assigned=stage.assigned, standing=Standing.BLOCKED if stage.blocked else Standing.UNKNOWN)
    applicant = replace(applicant_of(info, EnrollmentKind.AUTOMATED), account=person, has_pairing_token=False)
    permitted = isinstance(judge(applicant, stage.rules_of_policy, known, "t"), Permit)
    assert (came_to == b"profile") == permitted == (len(stage.admissions) == 1)


TRIED = sorted(set(Way) - {Way.AUTOMATED_WEB})


@settings(max_examples=150, deadline=None)
@given(stage=stages, way=st.sampled_from(TRIED), info=infos)
def test_what_is_tried_is_what_happens(stage: Stage, way: Way, info: MachineInfo) -> None:
    kind = EnrollmentKind(way.value)
    info = replace(info, udid="UDID-1", serial_number="C01", pairing_token=None)
    if kind in ACCOUNT_KINDS:
        stage.session = ANNS
        info = replace(info, can_request_software_update=False, must_update=False, can_request_platform_sso=False)
    _, (verdict,) = asyncio.run(try_ways(stage.admitting, Somebody(info=info, account=ANN), [way]))
    assert not stage.admissions
    assert not stage.events.told
    if verdict.step is Step.LOOKUP or (kind in ACCOUNT_KINDS and RULES.kind(ANN, info.family) is not kind):
        return
    came_to = asyncio.run(come(stage, kind, info, "apple"))
    if verdict.step is Step.PROFILE:
        assert isinstance(came_to, Refusal)
        assert (came_to.rule, came_to.why, came_to.message) == (verdict.rule, verdict.why, verdict.message)
    else:
        assert came_to == b"profile"


def declining(**when: Any) -> Stage:
    return Stage(AdmissionPolicy(rules=(Rule(name="no", when=Conditions(**when), then=Decline()),)))


def authenticating(kind: EnrollmentKind, purpose: Purpose = Purpose.ENROLL, account: str | None = None) -> Snapshot:
    grant = Grant(
        id="g", purpose=purpose, kind=kind, connection_id="c", created_at=NOW, expires_at=NOW + DAY, account=account
    )
    return Snapshot(certificate=None, grant=grant)


TELEVISION = Authenticate(
    Speaker("UDID-1", "", Kind.DEVICE),
    topic="t",
    product_name="AppleTV14,1",
    os_version="17.1",
    serial_number="C01",
)


@pytest.mark.parametrize(
    "when",
    [
        {"platform": (Platform.TVOS,)},
        {"family": ("AppleTV",)},
        {"serial_number": ("C0?",)},
        {"os_below": "18"},
        {"kind": (EnrollmentKind.LINK,)},
    ],
)
async def test_who_came_by_a_link_is_judged_by_what_its_device_says_at_last(when: dict[str, Any]) -> None:
    why = await declining(**when).admitting.objection(authenticating(EnrollmentKind.LINK), TELEVISION)
    assert why == "the policy declines it (rule no)"


async def test_rules_about_others_and_lives_that_go_on_meet_no_objection() -> None:
    link = authenticating(EnrollmentKind.LINK)
    assert await declining(platform=(Platform.IOS,)).admitting.objection(link, TELEVISION) == ""
    everybody = declining()
    assert await everybody.admitting.objection(link, TELEVISION)
    assert await everybody.admitting.objection(authenticating(EnrollmentKind.LINK, Purpose.RENEW), TELEVISION) == ""
    unruled = Stage(AdmissionPolicy(), blocked=True)
    assert await unruled.admitting.objection(link, TELEVISION) == "", "without rules the life cycle decides"


async def test_what_a_device_had_to_do_before_its_profile_is_not_asked_for_again() -> None:
    rules = (
        Rule(name="pair", then=RequirePairing()),
        Rule(name="update", then=RequireUpdate(minimum="99")),
    )
    watch = replace(TELEVISION, product_name="Watch7,1")
    stage = Stage(AdmissionPolicy(rules=rules), assigned=True)
    assert await stage.admitting.objection(authenticating(EnrollmentKind.AUTOMATED), watch) == ""


async def test_who_was_to_attest_and_did_not_is_refused_with_his_certificate_in_hand() -> None:
    attested = Rule(name="attested", when=Conditions(attested=Attested()), then=Admit(identity=IdentityKind.ACME))
    stage = Stage(AdmissionPolicy(rules=(attested, Rule(name="others", then=Decline()))))
    snapshot = authenticating(EnrollmentKind.LINK)
    assert await stage.admitting.objection(snapshot, TELEVISION) == "the policy declines it (rule others)"
    certificate = Certificate(
        fingerprint=b"f",
        authority="",
        purpose=Purpose.ENROLL,
        status=CertificateStatus.ISSUED,
        connection_id="c",
        issued_at=NOW,
        not_after=NOW + DAY,
        attested=HardwareProperties(serial_number="C01"),
    )
    assert await stage.admitting.objection(replace(snapshot, certificate=certificate), TELEVISION) == ""


async def test_a_persons_device_is_judged_by_its_account_and_never_by_what_it_is_called() -> None:
    snapshot = authenticating(EnrollmentKind.ACCOUNT_USER, account=ANN)
    own = replace(TELEVISION, speaker=Speaker("ENROLLMENT-1", "", Kind.USER_ENROLLMENT_DEVICE))
    assert await declining(account=(ANN,)).admitting.objection(snapshot, own)
    assert await declining(serial_number=("*",)).admitting.objection(snapshot, own) == ""


async def test_a_foreign_certificate_is_no_way_round_the_rules() -> None:
    pinned = Snapshot()
    foreign = declining(kind=(EnrollmentKind.TRUSTED_IDENTITY,), family=("AppleTV",))
    assert await foreign.admitting.objection(pinned, TELEVISION)
    assert await foreign.admitting.objection(pinned, replace(TELEVISION, product_name="iPad13,18")) == ""


HARDWARE = st.sampled_from([None, HardwareProperties(), HardwareProperties(os_version="17.6.1", sip_enabled=True)])
messages = st.builds(
    arrange.authenticate,
    st.sampled_from([arrange.SPEAKER, Speaker("UDID-1", "", Kind.USER_ENROLLMENT_DEVICE)]),
    product_name=st.sampled_from(["iPhone15,2", "Mac14,2", "AppleTV14,1", "strange", None]),
    os_version=st.sampled_from([None, "9.0", "17.6.1", "99", "strange"]),
    serial_number=st.sampled_from([None, "C01", "C03"]),
)


@settings(max_examples=200, deadline=None)
@given(
    stage=stages,
    way=st.sampled_from(sorted(EnrollmentKind)),
    message=messages,
    attested=HARDWARE,
    account=st.sampled_from([None, ANN]),
)
def test_nobody_whom_the_rules_refuse_begins_a_life(
    stage: Stage,
    way: EnrollmentKind,
    message: Authenticate,
    attested: HardwareProperties | None,
    account: str | None,
) -> None:
    """At his Authenticate, when all is known that will be: whatever profile and certificate he came to before."""
    foreign = way is EnrollmentKind.TRUSTED_IDENTITY
    account = None if foreign else account
    snapshot = (
        Snapshot()
        if foreign
        else arrange.invited(
            certificate=arrange.issued(attested=attested), grant=arrange.grant(kind=way, account=account)
        )
    )
    why = asyncio.run(stage.admitting.objection(snapshot, message))
    decision = decide(
        snapshot,
        message,
        arrange.identity(authority="foreign" if foreign else ""),
        LifePolicy(admission=Admission.TRUSTED_IDENTITY),
        replace(arrange.moment(), objection=why),
    )
    if not decision.change.connections:
        assert not decision.change.certificates
        return
    assert not why
    product = message.product_name or ""
    person = message.speaker.kind.is_user_enrollment
    applicant = Applicant(
        kind=way,
        udid=None if person else message.speaker.device_id,
        serial_number=None if person else message.serial_number,
        product=product,
        family=family_of(product),
        platform=platform_of(product),
        os_version=message.os_version,
        account=account,
        has_pairing_token=True,
        has_certificate=True,
        attested=None if foreign else attested,
    )
    blocked = stage.blocked and not person
    known = Known(
        assigned=stage.assigned and applicant.serial_number is not None,
        standing=Standing.BLOCKED if blocked else Standing.UNKNOWN,
    )
    if (
        stage.rules_of_policy.rules
    ):  # without any the life cycle alone decides, and a blocked device is turned away there
        assert isinstance(judge(applicant, stage.rules_of_policy, known, "t"), Permit)
