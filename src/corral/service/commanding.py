"""Commands as people send them: checked against the catalog and what is known of the target, then queued."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from corral.apple import catalog, command
from corral.apple.catalog import Finding, Target
from corral.apple.command import Command, CommandError
from corral.apple.identifiers import Kind
from corral.lifecycle.change import Event
from corral.lifecycle.state import FOREVER, Connection, Consequence, Instant, Phase
from corral.service.breathing import in_order, pieces
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.service.kept_profile import read_kept
from corral.store.directory import CommandTarget, DeviceDetail, Directory
from corral.store.queue import QueuedCommand, QueueStore

LAST_COUNTS = frozenset({"DeviceLock", "EraseDevice", "DeclarativeManagement", "ClearPasscode", "EnableLostMode"})
"""Of two of these in one queue only the later is wanted: two locks would leave nobody knowing which PIN holds."""

_UNKNOWN = "There is no device {}, or more than one; name it by its id."

_CONSEQUENCES = {
    "EraseDevice": Consequence.ERASE_DEVICE,
    "DeviceConfigured": Consequence.DEVICE_CONFIGURED,
    "UserConfigured": Consequence.USER_CONFIGURED,
}


class Sent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a command for one device.

    A fleet has 100,000 of them at once. `gc=False`: they hold no circles, and the collector would stop everything for
    tens of milliseconds to look.
    """

    device: str
    channel_id: str = ""
    command_uuid: str
    queued: bool
    findings: tuple[Finding, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a queued command may go out, and before what."""

    priority: int = 0
    not_before: Instant = 0
    expires_at: Instant = FOREVER


class Commanding:
    def __init__(self, queue: QueueStore, directory: Directory, clock: Clock) -> None:
        self._queue = queue
        self._directory = directory
        self._clock = clock

    async def send(
        self,
        devices: Sequence[str],
        *,
        request_type: str | None = None,
        keys: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
        user_id: str = "",
        schedule: Schedule | None = None,
        force: bool = False,
        by: str = "",
    ) -> list[Sent]:
        """Queue one command for all of these devices; each gets its verdict.

        `raw` is a whole command plist, kept byte for byte; else it is built from `request_type` and `keys`. A target
        with findings of severity error is skipped unless `force`. Raises RequestRefused for a command that nothing
        could be done with, such as removing the enrollment profile, which is `end`'s to do.
        """
        schedule = schedule or Schedule()
        built, payload = _build(request_type, keys, raw)
        if raw is not None and await self._queue.command_body(built.uuid) not in (None, built.body):
            raise RequestRefused(f"CommandUUID {built.uuid} names another command already; give this one a new one.")
        sent: list[Sent] = []
        queueing: dict[str, Sent] = {}
        async for verdict in self._check(devices, built, payload, user_id, force=force):
            if verdict.queued:
                queueing[verdict.channel_id] = verdict
            else:
                sent.append(verdict)
        record = QueuedCommand(
            uuid=built.uuid,
            request_type=built.request_type,
            body=built.body,
            consequence=_CONSEQUENCES.get(built.request_type, Consequence.PLAIN),
            priority=schedule.priority,
            not_before=schedule.not_before,
            expires_at=schedule.expires_at,
            created_at=self._clock(),
            created_by=by,
            replaces_like=built.request_type in LAST_COUNTS,
        )
        # By their keys: for a fleet, indexes that are filled in their order take a third of the time.
        done = set(await self._queue.enqueue(record, await in_order(queueing))) if queueing else set[str]()
        async for piece in pieces(queueing.items()):
            for channel, verdict in piece:
                if channel in done:
                    sent.append(verdict)
                else:
                    gone = "its connection has just ended"
                    sent.append(Sent(device=verdict.device, command_uuid=built.uuid, queued=False, problem=gone))
        return sent

    async def verdict(self, device: str, request_type: str, keys: Mapping[str, Any]) -> Sent:
        """What would become of this command for one device, without queueing it."""
        built, payload = _build(request_type, keys, None)
        (verdict,) = [each async for each in self._check([device], built, payload, "", force=False)]
        return verdict

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

    async def _check(
        self, devices: Sequence[str], built: Command, payload: Mapping[str, Any], user_id: str, *, force: bool
    ) -> AsyncIterator[Sent]:
        """A verdict for each name, once. Devices that do not differ in what the catalog asks for share its findings."""
        found = dict[tuple[object, ...], tuple[Finding, ...]]()
        async for names in pieces(dict.fromkeys(devices)):
            targets = await self._directory.targets(names, user_id)
            for name in names:
                known = targets.get(name)
                problem = _refusal(name, known, built, payload, user_id)
                if known is None or known.channel_id is None or problem:
                    device = known.device_id if known else name
                    yield Sent(device=device, command_uuid=built.uuid, queued=False, problem=problem)
                    continue
                alike = known.platform, known.os_version, known.channel_kind, known.profile
                if alike not in found:
                    found[alike] = tuple(catalog.check(built.request_type, payload, _target(known, user_id)))
                yield _verdict(known.device_id, known.channel_id, built.uuid, found[alike], force)

    async def _detail(self, name: str) -> DeviceDetail:
        device_id = await self._directory.resolve(name)
        detail = await self._directory.device(device_id) if device_id else None
        if detail is None:
            raise NotFound(_UNKNOWN.format(name))
        return detail


def _build(
    request_type: str | None, keys: Mapping[str, Any] | None, raw: bytes | None
) -> tuple[Command, Mapping[str, Any]]:
    try:
        if raw is not None:
            given = command.read_raw(raw)
            return given, command.command_keys(given)
        if not request_type:
            raise RequestRefused("Name a RequestType, or give a whole command as a property list.")
        return command.build(str(uuid.uuid4()).upper(), request_type, keys or {}), keys or {}
    except CommandError as error:
        raise RequestRefused(str(error)) from None


def _life(detail: DeviceDetail, name: str) -> Connection:
    live = (Phase.CONNECTED, Phase.ENDING)
    life = next((each for each in detail.connections if each.phase in live), None)
    if life is None:
        raise RequestRefused(f"Device {name} is not connected.")
    return life


def _refusal(name: str, target: CommandTarget | None, built: Command, payload: Mapping[str, Any], user_id: str) -> str:
    """Why this command cannot be queued for a device at all; empty if it can."""
    if target is None:
        return _UNKNOWN.format(name)
    if target.connection_id is None:
        return f"Device {name} is not connected."
    if built.request_type == "RemoveProfile":
        kept = read_kept(target.profile)
        if kept is not None and payload.get("Identifier") == kept.facts.identifier:
            return "this would end the connection; use `corral device end` instead"
    if target.channel_id is None:
        return f"there is no user channel {user_id!r}" if user_id else "it has not sent a token yet"
    return ""


def _verdict(device: str, channel: str, uuid: str, findings: tuple[Finding, ...], force: bool) -> Sent:
    errors = [finding for finding in findings if finding.severity == "error"] if findings else []
    queued = force or not errors
    return Sent(
        device=device,
        channel_id=channel,
        command_uuid=uuid,
        queued=queued,
        findings=findings,
        problem="" if queued else "; ".join(f"{each.where} {each.what}" for each in errors),
    )


def _target(known: CommandTarget, user_id: str) -> Target:
    kept = read_kept(known.profile)
    return Target(
        platform=known.platform,
        os_version=known.os_version,
        channel="user" if user_id else "device",
        kind=Kind(known.channel_kind),
        access_rights=kept.facts.access_rights if kept else None,
    )
