"""Certificates for devices: issued under a grant, the one path for SCEP, ACME and every renewal."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

from corral.lifecycle.acme_order import AttestedKey, narrowed
from corral.lifecycle.issuance import (
    GrantState,
    IssuanceRefused,
    Issue,
    Reissue,
    decide_issuance,
    issued,
)
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Certificate, CertificateStatus, Grant, Instant
from corral.pki.authority import Authority, KeyRefused, PublicKey, check_key, issue_identity
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock, to_datetime, to_instant
from corral.service.mdm.transitions import ATTEMPTS
from corral.store.devices import Committed, DeviceStore
from corral.store.errors import StoreUnavailable
from corral.store.grants import GrantStore

BACKDATED = timedelta(hours=24)
"""Devices with a clock that is behind must not find their new certificate in the future."""


class Issuing:
    def __init__(
        self,
        authorities: Authorities,
        grants: GrantStore,
        devices: DeviceStore,
        policy: Policy,
        clock: Clock,
        identity_days: int,
    ) -> None:
        self._authorities = authorities
        self._grants = grants
        self._devices = devices
        self._policy = policy
        self._clock = clock
        self._valid = timedelta(days=identity_days)

    async def issue(
        self,
        public_key: PublicKey,
        csr: bytes,
        state: GrantState,
        attested: AttestedKey | None = None,
        authority: Authority | None = None,
    ) -> bytes | str:
        """The certificate (DER), recorded before it is given out; else why there is none.

        Of the request only its key is certified; its digest tells a repetition. What was `attested` is kept with
        the certificate, and narrows the grant to that device. `authority` is the one that was asked, where the client
        takes a certificate of no other. Raises StoreUnavailable.
        """
        issuer = authority or self._authorities.current
        try:
            key = check_key(public_key)
        except KeyRefused as error:
            return str(error)
        digest = hashlib.sha256(csr).digest()
        for _ in range(ATTEMPTS):
            now = self._clock()
            state = replace(state, grant=narrowed(state.grant, attested))
            match decide_issuance(state, digest, self._policy, now):
                case IssuanceRefused(reason):
                    return reason
                case Reissue(certificate):
                    return certificate.der
                case Issue(revoke):
                    der = await asyncio.to_thread(self._sign, issuer, key, state.grant, now)
                    record = self._record(issuer, der, state.grant, digest, now, attested)
                    outcome = await self._devices.commit(issued(state, record, revoke))
                    if isinstance(outcome, Committed):
                        return der
            state = await self._grants.grant_state(state.grant.id) or state
        raise StoreUnavailable("This enrollment is being used by several requests at once; try again.")

    def _sign(self, authority: Authority, key: PublicKey, grant: Grant, now: Instant) -> bytes:
        at = to_datetime(now)
        last = authority.certificate.not_valid_after_utc
        return issue_identity(
            authority,
            key,
            common_name=f"Device {grant.connection_id}",
            connection=grant.connection_id,
            not_before=at - BACKDATED,
            not_after=min(at + self._valid, last),
        )

    def _record(
        self,
        authority: Authority,
        der: bytes,
        grant: Grant,
        digest: bytes,
        now: Instant,
        attested: AttestedKey | None,
    ) -> Certificate:
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
            not_after=to_instant(min(at + self._valid, authority.certificate.not_valid_after_utc)),
            issuer=authority.id,
            attested=attested.properties if attested is not None else None,
            der=der,
        )
