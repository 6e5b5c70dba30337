"""A simulated device as something that can be reached: what it is and holds, how a push wakes it, what it tells."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from corral.simulator.behaviour import Behaviour, Busy
from corral.simulator.contents import Contents
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.facts import Facts
from corral.simulator.identity import Identity
from corral.simulator.session import NOT_NOW
from corral.simulator.speaking import Verdict, Voice
from corral.simulator.world import Happening, State, World


class Reachable(ABC):
    """One device. `state` and `why` say where it stands; `former` is the last enrollment that it had, as a backup
    holds it; `complaints` are what the service did that no service may."""

    __slots__ = (
        "_drafts", "_holder", "_installing", "_tasks", "_woken", "behaviour", "busy", "cached_profile", "complaints",
        "contents", "enrollment", "facts", "former", "ignored", "is_awaiting", "is_offline", "state", "voice", "why",
        "world",
    )  # fmt: skip

    def __init__(self, facts: Facts, world: World, behaviour: Behaviour | None = None, *, seed: int = 0) -> None:
        self.facts = facts
        self.world = world
        self.behaviour = behaviour or Behaviour()
        self.contents = Contents(seed, facts.device_name)
        self.voice = Voice(facts, self.behaviour, world.transport, world.clock)
        self.enrollment: Enrollment | None = None
        self.former: Enrollment | None = None
        self.state = State.NOT_ENROLLED
        self.why = ""
        self.cached_profile: bytes | None = None
        self.is_awaiting = False
        self.is_offline = False
        self.busy: Busy | None = None
        self.ignored = 0  # answers that should have unenrolled it
        self.complaints: list[str] = []
        self._holder: Identity | None = None
        self._installing = False
        self._drafts: list[Channel] = []
        self._woken: set[str] = set()
        self._tasks: set[asyncio.Task[object]] = set()

    def __repr__(self) -> str:
        return f"Device({self.facts.number}, {self.facts.product_name}, {self.facts.udid}, {self.state})"

    def become(self, facts: Facts) -> None:
        """Be this from now on: with another system, for example."""
        self.facts = self.voice.facts = facts

    def behave(self, behaviour: Behaviour) -> None:
        """Behave like this from now on."""
        self.behaviour = self.voice.behaviour = behaviour

    def adopt(self, enrollment: Enrollment) -> None:
        """Be enrolled by this, and listen for pushes; nothing is sent."""
        self.enrollment = enrollment
        self.state = State.ENROLLED
        self.why = ""
        for channel in enrollment.channels:
            self.listen(channel, enrollment.profile.topic)

    # -- being woken

    def listen(self, channel: Channel, topic: str) -> None:
        """Be woken by pushes for this channel's token and magic, and by none that were for it before."""
        if self._installing:
            self._drafts.append(channel)
        if self.world.push is not None:
            self.world.push.register(channel.token, topic, channel.magic, partial(self.wake, channel.user_id))

    def wake(self, user_id: str = "") -> None:
        """A push has come: poll on this channel, now or as soon as the session under way is over."""
        if self._installing:
            self._woken.add(user_id)
            return
        self._begin(self.poll(user_id))

    def _begin(self, what: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    async def poll(self, user_id: str = "") -> Verdict:
        """One session on a channel, or several if it is woken meanwhile; what the last one came to."""

    async def settle(self) -> None:
        """Until nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def channel(self, user_id: str = "") -> Channel | None:
        """The device channel, or a user's; None if there is none (any more)."""
        if self.enrollment is None:
            return None
        if not user_id:
            return self.enrollment.device
        return next((user for user in self.enrollment.users if user.user_id == user_id), None)

    def _stay_busy(self, channel: Channel) -> None:
        """A device polls by itself only if NotNow was the last that it said (Apple: "Handling NotNow...")."""
        busy = self.busy
        if busy is None or not channel.deferred:
            return
        self.busy = replace(busy, sessions=busy.sessions - 1) if busy.sessions > 1 else None
        if channel.last_status == NOT_NOW:
            asyncio.get_running_loop().call_later(busy.pause, self.wake, channel.user_id)

    def go_offline(self) -> None:
        self.is_offline = True
        if self.world.push is not None and self.enrollment is not None:
            for channel in self.enrollment.channels:
                self.world.push.offline(channel.token)

    def go_online(self) -> None:
        """Back again: the last push that came meanwhile is delivered."""
        self.is_offline = False
        if self.world.push is not None and self.enrollment is not None:
            for channel in self.enrollment.channels:
                self.world.push.online(channel.token)

    # -- telling

    def note(self, what: str, ok: bool = True, detail: str = "") -> None:
        """Tell who observes."""
        if self.world.observe is not None:
            self.world.observe(Happening(self.facts, what, ok, detail))

    def complain(self, what: str) -> None:
        """The service has broken the protocol."""
        if len(self.complaints) < 100:
            self.complaints.append(what)
        self.note("complaint", False, what)
