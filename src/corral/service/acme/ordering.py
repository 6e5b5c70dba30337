"""An order from its ClientIdentifier to its certificate: the grant decides, and is the only way to one."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable

import msgspec

from corral.lifecycle.acme_order import (
    AcmeOrder,
    AttestedKey,
    OrderStatus,
    failed,
    fulfilled,
    proven,
    refusal_of_attestation,
    taken,
)
from corral.lifecycle.issuance import GrantState
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import DAY, Device, IdentityKind, Purpose
from corral.pki.acme import encoding
from corral.pki.acme.csr import Csr, read_csr
from corral.pki.acme.problem import Kind, Problem
from corral.pki.attestation import AttestationError, check_attestation, read_attestation_object
from corral.pki.trust import Trust
from corral.service.acme.callers import Caller
from corral.service.clock import Clock, fresh_id, to_datetime
from corral.service.identities.granting import Granting
from corral.service.identities.issuing import Issuing
from corral.service.identities.turns import Turns
from corral.service.mdm.transitions import ATTEMPTS, Transitions
from corral.store.acme import MOST_ORDERS, AcmeStore
from corral.store.errors import StoreUnavailable
from corral.store.grants import GrantStore

IDENTIFIER = "permanent-identifier"
GOOD_FOR = DAY
_LONGEST_IDENTIFIER = 256


class _Identifier(msgspec.Struct):
    type: str
    value: str


class _NewOrder(msgspec.Struct):
    identifiers: list[_Identifier]


class _Proof(msgspec.Struct, rename={"attestation": "attObj"}):
    """Without an attestation where the profile asks for none, or the device could make none."""

    attestation: str = ""


class _Finalization(msgspec.Struct):
    csr: str


class Ordering:
    def __init__(
        self,
        store: AcmeStore,
        grants: GrantStore,
        granting: Granting,
        issuing: Issuing,
        transitions: Transitions,
        turns: Turns,
        attesters: Trust,
        attestation: Attestation,
        clock: Clock,
    ) -> None:
        self._store = store
        self._grants = grants
        self._granting = granting
        self._issuing = issuing
        self._transitions = transitions
        self._turns = turns
        self._attesters = attesters
        self._attestation = attestation
        self._clock = clock

    async def begin(self, caller: Caller) -> AcmeOrder:
        """A new order for the one identifier that a profile has given the device. Raises Problem."""
        match caller.read(_NewOrder).identifiers:
            case [_Identifier(type="permanent-identifier", value=value)] if len(value) <= _LONGEST_IDENTIFIER:
                state = await self._authorize(value)
            case [_Identifier(type="permanent-identifier")]:
                raise Problem(Kind.REJECTED_IDENTIFIER, "The ClientIdentifier is longer than any that was made here.")
            case [_]:
                raise Problem(Kind.UNSUPPORTED_IDENTIFIER, f"The identifier must be a {IDENTIFIER}.")
            case _:
                raise Problem(Kind.MALFORMED, "An order here is for exactly one identifier.")
        now = self._clock()
        if isinstance(state, str) or now >= state.grant.expires_at:
            why = state if isinstance(state, str) else "the enrollment has expired"
            await self._granting.refused(value, why)
            raise Problem(Kind.REJECTED_IDENTIFIER, f"No order for this ClientIdentifier: {why}.")
        order = AcmeOrder(
            id=fresh_id(),
            version=0,
            account_id=caller.account.id,
            identifier=value,
            token=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=min(state.grant.expires_at, now + GOOD_FOR),
        )
        if not await self._store.add_order(order):
            raise Problem(Kind.RATE_LIMITED, f"An account has {MOST_ORDERS} orders at most.")
        return order

    async def find(self, caller: Caller, order_id: str) -> AcmeOrder:
        """An order of this account; another's is as unknown as none. Raises Problem."""
        order = await self._store.order(order_id)
        if order is None or order.account_id != caller.account.id or order.expires_at <= self._clock():
            raise Problem(Kind.MALFORMED, "This account has no such order.", 404)
        return order

    async def prove(self, caller: Caller, order_id: str) -> AcmeOrder:
        """Answer the challenge by an attestation; what comes of it stands in the order. Raises Problem."""
        order = await self.find(caller, order_id)
        if order.status is not OrderStatus.PENDING or not caller.payload:
            return order
        proof = caller.read(_Proof)
        try:
            attested = await self._attested(order, proof)
            state = await self._authorize(order.identifier)
            if isinstance(state, str):
                raise AttestationError(state)
            device = await self._renewing(state)
            refusal = refusal_of_attestation(attested, state.grant, device, self._attestation)
            if refusal:
                raise AttestationError(refusal)
        except AttestationError as error:
            await self._granting.refused(order.identifier, str(error))
            why = str(error)
            return await self._change(order, lambda seen: failed(seen, why), OrderStatus.PENDING)
        return await self._change(order, lambda seen: proven(seen, attested), OrderStatus.PENDING)

    async def finalize(self, caller: Caller, order_id: str) -> AcmeOrder:
        """Issue the certificate, once an order; the same request again gets the same order. Raises Problem."""
        order = await self.find(caller, order_id)
        try:
            csr = read_csr(encoding.decode(caller.read(_Finalization).csr))
        except ValueError:
            raise Problem(Kind.BAD_CSR, "csr is no base64url without padding.") from None
        if order.attested is not None and order.attested.key_digest != hashlib.sha256(csr.key_info).digest():
            await self._granting.refused(order.identifier, "the request's key is not the one that was attested")
            raise Problem(Kind.BAD_CSR, "The request's key is not the one that was attested.")
        order = await self._take(order, csr)
        return order if order.status is OrderStatus.VALID else await self._fulfil(order, csr)

    async def certificate(self, caller: Caller, order_id: str) -> bytes:
        """The certificate of a valid order, DER. Raises Problem."""
        order = await self.find(caller, order_id)
        found = await self._grants.certificate(order.fingerprint) if order.fingerprint else None
        if found is None:
            raise Problem(Kind.ORDER_NOT_READY, "This order has no certificate yet.")
        return found.der

    async def _authorize(self, identifier: str) -> GrantState | str:
        return await self._granting.by_challenge(identifier, IdentityKind.ACME)

    async def _renewing(self, state: GrantState) -> Device | None:
        if state.grant.purpose is not Purpose.RENEW:
            return None
        return (await self._transitions.look(state.grant.connection_id)).device

    async def _attested(self, order: AcmeOrder, proof: _Proof) -> AttestedKey | None:
        """What the device has proven; None if nothing, or if nobody asks. Raises AttestationError."""
        if self._attestation is Attestation.OFF or not proof.attestation:
            return None
        try:
            chain = read_attestation_object(encoding.decode(proof.attestation))
        except AttestationError:
            raise
        except ValueError:
            raise AttestationError("attObj is no base64url without padding") from None
        if not chain:
            return None
        found = await asyncio.to_thread(check_attestation, chain, self._attesters, to_datetime(self._clock()))
        fresh = hashlib.sha256(order.token.encode()).digest()
        if found.freshness is None or not hmac.compare_digest(found.freshness, fresh):
            raise AttestationError("the attestation was made for another challenge")
        return AttestedKey(properties=found.properties, key_digest=hashlib.sha256(found.public_key).digest())

    async def _take(self, order: AcmeOrder, csr: Csr) -> AcmeOrder:
        """The order in the hands of this request alone: of several at once one wins."""
        digest = hashlib.sha256(csr.der).digest()
        for _ in range(ATTEMPTS):
            ours = taken(order, digest)
            if ours is None:
                raise Problem(Kind.ORDER_NOT_READY, f"The order is {order.status.value}, or another request has it.")
            if ours is order or await self._store.put_order(ours):
                return ours if ours is order else await self._reload(order)
            order = await self._reload(order)
        raise StoreUnavailable("This order is changing faster than it can be decided; try again.")

    async def _fulfil(self, order: AcmeOrder, csr: Csr) -> AcmeOrder:
        state = await self._authorize(order.identifier)
        if isinstance(state, GrantState):
            async with self._turns.take():
                state = await self._issuing.issue(csr.public_key, csr.der, state, order.attested)
        if isinstance(state, bytes):
            fingerprint = hashlib.sha256(state).digest()
            return await self._change(order, lambda seen: fulfilled(seen, fingerprint), OrderStatus.PROCESSING)
        why = state
        await self._granting.refused(order.identifier, why)
        return await self._change(order, lambda seen: failed(seen, why), OrderStatus.PROCESSING)

    async def _change(
        self, order: AcmeOrder, change: Callable[[AcmeOrder], AcmeOrder], only_if: OrderStatus
    ) -> AcmeOrder:
        """Change it while it has that status; who comes second finds what the first has made of it."""
        for _ in range(ATTEMPTS):
            if order.status is not only_if:
                return order
            changed = change(order)
            if await self._store.put_order(changed):
                return changed
            order = await self._reload(order)
        raise StoreUnavailable("This order is changing faster than it can be decided; try again.")

    async def _reload(self, order: AcmeOrder) -> AcmeOrder:
        found = await self._store.order(order.id)
        if found is None:
            raise Problem(Kind.MALFORMED, "This account has no such order.", 404)
        return found
