"""What people do to a device: end, block, unblock, forget, renew."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from corral.apple import command
from corral.lifecycle import operating
from corral.lifecycle.change import Change, Event
from corral.lifecycle.evidence import Moment
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import CertificateStatus, Connection, Grant, Instant, Phase, Purpose, Snapshot
from corral.service.clock import Clock, moment
from corral.service.enrollment.enrolling import Enrolling
from corral.service.errors import NotFound
from corral.service.mdm.transitions import Transitions, after
from corral.store.devices import DeviceStore
from corral.store.directory import Directory

Deciding: TypeAlias = Callable[[Snapshot, Moment], Change]
"""What a person decides about a device, as a change of it; raises OperationRefused."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """`may_speak`: the device has another certificate that is bound, so it may go on under that."""

    fingerprints: tuple[bytes, ...]
    may_speak: bool


class Operating:
    """Every verb names a device by its id, serial number or connection id, and says who asks."""

    def __init__(
        self,
        directory: Directory,
        devices: DeviceStore,
        transitions: Transitions,
        enrolling: Enrolling,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._devices = devices
        self._transitions = transitions
        self._enrolling = enrolling
        self._policy = policy
        self._clock = clock

    async def end(self, device: str, by: str, deadline: Instant | None = None) -> None:
        """Ask the device to leave: RemoveProfile now, an unenrolling answer past the deadline."""
        await self.carry_out(device, self.ending(by, deadline))

    async def block(self, device: str, by: str, reason: str = "") -> None:
        await self.carry_out(device, self.blocking(by, reason))

    async def unblock(self, device: str, by: str) -> None:
        await self.carry_out(device, lambda snapshot, moment: operating.unblock(snapshot, by, moment))

    async def forget(self, device: str, by: str) -> None:
        """Delete all that is known of a device. Refused while it is connected: end the connection first."""
        device_id = await self._resolve(device)
        snapshot = await self._transitions.look(device_id)
        if snapshot.current is not None:
            raise OperationRefused(f"Device {device_id} is connected; end the connection before forgetting it.")
        # Without the device's id in its place: what is forgotten has no timeline any more.
        event = Event(type="device.forgotten", at=self._clock(), data={"by": by, "device": device_id})
        if not await self._devices.forget(device_id, (event,)):
            raise NotFound(f"There is no device {device}.")

    async def renew(self, device: str, by: str) -> str:
        """Send the enrollment profile again for a new identity certificate; returns the uuid of the command."""
        change = await self.carry_out(device, self.renewing(by))
        return change.grant.id if change.grant is not None else ""

    def ending(self, by: str, deadline: Instant | None = None) -> Deciding:
        due = self._clock() + self._policy.ending_deadline if deadline is None else deadline

        def change(snapshot: Snapshot, moment: Moment) -> Change:
            life = snapshot.current
            identifier = self._enrolling.profile_identifier(life) if life else ""
            return operating.end_connection(snapshot, by, identifier, due, self._policy, moment)

        return change

    def blocking(self, by: str, reason: str = "") -> Deciding:
        return lambda snapshot, moment: operating.block(snapshot, by, reason, moment)

    def renewing(self, by: str) -> Deciding:
        """The grant of the change has the uuid of its command."""

        def change(snapshot: Snapshot, moment: Moment) -> Change:
            life = snapshot.life(Phase.CONNECTED)
            if life is None:
                name = snapshot.device.id if snapshot.device is not None else ""
                raise OperationRefused(f"Device {name} is not connected, so it cannot renew its identity.")
            uuid = moment.fresh_id().upper()
            grant = _renewal_grant(uuid, life, self._enrolling.renewed(life), self._policy, moment)
            payload = self._enrolling.renewal_profile(grant)
            install = command.build(uuid, "InstallProfile", {"Payload": payload})
            return operating.begin_renewal(snapshot, grant, install.body, by, moment)

        return change

    async def carry_out(self, device: str, decide: Deciding) -> Change:
        """Raises NotFound, OperationRefused and StoreUnavailable."""
        return await self._transitions.operate(await self._resolve(device), decide)

    async def carry_out_on_several(self, devices: Sequence[str], decide: Deciding) -> list[Change | Exception]:
        """The same for some devices together; what each would raise stands in its place."""
        named = await asyncio.gather(*map(self._resolve, devices), return_exceptions=True)
        ids = [each for each in named if isinstance(each, str)]
        done = iter(await self._transitions.operate_on_several(ids, decide))
        return [next(done) if isinstance(each, str) else _raised(each) for each in named]

    async def consider(self, device: str, decide: Deciding, told: frozenset[str] = frozenset()) -> Change:
        """What would be changed if it were carried out now, after these connections had been told to leave."""
        snapshot = await self._transitions.look(await self._resolve(device))
        return decide(after(snapshot, told), moment(self._clock))

    async def revoke(self, device: str, fingerprint: bytes | None, by: str, reason: str) -> Revoked:
        """Believe one certificate of a device no longer, or all that it has. Raises NotFound and OperationRefused."""
        device_id = await self._resolve(device)
        detail = await self._directory.device(device_id)
        held = [
            each
            for each in (detail.certificates if detail else ())
            if each.status is not CertificateStatus.REVOKED and fingerprint in (None, each.fingerprint)
        ]
        if fingerprint is not None and not held:
            raise NotFound(f"Device {device_id} has no such certificate, or it is revoked already.")
        await self._transitions.operate(
            device_id, lambda snapshot, moment: operating.revoke(snapshot, held, by, reason, moment)
        )
        gone = {each.fingerprint for each in held}
        left = [
            each
            for each in (detail.certificates if detail else ())
            if each.status is CertificateStatus.BOUND and each.fingerprint not in gone
        ]
        return Revoked(tuple(each.fingerprint for each in held), may_speak=bool(left))

    async def _resolve(self, device: str) -> str:
        device_id = await self._directory.resolve(device)
        if device_id is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        return device_id


def _raised(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        return error
    raise error


def _renewal_grant(command_uuid: str, life: Connection, profile: bytes, policy: Policy, moment: Moment) -> Grant:
    return Grant(
        id=command_uuid,
        purpose=Purpose.RENEW,
        connection_id=life.id,
        device_id=life.device_id,
        created_at=moment.now,
        expires_at=moment.now + policy.renewal_time,
        profile=profile,
    )
