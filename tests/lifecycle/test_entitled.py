"""Whatever is known and whatever is said: no life begins, becomes connected or gets a command, and no certificate is
issued, but for a device that was let in. What lets in is written down here once more, apart from the code that decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import assume, event, given, note, settings
from hypothesis import strategies as st

from corral.apple.checkin import Authenticate, TokenUpdate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import Status
from corral.lifecycle.acme_order import AttestedKey, narrowed, refusal_of_attestation
from corral.lifecycle.change import Decision, NextCommand
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity
from corral.lifecycle.issuance import GrantState, Issue, Reissue, decide_issuance
from corral.lifecycle.message import Message
from corral.lifecycle.policy import (
    Admission,
    Attestation,
    OnExpiredIdentity,
    OnLostBinding,
    OnRestore,
    OnTakeover,
    Policy,
)
from corral.lifecycle.state import (
    HOUR,
    CertificateStatus,
    Connection,
    EnrollmentKind,
    Grant,
    Link,
    Phase,
    Purpose,
    Snapshot,
)
from corral.pki.attestation import HardwareProperties
from lifecycle import arrange as a

OTHER = "UDID-2"
PERSON = Speaker(a.UDID, "", Kind.USER_ENROLLMENT_DEVICE)
FOREIGN = a.identity(authority="foreign")
ADMITS = Policy(admission=Admission.TRUSTED_IDENTITY)


@dataclass(frozen=True)
class Case:
    snapshot: Snapshot
    message: Message
    identity: Identity = field(default_factory=a.identity)
    policy: Policy = ADMITS
    objection: str = ""

    @property
    def decision(self) -> Decision:
        now = replace(a.moment(), objection=self.objection)
        return decide(self.snapshot, self.message, self.identity, self.policy, now)

    def where(self, **known: Any) -> "Case":
        return replace(self, snapshot=replace(self.snapshot, **known))

    def grant(self, **fields: Any) -> "Case":
        grant = self.snapshot.grant
        return self if grant is None else self.where(grant=replace(grant, **fields))

    def link(self, **fields: Any) -> "Case":
        link = self.snapshot.link
        return self if link is None else self.where(link=replace(link, **fields))

    def certificate(self, **fields: Any) -> "Case":
        certificate = self.snapshot.certificate
        return self if certificate is None else self.where(certificate=replace(certificate, **fields))

    def bound(self, **fields: Any) -> "Case":
        """The life that the certificate belongs to, wherever it is known."""
        bound = self.snapshot.bound
        if bound is None:
            return self
        other = replace(bound, **fields)
        return self.where(bound=other, lives=tuple(other if each is bound else each for each in self.snapshot.lives))


ATTEMPT = a.life(phase=Phase.AUTHENTICATING)
GOOD = a.grant()
PINNED = a.certificate(authority="foreign", purpose=Purpose.PINNED, grant_id=None)
WAYS: Mapping[str, Case] = {
    "a link": Case(a.invited(), a.authenticate()),
    "a grant": Case(
        a.invited(grant=a.grant(kind=EnrollmentKind.AUTOMATED, device_id=a.UDID), link=None), a.authenticate()
    ),
    "an account": Case(
        a.invited(grant=a.grant(kind=EnrollmentKind.ACCOUNT_USER, link_id=None), link=None), a.authenticate(PERSON)
    ),
    "a foreign certificate": Case(Snapshot(), a.authenticate(), FOREIGN),
    "a newcomer": Case(a.invited(device=a.device(), lives=(a.life("other"),)), a.authenticate()),
    "an attempt": Case(a.seen(ATTEMPT, grant=GOOD, link=a.link()), a.token_update()),
    "an attempt that another replaced": Case(
        a.seen(a.life(phase=Phase.ENDED, connected_at=None), grant=GOOD, link=a.link()), a.token_update()
    ),
    "a foreign attempt": Case(a.seen(ATTEMPT, grant=None, link=None, certificate=PINNED), a.token_update(), FOREIGN),
    "a restore": Case(a.seen(a.life(phase=Phase.ENDED)), a.token_update()),
    "a foreign restore": Case(
        a.seen(a.life(phase=Phase.ENDED), grant=None, link=None, certificate=PINNED), a.token_update(), FOREIGN
    ),
    "a wiped device": Case(a.seen(a.life(reauthenticated_at=a.NOW)), a.token_update(awaiting_configuration=True)),
    "a renewal of a wiped device": Case(
        a.seen(
            a.life(renewal=a.renewal(authenticated_at=a.NOW)), certificate=a.renewed(), grant=a.renew_grant(), link=None
        ),
        a.token_update(awaiting_configuration=True),
    ),
}
"""Everything by which a device comes to a connection, each as it should be."""

GOING_ON: Mapping[str, Case] = {
    "a poll": Case(a.seen(), a.IDLE),
    "a poll before it is connected": Case(a.seen(ATTEMPT, grant=GOOD), a.IDLE),
    "a renewal": Case(
        a.seen(a.life(renewal=a.renewal()), certificate=a.renewed(), grant=a.renew_grant(), link=None), a.authenticate()
    ),
    "a new token": Case(a.seen(), a.token_update(token=b"another", push_magic="other")),
    "a lost binding": Case(a.seen(certificate=None, bound=None, named=a.life(), grant=None, link=None), a.IDLE),
    "nobody": Case(Snapshot(), a.IDLE),
}

BREAKS: Mapping[str, Callable[[Case], Case]] = {
    "blocked": lambda it: it.where(device=a.device(blocked_at=a.NOW)),
    "not known": lambda it: it.where(device=None, lives=(), bound=None),
    "expired": lambda it: replace(it, identity=replace(it.identity, not_after=a.NOW)),
    "against a rule": lambda it: replace(it, objection="a rule"),
    "no certificate": lambda it: it.where(certificate=None, bound=None, grant=None, link=None),
    "of another": lambda it: it.certificate(device_id=OTHER, status=CertificateStatus.BOUND),
    "revoked": lambda it: it.certificate(status=CertificateStatus.REVOKED),
    "retired": lambda it: it.certificate(status=CertificateStatus.RETIRED),
    "of nobody": lambda it: it.certificate(device_id=None, status=CertificateStatus.ISSUED),
    "spent": lambda it: it.grant(spent_at=a.NOW),
    "withdrawn": lambda it: it.grant(revoked_at=a.NOW),
    "grant over": lambda it: it.grant(expires_at=a.NOW),
    "to renew": lambda it: it.grant(purpose=Purpose.RENEW),
    "for another device": lambda it: it.grant(device_id=OTHER),
    "for another serial number": lambda it: it.grant(serial_number="ANOTHER"),
    "for a person": lambda it: it.grant(kind=EnrollmentKind.ACCOUNT_USER),
    "for a device": lambda it: it.grant(kind=EnrollmentKind.ACCOUNT_DEVICE),
    "no grant": lambda it: it.where(grant=None, link=None),
    "link withdrawn": lambda it: it.link(revoked_at=a.NOW),
    "link used": lambda it: it.link(used=1),
    "link over": lambda it: it.link(expires_at=a.NOW),
    "ended": lambda it: it.bound(phase=Phase.ENDED, end_request=None),
    "ended by a person": lambda it: it.bound(phase=Phase.ENDED, end_request=a.end_request()),
    "ending": lambda it: it.bound(phase=Phase.ENDING, end_request=a.end_request()),
    "ending past its time": lambda it: it.bound(phase=Phase.ENDING, end_request=a.end_request(a.NOW)),
    "not connected": lambda it: it.bound(phase=Phase.AUTHENTICATING, connected_at=None),
    "connected": lambda it: it.bound(phase=Phase.CONNECTED, connected_at=a.NOW),
    "another life": lambda it: it.where(device=a.device(), lives=(a.life("other"), *it.snapshot.lives)),
    "a later one that was ended": lambda it: it.where(
        device=a.device(),
        lives=(a.life("other", Phase.ENDED, end_request=a.end_request()), *it.snapshot.lives),
    ),
    "authenticates": lambda it: replace(it, message=a.authenticate()),
    "says another serial number": lambda it: replace(it, message=a.authenticate(serial_number="ANOTHER")),
    "says none": lambda it: replace(it, message=a.authenticate(serial_number=None)),
    "is a person's": lambda it: replace(it, message=a.authenticate(PERSON)),
    "is a user": lambda it: replace(it, message=a.token_update(a.ANN)),
    "has a token": lambda it: replace(it, message=a.token_update()),
    "waits in Setup Assistant": lambda it: replace(it, message=a.token_update(awaiting_configuration=True)),
    "polls": lambda it: replace(it, message=a.IDLE),
    "reports": lambda it: replace(it, message=a.reported(Status.ACKNOWLEDGED)),
    "leaves": lambda it: replace(it, message=a.check_out()),
    "foreign": lambda it: replace(it, identity=FOREIGN).certificate(authority="foreign"),
    "ours": lambda it: replace(it, identity=a.identity()).certificate(authority=""),
}

policies = st.builds(
    Policy,
    on_restore=st.sampled_from(sorted(OnRestore)),
    on_takeover=st.sampled_from(sorted(OnTakeover)),
    on_lost_binding=st.sampled_from(sorted(OnLostBinding)),
    on_expired_identity=st.sampled_from(sorted(OnExpiredIdentity)),
    admission=st.sampled_from(sorted(Admission)),
)


# -- what lets in


def is_open(link: Link | None, at: int) -> bool:
    return link is None or (
        link.revoked_at is None and at < link.expires_at and (link.uses is None or link.used < link.uses)
    )


def is_good(grant: Grant | None) -> bool:
    return grant is not None and grant.purpose is Purpose.ENROLL and grant.spent_at is None and grant.revoked_at is None


def may_begin(snapshot: Snapshot, message: Authenticate, identity: Identity, policy: Policy, objection: str) -> bool:
    """Row 7: an enroll grant, or a trusted foreign authority; and no rule against it."""
    grant, speaker = snapshot.grant, message.speaker
    if objection or identity.not_after <= a.NOW:
        return False
    if identity.authority:
        return policy.admission is Admission.TRUSTED_IDENTITY
    return (
        grant is not None
        and is_good(grant)
        and grant.expires_at > a.NOW
        and is_open(snapshot.link, a.NOW)
        and grant.device_id in (None, speaker.device_id)
        and grant.serial_number in (None, message.serial_number)
        and (
            grant.kind is EnrollmentKind.LINK
            or (grant.kind is EnrollmentKind.ACCOUNT_USER) == speaker.kind.is_user_enrollment
        )
    )


def may_connect(snapshot: Snapshot, message: TokenUpdate, policy: Policy) -> str:
    """Rows 8 and 10: as what this life may be connected now; empty if as nothing."""
    bound, certificate = snapshot.bound, snapshot.certificate
    if bound is None or certificate is None:
        return ""
    if bound.connected_at is None and bound.phase in (Phase.AUTHENTICATING, Phase.ENDED):
        link = snapshot.link
        if certificate.authority:
            return "an attempt" if policy.admission is Admission.TRUSTED_IDENTITY else ""
        # Its Authenticate was let in: a grant that is forgotten meanwhile is no reason against it.
        good = snapshot.grant is None or is_good(snapshot.grant)
        return "an attempt" if good and (link is None or is_open(link, link.created_at)) else ""
    if bound.phase is Phase.ENDED:
        return "a restore" if policy.on_restore is OnRestore.ACCEPT else ""
    provisional = bound.reauthenticated_at or (bound.renewal is not None and bound.renewal.authenticated_at)
    return "a wiped device" if provisional and message.awaiting_configuration and bound.end_request is None else ""


def belongs(snapshot: Snapshot) -> bool:
    """Who is blocked, was told to leave, or comes with the certificate of another gets nothing."""
    certificate, bound, device = snapshot.certificate, snapshot.bound, snapshot.device
    if device is not None and device.blocked_at is not None:
        return False
    if certificate is not None and (
        certificate.device_id not in (None, a.UDID) or certificate.status is CertificateStatus.REVOKED
    ):
        return False
    return bound is None or not bound.ended_by_decision


# -- a connection


def let_in(case: Case) -> list[Connection]:
    """The lives that begin by this message, or become connected; that no other comes to life is checked."""
    snapshot = case.snapshot
    before = {each.id: each for each in (*snapshot.lives, *filter(None, (snapshot.bound, snapshot.named)))}
    found: list[Connection] = []
    for life in case.decision.change.connections:
        former = before.get(life.id)
        if former is None or (life.phase is Phase.CONNECTED and former.phase is Phase.AUTHENTICATING):
            found.append(life)
        else:
            assert not (former.is_over and not life.is_over), "nothing that is over goes on by itself"
    return found


@pytest.mark.parametrize("way", sorted(WAYS))
def test_by_each_way_a_device_comes_in(way: str) -> None:
    assert len(check(WAYS[way])) == 1


@settings(max_examples=1000, deadline=None)
@given(
    way=st.sampled_from(sorted({**WAYS, **GOING_ON})),
    broken=st.lists(st.sampled_from(sorted(BREAKS)), max_size=3),
    policy=st.just(ADMITS) | policies,
)
def test_no_life_begins_or_is_connected_but_of_who_was_let_in(way: str, broken: list[str], policy: Policy) -> None:
    case = replace({**WAYS, **GOING_ON}[way], policy=policy)
    for each in broken:
        case = BREAKS[each](case)
    note(f"{way}: {broken} under {policy}")
    for told in check(case):
        event(told)


def check(case: Case) -> list[str]:
    """What the device came to by it."""
    told: list[str] = []
    for life in let_in(case):
        assert belongs(case.snapshot)
        match case.message:
            case Authenticate() as message:
                assert life.phase is Phase.AUTHENTICATING
                assert may_begin(case.snapshot, message, case.identity, case.policy, case.objection)
                told.append("begun")
            case TokenUpdate() as message:
                how = may_connect(case.snapshot, message, case.policy)
                assert how
                assert not message.speaker.user_id
                told.append(how)
            case _:
                raise AssertionError(f"{type(case.message).__name__} lets nobody in")
    decision = case.decision
    if isinstance(decision.answer, NextCommand):
        told.append("a command")
        known = (*case.snapshot.lives, *decision.change.connections)
        phases = [each.phase for each in known if each.id == decision.answer.channel_id.partition("/")[0]]
        assert phases[-1] in (Phase.CONNECTED, Phase.ENDING), "who waits gets no command, nor who is gone"
    return told


# -- a certificate


def either(good: object, *bad: object) -> st.SearchStrategy[Any]:
    return st.just(good) | st.sampled_from([good, *bad])


links = st.none() | st.builds(
    a.link, revoked_at=either(None, a.NOW), expires_at=either(a.NOW + HOUR, a.NOW), used=either(0, 1)
)
grants = st.builds(
    a.grant,
    purpose=st.sampled_from([Purpose.ENROLL, Purpose.RENEW]),
    kind=st.sampled_from(sorted(EnrollmentKind)),
    device_id=either(None, a.UDID, OTHER),
    serial_number=either(None, "SERIAL", "ANOTHER"),
    expires_at=either(a.NOW + HOUR, a.NOW),
    spent_at=either(None, a.NOW),
    revoked_at=either(None, a.NOW),
    keys_issued=st.integers(0, 5),
)
renewed = st.none() | st.builds(
    a.life,
    phase=st.sampled_from(sorted(Phase)),
    renewal=st.sampled_from([None, a.renewal(grant_id="grant"), a.renewal(grant_id="another")]),
)


@settings(max_examples=500, deadline=None)
@given(
    grant=grants,
    link=links,
    life=renewed,
    blocked=st.booleans(),
    certified=st.lists(
        st.builds(
            a.issued,
            request_digest=st.sampled_from([b"this", b"another"]),
            status=st.sampled_from(sorted(CertificateStatus)),
        ),
        max_size=2,
    ),
)
def test_no_certificate_is_issued_but_under_a_grant_that_is_good(
    grant: Grant, link: Link | None, life: Connection | None, blocked: bool, certified: list[object]
) -> None:
    certificates = tuple(certified)
    state = GrantState(grant=grant, link=link, certificates=certificates, connection=life, device_blocked=blocked)  # pyright: ignore[reportArgumentType] - drawn
    match decide_issuance(state, b"this", Policy(), a.NOW):
        case Reissue(certificate):
            assert certificate in certificates
            assert certificate.request_digest == b"this"
            assert certificate.status is not CertificateStatus.REVOKED
        case Issue():
            event(grant.purpose)
            assert not blocked
            assert grant.revoked_at is None
            assert grant.spent_at is None
            assert grant.expires_at > a.NOW
            assert grant.keys_issued < Policy().keys_per_grant
            if grant.purpose is Purpose.RENEW:
                assert life is not None
                assert life.phase is Phase.CONNECTED
                assert life.renewal is not None
                assert life.renewal.grant_id == grant.id
            else:
                assert is_open(link, a.NOW)
        case _:
            pass


properties = st.builds(
    HardwareProperties,
    serial_number=st.sampled_from([None, "SERIAL", "ANOTHER"]),
    udid=st.sampled_from([None, a.UDID, OTHER, "a provisioning UDID"]),
)


@settings(max_examples=300, deadline=None)
@given(
    grant=grants,
    found=st.none() | properties,
    device=st.none() | st.builds(a.device, user_enrollment=st.booleans()),
    policy=st.sampled_from(sorted(Attestation)),
    message=st.builds(a.authenticate, serial_number=st.sampled_from(["SERIAL", "ANOTHER", None])),
)
def test_what_is_attested_of_one_device_lets_no_other_in(
    grant: Grant, found: HardwareProperties | None, device: object, policy: Attestation, message: Authenticate
) -> None:
    attested = AttestedKey(properties=found, key_digest=b"key") if found is not None else None
    assume(refusal_of_attestation(attested, grant, device, policy) is None)  # pyright: ignore[reportArgumentType] - drawn
    if found is None:
        assert policy is not Attestation.REQUIRED
        return
    for named in filter(None, (grant.serial_number if device is None else "SERIAL",)):
        assert found.serial_number in (None, named)
    narrow = narrowed(grant, attested)
    snapshot = a.invited(grant=replace(narrow, spent_at=None, revoked_at=None, expires_at=a.NOW + HOUR))
    decision = decide(snapshot, message, a.identity(), Policy(), a.moment())
    if decision.change.connections and found.serial_number is not None:
        event("begun")
        assert message.serial_number == narrow.serial_number
        if grant.serial_number is None:
            assert message.serial_number == found.serial_number
