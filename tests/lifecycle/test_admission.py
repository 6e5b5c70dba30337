"""Who may enroll: rules in their order, nobody who is not entitled, and nobody sent round in a circle."""

from dataclasses import replace

import pytest
from hypothesis import given

from corral.apple.enrollment_error import (
    PairingTokenMissing,
    PlatformSSORequired,
    SoftwareUpdateRequired,
    UnrecognizedDevice,
    WellKnownFailed,
)
from corral.apple.platform import Platform
from corral.lifecycle.admission import (
    AdmissionPolicy,
    Admit,
    Decline,
    Judgement,
    Outcome,
    Permit,
    Refusal,
    RequirePairing,
    RequireUpdate,
    Rule,
    decide_admission,
)
from corral.lifecycle.applicant import Applicant, Known, Standing
from corral.lifecycle.conditions import Attested, Conditions, precedes
from corral.lifecycle.state import EnrollmentKind, IdentityKind
from corral.pki.attestation import HardwareProperties, SecureBoot
from lifecycle.admission_cases import SSO, applicants, known, policies

TOKEN = "6F1B0000-0000-4000-8000-00000000000A"
PHONE = Applicant(
    kind=EnrollmentKind.AUTOMATED,
    udid="UDID-1",
    serial_number="C01",
    product="iPhone15,2",
    family="iPhone",
    platform=Platform.IOS,
    os_version="17.6.1",
    can_request_software_update=True,
)
MAC = replace(
    PHONE, product="Mac14,2", family="Mac", platform=Platform.MACOS, os_version="26.0", can_request_platform_sso=True
)
WATCH = replace(PHONE, product="Watch7,1", family="Watch", platform=Platform.WATCHOS, os_version="11.0")
OURS, STRANGE = Known(assigned=True), Known()
PERSON = Applicant(kind=EnrollmentKind.ACCOUNT_USER, account="me@example.org", family="iPhone", platform=Platform.IOS)


def judge(applicant: Applicant, *outcomes: Outcome, known: Known = OURS, when: Conditions | None = None) -> Judgement:
    rules = [Rule(name=f"r{n}", when=when or Conditions(), then=each) for n, each in enumerate(outcomes, 1)]
    return decide_admission(applicant, AdmissionPolicy(rules=tuple(rules)), known, TOKEN)


def refusal(judgement: Judgement) -> Refusal:
    assert isinstance(judgement, Refusal)
    assert judgement.message.endswith(".")
    assert judgement.why
    return judgement


def test_without_rules_who_is_assigned_is_admitted_and_nobody_else() -> None:
    assert judge(PHONE) == Permit("", None)
    assert refusal(judge(PHONE, known=STRANGE)).document is None
    assert judge(PERSON, known=STRANGE) == Permit("", None)
    assert isinstance(judge(replace(PERSON, account=None)), Refusal)


def test_the_first_rule_that_fits_decides() -> None:
    assert judge(PHONE, Admit(identity=IdentityKind.ACME), Decline()) == Permit("r1", IdentityKind.ACME)
    assert refusal(judge(PHONE, Decline(message="No."), Admit())).message == "No."


def test_a_rule_that_admits_lets_no_unassigned_device_in_unless_it_says_so() -> None:
    assert isinstance(judge(PHONE, Admit(), known=STRANGE), Refusal)
    for assigned in (None, False):
        named = Conditions(serial_number=("C0?",), assigned=assigned)
        assert judge(PHONE, Admit(), known=STRANGE, when=named) == Permit("r1", None)
    assert isinstance(judge(replace(PHONE, udid=None), Admit(), known=STRANGE, when=Conditions(assigned=None)), Refusal)


@pytest.mark.parametrize("outcome", [Admit(), Decline(), RequireUpdate(minimum="99")])
def test_a_blocked_device_is_refused_before_every_rule(outcome: Outcome) -> None:
    blocked = Known(assigned=True, standing=Standing.BLOCKED)
    assert refusal(judge(PHONE, outcome, known=blocked)).why == "the device is blocked"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Conditions(serial_number=("C02", "C01")), True),
        (Conditions(serial_number=("c01",)), False),
        (Conditions(product=("iPhone1?,*",)), True),
        (Conditions(family=("iPad",)), False),
        (Conditions(platform=(Platform.IOS,)), True),
        (Conditions(os_below="17.6.1"), False),
        (Conditions(os_below="17.6.1 (a)"), True),
        (Conditions(os_below="17.10"), True),
        (Conditions(os_from="17.6.1"), True),
        (Conditions(os_from="17.6.2"), False),
        (Conditions(standing=(Standing.CONNECTED,)), False),
        (Conditions(account=("*",)), False),
        (Conditions(kind=(EnrollmentKind.LINK,)), False),
        (Conditions(kind=(EnrollmentKind.AUTOMATED,), family=("iPhone",)), True),
        (Conditions(assigned=False), False),
    ],
)
def test_a_rule_is_about_those_for_whom_all_its_conditions_hold(condition: Conditions, holds: bool) -> None:
    assert isinstance(judge(PHONE, Decline(), when=condition), Refusal) == holds


