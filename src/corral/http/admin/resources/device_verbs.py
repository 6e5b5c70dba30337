"""What is decided about a device: to end, block, wake, renew, revoke and forget it."""

from typing import Annotated

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.resources.devices import DetailView, show_device
from corral.http.admin.times import Seconds, Time, due

_GOES_ON = "The device has another certificate and goes on under that."
_UNHEARD = (
    "The device is refused from now on, keeps its profile, and is not heard again until it enrolls anew: "
    "give it an enrollment link."
)


class Ending(Body):
    """The deadline past which a contact is answered by unenrolling: a time, or seconds from now (0: at once)."""

    deadline: Time | None = None
    deadline_in: Seconds | None = None


class Blocking(Body):
    reason: Annotated[str, Meta(max_length=1000)] = ""


class Renewing(View):
    command_uuid: str


class Takeover(Body):
    """Whether the newcomer that waits to take the place of this device's connection is the device."""

    accept: bool


class ReturningToService(Body):
    """`wifi_profile`: base64 of a configuration profile, for a device that has no other network."""

    wifi_profile: bytes | None = None


class Returning(View):
    """The EraseDevice that brings it back."""

    command_uuid: str


class Revoking(Body):
    """`fingerprint`: SHA-256 in hex of one certificate; without it all of the device are meant."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None


class RevokedView(View):
    """`what_follows` says in words what it means for the device."""

    revoked: tuple[str, ...]
    what_follows: str


class Woken(View):
    """So many channels are pushed to."""

    pushes: int


async def end_device(call: Call, device: str, body: Ending) -> DetailView:
    deadline = due("deadline", body.deadline, body.deadline_in, call.now)
    await call.services.operating.end(device, call.by, deadline)
    return await show_device(call, device)


async def block_device(call: Call, device: str, body: Blocking) -> DetailView:
    await call.services.operating.block(device, call.by, body.reason)
    return await show_device(call, device)


async def unblock_device(call: Call, device: str) -> DetailView:
    await call.services.operating.unblock(device, call.by)
    return await show_device(call, device)


async def wake_device(call: Call, device: str) -> Woken:
    return Woken(pushes=await call.services.waking.wake(device, call.by))


async def renew_device(call: Call, device: str) -> Renewing:
    return Renewing(command_uuid=await call.services.operating.renew(device, call.by))


async def decide_takeover(call: Call, device: str, body: Takeover) -> DetailView:
    await call.services.takeovers.decide(device, accept=body.accept, by=call.by)
    return await show_device(call, device)


async def return_to_service(call: Call, device: str, body: ReturningToService) -> Returning:
    sent = await call.services.returning.erase(device, body.wifi_profile, call.caller)
    return Returning(command_uuid=sent.command_uuid)


async def revoke_certificate(call: Call, device: str, body: Revoking) -> RevokedView:
    fingerprint = bytes.fromhex(body.fingerprint) if body.fingerprint else None
    revoked = await call.services.operating.revoke(device, fingerprint, call.by, body.reason)
    return RevokedView(
        revoked=tuple(each.hex() for each in revoked.fingerprints),
        what_follows=_GOES_ON if revoked.may_speak else _UNHEARD,
    )


async def forget_device(call: Call, device: str) -> None:
    await call.services.operating.forget(device, call.by)
