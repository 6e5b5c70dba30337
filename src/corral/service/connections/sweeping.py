"""What has to be noticed without a message: silent devices, commands and orders past their time, Setup
Assistants that wait."""

from functools import partial

from corral.lifecycle.change import Change, Event
from corral.lifecycle.configuring import configured
from corral.lifecycle.evidence import Moment
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import DAY, HOUR, Consequence, Phase, Snapshot, channel_id
from corral.service.clock import Clock
from corral.service.mdm.transitions import Transitions
from corral.store.acme import Expiring
from corral.store.queue import QueueStore
from corral.store.work import WorkStore

BATCH = 500

SILENT_FOR = HOUR
"""A device with open commands that was not heard of for so long is pushed again ..."""
PUSHED_BEFORE = DAY
"""... unless it was pushed within this time: Apple keeps the last push for it anyway."""


class Sweeping:
    def __init__(
        self, queue: QueueStore, work: WorkStore, acme: Expiring, transitions: Transitions, policy: Policy, clock: Clock
    ) -> None:
        self._queue = queue
        self._work = work
        self._acme = acme
        self._transitions = transitions
        self._policy = policy
        self._clock = clock

    async def sweep(self) -> None:
        """One round of each; what a round leaves over, the next takes."""
        await self._queue.expire(self._clock(), BATCH)
        await self._acme.forget_expired(self._clock(), BATCH)
        await self._push_again()
        await self._finish_configuration()

    async def _push_again(self) -> None:
        now = self._clock()
        silent = await self._work.waiting_channels(now - SILENT_FOR, now - PUSHED_BEFORE, now, BATCH)
        await self._work.add("push", silent, now)

    async def _finish_configuration(self) -> None:
        """DeviceConfigured or UserConfigured failed or was lost: it is sent again, since who waits cannot go on."""
        before = self._clock() - self._policy.configured_retry
        for connection_id, user_id in await self._work.unconfigured(before, BATCH):
            await self._transitions.operate(connection_id, partial(_configure_again, user_id))
            await self._work.add("push", [channel_id(connection_id, user_id)], self._clock())


def _configure_again(user_id: str, snapshot: Snapshot, moment: Moment) -> Change:
    life, device = snapshot.bound, snapshot.device
    if life is None or device is None or life.phase is not Phase.CONNECTED:
        return Change()
    if not user_id and life.awaiting_since is None:
        return Change()
    consequence = Consequence.USER_CONFIGURED if user_id else Consequence.DEVICE_CONFIGURED
    event = Event(
        type="configuration.sent-again",
        at=moment.now,
        device_id=device.id,
        connection_id=life.id,
        data={"user_id": user_id} if user_id else {},
    )
    return Change(
        device_id=device.id,
        expects=device.version,
        enqueue=(configured(channel_id(life.id, user_id), consequence, moment.now, moment),),
        events=(event,),
        at=moment.now,
    )