def test_of_what_a_device_does_not_tell_no_condition_holds() -> None:
    silent = replace(PHONE, os_version=None)
    assert judge(silent, Decline(), when=Conditions(os_below="99")) == Permit("", None)
    assert judge(replace(PHONE, os_version="beta"), Decline(), when=Conditions(os_from="1")) == Permit("", None)


def test_an_update_is_asked_for_until_the_device_has_it() -> None:
    wanted = RequireUpdate(minimum="18.2", build="22C152", beta_description="Beta", beta_token="T")
    document = refusal(judge(PHONE, wanted)).document
    assert isinstance(document, SoftwareUpdateRequired)
    assert document.details() == {
        "OSVersion": "18.2",
        "BuildVersion": "22C152",
        "RequireBetaProgram": {"Description": "Beta", "Token": "T"},
    }
    assert judge(replace(PHONE, os_version="18.2"), wanted) == Permit("", None)
    assert judge(replace(PHONE, os_version="18.10"), wanted) == Permit("", None)


@pytest.mark.parametrize(
    "unable",
    [
        replace(PHONE, can_request_software_update=False),
        replace(PHONE, os_version=None),
        replace(PHONE, platform=Platform.TVOS),
        replace(PHONE, platform=None),
    ],
)
def test_a_device_that_cannot_update_there_is_not_asked_to(unable: Applicant) -> None:
    assert judge(unable, RequireUpdate(minimum="18.2")) == Permit("", None)
    assert isinstance(judge(unable, RequireUpdate(minimum="18.2"), Decline()), Refusal)


def test_platform_sso_is_asked_for_where_the_device_offers_it() -> None:
    assert isinstance(refusal(judge(MAC, SSO)).document, PlatformSSORequired)
    assert judge(replace(MAC, can_request_platform_sso=False), SSO) == Permit("", None)


def test_a_watch_is_asked_for_its_pairing_token_in_lower_case() -> None:
    document = refusal(judge(WATCH, RequirePairing())).document
    assert isinstance(document, PairingTokenMissing)
    assert document.security_token == TOKEN.lower()
    assert judge(PHONE, RequirePairing()) == Permit("", None)


def test_a_stranger_is_told_so_in_the_words_that_its_system_knows() -> None:
    assert isinstance(refusal(judge(PHONE, Decline(unrecognized=True))).document, UnrecognizedDevice)
    assert refusal(judge(replace(PHONE, os_version="16.7"), Decline(unrecognized=True))).document is None


def test_whoever_is_refused_while_his_account_is_looked_up_gets_the_document_for_that() -> None:
    asking = replace(PERSON, discovery=True)
    assert isinstance(refusal(judge(asking, Decline())).document, WellKnownFailed)
    assert judge(asking, RequireUpdate(minimum="99"), SSO) == Permit("", None)
    assert judge(replace(asking, account=None)) == Permit("", None), "a redirect may have lost what was typed in"


@pytest.mark.parametrize(
    ("older", "newer"),
    [("9.3", "16.1"), ("16.1", "16.1 (a)"), ("16.1 (a)", "16.1 (b)"), ("16.1 (c)", "16.1.1"), ("17.6.9", "17.6.10")],
)
def test_versions_are_compared_as_numbers_and_then_by_supplement(older: str, newer: str) -> None:
    assert precedes(older, newer)
    assert not precedes(newer, older)
    assert not precedes(newer, newer)


@pytest.mark.parametrize("broken", ["", "latest", "v17"])
def test_a_version_that_is_none_is_refused_where_a_rule_is_made(broken: str) -> None:
    with pytest.raises(ValueError, match="version"):
        RequireUpdate(minimum=broken)
    if broken:
        with pytest.raises(ValueError, match="version"):
            Conditions(os_from=broken)


@given(applicant=applicants, policy=policies, known=known)
def test_no_policy_admits_who_is_not_entitled(applicant: Applicant, policy: AdmissionPolicy, known: Known) -> None:
    judgement = decide_admission(applicant, policy, known, TOKEN)
    if not isinstance(judgement, Permit):
        assert judgement.message
        return
    assert known.standing is not Standing.BLOCKED
    if applicant.kind in (EnrollmentKind.ACCOUNT_USER, EnrollmentKind.ACCOUNT_DEVICE):
        assert applicant.account or applicant.discovery, "nobody gets a profile while he is looked up"
    if applicant.kind is EnrollmentKind.AUTOMATED:
        assert applicant.serial_number
        assert applicant.udid
        said_so = any(isinstance(rule.then, Admit) and rule.when.assigned is not True for rule in policy.rules)
        assert known.assigned or said_so
        assert applicant.account or applicant.signing_in or not known.must_sign_in


@given(applicant=applicants, policy=policies, known=known)
def test_nobody_is_sent_away_early_who_could_enroll_at_last(
    applicant: Applicant, policy: AdmissionPolicy, known: Known
) -> None:
    """Before the sign-in, and before the certificate, rules about what nobody knows yet send nobody away."""
    last = replace(applicant, signing_in=False, discovery=False, account="me@example.org", has_certificate=True)
    if isinstance(decide_admission(last, policy, known, TOKEN), Permit):
        without = replace(last, has_certificate=False, attested=None)
        assert isinstance(decide_admission(without, policy, known, TOKEN), Permit)
        if applicant.kind is EnrollmentKind.AUTOMATED:
            first = replace(without, signing_in=True, account=None)
            assert isinstance(decide_admission(first, policy, known, TOKEN), Permit)


