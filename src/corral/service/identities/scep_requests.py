"""Certificates over SCEP: what is asked, answered by a grant and an issuance."""

import asyncio

from corral.apple.profile import ScepIdentity
from corral.lifecycle.issuance import GrantState
from corral.lifecycle.state import Grant, IdentityKind
from corral.pki import scep
from corral.pki.scep import FailInfo, MessageType, Refusal, Request
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock
from corral.service.identities.granting import Granting
from corral.service.identities.issuing import Issuing
from corral.service.identities.turns import Turns
from corral.service.kept_profile import read_kept


class ScepRequests:
    def __init__(
        self, authorities: Authorities, granting: Granting, issuing: Issuing, turns: Turns, clock: Clock
    ) -> None:
        self._authorities = authorities
        self._clock = clock
        self._granting = granting
        self._issuing = issuing
        self._turns = turns

    def ca_certificate(self, name: str = "") -> bytes:
        """The answer to GetCACert: one certificate, DER, of the authority of this name, else of the one that issues."""
        return self._authorities.roster.asked(name, self._clock()).der

    async def operate(self, message: bytes) -> bytes:
        """The answer to PKIOperation: a CertRep, DER, for a refusal too.

        Raises ScepError for what cannot be answered, OverCapacity, and StoreUnavailable.
        """
        async with self._turns.take():
            # A profile of before a roll-over names the older authority, and a device takes what that signed only.
            known = [each.authority for each in reversed(self._authorities.roster.trusted)]
            authority = scep.addressed(message, known)
            request = await asyncio.to_thread(scep.read_request, message, authority)
            if isinstance(request, Refusal):
                return await asyncio.to_thread(scep.reply_refused, request, authority)
            outcome = await self._authorize(request)
            if isinstance(outcome, GrantState):
                outcome = await self._issuing.issue(request.public_key, request.csr, outcome, authority=authority)
            if isinstance(outcome, str):
                await self._granting.refused(request.challenge or "", outcome)
                return await asyncio.to_thread(scep.reply_refused, request, authority, FailInfo.BAD_REQUEST)
            return await asyncio.to_thread(scep.reply_issued, request, authority, outcome)

    async def _authorize(self, request: Request) -> GrantState | str:
        """The grant that lets this request in, as it stands now; else why there is none."""
        if request.message_type is MessageType.RENEWAL_REQ:
            found = await self._granting.by_certificate(request.signer)
        else:
            found = await self._granting.by_challenge(request.challenge or "", IdentityKind.SCEP)
        if isinstance(found, GrantState) and not _is_by_scep(found.grant):
            return "this enrollment is for a certificate by ACME"
        return found


def _is_by_scep(grant: Grant) -> bool:
    """Who is to attest his key does not get round it: the secret of his profile would be good here as well."""
    kept = read_kept(grant.profile)
    return kept is None or isinstance(kept.source, ScepIdentity)
