"""Certificates over SCEP: authorized by a grant, then issued; the one path for enrollment and renewal."""

import asyncio
import hashlib
from datetime import timedelta

from corral.lifecycle import operating
from corral.lifecycle.change import Event
from corral.lifecycle.issuance import (
    GrantState,
    IssuanceRefused,
    Issue,
    Reissue,
    decide_issuance,
    issued,
)
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Grant,
    Instant,
    Purpose,
)
from corral.pki import scep
from corral.pki.authority import Authority, KeyRefused, PublicKey, check_key, issue_identity
from corral.pki.scep import FailInfo, MessageType, Refusal, Request
from corral.service.challenges import Challenges, EnrollChallenge, RenewChallenge
from corral.service.clock import Clock, fresh_id, to_datetime, to_instant
from corral.service.enrolling import Enrolling
from corral.service.errors import OverCapacity, RequestRefused
from corral.service.identifying import Identifying
from corral.service.remarks import Remarks
from corral.service.transitions import ATTEMPTS, Transitions
from corral.store.devices import Committed, DeviceStore
from corral.store.errors import StoreUnavailable
from corral.store.events import EventStore
from corral.store.grants import GrantStore

BACKDATED = timedelta(hours=24)
"""Devices with a clock that is behind must not find their new certificate in the future."""

AT_ONCE, WAITING = 2, 64
"""Private-key operations for strangers under way, and waiting for their turn, at most."""


