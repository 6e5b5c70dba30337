"""What every part of the service stands on: the store, who is believed, and the verbs of the life cycle."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509

from corral.lifecycle.policy import Policy
from corral.pki.escrow_key import EscrowKey, EscrowKeyError, create_escrow_key, read_escrow_key
from corral.pki.identity import Trust
from corral.service.ade.assignments import WEB_PATH, ListedAssignments
from corral.service.authorities.authorities import Authorities, AuthorityFile
from corral.service.clock import Clock, to_datetime
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.challenges import Challenges
from corral.service.enrollment.enrolling import Enrolling
from corral.service.enrollment.policies import Policies
from corral.service.identities.granting import Granting
from corral.service.identities.issuing import Issuing
from corral.service.identities.turns import Turns
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.identifying import Identifying
from corral.service.mdm.transitions import Transitions
from corral.service.tracing import UNTRACED, Traces
from corral.settings import Settings
from corral.store.errors import StoreRefused
from corral.store.store import Store
from corral.wiring import named_files

ESCROW_KEY = "escrow.key"


@dataclass(frozen=True, slots=True)
class Ground:
    settings: Settings
    store: Store
    clock: Clock
    authorities: Authorities
    authority_file: AuthorityFile
    foreign: Mapping[str, Sequence[x509.Certificate]]
    """Other authorities whose certificates are believed, by name."""
    secret: bytes = field(repr=False)
    """The installation's own, for what it signs and reads again itself: challenges, nonces, states of sign-ins."""
    escrow_key: EscrowKey
    """What devices enclose their recovery keys for."""
    policy: Policy
    identifying: Identifying
    contacts: ContactBook
    transitions: Transitions
    enrolling: Enrolling
    policies: Policies
    admitting: Admitting
    granting: Granting
    issuing: Issuing
    turns: Turns
    traces: Traces

    @property
    def anchors(self) -> tuple[bytes, ...]:
        """Under a certificate of our own authority a device in Setup Assistant has nothing else to know us by."""
        return self.authorities.roots if self.settings.tls == "own" else ()


async def lay(settings: Settings, store: Store, clock: Clock, traces: Traces = UNTRACED) -> Ground:
    """Raises StoreRefused for a database without an authority, and for files that cannot be read."""
    secret = await store.vault.get_secret("challenge.key")
    if secret is None:
        raise StoreRefused("The database holds no challenge key; it was not made by `corral init`.")
    escrow_key = await _keep_escrow_key(settings, store, clock)
    policy = replace(settings.policy(), verifier=named_files.verifier(settings, secret), escrow_key=escrow_key)
    file = AuthorityFile(store.vault)
    roster = await file.read()
    if roster is None:
        raise StoreRefused("The database holds no certificate authority; it was not made by `corral init`.")
    authorities = Authorities(roster, clock)
    challenges = Challenges(secret)
    foreign = named_files.foreign_authorities(settings.authorities)

    def trust() -> Trust:
        return Trust([each.authority.certificate for each in authorities.roster.trusted], foreign)

    identifying = Identifying(trust(), clock)
    authorities.on_change(lambda: identifying.believe(trust()))
    contacts = ContactBook(store.contacts, clock)
    enrolling = Enrolling(
        authorities,
        challenges,
        store.grants,
        store.devices,
        store.vault,
        store.events,
        settings.public_url,
        settings.organization,
        clock,
        settings.identity_enrollment,
        settings.attestation,
    )
    policies = Policies(store.vault, clock)
    admitting = Admitting(
        enrolling,
        policies,
        ListedAssignments(store.ade, settings.public_url + WEB_PATH),
        store.directory,
        store.events,
        clock,
        settings.identity_enrollment,
        settings.attestation,
    )
    transitions = Transitions(store.devices, contacts, policy, clock, admitting.objection, traces)
    return Ground(
        settings=settings,
        store=store,
        clock=clock,
        authorities=authorities,
        authority_file=file,
        foreign=foreign,
        secret=secret,
        escrow_key=escrow_key,
        policy=policy,
        identifying=identifying,
        contacts=contacts,
        transitions=transitions,
        enrolling=enrolling,
        policies=policies,
        admitting=admitting,
        granting=Granting(challenges, enrolling, identifying, store.grants, store.events, transitions, clock),
        issuing=Issuing(authorities, store.grants, store.devices, policy, clock, settings.identity_days),
        turns=Turns(),
        traces=traces,
    )


async def _keep_escrow_key(settings: Settings, store: Store, clock: Clock) -> EscrowKey:
    """`corral init` makes it; installations of before get theirs from the first process that serves them."""
    pem = await store.vault.get_secret(ESCROW_KEY)
    if pem is None:
        made = await asyncio.to_thread(create_escrow_key, settings.organization, to_datetime(clock()))
        pem = await store.vault.keep_secret(ESCROW_KEY, made.pem())
    try:
        return read_escrow_key(pem)
    except EscrowKeyError as error:
        raise StoreRefused(f"The database's escrow key cannot be used: {error}.") from None