MAC_SAYS = HardwareProperties(os_version="18.1", secure_boot=SecureBoot.REDUCED, sip_enabled=False)


@pytest.mark.parametrize(
    ("condition", "said", "holds"),
    [
        (Attested(), MAC_SAYS, True),
        (Attested(), None, False),
        (Attested(present=False), None, True),
        (Attested(present=False), HardwareProperties(), False),
        (Attested(secure_boot=(SecureBoot.REDUCED, SecureBoot.PERMISSIVE)), MAC_SAYS, True),
        (Attested(secure_boot=(SecureBoot.FULL,)), MAC_SAYS, False),
        (Attested(secure_boot=(SecureBoot.FULL,)), HardwareProperties(), False),
        (Attested(sip=False), MAC_SAYS, True),
        (Attested(sip=True), MAC_SAYS, False),
        (Attested(os_below="18.2"), MAC_SAYS, True),
        (Attested(os_below="18.2"), HardwareProperties(), False),
        (Attested(os_from="18.1"), MAC_SAYS, True),
        (Attested(os_from="18.1 (a)"), MAC_SAYS, False),
    ],
)
def test_rules_look_at_what_apple_attested(condition: Attested, said: HardwareProperties | None, holds: bool) -> None:
    when = Conditions(attested=condition)
    has_it = replace(PHONE, has_certificate=True, attested=said)
    assert isinstance(judge(has_it, Decline(), when=when), Refusal) == holds
    assert judge(PHONE, Decline(), when=when) == Permit("", None), "nobody knows yet"


def test_a_rule_about_what_will_be_attested_gives_the_profile_that_has_it_attested() -> None:
    rules = (
        Rule(name="attested", when=Conditions(attested=Attested()), then=Admit(identity=IdentityKind.ACME)),
        Rule(name="others", then=Decline()),
    )
    policy = AdmissionPolicy(rules=rules)
    assert decide_admission(PHONE, policy, OURS, TOKEN) == Permit("", IdentityKind.ACME)
    nothing = replace(PHONE, has_certificate=True)
    assert isinstance(decide_admission(nothing, policy, OURS, TOKEN), Refusal)
    vouched = replace(nothing, attested=HardwareProperties())
    assert decide_admission(vouched, policy, OURS, TOKEN) == Permit("attested", IdentityKind.ACME)


def test_what_is_not_attested_has_no_properties() -> None:
    with pytest.raises(ValueError, match="present"):
        Attested(present=False, sip=True)
    with pytest.raises(ValueError, match="version"):
        Attested(os_from="newest")


def test_before_the_sign_in_rules_about_accounts_are_left_until_then() -> None:
    asking = replace(PHONE, signing_in=True)
    ann = Rule(name="ann", when=Conditions(account=("ann@example.org",)), then=Admit())
    nobody_else = Rule(name="others", then=Decline())
    policy = AdmissionPolicy(rules=(ann, nobody_else))
    assert decide_admission(asking, policy, OURS, TOKEN) == Permit("", None)
    signed_in = replace(PHONE, account="ann@example.org")
    assert decide_admission(signed_in, policy, OURS, TOKEN) == Permit("ann", None)
    assert isinstance(decide_admission(replace(PHONE, account="bob@example.org"), policy, OURS, TOKEN), Refusal)
    assert isinstance(decide_admission(asking, policy, STRANGE, TOKEN), Refusal), "no account makes a device ours"


def test_a_device_whose_profile_has_its_person_sign_in_does_not_get_round_it() -> None:
    web = Known(assigned=True, must_sign_in=True)
    assert "signed in" in refusal(judge(PHONE, known=web)).why
    assert "signed in" in refusal(judge(PHONE, Admit(), known=web, when=Conditions(assigned=None))).why
    assert judge(replace(PHONE, signing_in=True), known=web) == Permit("", None)
    assert judge(replace(PHONE, account="me@example.org"), known=web) == Permit("", None)


@given(applicant=applicants, policy=policies, known=known)
def test_who_does_as_he_is_told_is_not_told_the_same_again(
    applicant: Applicant, policy: AdmissionPolicy, known: Known
) -> None:
    for _ in range(2 * len(policy.rules) + 2):
        judgement = decide_admission(applicant, policy, known, TOKEN)
        match judgement:
            case Refusal(document=SoftwareUpdateRequired(os_version=wanted)):
                assert applicant.os_version is not None
                assert precedes(applicant.os_version, wanted)
                applicant = replace(applicant, os_version=wanted)
            case Refusal(document=PlatformSSORequired()):
                applicant = replace(applicant, can_request_platform_sso=False)
            case Refusal(document=PairingTokenMissing()):
                applicant = replace(applicant, has_pairing_token=True)
            case _:
                return
    pytest.fail("it is told something new for ever")
