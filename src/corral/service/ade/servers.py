"""Device management servers of an organization's portal: their key, their token, and what Apple calls them."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from corral.dep.client import DepClient, DepLine
from corral.dep.failure import DepError, Throttled, Unavailable
from corral.dep.records import Account
from corral.dep.token import KeyPair, ServerToken, TokenError, make_key_pair, open_token, read_token
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.service.clock import Clock, to_datetime, to_instant
from corral.service.errors import NotFound, OverCapacity, RequestRefused
from corral.store.ade import AdeServer, AdeStore, SyncState
from corral.store.events import EventStore

WARN_DAYS = (60, 30, 7, 1)
"""Days before its token's expiry on which a server is warned of."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ServerView:
    server: AdeServer
    state: SyncState


class Servers:
    def __init__(self, store: AdeStore, events: EventStore, client: DepClient, clock: Clock) -> None:
        self._store = store
        self._events = events
        self._client = client
        self._clock = clock

    async def add(self, name: str, by: str) -> AdeServer:
        """A server with a new key. The portal wants its certificate, and gives a token for it."""
        if not _NAME.fullmatch(name):
            raise RequestRefused("A server's name has letters, digits, dots, hyphens and underscores, at most 64.")
        if await self._store.server(name) is not None:
            raise OperationRefused(f"There is a server {name} already.")
        now = self._clock()
        pair = await asyncio.to_thread(make_key_pair, f"Corral {name}", to_datetime(now))
        made = AdeServer(name=name, created_at=now, certificate_pem=pair.certificate_pem, key_pem=pair.key_pem)
        event = Event(type="ade.server-added", at=now, data={"server": name, "by": by})
        await self._store.put_server(made, (event,))
        return made

    async def list(self) -> tuple[ServerView, ...]:
        return tuple([ServerView(each, await self._store.state(each.name)) for each in await self._store.servers()])

    async def show(self, name: str) -> ServerView:
        return ServerView(await self.get(name), await self._store.state(name))

    async def get(self, name: str) -> AdeServer:
        found = await self._store.server(name)
        if found is None:
            raise NotFound(f"There is no server {name} of automated enrollment; see `corral ade server list`.")
        return found

    async def remove(self, name: str, by: str) -> None:
        await self.get(name)
        event = Event(type="ade.server-removed", at=self._clock(), data={"server": name, "by": by})
        await self._store.remove_server(name, (event,))

    async def import_token(self, name: str, file: bytes, force: bool, by: str) -> ServerView:
        """Take a token into use, once Apple has said whose it is. Refused if it is another server's, unless `force`.

        The devices of another server would all look removed, and those of this one be assigned no more.
        """
        server = await self.get(name)
        try:
            token = await asyncio.to_thread(open_token, file, KeyPair(server.certificate_pem, server.key_pem))
        except TokenError as error:
            raise RequestRefused(f"This is no token for {name}: {error}.") from None
        if token.expires_at <= to_datetime(self._clock()):
            raise RequestRefused(f"This token expired on {token.expires_at:%Y-%m-%d}; download a new one.")
        account = await self._ask(token)
        another = server.server_uuid and account.server_uuid != server.server_uuid
        if another and not force:
            raise OperationRefused(
                f"This token is of another server, {account.server_name!r} of {account.org_name!r}; {name} is"
                f" {server.server_name!r} of {server.org_name!r}. Add a server for it, or replace it with --force."
            )
        for other in await self._store.servers():
            if other.name != name and other.server_uuid == account.server_uuid:
                raise OperationRefused(f"This token is of the server that is here as {other.name} already.")
        taken = replace(
            server,
            token=token.to_json(),
            token_expires_at=to_instant(token.expires_at),
            server_uuid=account.server_uuid,
            server_name=account.server_name,
            org_id=account.org_id,
            org_name=account.org_name,
            admin_id=account.admin_id,
        )
        told = {"server": name, "by": by, "expires_at": token.expires_at.isoformat(), "org": account.org_name}
        event = Event(type="ade.token-imported", at=self._clock(), data=told)
        await self._store.put_server(taken, (event,))
        state = SyncState(server=name) if another else await self._store.state(name)
        await self._store.put_state(
            replace(state, problem="", failures=0, tried_at=None, terms_open=False, warned_days=0)
        )
        return await self.show(name)

    async def line(self, name: str) -> DepLine:
        """To Apple, as this server. Raises OperationRefused where it has no token yet."""
        return self.line_of(await self.get(name))

    def line_of(self, server: AdeServer) -> DepLine:
        if server.token is None:
            raise OperationRefused(
                f"Server {server.name} has no token yet: import it with `corral ade server import-token`."
            )
        return self._client.line(read_token(server.token))

    async def set_default(self, name: str, profile: str, by: str) -> AdeServer:
        """Which profile devices get that no rule is about; empty: none."""
        changed = replace(await self.get(name), default_profile=profile)
        data = {"server": name, "by": by, "profile": profile}
        event = Event(type="ade.default-set", at=self._clock(), data=data)
        await self._store.put_server(changed, (event,))
        return changed

    async def register_discovery(self, name: str, url: str, by: str) -> None:
        """Tell Apple where this organization's account-driven enrollments are found if its own domain does not say."""
        try:
            await (await self.line(name)).register_discovery(url)
        except DepError as error:
            raise refused(error) from None
        await self._tell("ade.discovery-registered", name, {"by": by, "url": url})

    async def warn(self, server: AdeServer) -> None:
        """An event where the token ends soon, once a step of WARN_DAYS; the caller holds the server's lease."""
        if server.token_expires_at is None:
            return
        left = to_datetime(server.token_expires_at) - to_datetime(self._clock())
        step = next((days for days in reversed(WARN_DAYS) if left <= timedelta(days=days)), None)
        state = await self._store.state(server.name)
        if step is None or 0 < state.warned_days <= step:
            return
        await self._store.put_state(replace(state, warned_days=step))
        told = {"expires_at": to_datetime(server.token_expires_at).isoformat(), "days": left.days}
        await self._tell("ade.token-expiring", server.name, told)

    async def _ask(self, token: ServerToken) -> Account:
        try:
            return await self._client.line(token).account()
        except DepError as error:
            raise refused(error) from None

    async def _tell(self, kind: str, server: str, data: Mapping[str, object]) -> None:
        await self._events.append((Event(type=kind, at=self._clock(), data={"server": server, **data}),))


def refused(error: DepError) -> Exception:
    """Apple's failure as a refusal of what was asked for."""
    match error.failure:
        case Throttled() | Unavailable():
            return OverCapacity(f"{error.failure.reason}; try again later.")
        case failure:
            return OperationRefused(f"{failure.reason}.")
