"""A device store of plain dictionaries: the fake that decisions are tested over, and the oracle of real back-ends."""

from dataclasses import replace

from corral.apple.report import Status
from corral.lifecycle.change import Change, Event, Result, Room, Work
from corral.lifecycle.queue import next_delivery
from corral.lifecycle.state import (
    FOREVER,
    Breaker,
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Consequence,
    Delivery,
    DeliveryState,
    Device,
    EscrowKind,
    Grant,
    Instant,
    Link,
    Phase,
    Snapshot,
    channel_id,
)
from corral.store.devices import Ask, CommitOutcome, Committed, Contact, Next, Stale
from event_schemas import check_events

FINAL = {
    Status.ACKNOWLEDGED: DeliveryState.ACKNOWLEDGED,
    Status.ERROR: DeliveryState.ERROR,
    Status.COMMAND_FORMAT_ERROR: DeliveryState.FORMAT_ERROR,
}


class MemoryStore:
    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.connections: dict[str, Connection] = {}
        self.channels: dict[str, Channel] = {}
        self.certificates: dict[bytes, Certificate] = {}
        self.grants: dict[str, Grant] = {}
        self.links: dict[str, Link] = {}
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.bodies: dict[str, bytes] = {}
        self.results: dict[tuple[str, str], Result] = {}
        self.escrow: dict[tuple[str, EscrowKind], list[bytes | None]] = {}
        self.events: list[Event] = []
        self.work: dict[tuple[str, str], Work] = {}
        self.unenrolling: list[tuple[str, Instant]] = []
        self.breaker_open = False
        self.topics: frozenset[str] = frozenset({"com.apple.mgmt.test"})
        self._sequence = 0

    async def load(self, contact: Contact) -> Snapshot:
        certificate = self.certificates.get(contact.fingerprint)
        bound = self.connections.get(certificate.connection_id) if certificate else None
        named = self.connections.get(contact.named) if certificate is None and contact.named else None
        of_device = [c for c in self.connections.values() if c.device_id == contact.device_id]
        live = [c for c in of_device if not c.is_over]
        over = sorted((c for c in of_device if c.is_over), key=lambda c: c.created_at)
        born = {c.id: number for number, c in enumerate(of_device)}
        lives = sorted([*live, *over[-1:]], key=lambda c: (-c.created_at, -born[c.id]))
        grant = self.grants.get(certificate.grant_id or "") if certificate else None
        life = bound or named
        key = channel_id(life.id, contact.user_id) if life else ""
        return Snapshot(
            device=self.devices.get(contact.device_id),
            lives=tuple(lives),
            certificate=certificate,
            bound=bound,
            named=named,
            grant=grant,
            link=self.links.get(grant.link_id or "") if grant else None,
            channel=self.channels.get(key),
            delivery=self.deliveries.get((key, contact.command_uuid or "")),
            escrow=self.escrow_of(life.id) if life else {},
            breaker=Breaker(
                open=self.breaker_open,
                counted=frozenset(i for i, at in self.unenrolling if at >= contact.breaker_since),
            ),
            topics=self.topics,
        )

    def escrow_of(self, connection: str) -> dict[EscrowKind, bytes]:
        latest = {kind: versions[-1] for (owner, kind), versions in self.escrow.items() if owner == connection}
        return {kind: value for kind, value in latest.items() if value is not None}

    async def load_connection(self, connection_id: str, breaker_since: Instant) -> Snapshot:
        life = self.connections.get(connection_id)
        if life is None:
            return Snapshot()
        snapshot = await self.load(Contact(fingerprint=b"", device_id=life.device_id, breaker_since=breaker_since))
        return replace(snapshot, bound=life, channel=self.channels.get(life.id), escrow=self.escrow_of(life.id))

    async def exchange(self, ask: Ask) -> Next | Snapshot:
        snapshot = await self.load(ask.contact)
        certificate, life = snapshot.certificate, snapshot.bound
        if (
            certificate is None
            or life is None
            or certificate.status is not CertificateStatus.BOUND
            or ask.now >= certificate.not_after
            or life.device_id != ask.contact.device_id
            or not life.open
            or ask.now >= life.recheck_at
            or (snapshot.delivery is not None and snapshot.delivery.consequence is not Consequence.PLAIN)
            or (ask.contact.user_id and (snapshot.channel is None or snapshot.channel.ended_at is not None))
        ):
            return snapshot
        key = channel_id(life.id, ask.contact.user_id)
        if ask.status is not Status.IDLE and ask.contact.command_uuid is not None:
            self._keep(
                Result(
                    channel_id=key,
                    command_uuid=ask.contact.command_uuid,
                    status=ask.status,
                    body=ask.body,
                    received_at=ask.now,
                    unreadable=ask.unreadable,
                )
            )
        return await self.next(key, ask.now, after_idle=ask.status is Status.IDLE)

    async def next(
        self, channel_id: str, now: Instant, *, after_idle: bool, only: frozenset[Consequence] | None = None
    ) -> Next:
        mine = [d for d in self.deliveries.values() if d.channel_id == channel_id]
        found = next_delivery(mine, now, after_idle=after_idle, only=only)
        return (
            Next(channel_id) if found is None else Next(channel_id, found.command_uuid, self.bodies[found.command_uuid])
        )

    async def forget(self, device_id: str, events: tuple[Event, ...] = ()) -> bool:
        return self.devices.pop(device_id, None) is not None

    async def commit(self, change: Change) -> CommitOutcome:
        if not self._fits(change):
            return Stale()
        if change.device_id is not None:
            known = self.devices.get(change.device_id)
            put = change.device or known
            if put is not None:
                self.devices[change.device_id] = replace(put, version=(known.version if known else 0) + 1)
        if change.grant is not None:
            self.grants[change.grant.id] = replace(change.grant, version=change.grant.version + 1)
        self.connections |= {c.id: c for c in change.connections}
        self.channels |= {c.id: c for c in change.channels}
        for certificate in change.certificates:
            kept = self.certificates.get(certificate.fingerprint)
            self.certificates[certificate.fingerprint] = replace(
                certificate, der=certificate.der or (kept.der if kept else b"")
            )
        for escrow in change.escrow:
            self.escrow.setdefault((escrow.connection_id, escrow.kind), []).append(escrow.value)
        if change.result is not None:
            self._keep(change.result)
        for connection in change.silence:
            self._silence(connection, change.at)
        if change.retire is not None:
            self._retire(*change.retire)
        for queued in change.enqueue:
            self._sequence += 1
            self.bodies[queued.command_uuid] = queued.body
            self.deliveries[queued.channel_id, queued.command_uuid] = Delivery(
                channel_id=queued.channel_id,
                command_uuid=queued.command_uuid,
                request_type=queued.request_type,
                consequence=queued.consequence,
                state=DeliveryState.OPEN,
                sequence=self._sequence,
                priority=queued.priority,
                not_before=queued.not_before,
                expires_at=queued.expires_at or FOREVER,
            )
        if change.link_used is not None:
            link = self.links[change.link_used]
            self.links[link.id] = replace(link, used=link.used + 1)
        if change.unenrolling is not None:
            self.unenrolling.append((change.unenrolling, change.at or change.events[0].at))
        self.breaker_open = self.breaker_open or change.trip_breaker
        check_events(change.events)
        self.events += change.events
        for work in change.work:
            former = self.work.get((work.kind, work.key), work)
            self.work[work.kind, work.key] = min(former, work, key=lambda each: each.due_at)
        return Committed()

    def _fits(self, change: Change) -> bool:
        if change.device_id is not None:
            known = self.devices.get(change.device_id)
            if (known.version if known else 0) != change.expects:
                return False
        if change.grant is not None:
            granted = self.grants.get(change.grant.id)
            if (granted.version if granted else 0) != change.grant.version:
                return False
        if change.link_used is not None:
            link = self.links[change.link_used]
            if link.uses is not None and link.used >= link.uses:
                return False
        for certificate in change.certificates:
            kept = self.certificates.get(certificate.fingerprint)
            revoked = kept is not None and kept.status is CertificateStatus.REVOKED
            if revoked and certificate.status is not CertificateStatus.REVOKED:
                return False
        if change.unenrolling is not None and not self._may_leave(change.unenrolling, change.room):
            return False
        return self._one_life_each(self.connections | {c.id: c for c in change.connections})

    def _may_leave(self, key: str, room: Room | None) -> bool:
        if self.breaker_open or room is None:
            return not self.breaker_open
        return len({each for each, at in self.unenrolling if at >= room.since and each != key}) < room.limit

    @staticmethod
    def _one_life_each(connections: dict[str, Connection]) -> bool:
        live = [c.device_id for c in connections.values() if c.phase in (Phase.CONNECTED, Phase.ENDING)]
        attempts = [c.device_id for c in connections.values() if c.phase is Phase.AUTHENTICATING]
        return len(set(live)) == len(live) and len(set(attempts)) == len(attempts)

    def _keep(self, result: Result) -> None:
        key = result.channel_id, result.command_uuid
        delivery = self.deliveries.get(key)
        if result.status is Status.NOT_NOW:
            if delivery is not None and delivery.state is DeliveryState.OPEN:
                self.deliveries[key] = replace(
                    delivery, deferred_at=result.received_at, not_now_count=delivery.not_now_count + 1
                )
            return
        self.results.setdefault(key, result)
        if delivery is not None and delivery.state is DeliveryState.OPEN:
            self.deliveries[key] = replace(delivery, state=FINAL[result.status])

    def _silence(self, connection: str, at: Instant) -> None:
        for key, delivery in self.deliveries.items():
            if key[0].split("/")[0] == connection and delivery.state is DeliveryState.OPEN:
                self.deliveries[key] = replace(delivery, state=DeliveryState.DROPPED)
        for key, channel in self.channels.items():
            if channel.connection_id == connection:
                self.channels[key] = replace(channel, ended_at=at)

    def _retire(self, connection: str, kept: bytes) -> None:
        for fingerprint, certificate in self.certificates.items():
            if (
                certificate.connection_id == connection
                and fingerprint != kept
                and certificate.status is CertificateStatus.BOUND
            ):
                self.certificates[fingerprint] = replace(certificate, status=CertificateStatus.RETIRED)
