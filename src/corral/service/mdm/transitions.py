"""Load, decide, commit: and again with a fresh Snapshot where somebody else was faster."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from corral.apple.checkin import Authenticate
from corral.lifecycle.change import Answer, Change, Decision, NextCommand, news
from corral.lifecycle.decide import decide
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.message import Message
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Phase, Snapshot, channel_id
from corral.service.clock import Clock, moment
from corral.service.events.remarks import Remarks
from corral.service.mdm.contacts import ContactBook
from corral.service.tracing import UNTRACED, Traces
from corral.store.devices import Committed, Contact, DeviceStore
from corral.store.errors import StoreUnavailable

ATTEMPTS = 5

Objection: TypeAlias = Callable[[Snapshot, Authenticate], Awaitable[str]]
"""Why the operator's rules are against this device, by what it says now; empty if they are not."""


class Transitions:
    """Carries decisions out. Raises StoreUnavailable (503 for a device) when the store cannot keep them."""

    def __init__(
        self,
        devices: DeviceStore,
        contacts: ContactBook,
        policy: Policy,
        clock: Clock,
        objection: Objection | None = None,
        traces: Traces = UNTRACED,
    ) -> None:
        self._devices = devices
        self._objection = objection
        self._traces = traces
        self._contacts = contacts
        self._policy = policy
        self._clock = clock
        self._remarks = Remarks()
        self._leaving = asyncio.Lock()

    async def answer(
        self, contact: Contact, message: Message, identity: Identity, snapshot: Snapshot | None = None
    ) -> Answer:
        """The answer to a message, after what it changes is durable; `snapshot` spares the first load."""
        for _ in range(ATTEMPTS):
            snapshot = snapshot or await self._devices.load(contact)
            objection = ""
            if isinstance(message, Authenticate) and self._objection is not None:
                objection = await self._objection(snapshot, message)
            decision = self._decide(snapshot, message, identity, objection)
            if decision.change.unenrolling is None:
                committed = await self._tell(decision.change, identity)
            else:
                # The breaker counts what is committed: of many contacts at once each must see the one before.
                async with self._leaving:
                    snapshot = await self._devices.load(contact)
                    decision = self._decide(snapshot, message, identity, objection)
                    committed = await self._tell(decision.change, identity)
            if committed:
                self._note(snapshot, decision.change, contact)
                return await self._render(decision.answer, contact)
            snapshot = None
        raise StoreUnavailable("This device is changing faster than it can be decided; try again.")

    async def operate(self, connection_or_device: str, decide_change: Callable[[Snapshot, Moment], Change]) -> Change:
        """Carry out what a person decides about a device, named by its id or that of one of its connections."""
        for _ in range(ATTEMPTS):
            async with self._leaving:
                snapshot = await self.look(connection_or_device)
                change = decide_change(snapshot, moment(self._clock))
                if await self._commit(change):
                    return change
        raise StoreUnavailable("This device is changing faster than it can be decided; try again.")

    async def operate_on_several(
        self, devices: Sequence[str], decide_change: Callable[[Snapshot, Moment], Change]
    ) -> list[Change | Exception]:
        """The same for some devices, named by their ids, in one commit as far as the store gathers it; what each would
        raise stands in its place. Of those that are told to leave, each is counted before the next is decided."""
        async with self._leaving:
            seen = await asyncio.gather(*map(self.look, devices), return_exceptions=True)
            decided: list[Change | BaseException] = []
            told: frozenset[str] = frozenset()
            for snapshot in seen:
                decided.append(_decided(snapshot, told, decide_change, moment(self._clock)))
                told |= _leaving(decided[-1])
                await asyncio.sleep(0)  # a decision may take a signature, and devices wait for their answers
            kept = await asyncio.gather(*map(self._keep, decided), return_exceptions=True)
        return [
            await self._again(device, decide_change) if committed is False else _outcome(change, committed)
            for device, change, committed in zip(devices, decided, kept, strict=True)
        ]

    async def _keep(self, change: Change | BaseException) -> bool:
        return await self._commit(change) if isinstance(change, Change) else True

    async def _again(self, device: str, decide_change: Callable[[Snapshot, Moment], Change]) -> Change | Exception:
        try:
            return await self.operate(device, decide_change)
        except Exception as error:
            return error

    async def look(self, connection_or_device: str) -> Snapshot:
        """The Snapshot of a connection, or of a device with its current life as `bound`."""
        since = self._breaker_since()
        snapshot = await self._devices.load_connection(connection_or_device, since)
        if snapshot.device is not None:
            return snapshot
        contact = Contact(fingerprint=b"", device_id=connection_or_device, breaker_since=since)
        return await self._devices.load(contact)

    def contact_since(self) -> int:
        return self._breaker_since()

    def _decide(self, snapshot: Snapshot, message: Message, identity: Identity, objection: str) -> Decision:
        now = moment(self._clock, objection)
        decision = decide(snapshot, message, identity, self._policy, now)
        change = news(decision.change, snapshot)
        events = self._remarks.thin(change.events, identity.fingerprint, now.now)
        if events != change.events:
            change = replace(change, events=events)
        return Decision(decision.answer, change)

    def _note(self, snapshot: Snapshot, change: Change, contact: Contact) -> None:
        """Heard, on the life that this message began or belongs to; a clone is not its owner."""
        begun = next((row for row in change.connections if row.phase is not Phase.ENDED), None)
        life = begun or snapshot.bound
        if life is None or life.device_id != contact.device_id:
            return
        if contact.user_id and snapshot.channel is None and not change.channels:
            return
        self._contacts.note(channel_id(life.id, contact.user_id))

    async def _tell(self, change: Change, identity: Identity) -> bool:
        committed = await self._commit(change)
        if committed:
            self._remarks.tell(change.events, identity.fingerprint, self._clock())
        return committed

    async def _commit(self, change: Change) -> bool:
        return change.is_empty or isinstance(await self._devices.commit(change), Committed)

    async def _render(self, answer: Answer | NextCommand, contact: Contact) -> Answer:
        if isinstance(answer, Answer):
            return answer
        following = await self._devices.next(
            answer.channel_id, self._clock(), after_idle=answer.after_idle, only=answer.only
        )
        if following.trace is not None:
            self._traces.deliver(following.trace, contact.device_id, following.command_uuid)
        return command_answer(following.body)

    def _breaker_since(self) -> int:
        return self._clock() - self._policy.breaker_window


def after(snapshot: Snapshot, told: frozenset[str]) -> Snapshot:
    """As it is once these connections have been told to leave too."""
    return replace(snapshot, breaker=replace(snapshot.breaker, counted=snapshot.breaker.counted | told))


def _decided(
    snapshot: Snapshot | BaseException,
    told: frozenset[str],
    decide_change: Callable[[Snapshot, Moment], Change],
    at: Moment,
) -> Change | BaseException:
    if isinstance(snapshot, BaseException):
        return snapshot
    try:
        return decide_change(after(snapshot, told), at)
    except Exception as error:
        return error


def _leaving(change: Change | BaseException) -> frozenset[str]:
    return frozenset({change.unenrolling} if isinstance(change, Change) and change.unenrolling else ())


def _outcome(change: Change | BaseException, committed: bool | BaseException) -> Change | Exception:
    found = committed if isinstance(committed, BaseException) else change
    if isinstance(found, Change | Exception):
        return found
    raise found


PLIST = "application/xml; charset=UTF-8"
_EMPTY = Answer(200)


def command_answer(body: bytes) -> Answer:
    """200 with the command, or with zero bytes: an empty property list would be wrong."""
    return Answer(200, body, PLIST) if body else _EMPTY
