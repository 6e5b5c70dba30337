"""What is noticed without a message."""

from typing import Any

from corral.lifecycle.policy import Policy
from corral.lifecycle.state import DAY, HOUR, MINUTE, Connection, Consequence, Phase
from corral.service.connections.sweeping import BATCH, Sweeping
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.transitions import Transitions
from lifecycle import arrange as a
from lifecycle.memory import MemoryStore
from service.fakes import Clock, FakeAcme, FakeContacts, FakeQueue, FakeWork

POLICY = Policy(configured_retry=5 * MINUTE)


class Sweep:
    def __init__(self, **life: Any) -> None:
        self.devices = MemoryStore()
        self.devices.devices[a.UDID] = a.device()
        self.devices.connections["life"] = a.life(**life)
        self.work, self.queue, self.acme, clock = FakeWork(), FakeQueue(), FakeAcme(), Clock(a.NOW)
        transitions = Transitions(self.devices, ContactBook(FakeContacts(), clock), POLICY, clock)
        self.sweeping = Sweeping(self.queue, self.work, self.acme, transitions, POLICY, clock)

    async def run(self) -> None:
        await self.sweeping.sweep()

    @property
    def life(self) -> Connection:
        return self.devices.connections["life"]

    @property
    def releases(self) -> list[Consequence]:
        return [delivery.consequence for delivery in self.devices.deliveries.values()]


async def test_commands_past_their_time_are_closed() -> None:
    sweep = Sweep()
    await sweep.run()
    assert sweep.queue.expired == [(a.NOW, BATCH)]
    assert sweep.acme.swept == [(a.NOW, BATCH)]


async def test_silent_channels_with_commands_are_pushed_again() -> None:
    sweep = Sweep()
    sweep.work.silent = ("life", "life/ANN")
    await sweep.run()
    assert ("silent", a.NOW - HOUR, a.NOW - DAY, a.NOW, BATCH) in sweep.work.asked
    assert sweep.work.due == {("push", "life"): a.NOW, ("push", "life/ANN"): a.NOW}


async def test_a_device_that_waits_in_setup_assistant_is_released_again_and_pushed() -> None:
    sweep = Sweep(awaiting_since=a.NOW - HOUR)
    sweep.work.waiting = (("life", ""),)
    await sweep.run()
    assert ("unconfigured", a.NOW - 5 * MINUTE, BATCH) in sweep.work.asked
    assert sweep.releases == [Consequence.DEVICE_CONFIGURED]
    assert a.kinds_of(sweep.devices.events) == ["configuration.sent-again"]
    assert sweep.work.due == {("push", "life"): a.NOW}
    assert sweep.devices.devices[a.UDID].version == 8


async def test_a_user_who_waits_is_released_again_on_his_own_channel() -> None:
    sweep = Sweep()
    sweep.work.waiting = (("life", "ANN"),)
    await sweep.run()
    assert sweep.releases == [Consequence.USER_CONFIGURED]
    assert [delivery.channel_id for delivery in sweep.devices.deliveries.values()] == ["life/ANN"]
    assert sweep.devices.events[0].data == {"user_id": "ANN"}
    assert sweep.work.due == {("push", "life/ANN"): a.NOW}


async def test_whoever_stopped_waiting_meanwhile_is_left_alone() -> None:
    for changed in (Sweep(), Sweep(phase=Phase.ENDED, awaiting_since=a.NOW - HOUR)):
        changed.work.waiting = (("life", ""), ("nobody", ""))
        await changed.run()
        assert changed.releases == []
        assert changed.devices.events == []
