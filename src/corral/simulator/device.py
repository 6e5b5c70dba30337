"""A simulated device: it enrolls, is woken, obeys, and leaves, as strictly as one of Apple's.

What happens to it from outside (a restore, a migration, a wipe) is in `life_events`.
"""

import asyncio
import secrets
from dataclasses import replace
from random import Random

from corral.apple.profile import PER_USER_CONNECTIONS
from corral.simulator.answers import NOT_MANAGED, answer
from corral.simulator.asked import Asked, Reply, Then, error, installation_failed
from corral.simulator.behaviour import Behaviour
from corral.simulator.contents import Contents, Return
from corral.simulator.declaring import SyncFailed, synchronize
from corral.simulator.enrollment import Channel, Enrollment, Held, new_user_channel
from corral.simulator.facts import Model, make_facts
from corral.simulator.fetching import InstallationFailed, fetch_profile, get_apps, open_profile
from corral.simulator.identity import Identity
from corral.simulator.installing import insist, install, say, update_token
from corral.simulator.not_now import can_wait
from corral.simulator.reachable import Reachable
from corral.simulator.session import NOT_NOW, CommandReceived, converse
from corral.simulator.speaking import Accepted, Failed, Unenrolled, Unmanaged, Verdict
from corral.simulator.systems import next_system, updated
from corral.simulator.world import State, World

NEED_WIFI = frozenset({Model.IPAD, Model.VISION})
"""What has neither Ethernet nor (here) a mobile network."""