class Issuing:
    def __init__(
        self,
        authority: Authority,
        challenges: Challenges,
        enrolling: Enrolling,
        identifying: Identifying,
        grants: GrantStore,
        devices: DeviceStore,
        events: EventStore,
        transitions: Transitions,
        policy: Policy,
        clock: Clock,
        identity_days: int,
    ) -> None:
        self._authority = authority
        self._challenges = challenges
        self._enrolling = enrolling
        self._identifying = identifying
        self._grants = grants
        self._devices = devices
        self._events = events
        self._transitions = transitions
        self._policy = policy
        self._clock = clock
        self._valid = timedelta(days=identity_days)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._remarks = Remarks()

    def ca_certificate(self) -> bytes:
        """The answer to GetCACert: one certificate, DER."""
        return self._authority.der

    async def operate(self, message: bytes) -> bytes:
        """The answer to PKIOperation: a CertRep, DER, for a refusal too.

        Raises ScepError for what cannot be answered, OverCapacity, and StoreUnavailable.
        """
        if self._waiting >= WAITING:
            raise OverCapacity("Too many certificate requests at once; try again in a few seconds.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._operate(message)
        finally:
            self._waiting -= 1

    async def _operate(self, message: bytes) -> bytes:
        request = await asyncio.to_thread(scep.read_request, message, self._authority)
        if isinstance(request, Refusal):
            return await asyncio.to_thread(scep.reply_refused, request, self._authority)
        state = await self._authorize(request)
        if isinstance(state, str):
            return await self._refuse(request, state)
        outcome = await self._issue(request, state)
        if isinstance(outcome, str):
            return await self._refuse(request, outcome)
        return await asyncio.to_thread(scep.reply_issued, request, self._authority, outcome)

    async def _authorize(self, request: Request) -> GrantState | str:
        """The grant that lets this request in, as it stands now; else why there is none."""
        if request.message_type is MessageType.RENEWAL_REQ:
            return await self._authorize_renewal(request)
        challenge = self._challenges.read(request.challenge or "")
        match challenge:
            case None:
                return "the challenge was not made here"
            case RenewChallenge(grant_id):
                return await self._grants.grant_state(grant_id) or "the renewal is not known"
            case EnrollChallenge(link_id, grant_id, signed):
                known = await self._grants.grant_state(grant_id)
                if known is not None:
                    return known
                link = await self._grants.link(link_id)
                if link is None:
                    return "the enrollment link is not known"
                try:
                    profile = await self._enrolling.keep(signed=signed)
                except RequestRefused as error:
                    return str(error)
                now = self._clock()
                grant = Grant(
                    id=grant_id,
                    purpose=Purpose.ENROLL,
                    connection_id=fresh_id(),
                    link_id=link.id,
                    device_id=link.device_id,
                    serial_number=link.serial_number,
                    created_at=now,
                    expires_at=min(link.expires_at, now + 30 * DAY),
                    profile=profile,
                )
                return GrantState(grant=grant, link=link)

    async def _authorize_renewal(self, request: Request) -> GrantState | str:
        """RenewalReq is signed by the current certificate; the life that it is bound to is what it renews."""
        identity = self._identifying.identify(request.signer)
        if isinstance(identity, str) or identity.authority:
            return "the signer of the renewal is no certificate of this authority"
        now = self._clock()
        certificate = await self._grants.certificate(identity.fingerprint)
        if certificate is None or certificate.status is not CertificateStatus.BOUND or now >= certificate.not_after:
            return "the certificate that asks for renewal is not current"
        snapshot = await self._transitions.look(certificate.connection_id)
        life, device = snapshot.bound, snapshot.device
        if life is None or device is None:
            return "the connection that it renews is over"
        ours = f"by-{identity.fingerprint.hex()[:32]}-"
        if life.renewal is not None and life.renewal.grant_id.startswith(ours):
            under_way = await self._grants.grant_state(life.renewal.grant_id)
            if under_way is not None:
                return under_way
        grant = Grant(
            id=ours + fresh_id()[:8],
            purpose=Purpose.RENEW,
            connection_id=certificate.connection_id,
            device_id=certificate.device_id,
            created_at=now,
            expires_at=certificate.not_after,
            profile=life.profile,
        )
        try:
            opened = await self._transitions.operate(
                certificate.connection_id,
                lambda seen, moment: operating.renewal_by_request(seen, grant, moment),
            )
        except OperationRefused as error:
            return str(error)
        return GrantState(
            grant=grant,
            connection=opened.connections[0],
            device_blocked=device.blocked_at is not None,
        )

    async def _issue(self, request: Request, state: GrantState) -> bytes | str:
        """The certificate (DER), recorded before it is given out; else why there is none."""
        try:
            key = check_key(request.public_key)
        except KeyRefused as error:
            return str(error)
        digest = hashlib.sha256(request.csr).digest()
        for _ in range(ATTEMPTS):
            now = self._clock()
            match decide_issuance(state, digest, self._policy, now):
                case IssuanceRefused(reason):
                    return reason
                case Reissue(certificate):
                    return certificate.der
                case Issue(revoke):
                    der = await asyncio.to_thread(self._sign, key, state.grant, now)
                    record = self._record(der, state.grant, digest, now)
                    outcome = await self._devices.commit(issued(state, record, revoke))
                    if isinstance(outcome, Committed):
                        return der
            state = await self._grants.grant_state(state.grant.id) or state
        raise StoreUnavailable("This enrollment is being used by several requests at once; try again.")

    def _sign(self, key: PublicKey, grant: Grant, now: Instant) -> bytes:
        at = to_datetime(now)
        last = self._authority.certificate.not_valid_after_utc
        return issue_identity(
            self._authority,
            key,
            common_name=f"Device {grant.connection_id}",
            connection=grant.connection_id,
            not_before=at - BACKDATED,
            not_after=min(at + self._valid, last),
        )

    def _record(self, der: bytes, grant: Grant, digest: bytes, now: Instant) -> Certificate:
        at = to_datetime(now)
        return Certificate(
            fingerprint=hashlib.sha256(der).digest(),
            authority="",
            purpose=grant.purpose,
            status=CertificateStatus.ISSUED,
            connection_id=grant.connection_id,
            grant_id=grant.id,
            request_digest=digest,
            issued_at=now,
            not_after=to_instant(min(at + self._valid, self._authority.certificate.not_valid_after_utc)),
            der=der,
        )

    async def _refuse(self, request: Request, why: str) -> bytes:
        now = self._clock()
        match self._challenges.read(request.challenge or ""):
            case EnrollChallenge(link_id):
                data, asker = {"why": why, "link": link_id}, link_id
            case RenewChallenge(grant_id):
                data, asker = {"why": why, "grant": grant_id}, grant_id
            case None:
                data, asker = {"why": why}, ""
        if self._remarks.is_due((why, asker), now):
            await self._events.append((Event(type="certificate.refused", at=now, data=data),))
            self._remarks.told((why, asker), now)
        return await asyncio.to_thread(scep.reply_refused, request, self._authority, FailInfo.BAD_REQUEST)
