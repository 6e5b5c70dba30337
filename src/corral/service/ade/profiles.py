"""Profiles of automated enrollment: defined at Apple, kept here by a name, given out by rules."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from corral.dep.failure import DepError
from corral.dep.profile import ProfileError, read_profile
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.service.ade.assigning import Assigning
from corral.service.ade.servers import Servers, refused
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.store.ade import AdeProfile, AdeRule, AdeStore


@dataclass(frozen=True, slots=True)
class Where:
    """What a profile says if it is silent itself: the address of this service, and what to trust it by (base64).

    `web_url` is where people can sign in, and empty without an identity provider; `url` begins with `service`.
    """

    url: str
    anchors: Callable[[], tuple[str, ...]] = tuple
    service: str = ""
    web_url: str = ""


class Profiles:
    def __init__(self, store: AdeStore, servers: Servers, assigning: Assigning, where: Where, clock: Clock) -> None:
        self._store = store
        self._servers = servers
        self._assigning = assigning
        self._where = where
        self._clock = clock

    async def define(self, server: str, document: Mapping[str, Any], any_skip_key: bool, by: str) -> AdeProfile:
        """Define a profile at Apple under its `profile_name`; one of that name is replaced, for its devices as well.

        Without a `url` it is this service's; without certificates those that its own TLS needs.
        """
        line = await self._servers.line(server)
        self._check_sign_in(document.get("configuration_web_url"))
        silent = {"url": self._where.url}
        if (anchors := self._where.anchors()) and document.get("url") in (None, self._where.url):
            silent |= {"anchor_certs": anchors}
        given = {name: value for name, value in document.items() if value is not None}
        try:
            profile = read_profile({**silent, **given}, any_skip_key=any_skip_key)
        except ProfileError as error:
            raise RequestRefused(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
        try:
            defined = await line.define_profile(profile)
        except DepError as error:
            raise refused(error) from None
        made = AdeProfile(
            server=server,
            name=profile.profile_name,
            uuid=defined.profile_uuid,
            document=json.dumps(profile.document()),
            defined_at=self._clock(),
            defined_by=by,
        )
        data = {"server": server, "by": by, "profile": made.name, "uuid": made.uuid}
        event = Event(type="ade.profile-defined", at=made.defined_at, data=data)
        await self._store.put_profile(made, (event,))
        await self._assigning.decide_all(server)
        return made

    def _check_sign_in(self, web_url: object) -> None:
        """Devices in Setup Assistant would get no further than a page of this service that is not there."""
        here = self._where.service and isinstance(web_url, str) and web_url.startswith(f"{self._where.service}/")
        if here and web_url != self._where.web_url:
            raise RequestRefused(
                f"Nobody can sign in at {web_url}: the page is {self._where.web_url}."
                if self._where.web_url
                else f"Nobody can sign in at {web_url}: no identity provider is set up (oidc_issuer)."
            )

    async def list(self, server: str) -> tuple[AdeProfile, ...]:
        await self._servers.get(server)
        return await self._store.profiles(server)

    async def get(self, server: str, name: str) -> AdeProfile:
        found = next((each for each in await self.list(server) if each.name == name), None)
        if found is None:
            raise NotFound(f"Server {server} has no profile {name}; see `corral ade profile list`.")
        return found

    async def remove(self, server: str, name: str, by: str) -> None:
        """Forget a profile that nothing refers to; Apple keeps it for the devices that have it."""
        await self.get(server, name)
        users = [f"rule {each.position}" for each in await self._store.rules(server) if each.profile == name]
        if (await self._servers.get(server)).default_profile == name:
            users.append("the default")
        if users:
            raise OperationRefused(f"Profile {name} is still what {users[0]} gives out.")
        data = {"server": server, "by": by, "profile": name}
        event = Event(type="ade.profile-removed", at=self._clock(), data=data)
        await self._store.remove_profile(server, name, (event,))

    async def set_default(self, server: str, name: str, by: str) -> int:
        """For devices that no rule is about, those that are there now too; empty: none. Returns how many change."""
        if name:
            await self.get(server, name)
        await self._servers.set_default(server, name, by)
        return await self._assigning.decide_all(server)

    async def rules(self, server: str) -> tuple[AdeRule, ...]:
        await self._servers.get(server)
        return await self._store.rules(server)

    async def set_rules(self, server: str, rules: Sequence[AdeRule], by: str) -> int:
        """All rules of a server, in their order; returns for how many devices another profile is wanted now."""
        known = {each.name for each in await self.list(server)}
        for each in rules:
            if each.profile not in known:
                raise NotFound(f"Server {server} has no profile {each.profile}; see `corral ade profile list`.")
        ordered = [replace(each, server=server, position=number) for number, each in enumerate(rules, 1)]
        told = [f"{each.field} {each.pattern} -> {each.profile}" for each in ordered]
        event = Event(type="ade.rules-set", at=self._clock(), data={"server": server, "by": by, "rules": told})
        await self._store.put_rules(server, ordered, (event,))
        return await self._assigning.decide_all(server)
