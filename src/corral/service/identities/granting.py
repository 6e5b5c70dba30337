"""Who may have a certificate: from what a request shows to the grant that lets it in."""

from corral.lifecycle import operating
from corral.lifecycle.change import Event
from corral.lifecycle.issuance import GrantState
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, CertificateStatus, Grant, IdentityKind, Purpose
from corral.service.clock import Clock, fresh_id
from corral.service.enrollment.challenges import Challenges, EnrollChallenge, GrantChallenge
from corral.service.enrollment.enrolling import Enrolling
from corral.service.errors import RequestRefused
from corral.service.events.remarks import Remarks
from corral.service.mdm.identifying import Identifying
from corral.service.mdm.transitions import Transitions
from corral.store.events import EventStore
from corral.store.grants import GrantStore


class Granting:
    def __init__(
        self,
        challenges: Challenges,
        enrolling: Enrolling,
        identifying: Identifying,
        grants: GrantStore,
        events: EventStore,
        transitions: Transitions,
        clock: Clock,
    ) -> None:
        self._challenges = challenges
        self._enrolling = enrolling
        self._identifying = identifying
        self._grants = grants
        self._events = events
        self._transitions = transitions
        self._clock = clock
        self._remarks = Remarks()

    async def by_challenge(self, challenge: str, identity: IdentityKind) -> GrantState | str:
        """The grant that a challenge of SCEP, or a ClientIdentifier of ACME, stands for; else why there is none.

        `identity` is the way by which the request came: the profile that a link gave out was one for that.
        """
        match self._challenges.read(challenge):
            case None:
                return "the challenge was not made here"
            case GrantChallenge(grant_id):
                return await self._grants.grant_state(grant_id) or "the enrollment or renewal is not known"
            case EnrollChallenge(link_id, grant_id) as given:
                known = await self._grants.grant_state(grant_id)
                if known is not None:
                    return known
                link = await self._grants.link(link_id)
                if link is None:
                    return "the enrollment link is not known"
                try:
                    profile = await self._enrolling.kept(given, identity)
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
                    evidence=f"link {link.id}",
                    created_at=now,
                    expires_at=min(link.expires_at, now + 30 * DAY),
                    profile=profile,
                )
                return GrantState(grant=grant, link=link)

    async def by_certificate(self, signer: bytes) -> GrantState | str:
        """SCEP's RenewalReq is signed by the current certificate (DER): what it renews is the life of that."""
        identity = self._identifying.identify(signer)
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
        if device.blocked_at is not None:
            return "the device is blocked"
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
        )

    async def refused(self, challenge: str, why: str) -> None:
        """A request that showed this challenge gets no certificate: the operator is told, once in a while."""
        now = self._clock()
        match self._challenges.read(challenge):
            case EnrollChallenge(link_id):
                data, asker = {"why": why, "link": link_id}, link_id
            case GrantChallenge(grant_id):
                data, asker = {"why": why, "grant": grant_id}, grant_id
            case None:
                data, asker = {"why": why}, ""
        if self._remarks.is_due((why, asker), now):
            await self._events.append((Event(type="certificate.refused", at=now, data=data),))
            self._remarks.told((why, asker), now)
