"""Servers of automated enrollment: made, given their token, synchronized. Keys and tokens come in and never go out."""

from base64 import b64decode
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.times import shown
from corral.service.ade.servers import ServerView
from corral.service.errors import RequestRefused


class NewAdeServer(Body):
    name: Annotated[str, Meta(min_length=1, max_length=64)]


class NewAdeToken(Body):
    """`file`: the .p7m of Apple's portal, in base64. `force`: even if it is another server's."""

    file: Annotated[str, Meta(min_length=1, max_length=200_000)]
    force: bool = False


class NewAdeSync(Body):
    """`whole`: fetch all devices, and not only what has changed."""

    whole: bool = False


class AdeDiscovery(Body):
    """Where account-driven enrollment is found when the organization's own domain does not say."""

    url: Annotated[str, Meta(pattern="^https://", max_length=2000)]


class AdeServerView(View):
    """`certificate` (PEM) is what the portal wants; `problem` is empty while all goes well."""

    VOLATILE = frozenset({"synced_at", "fetched_at", "problem", "terms_open"})

    name: str
    created_at: datetime | None
    certificate: str
    has_token: bool
    token_expires_at: datetime | None
    server_name: str
    server_uuid: str
    org_name: str
    admin_id: str
    default_profile: str
    synced_at: datetime | None
    fetched_at: datetime | None
    problem: str
    terms_open: bool


class AdeServerList(View):
    servers: tuple[AdeServerView, ...]


class AdeSyncView(View):
    """`assigned`: profiles that Apple took for a device; `open`: those that it has not taken yet."""

    whole: bool
    seen: int
    added: int
    changed: int
    removed: int
    assigned: int
    open: int


async def list_ade_servers(call: Call) -> AdeServerList:
    return AdeServerList(servers=tuple(map(_view, await call.services.ade.servers.list())))


async def add_ade_server(call: Call, body: NewAdeServer) -> AdeServerView:
    made = await call.services.ade.servers.add(body.name, call.by)
    return _view(await call.services.ade.servers.show(made.name))


async def show_ade_server(call: Call, server: str) -> AdeServerView:
    return _view(await call.services.ade.servers.show(server))


async def remove_ade_server(call: Call, server: str) -> None:
    await call.services.ade.servers.remove(server, call.by)


async def import_ade_token(call: Call, server: str, body: NewAdeToken) -> AdeServerView:
    try:
        file = b64decode(body.file, validate=True)
    except ValueError:
        raise RequestRefused("`file` is not base64.") from None
    return _view(await call.services.ade.servers.import_token(server, file, body.force, call.by))


async def sync_ade_server(call: Call, server: str, body: NewAdeSync) -> AdeSyncView:
    found = await call.services.ade.syncing.sync(server, whole=body.whole)
    return AdeSyncView(
        whole=found.whole,
        seen=found.seen,
        added=found.added,
        changed=found.changed,
        removed=found.removed,
        assigned=found.assigned,
        open=found.open,
    )


async def register_ade_discovery(call: Call, server: str, body: AdeDiscovery) -> None:
    await call.services.ade.servers.register_discovery(server, body.url, call.by)


def _view(each: ServerView) -> AdeServerView:
    server, state = each.server, each.state
    return AdeServerView(
        name=server.name,
        created_at=shown(server.created_at),
        certificate=server.certificate_pem.decode(),
        has_token=server.token is not None,
        token_expires_at=shown(server.token_expires_at),
        server_name=server.server_name,
        server_uuid=server.server_uuid,
        org_name=server.org_name,
        admin_id=server.admin_id,
        default_profile=server.default_profile,
        synced_at=shown(state.synced_at),
        fetched_at=shown(state.fetched_at),
        problem=state.problem,
        terms_open=state.terms_open,
    )
