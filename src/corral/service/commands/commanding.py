"""Commands as people send them: checked against the catalog and what is known of the target, then queued."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from corral.apple.catalog import Finding, Target
from corral.apple.command import Command
from corral.lifecycle.change import Event
from corral.lifecycle.state import FOREVER, Connection, Consequence, Instant, Phase
from corral.service.access.caller import Caller
from corral.service.access.confirming import Confirming
from corral.service.access.permission import DANGEROUS, to_send
from corral.service.breathing import in_order, pieces
from corral.service.clock import Clock
from corral.service.commands.targeting import Aim, DeviceQuery, Targeting, asks_supervision
from corral.service.commands.verdicts import UNKNOWN, Order, Sent, build, judge, refused
from corral.service.errors import NotFound, RequestRefused
from corral.service.tracing import UNTRACED, Traces
from corral.store.directory import DeviceDetail, Directory
from corral.store.queue import QueuedCommand, QueueStore

LAST_COUNTS = frozenset({"DeviceLock", "EraseDevice", "DeclarativeManagement", "ClearPasscode", "EnableLostMode"})
"""Of two of these in one queue only the later is wanted: two locks would leave nobody knowing which PIN holds."""

DEVICES_TOLD = 100
"""Devices that the event of a command names."""

_CONSEQUENCES = {
    "EraseDevice": Consequence.ERASE_DEVICE,
    "DeviceConfigured": Consequence.DEVICE_CONFIGURED,
    "UserConfigured": Consequence.USER_CONFIGURED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a queued command may go out, and before what."""

    priority: int = 0
    not_before: Instant = 0
    expires_at: Instant = FOREVER


async def _nobody(request_type: str, command_uuid: str, channel_ids: Sequence[str]) -> None:
    del request_type, command_uuid, channel_ids