class Device(Reachable):
    """One that does what it is told."""

    __slots__ = ()

    # -- enrolling

    async def enroll(self, source: str | bytes, holder: Identity | None = None) -> None:
        """Install the profile of an enrollment link (URL) or file, and check in; raises InstallationFailed.

        `holder` is the identity that it may be enclosed for, of an enrollment over the air.
        """
        if self.is_offline:
            raise InstallationFailed("the device is offline")
        if isinstance(source, str):
            source = await fetch_profile(self.voice, source, self.world.trust)
        self.cached_profile, self._holder = source, holder
        await self._install(source)

    async def retry_installation(self) -> None:
        """Install the profile that failed, without asking for it again, with a new key (as Setup Assistant does)."""
        if self.cached_profile is None:
            raise InstallationFailed("the device has no profile whose installation failed")
        await self._install(self.cached_profile)

    async def _install(self, raw: bytes) -> None:
        old = self.enrollment
        if self._installing:
            raise InstallationFailed("the device is installing a profile already")
        self._installing = True
        try:
            download = open_profile(raw, self._holder)
            world = self.world
            new = await install(
                self.voice, world.keys, download, world.trust, world.attester, old, self.listen, self.note
            )
        except InstallationFailed as failure:
            self._forget_drafts(old)
            self.note("installation failed", False, str(failure))
            raise
        finally:
            self._installing = False
            self._drafts.clear()
        self.cached_profile = None
        if old is None:
            self.adopt(new)
            self.is_awaiting = self.behaviour.awaiting_configuration
            await self._add_user(new)
            await self._escrow_bootstrap_token(new)
            self.note("enrolled")
        else:
            old.device.take_over(new.device)
            self.enrollment = replace(new, device=old.device, users=old.users)
            self.note("updated")
        woken, self._woken = self._woken, set()
        if self.is_awaiting:  # Setup Assistant asks by itself
            woken.add("")
        for user_id in woken:
            self.wake(user_id)

    def _forget_drafts(self, old: Enrollment | None) -> None:
        for draft in self._drafts:
            if old is not None and draft.token == old.device.token:
                self.listen(old.device, old.profile.topic)
            elif self.world.push is not None:
                self.world.push.unregister(draft.token)

    async def _add_user(self, enrollment: Enrollment) -> None:
        """A Mac and a Shared iPad tell about the user who is there, if the service takes users at all."""
        user = self.behaviour.user
        if user is None or self.facts.model not in (Model.MAC, Model.IPAD):
            return
        if PER_USER_CONNECTIONS not in enrollment.profile.capabilities:
            return
        channel = new_user_channel(self.facts, user, enrollment.device.names.get("EnrollmentID"))
        self.enrollment = replace(enrollment, users=(channel,))
        self.listen(channel, enrollment.profile.topic)
        self.obey(channel, await update_token(self.voice, enrollment, channel))

    async def _escrow_bootstrap_token(self, enrollment: Enrollment) -> None:
        if self.behaviour.bootstrap_token and "com.apple.mdm.bootstraptoken" in enrollment.profile.capabilities:
            token = secrets.token_bytes(32)
            message = enrollment.device.message(MessageType="SetBootstrapToken", BootstrapToken=token)
            self.obey(enrollment.device, await insist(self.voice, enrollment, message))

    # -- obeying

    async def poll(self, user_id: str = "") -> Verdict:
        """One session on a channel, or several if it is woken meanwhile; what the last one came to."""
        channel = self.channel(user_id)
        if channel is None or channel.silent or self.is_offline:
            return Failed("the device is offline" if self.is_offline else "there is no such channel")
        if channel.session is not None:
            channel.again = True
            await asyncio.shield(channel.session)
            return Accepted()
        channel.session = session = asyncio.get_running_loop().create_future()
        try:
            while True:
                channel.again = channel.deferred = False
                verdict = await converse(self, self.voice, channel)
                self.obey(channel, verdict)
                self._stay_busy(channel)
                if not channel.again:
                    return verdict
        finally:
            channel.session = None
            session.set_result(None)

    async def execute(self, channel: Channel, command: CommandReceived) -> Reply:
        """Do what is commanded; what ends the enrollment is only announced (`Reply.then`)."""
        if self.behaviour.delay:
            await asyncio.sleep(self.behaviour.delay)
        if channel.held is Held.SETUP_ASSISTANT:
            reply = Reply(NOT_NOW)
        elif self.busy is not None and can_wait(command.request_type, self.facts.platform):
            channel.deferred = True
            reply = Reply(NOT_NOW)
        else:
            reply = await self._execute(channel, command)
        if self.world.observe is not None:
            self.note(command.request_type, reply.status in ("Acknowledged", NOT_NOW), reply.status)
        return reply

    async def _execute(self, channel: Channel, command: CommandReceived) -> Reply:
        enrollment = self.enrollment
        if enrollment is None:
            return error(NOT_MANAGED, "The device is not managed.")
        reply = answer(
            Asked(
                command.request_type,
                command.keys,
                self.facts,
                self.contents,
                enrollment,
                channel,
                self.behaviour,
                channel.is_awaiting if channel.is_user else self.is_awaiting,
            )
        )
        return await self._renew(command.keys.get("Payload")) if reply.then is Then.RENEW else reply

    async def _renew(self, payload: object) -> Reply:
        try:
            await self._install(payload if isinstance(payload, bytes) else b"")
        except InstallationFailed as failure:
            return installation_failed(str(failure))
        return Reply()

    async def afterwards(self, channel: Channel, then: Then) -> None:
        """Do what was announced: the result is out."""
        match then:
            case Then.LEAVE:
                await self.leave("RemoveProfile")
            case Then.WIPE:
                self.erase(self.contents.comes_back, "EraseDevice")
            case Then.GET_APPS if self.enrollment is not None:
                await get_apps(self.voice, self.contents.apps, self.enrollment.trust)
            case Then.BE_CONFIGURED if channel.is_user:
                channel.is_awaiting = False
            case Then.BE_CONFIGURED:
                self.is_awaiting = False
            case Then.UPDATE_SYSTEM:
                self.update_system()
            case Then.SYNC_DECLARATIONS if self.enrollment is not None:
                try:
                    await synchronize(self.voice, self.enrollment, channel)
                except SyncFailed as failure:
                    self.complain(f"declarations: {failure}")
            case _:
                pass

    def obey(self, channel: Channel, verdict: Verdict) -> None:
        """Draw the consequences of an answer's status."""
        match verdict:
            case Accepted():
                pass
            case Unenrolled(why):
                if self.ignored < self.behaviour.ignored_unenrollments:
                    self.ignored += 1
                    self.note("ignored", False, why)
                else:
                    self._end(State.UNENROLLED, why)
            case Unmanaged() if channel.is_user:
                channel.silent = True
                self.note("user not managed", True, channel.names["UserShortName"])
            case Unmanaged():
                self.complain("410 on the device channel")
            case Failed(why):
                self.note("not taken", False, why)

    def update_system(self) -> None:
        """Install the newest system that there is for it, if there is one, and start again."""
        system = next_system(self.facts)
        if system is not None:
            self.become(updated(self.facts, system))
            self.contents.restarts += 1
            self.note("system updated", True, system.version)

    # -- leaving

    async def leave(self, why: str = "the user removed the profile") -> None:
        """Remove the enrollment, and say so once if the profile wants it (CheckOutWhenRemoved)."""
        enrollment = self.enrollment
        self._end(State.LEFT, why)
        if enrollment is not None and enrollment.profile.check_out_when_removed and not self.is_offline:
            keys = {"MessageType": "CheckOut", "Topic": enrollment.profile.topic}
            verdict = await say(self.voice, enrollment, enrollment.device.message(**keys))
            self.note("checked out", isinstance(verdict, Accepted), verdict.why if isinstance(verdict, Failed) else "")

    def wipe(self, why: str = "wiped") -> None:
        """Erase everything; the service hears nothing of it."""
        self._end(State.ERASED, why)
        before = self.contents
        self.contents = Contents(before.seed, self.facts.device_name, setups=before.setups + 1)

    def erase(self, back: Return | None, why: str) -> None:
        """Erase everything, and then enroll again by what the service gave for that, if it did."""
        self.wipe(why)
        if back is not None:
            self._begin(self._come_back(back))

    async def _come_back(self, back: Return) -> None:
        """Return to Service: enroll again with what EraseDevice has brought, where there is a network for it."""
        if back.network is None and self.facts.model in NEED_WIFI:
            self.note("did not return", False, "no network")
        elif back.profile is None:
            self.note("did not return", False, "no enrollment profile")
        else:
            try:
                await self.enroll(back.profile)
            except InstallationFailed as failure:
                self.note("did not return", False, str(failure))

    def _end(self, state: State, why: str) -> None:
        enrollment, self.enrollment = self.enrollment, None
        self.state, self.why = state, why
        self.is_awaiting = False
        self.contents.profiles.clear()
        if enrollment is None:
            return
        self.former = enrollment
        if self.world.push is not None:
            for channel in enrollment.channels:
                self.world.push.unregister(channel.token)
        self.note(state, True, why)


def make_device(
    random: Random,
    world: World,
    model: Model | None = None,
    *,
    number: int = 0,
    behaviour: Behaviour | None = None,
    os_version: str | None = None,
) -> Device:
    """A device that is the same for the same state of `random`."""
    facts = make_facts(random, model, number=number, os_version=os_version)
    return Device(facts, world, behaviour, seed=random.getrandbits(32))
