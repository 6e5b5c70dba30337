"""The escrowed secrets of a device: listed without their values, and one shown to whoever says why; and how Macs come
to give theirs."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from corral.apple.profile import CONTENT_TYPE
from corral.http.admin.endpoint import Body, Call, File, Query, View
from corral.http.admin.times import shown
from corral.store.escrow import EscrowVersion


class EscrowView(View):
    """One version of a secret. `withdrawn`: the device said that it holds none any more; earlier ones are kept."""

    number: int
    connection_id: str
    kind: str
    at: datetime | None
    withdrawn: bool


class EscrowList(View):
    """Newest first, of all lives of the device."""

    secrets: tuple[EscrowView, ...]


class Showing(Body):
    """The reason is kept with the event that tells of it."""

    number: Annotated[int, Meta(ge=1, le=2**53)]
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


class SecretView(View):
    """`value` is base64."""

    secret: EscrowView
    value: bytes


class FileVaultQuery(Query):
    """`enable`: the profile also has FileVault turned on."""

    enable: bool = False


class Rotating(View):
    """The command whose answer brings the new key."""

    command_uuid: str


async def make_filevault_profile(call: Call, query: FileVaultQuery) -> Annotated[File, CONTENT_TYPE]:
    return File(call.services.filevault.profile(enable=query.enable))


async def rotate_filevault_key(call: Call, device: str) -> Rotating:
    return Rotating(command_uuid=(await call.services.filevault.rotate(device, call.caller)).command_uuid)


async def list_escrow(call: Call, device: str) -> EscrowList:
    return EscrowList(secrets=tuple(map(_view, await call.services.escrowing.list(device))))


async def show_escrow(call: Call, device: str, body: Showing) -> SecretView:
    version, value = await call.services.escrowing.show(device, body.number, body.reason, call.by)
    return SecretView(secret=_view(version), value=value)


def _view(version: EscrowVersion) -> EscrowView:
    return EscrowView(
        number=version.number,
        connection_id=version.connection_id,
        kind=version.kind.value,
        at=shown(version.at),
        withdrawn=version.withdrawn,
    )
