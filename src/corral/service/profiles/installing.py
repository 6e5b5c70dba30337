"""A kept profile onto devices and off them again: each has its verdict, and what is wanted is written down first."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from corral.apple.catalog import Finding, Target, lint
from corral.apple.platform import Platform
from corral.apple.plist import PlistValue
from corral.service.clock import Clock
from corral.service.collecting.refreshing import Refreshing
from corral.service.commands.commanding import Commanding
from corral.service.commands.verdicts import How, Sent
from corral.service.profiles.keeping import Keeping
from corral.store.profiles import ProfileStore, StoredProfile


class Installing:
    def __init__(
        self,
        keeping: Keeping,
        profiles: ProfileStore,
        commanding: Commanding,
        refreshing: Refreshing,
        sign: Callable[[bytes], bytes],
        clock: Clock,
    ) -> None:
        """`sign` is what devices see as the profile's signer."""
        self._keeping = keeping
        self._profiles = profiles
        self._commanding = commanding
        self._refreshing = refreshing
        self._sign = sign
        self._clock = clock

    async def install(
        self, profile: StoredProfile, number: int | None, devices: Sequence[str], how: How
    ) -> tuple[int, list[Sent]]:
        """One version, the newest without a number, for all of these devices: new there, or in the place of another
        version. Raises NotFound and RequestRefused."""
        number, read = await self._keeping.content(profile, number)
        payload = await asyncio.to_thread(self._sign, read.content)

        def against(target: Target) -> list[Finding]:
            return lint(read.keys, target)

        keys = {"Payload": payload}
        asks = await asyncio.to_thread(_asks_supervision, read.keys)
        return number, await self._send("InstallProfile", keys, profile, number, devices, how, against, asks)

    async def remove(self, profile: StoredProfile, devices: Sequence[str], how: How) -> list[Sent]:
        """Raises RequestRefused."""
        keys = {"Identifier": profile.identifier}
        return await self._send("RemoveProfile", keys, profile, None, devices, how, lambda target: ())

    async def _send(
        self,
        request_type: str,
        keys: dict[str, bytes] | dict[str, str],
        profile: StoredProfile,
        number: int | None,
        devices: Sequence[str],
        how: How,
        against: Callable[[Target], Sequence[Finding]],
        supervision: bool = False,
    ) -> list[Sent]:
        async def want(command_uuid: str, channels: Sequence[str]) -> None:
            # Before it is queued: what was asked for and never sent can be seen, and asked for again.
            await self._profiles.want(profile.id, number, command_uuid, channels, self._clock(), how.by.name)

        sent = await self._commanding.send(
            devices,
            request_type=request_type,
            keys=keys,
            user_id=how.user_id,
            force=how.force,
            only_ask=how.only_ask,
            by=how.by,
            against=against,
            supervision=supervision,
            before=want,
        )
        queued = [each.device for each in sent if each.queued]
        # Behind all that is in the queue: what the device has after it.
        await self._refreshing.refresh(queued, how.by.name, ("ProfileList",), user_id=how.user_id, told=False)
        return sent


def _asks_supervision(profile: Mapping[str, PlistValue]) -> bool:
    """Whether anything in a profile depends on it, or on the user's approval, on any system."""
    return any(
        lint(profile, Target(each, supervised=False, user_approved=False))
        != lint(profile, Target(each, supervised=True, user_approved=True))
        for each in Platform
    )
