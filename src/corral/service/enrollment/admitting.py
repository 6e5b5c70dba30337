"""Who asks to be enrolled is judged by the policy, and who may be gets a grant and its profile."""

import uuid
from dataclasses import dataclass

from corral.apple.attestable import can_attest
from corral.apple.checkin import Authenticate
from corral.apple.platform import family_of, platform_of
from corral.lifecycle.admission import AdmissionPolicy, Judgement, Permit, Refusal, decide_admission
from corral.lifecycle.admitted import Admitted
from corral.lifecycle.applicant import Applicant, Known, Standing
from corral.lifecycle.change import Event
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import DAY, EnrollmentKind, Grant, IdentityKind, Instant, Link, Phase, Purpose, Snapshot
from corral.service.ade.assignments import Assignment, Assignments
from corral.service.clock import Clock
from corral.service.enrollment.enrolling import Enrolling
from corral.service.enrollment.policies import Policies
from corral.service.events.remarks import Remarks
from corral.store.directory import DeviceDetail, Directory
from corral.store.events import EventStore

VALID = 7 * DAY
"""How long a profile that was given out to one device is good for: it may keep it and try again."""
VALID_UNBOUND = DAY
"""The same of one that names no device, and so is worth something to others."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of an application, and what it rested on."""

    judgement: Judgement
    known: Known
    assignment: Assignment | None