class Commanding:
    def __init__(
        self,
        queue: QueueStore,
        directory: Directory,
        confirming: Confirming,
        clock: Clock,
        traces: Traces = UNTRACED,
        queueing: Callable[[str, str, Sequence[str]], Awaitable[None]] = _nobody,
    ) -> None:
        """`queueing` hears of each command just before it is queued: its type, its CommandUUID, and the channels."""
        self._queue = queue
        self._directory = directory
        self._targeting = Targeting(directory, queue)
        self._confirming = confirming
        self._clock = clock
        self._traces = traces
        self._queueing = queueing

    async def send(
        self,
        devices: Sequence[str],
        by: Caller,
        *,
        request_type: str | None = None,
        keys: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
        user_id: str = "",
        schedule: Schedule | None = None,
        force: bool = False,
        only_ask: bool = False,
        confirm: int | None = None,
        against: Callable[[Target], Sequence[Finding]] | None = None,
        supervision: bool = False,
        before: Callable[[str, Sequence[str]], Awaitable[None]] | None = None,
    ) -> list[Sent]:
        """Queue one command for all of these devices; each gets its verdict. `only_ask`: nothing is queued.

        `raw` is a whole command plist, kept byte for byte; else it is built from `request_type` and `keys`. A target
        with findings of severity error is skipped unless `force`. `against` finds what else speaks against a target
        (with `supervision`, where it is asked for, whether that is supervised), and `before` hears of the CommandUUID
        and the channels just before it is queued. Raises RequestRefused for a command that nothing could be done with,
        Forbidden, and OperationRefused for a dangerous one to many devices whose number `confirm` does not say.
        """
        schedule = schedule or Schedule()
        built, payload = build(request_type, keys, raw)
        self._permit(built, by, devices, confirm, only_ask=only_ask)
        if raw is not None and await self._queue.command_body(built.uuid) not in (None, built.body):
            raise RequestRefused(f"CommandUUID {built.uuid} names another command already; give this one a new one.")
        order = Order(built=built, keys=payload, user_id=user_id, force=force, against=against)
        sent: list[Sent] = []
        queueing: dict[str, Sent] = {}
        async for verdict in self._check(
            devices, order, supervision or asks_supervision(built.request_type, order.keys)
        ):
            if verdict.queued:
                queueing[verdict.channel_id] = verdict
            else:
                sent.append(verdict)
        if only_ask:
            return sent + [msgspec.structs.replace(each, queued=False) for each in queueing.values()]
        # By their keys: for a fleet, indexes that are filled in their order take a third of the time.
        channels = await in_order(queueing)
        if channels:
            await self._queueing(built.request_type, built.uuid, channels)
        if before is not None and channels:
            await before(built.uuid, channels)
        done = await self._enqueue(built, schedule, by, channels, queueing) if channels else frozenset[str]()
        async for piece in pieces(queueing.items()):
            for channel, verdict in piece:
                if channel in done:
                    sent.append(verdict)
                else:
                    gone = "its connection has just ended"
                    sent.append(Sent(device=verdict.device, command_uuid=built.uuid, queued=False, problem=gone))
        return sent

    async def select(self, query: DeviceQuery) -> list[str]:
        """The devices that a query means; raises RequestRefused."""
        return await self._targeting.select(query)

    async def judge(
        self, device: str, request_type: str, keys: Mapping[str, Any] | None = None, user_id: str = ""
    ) -> tuple[Target, Sent]:
        """What is known of a device, and what would become of a command for it. Without `keys` those that are required
        are taken as given. Raises NotFound."""
        known, aim = await self._targeting.one(device, user_id)
        built, payload = build(request_type, keys, None)
        order = Order(built=built, keys=payload, user_id=user_id)
        sent = refused(aim, order, order.profile_identifier) or judge(known, order, await _find(order, aim))
        if keys is None:
            findings = tuple(each for each in sent.findings if each.where == request_type)
            errors = [each for each in findings if each.severity == "error"]
            problem = "; ".join(f"{each.where} {each.what}" for each in errors) if sent.channel_id else sent.problem
            sent = msgspec.structs.replace(sent, findings=findings, problem=problem)
        return aim.target(user_id), msgspec.structs.replace(sent, queued=False)

    async def cancel(self, command_uuid: str, device: str | None, by: str) -> int:
        """Cancel what is still open of a command; returns how many deliveries."""
        if await self._queue.command_body(command_uuid) is None:
            raise NotFound(f"There is no command {command_uuid}.")
        channel = None
        if device is not None:
            channel = _life(await self._detail(device), device).id
        event = Event(type="command.cancelled", at=self._clock(), data={"by": by, "command": command_uuid})
        return await self._queue.cancel(command_uuid, channel, event, self._clock())

    async def clear(self, device: str, by: str) -> int:
        """Cancel all plain commands of a device's queue, its user channels included."""
        detail = await self._detail(device)
        life = _life(detail, device)
        event = Event(
            type="queue.cleared",
            at=self._clock(),
            device_id=detail.device.id,
            connection_id=life.id,
            data={"by": by},
        )
        return await self._queue.clear(life.id, event, self._clock())

    async def _enqueue(
        self, built: Command, schedule: Schedule, by: Caller, channels: Sequence[str], queueing: Mapping[str, Sent]
    ) -> frozenset[str]:
        """The channels that took it."""
        with self._traces.queue(built.request_type, built.uuid, len(channels)):
            record = QueuedCommand(
                uuid=built.uuid,
                request_type=built.request_type,
                body=built.body,
                consequence=_CONSEQUENCES.get(built.request_type, Consequence.PLAIN),
                priority=schedule.priority,
                not_before=schedule.not_before,
                expires_at=schedule.expires_at,
                created_at=self._clock(),
                created_by=by.name,
                replaces_like=built.request_type in LAST_COUNTS,
            )
            told = self._told(record, by, queueing)
            return frozenset(await self._queue.enqueue(record, channels, (told,)))

    def _told(self, command: QueuedCommand, by: Caller, queueing: Mapping[str, Sent]) -> Event:
        """Of one it is a line in its history; of many devices the first are named, and the queue has them all."""
        named = [each.device for each in islice(queueing.values(), DEVICES_TOLD)]
        data = {
            "by": by.name,
            "command": command.uuid,
            "request_type": command.request_type,
            "devices": named,
            "count": len(queueing),
        }
        only = named[0] if len(queueing) == 1 else None
        return Event(type="command.queued", at=command.created_at, device_id=only, data=data)

    def _permit(
        self, built: Command, by: Caller, devices: Sequence[str], confirm: int | None, *, only_ask: bool
    ) -> None:
        needed = to_send(built.request_type)
        by.require(needed)
        if needed in DANGEROUS and not only_ask:
            self._confirming.check(built.request_type, len(set(devices)), confirm)

    async def _check(self, devices: Sequence[str], order: Order, supervision: bool) -> AsyncIterator[Sent]:
        """A verdict for each name, once. Devices that do not differ in what the catalog asks for share its findings."""
        found = dict[object, tuple[Finding, ...]]()
        profile = order.profile_identifier
        async for names in pieces(dict.fromkeys(devices)):
            for aim in await self._targeting.aim(names, order.user_id, supervision=supervision):
                refusal = refused(aim, order, profile)
                if refusal is not None:
                    yield refusal
                    continue
                assert aim.known is not None
                alike = aim.alike
                if alike not in found:
                    found[alike] = await _find(order, aim)
                yield judge(aim.known, order, found[alike])

    async def _detail(self, name: str) -> DeviceDetail:
        device_id = await self._directory.resolve(name)
        detail = await self._directory.device(device_id) if device_id else None
        if detail is None:
            raise NotFound(UNKNOWN.format(name))
        return detail


async def _find(order: Order, aim: Aim) -> tuple[Finding, ...]:
    """What speaks against a target; beside the loop where that is more than a look into the catalog."""
    target = aim.target(order.user_id)
    return order.findings(target) if order.against is None else await asyncio.to_thread(order.findings, target)


def _life(detail: DeviceDetail, name: str) -> Connection:
    live = (Phase.CONNECTED, Phase.ENDING)
    life = next((each for each in detail.connections if each.phase in live), None)
    if life is None:
        raise RequestRefused(f"Device {name} is not connected.")
    return life
