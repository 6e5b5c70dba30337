"""Gives each device the profile it shall have: by rules, by a default, by a person's word; and tells Apple."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from corral.dep.client import MOST_DEVICES, DepLine
from corral.dep.failure import DepError, ThingNotFound
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import SECOND
from corral.service.ade import deciding
from corral.service.ade.servers import Servers, refused
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.store.ade import AdeServer, AdeStore, Assignment, Listed
from corral.store.events import EventStore

PAGE = 1000


class Assigning:
    def __init__(self, store: AdeStore, events: EventStore, servers: Servers, clock: Clock) -> None:
        self._store = store
        self._events = events
        self._servers = servers
        self._clock = clock

    # -- what a synchronization calls

    async def decide(self, name: str, listed: Sequence[Listed]) -> int:
        """Put down what rules and the default want of these devices, and what Apple knows otherwise than it should.

        Returns how many got another assignment, or have theirs due again.
        """
        rules, default = await self._store.rules(name), (await self._servers.get(name)).default_profile
        uuids = {each.name: each.uuid for each in await self._store.profiles(name)}
        now = self._clock()
        wanted: list[Assignment] = []
        again: list[Assignment] = []
        for each in listed:
            if (new := deciding.wanted(each, rules, default, now)) is not None:
                wanted.append(new)
            elif (old := deciding.undone(each, uuids, now)) is not None:
                again.append(old)
        await self._store.assign(wanted)
        await self._store.settle(again)
        return len(wanted) + len(again)

    async def decide_all(self, name: str) -> int:
        """The same over all devices of a server, after its rules, its default or a profile have changed."""
        after, changed = ("", ""), 0
        while page := await self._store.devices(name, PAGE, after):
            changed += await self.decide(name, page)
            after = (name, page[-1].device.serial_number)
        return changed

    async def carry_out(self, server: AdeServer, line: DepLine) -> tuple[int, int]:
        """Tell Apple what is due; returns how many it took, and how many are still open. Raises DepError."""
        uuids = {each.name: each.uuid for each in await self._store.profiles(server.name)}
        took = still_open = 0
        while True:
            due = await self._store.due(server.name, self._clock(), MOST_DEVICES)
            by_profile: dict[str, list[Assignment]] = defaultdict(list)
            for each in due:
                by_profile[each.profile].append(each)
            for profile, assignments in sorted(by_profile.items()):
                settled = await self._tell_apple(line, profile, uuids, assignments)
                await self._store.settle(settled)
                took += sum(each.outcome == "SUCCESS" for each in settled)
                still_open += sum(each.due_at is not None for each in settled)
                await self._refresh(server.name, uuids.get(profile, ""), settled)
                await self._tell_refusals(server, settled)
            if len(due) < MOST_DEVICES:
                return took, still_open

    # -- what a person asks for

    async def assign(self, name: str, serials: Sequence[str], profile: str, by: str) -> tuple[Listed, ...]:
        """Apple is told at once; what it does not take now is tried again by the synchronization."""
        if profile not in {each.name for each in await self._store.profiles(name)}:
            raise NotFound(f"Server {name} has no profile {profile}; see `corral ade profile list`.")
        return await self._by_person(name, serials, profile, by)

    async def unassign(self, name: str, serials: Sequence[str], by: str) -> tuple[Listed, ...]:
        """Takes effect when a device is erased; until somebody assigns it again, rules leave it alone."""
        return await self._by_person(name, serials, "", by)

    async def release(self, name: str, serials: Sequence[str], by: str) -> int:
        """Forget what a person said of these devices: rules and the default are about them again."""
        freed = [
            replace(
                each.assignment, by_person=False, profile="", assigned_by=by, assigned_at=self._clock(), due_at=None
            )
            for each in await self._known(name, serials)
            if each.assignment is not None and each.assignment.by_person
        ]
        if freed:
            told = {"server": name, "by": by, "devices": [each.serial_number for each in freed]}
            await self._store.assign(freed, (Event(type="ade.devices-released", at=self._clock(), data=told),))
        return await self.decide(name, await self._store.some(name, serials))

    async def disown(self, name: str, serials: Sequence[str], confirm: str, by: str) -> Mapping[str, str]:
        """Give devices up for ever. `confirm` has to be the organization's name: nobody does this by accident.

        Irreversible: only whoever sold a device can bring it back to the organization.
        """
        server = await self._servers.get(name)
        await self._known(name, serials)
        if not server.org_name or confirm != server.org_name:
            raise OperationRefused(
                "Disowning is for ever: the devices leave the organization and cannot be brought back from here. "
                f"To do it, confirm with the organization's name, {server.org_name!r}."
            )
        try:
            outcomes = await self._servers.line_of(server).disown(serials)
        except DepError as error:
            raise refused(error) from None
        await self._tell("ade.devices-disowned", name, {"by": by, "devices": dict(outcomes.devices)})
        return outcomes.devices

    async def lock(self, name: str, serial: str, escrow_key: str, lost_message: str, by: str) -> str:
        """Lock a device to the organization; returns Apple's word for how it went."""
        server = await self._servers.get(name)
        await self._known(name, [serial])
        try:
            word = await self._servers.line_of(server).activation_lock(serial, escrow_key, lost_message)
        except DepError as error:
            raise refused(error) from None
        await self._tell("ade.device-locked", name, {"by": by, "device": serial, "outcome": word})
        return word

    async def _by_person(self, name: str, serials: Sequence[str], profile: str, by: str) -> tuple[Listed, ...]:
        server = await self._servers.get(name)
        line = self._servers.line_of(server)
        await self._known(name, serials)
        now = self._clock()
        kind = "ade.devices-assigned" if profile else "ade.devices-unassigned"
        told = {"server": name, "by": by, "profile": profile, "devices": list(serials)}
        await self._store.assign(
            [
                Assignment(
                    server=name,
                    serial_number=serial,
                    profile=profile,
                    assigned_by=by,
                    by_person=True,
                    assigned_at=now,
                    due_at=now,
                )
                for serial in dict.fromkeys(serials)
            ],
            (Event(type=kind, at=now, data=told),),
        )
        try:
            await self.carry_out(server, line)
        except DepError as error:
            raise refused(error) from None
        return await self._store.some(name, serials)

    async def _known(self, name: str, serials: Sequence[str]) -> tuple[Listed, ...]:
        """Those devices of the server; raises NotFound if one is not among them."""
        if not 1 <= len(serials) <= MOST_DEVICES:
            raise RequestRefused(f"Name 1 to {MOST_DEVICES} devices at once.")
        found = [each for each in await self._store.some(name, serials) if each.device.deleted_at is None]
        missing = sorted(set(serials) - {each.device.serial_number for each in found})
        if missing:
            raise NotFound(f"Apple lists no device {missing[0]} for server {name}; `corral ade sync` asks anew.")
        return tuple(found)

    # -- Apple

    async def _tell_apple(
        self, line: DepLine, profile: str, uuids: Mapping[str, str], assignments: Sequence[Assignment]
    ) -> list[Assignment]:
        serials = [each.serial_number for each in assignments]
        now = self._clock()
        if profile and profile not in uuids:
            return [replace(each, due_at=None, outcome="NO_PROFILE") for each in assignments]
        try:
            answer = await (line.assign(uuids[profile], serials) if profile else line.unassign(serials))
        except DepError as error:
            if not isinstance(error.failure, ThingNotFound):
                raise
            # Apple has lost the profile, or it belongs to another server: until it is defined anew nothing helps.
            return [replace(each, due_at=None, outcome="PROFILE_NOT_FOUND") for each in assignments]
        wait = answer.retry_after_seconds
        return [
            deciding.answered(
                each,
                answer.devices.get(each.serial_number, "FAILED"),
                None if wait is None else wait * SECOND,
                now,
            )
            for each in assignments
        ]

    async def _refresh(self, name: str, uuid: str, settled: Sequence[Assignment]) -> None:
        """What Apple has just taken is so, without asking for it again."""
        took = [each.serial_number for each in settled if each.outcome == "SUCCESS"]
        if not took:
            return
        status = "assigned" if uuid else "removed"
        listed = await self._store.some(name, took)
        await self._store.take(
            [replace(each.device, profile_uuid=uuid, profile_status=status) for each in listed], None
        )

    async def _tell_refusals(self, server: AdeServer, settled: Sequence[Assignment]) -> None:
        lost = {
            each.serial_number: each.outcome for each in settled if each.due_at is None and each.outcome != "SUCCESS"
        }
        if lost:
            await self._tell("ade.assignment-failed", server.name, {"devices": lost})

    async def _tell(self, kind: str, server: str, data: Mapping[str, object]) -> None:
        await self._events.append((Event(type=kind, at=self._clock(), data={"server": server, **data}),))