class Admitting:
    def __init__(
        self,
        enrolling: Enrolling,
        policies: Policies,
        assignments: Assignments,
        directory: Directory,
        events: EventStore,
        clock: Clock,
        identity: IdentityKind,
        attestation: Attestation = Attestation.WANTED,
    ) -> None:
        self._enrolling = enrolling
        self._policies = policies
        self._assignments = assignments
        self._directory = directory
        self._events = events
        self._clock = clock
        self._identity = identity
        self._attestation = attestation
        self._remarks = Remarks()

    async def judge(self, applicant: Applicant) -> Judged:
        """What would be answered, without doing it."""
        return await self._judge(applicant, await self._policies.rules())

    async def _judge(self, applicant: Applicant, rules: AdmissionPolicy) -> Judged:
        serial = applicant.serial_number
        assignment = await self._assignments.find(serial) if serial is not None else None
        known = Known(
            assigned=assignment is not None,
            must_sign_in=assignment is not None and assignment.must_sign_in,
            standing=await self._standing(applicant),
        )
        judgement = decide_admission(applicant, rules, known, str(uuid.uuid4()))
        return Judged(judgement, known, assignment)

    async def decide(self, applicant: Applicant) -> Judged:
        """The same, and a refusal is told as an event."""
        judged = await self.judge(applicant)
        if isinstance(judged.judgement, Refusal):
            await self.tell(applicant, judged.judgement)
        return judged

    async def enroll(
        self,
        applicant: Applicant,
        *,
        source: str = "",
        evidence: str = "",
        link: Link | None = None,
        valid: Instant | None = None,
    ) -> bytes | Refusal:
        """The profile for who may enroll; else the refusal, which was told as an event. Raises what `admit` raises."""
        admitted = await self.admit(applicant, source=source, evidence=evidence, link=link, valid=valid)
        return admitted if isinstance(admitted, Refusal) else await self._enrolling.profile_for(admitted)

    async def admit(
        self,
        applicant: Applicant,
        *,
        source: str = "",
        evidence: str = "",
        link: Link | None = None,
        valid: Instant | None = None,
    ) -> Grant | Refusal:
        """The grant for who may enroll; else the refusal, which was told as an event.

        `source` and `evidence` go into the grant; `link` is one that is open, and is used up by it; `valid` is how
        long the profile is good for.
        Raises RequestRefused without a push certificate, OverCapacity and StoreUnavailable.
        """
        judged = await self.decide(applicant)
        match judged.judgement:
            case Refusal() as refusal:
                return refusal
            case Permit(rule, identity):
                found = judged.assignment.source if judged.assignment is not None else ""
                admitted = Admitted(
                    kind=applicant.kind,
                    device_id=None if applicant.kind is EnrollmentKind.ACCOUNT_USER else applicant.udid,
                    serial_number=None if applicant.kind is EnrollmentKind.ACCOUNT_USER else applicant.serial_number,
                    account=applicant.account,
                    link_id=link.id if link is not None else None,
                    source="; ".join(filter(None, (source or found, f"rule {rule}" if rule else ""))) or "policy",
                    evidence=evidence,
                    identity=identity or self._way(applicant, link),
                )
                expires = self._clock() + (valid or (VALID if admitted.is_bound else VALID_UNBOUND))
                expires = expires if link is None else min(expires, link.expires_at)
                return await self._enrolling.admit(admitted, expires)

    async def enroll_by_link(self, link: Link) -> bytes | Refusal:
        """The profile for whoever holds a link, as far as rules do not need to know what device he brings: what it says
        of itself at its Authenticate is judged then, see `objection`. Raises what `enroll` raises."""
        applicant = Applicant(kind=EnrollmentKind.LINK, udid=link.device_id, serial_number=link.serial_number)
        match (await self.decide(applicant)).judgement:
            case Refusal() as refusal:
                return refusal
            case Permit(_, identity):
                return await self._enrolling.profile(link, identity=identity)

    async def objection(self, snapshot: Snapshot, message: Authenticate) -> str:
        """Why rules are against a device that begins a life, by what it says at last and what was attested of it; empty
        if they are not. What it had to do before its profile was given out is not asked for again."""
        grant, certificate = snapshot.grant, snapshot.certificate
        if grant is not None and grant.purpose is not Purpose.ENROLL:
            return ""
        policy = await self._policies.rules()
        if not policy.rules:
            return ""
        kind = grant.kind if grant is not None else EnrollmentKind.TRUSTED_IDENTITY
        by_person = message.speaker.kind.is_user_enrollment
        serial_number = message.serial_number or (grant.serial_number if grant is not None else None)
        product = message.product_name or message.model_name or ""
        applicant = Applicant(
            kind=kind,
            udid=None if by_person else message.speaker.device_id,
            serial_number=None if by_person else serial_number,
            product=product,
            family=family_of(product),
            platform=platform_of(product),
            os_version=message.os_version,
            account=grant.account if grant is not None else None,
            has_pairing_token=True,
            has_certificate=True,
            attested=certificate.attested if certificate is not None else None,
        )
        judgement = (await self._judge(applicant, policy)).judgement
        if not isinstance(judgement, Refusal):
            return ""
        return f"{judgement.why} (rule {judgement.rule})" if judgement.rule else judgement.why

    def _way(self, applicant: Applicant, link: Link | None) -> IdentityKind:
        """Where no rule says it: by the link, else as the settings say; a device that cannot attest gets SCEP, unless
        every one has to.
        """
        wanted = (link.identity if link is not None else None) or self._identity
        if wanted is IdentityKind.SCEP or self._attestation is not Attestation.WANTED:
            return wanted
        able = can_attest(applicant.product, applicant.platform, applicant.os_version)
        return wanted if able else IdentityKind.SCEP

    async def _standing(self, applicant: Applicant) -> Standing:
        """By UDID and by serial number: a device that was blocked is, whichever of both it is known by."""
        standings = [Standing.UNKNOWN]
        if applicant.udid is not None:
            standings.append(_standing_of(await self._directory.device(applicant.udid)))
        if applicant.serial_number is not None:
            other = await self._directory.resolve(applicant.serial_number)
            if other is not None and other != applicant.udid:
                standings.append(_standing_of(await self._directory.device(other)))
        return max(standings, key=_WEIGHT.index)

    async def tell(self, applicant: Applicant, refusal: Refusal) -> None:
        """Record a refusal as an event, once in a while."""
        now = self._clock()
        # What is typed in while an account is looked up is a stranger's: every name would be a new remark.
        account = None if applicant.discovery else applicant.account
        remark = (applicant.kind, applicant.udid, applicant.serial_number, account, refusal.rule, refusal.why)
        if not self._remarks.is_due(remark, now):
            return
        data = {
            "kind": applicant.kind.value,
            "why": refusal.why,
            "rule": refusal.rule,
            "answer": refusal.document.code if refusal.document is not None else "403",
            "serial_number": applicant.serial_number,
            "account": applicant.account,
            "product": applicant.product,
            "os_version": applicant.os_version,
        }
        event = Event(type="enrollment.refused", at=now, device_id=applicant.udid, data=data)
        await self._events.append((event,))
        self._remarks.told(remark, now)


_WEIGHT = (Standing.UNKNOWN, Standing.ENDED, Standing.CONNECTED, Standing.BLOCKED)


def _standing_of(detail: DeviceDetail | None) -> Standing:
    if detail is None:
        return Standing.UNKNOWN
    if detail.device.blocked_at is not None:
        return Standing.BLOCKED
    phases = {life.phase for life in detail.connections}
    if phases & {Phase.CONNECTED, Phase.ENDING}:
        return Standing.CONNECTED
    return Standing.ENDED if phases else Standing.UNKNOWN
